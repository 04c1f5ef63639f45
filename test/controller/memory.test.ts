import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isValid } from '../../src/controller/cluster-sweep.ts';
import { SweepMemory } from '../../src/controller/memory.ts';
import { VerdictCache } from '../../src/controller/verdict-cache.ts';
import type { SliceObject } from '../../src/shared/objects.ts';
import { summarise } from '../../src/sweep/curve.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import type { Outcome } from '../../src/sweep/result.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import { makeFigures } from '../sweep/builders.ts';
import {
  Facts,
  makeClusterSweep,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSweepObject,
  RUNNING,
} from './builders.ts';

test('a Sweep is parsed once a generation, and its trials are expanded once', () => {
  const memory = new SweepMemory();
  const object = makeSweepObject(3);
  const first = memory.read(object);
  assert.ok(isValid(first));
  assert.equal(memory.read(object), first);
  const resumed = makeSweepObject(3, { suspend: true });
  const second = memory.read({ ...resumed, metadata: { ...resumed.metadata, generation: 2 } });
  assert.ok(isValid(second));
  assert.equal(second.sweep.spec.suspend, true);
  assert.equal(second.generation, 2);
  assert.equal(second.trials, first.trials);
  const larger = makeSweepObject(4);
  const third = memory.read({ ...larger, metadata: { ...larger.metadata, generation: 3 } });
  assert.equal(isValid(third) && third.trials.length, 4);
});

test('Pods that came and went count as disruptions of a Job that lives on', () => {
  const memory = new SweepMemory();
  const sweep = makeClusterSweep(3, { trainer: { maxDisruptions: 2 } });
  const job = makeJob(sweep, 0);
  const { sinceSeen } = new Facts();
  const outcomes = ['a', 'b', 'b', 'c', 'd'].map((uid) => {
    const pods = [makePod(job, { uid, name: uid, state: RUNNING })];
    return memory.snapshot(sweep, { jobs: [job], pods, slices: [] }, { sinceSeen, deleteDelayMs: 1 }).toRecord.length;
  });
  assert.deepEqual(outcomes, [0, 0, 0, 0, 1]);
});

test('a Job that vanished between two snapshots is lost', () => {
  const memory = new SweepMemory();
  const sweep = makeClusterSweep(3);
  const options = { sinceSeen: new Facts().sinceSeen, deleteDelayMs: 1 };
  memory.snapshot(sweep, { jobs: [makeJob(sweep, 1)], pods: [], slices: [] }, options);
  const snapshot = memory.snapshot(sweep, { jobs: [], pods: [], slices: [] }, options);
  assert.deepEqual([...snapshot.lost.keys()], [1]);
});

test('a Job that was created and vanished before anybody looked is lost, and once', () => {
  const memory = new SweepMemory();
  const sweep = makeClusterSweep(3);
  const options = { sinceSeen: new Facts().sinceSeen, deleteDelayMs: 1 };
  const look = (...slices: SliceObject[]) => memory.snapshot(sweep, { jobs: [], pods: [], slices }, options);
  look();
  memory.created(makeJob(sweep, 1), 1);
  assert.deepEqual([...look().losses], [[1, 1]]);
  assert.deepEqual([...look().losses], [[1, 1]]);
  // One that was recorded and released meanwhile is none.
  memory.created(makeJob(sweep, 2), 2);
  assert.deepEqual([...look(makeSlice(sweep, 0, [makeRecord(sweep, 2)])).losses], [[1, 1]]);
});

test('records that a newer slice brings are judged, old ones from memory', () => {
  const memory = new SweepMemory();
  const sweep = makeClusterSweep(3);
  const options = { sinceSeen: new Facts().sinceSeen, deleteDelayMs: 1 };
  const look = (...records: TrialRecord[]) => {
    const slices = [makeSlice(sweep, 0, records, String(records.length))];
    const snapshot = memory.snapshot(sweep, { jobs: [], pods: [], slices }, options);
    return memory.verdict(sweep, snapshot.records);
  };
  assert.equal(look().best, null);
  assert.equal(look(makeRecord(sweep, 1)).best?.trial, 1);
  // Trial 0 has the lower loss.
  const both = look(makeRecord(sweep, 1), makeRecord(sweep, 0));
  assert.equal(both.best?.trial, 0);
  assert.equal(look(makeRecord(sweep, 1), makeRecord(sweep, 0)), both);
});

const curve = fc.array(fc.option(fc.double({ min: 0.5, max: 1.2, noNaN: true }), { freq: 30 }), {
  minLength: 4,
  maxLength: 5,
});
const fate = fc.record({
  outcome: fc.constantFrom<Outcome>('Succeeded', 'Succeeded', 'Succeeded', 'Failed', 'Stopped'),
  losses: curve,
  error: fc.double({ min: 0, max: 0.2, noNaN: true }),
  accuracy: fc.double({ min: 0, max: 1, noNaN: true }),
  parameterCount: fc.integer({ min: 1, max: 5 }),
});

test('the quick verdict is the judge’s own, as records come and as the selection changes', () => {
  const cluster = makeClusterSweep(8);
  const selection = fc.record({
    checkpoint: fc.constantFrom('BestEpoch' as const, 'LastEpoch' as const),
    parsimony: fc.constantFrom('OneStandardError' as const, 'None' as const),
    maxLossRise: fc.constantFrom(0, 0.1, 0.5),
    maxAccuracyGap: fc.constantFrom(0, 0.2, 1),
  });
  fc.assert(
    fc.property(
      fc.array(fate, { maxLength: 8 }),
      fc.array(selection, { minLength: 1, maxLength: 3 }),
      (fates, selections) => {
        const cache = new VerdictCache();
        const all = fates.map(({ outcome, losses, error, accuracy, parameterCount }, trial) => {
          const figures = losses.map((validationLoss, at) =>
            makeFigures({ epoch: at + 1, validationLoss, trainAccuracy: accuracy, validationLossStandardError: error }),
          );
          const summary = outcome === 'Failed' ? null : summarise(figures, 5);
          return makeRecord(cluster, trial, outcome, { summary, parameterCount });
        });
        for (const chosen of selections) {
          const sweep = { ...cluster.sweep, spec: { ...cluster.sweep.spec, selection: chosen } };
          for (let count = 0; count <= all.length; count++) {
            const records = new Map(all.slice(0, count).map((record) => [record.trial, record]));
            const { best, reason, message } = judgeResults(sweep, records.values());
            assert.deepEqual(cache.judge(sweep, records), { best, reason, message });
          }
        }
      },
    ),
  );
});
