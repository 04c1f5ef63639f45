import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { CrashPoint } from './simulation/host.ts';
import { calmScenario } from './simulation/scenario.ts';
import { type Outcome, simulate } from './simulation/simulate.ts';

const SCENARIOS = {
  'one controller': calmScenario(1),
  'two controllers, the other takes over': calmScenario(2, { controllers: 2 }),
  'trials that fail and are tried again': calmScenario(3, { fates: [[0.3, { kind: 'exit', code: 1 }]] }),
  'a sweep that more trials fail than it allows': calmScenario(4, {
    maxFailedTrials: 1,
    fates: [[0.7, { kind: 'exit', code: 2 }]],
  }),
};
const POINTS: Readonly<Record<CrashPoint, string>> = {
  before: 'K1: before the request',
  committed: 'K2: after the commit',
  answered: 'K3: after the answer',
};

// A Pod's fate hangs on the order of events here: only where none fails does the same end follow from the same study.
const isTold = (name: string) => name.includes('controller');

for (const [name, scenario] of Object.entries(SCENARIOS)) {
  describe(`a controller killed at every one of its writes: ${name}`, () => {
    let golden: Outcome;

    before(async () => {
      golden = await simulate(scenario);
      assert.deepEqual(golden.violations, []);
    });

    for (const [point, sentence] of Object.entries(POINTS) as [CrashPoint, string][]) {
      test(`${sentence}, nothing is lost and nothing runs twice`, async () => {
        assert.ok(golden.writes.length > 12, `${golden.writes.length} writes`);
        for (let at = 0; at < golden.writes.length; at++) {
          const crashAt = (number: number) => (number === at ? point : undefined);
          const { violations, end, jobsCreated } = await simulate(scenario, { crashAt });
          const write = golden.writes[at];
          const where = `write ${at}: ${write?.verb} ${write?.plural} ${write?.name ?? ''}`;
          assert.deepEqual(violations, [], where);
          assert.equal(new Set(jobsCreated).size, jobsCreated.length, `${where}: a Job was created twice`);
          if (!isTold(name)) continue;
          assert.deepEqual(end, golden.end, where);
          assert.deepEqual(jobsCreated.toSorted(), golden.jobsCreated.toSorted(), where);
        }
      });
    }
  });
}
