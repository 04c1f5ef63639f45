import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BUGS } from './simulation/bugs.ts';
import { scenarioOf } from './simulation/scenario.ts';
import { runSeed } from './simulation/seeds.ts';
import { simulate } from './simulation/simulate.ts';

const SEEDS = 2_000;
const GROUPS = 20;

describe('K1–K19, K26–K31, J3–J5, J10, J11: whatever fails and whoever interferes, nothing is lost and nothing runs twice', () => {
  for (let group = 0; group < GROUPS; group++) {
    const [from, to] = [(group * SEEDS) / GROUPS, ((group + 1) * SEEDS) / GROUPS];
    test(`seeds ${from} to ${to - 1}, every fourth twice with the same trace`, async () => {
      const failed: string[] = [];
      for (let seed = from; seed < to; seed++) {
        // `make campaign` runs each twice.
        const { violations } = await (seed % 4 === 0 ? runSeed(seed) : simulate(scenarioOf(seed)));
        if (violations.length > 0)
          failed.push(`${violations[0]}\n  replay: node test/controller/simulation/main.ts --seed ${seed}`);
      }
      assert.deepEqual(failed, []);
    });
  }
});

describe('mistakes that others have made are noticed', () => {
  for (const [bug, mutation] of Object.entries(BUGS)) {
    test(bug, async () => {
      const found: string[] = [];
      for (let seed = 0; seed < 400 && found.length === 0; seed++) {
        const made = typeof mutation === 'function' ? mutation() : mutation;
        const { violations } = await simulate(scenarioOf(seed), { mutation: made });
        found.push(...violations.slice(0, 1));
      }
      assert.notEqual(found.length, 0, 'no seed notices it');
    });
  }
});
