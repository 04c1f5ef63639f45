import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, describe, test } from 'node:test';
import { BUGS } from './simulation/bugs.ts';
import { type Answer, Threads } from './simulation/threads.ts';

const SEEDS = 2_000;
const GROUP = 100;

const threads = new Threads();
after(() => threads.close());

describe('K1–K19, K26–K31, J3–J5, J10, J11: whatever fails and whoever interferes, nothing is lost and nothing runs twice', () => {
  for (let from = 0; from < SEEDS; from += GROUP) {
    test(`seeds ${from} to ${from + GROUP - 1}, each twice with the same trace`, async () => {
      const failed: string[] = [];
      await threads.runSeeds(from, GROUP, (told) => failed.push(told));
      assert.deepEqual(failed, []);
    });
  }
});

describe('mistakes that others have made are noticed', { concurrency: availableParallelism() }, () => {
  for (const bug of Object.keys(BUGS)) {
    test(bug, async () => {
      let answer: Answer | undefined;
      for (let seed = 0; seed < 400 && !answer?.violations.length; seed++) answer = await threads.run({ seed, bug });
      assert.ok(answer && answer.violations.length > 0, 'no seed notices it');
    });
  }
});
