import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ClusterSweep, isValid, readSweep } from '../../src/controller/cluster-sweep.ts';
import type { Snapshot } from '../../src/controller/snapshot.ts';
import { buildInvalidStatus, buildStatus, fitStatus, readStatus, sameStatus } from '../../src/controller/status.ts';
import type { Stuck } from '../../src/controller/stuck.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import type { Outcome } from '../../src/sweep/result.ts';
import { MAX_MESSAGE, MAX_STATUS_BYTES, type SweepStatus } from '../../src/sweep/status.ts';
import {
  makeClusterSweep,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSnapshot,
  makeSucceeded,
  makeSweepObject,
  NOW,
  RUNNING,
} from './builders.ts';

const LATER = '2026-07-01T13:00:00Z';

interface Scene {
  /** With a Job, and no Pod that has begun. */
  readonly pending?: readonly number[];
  readonly queued?: readonly number[];
  readonly running?: readonly number[];
  readonly ended?: readonly number[];
  readonly records?: Readonly<Record<number, Outcome>>;
  readonly stuck?: readonly Stuck[];
  readonly previous?: SweepStatus | undefined;
  readonly now?: string;
}

function snapshotOf(sweep: ClusterSweep, scene: Scene): Snapshot {
  const { pending = [], queued = [], running = [], ended = [], records = {} } = scene;
  const done = ended.map((trial) => makeSucceeded(sweep, trial));
  const live = running.map((trial) => {
    const job = makeJob(sweep, trial);
    return { job, pod: makePod(job, { state: RUNNING }) };
  });
  const waiting = [
    ...pending.map((trial) => makeJob(sweep, trial)),
    ...queued.map((trial) => makeJob(sweep, trial, { suspend: true })),
  ];
  return makeSnapshot(sweep, {
    jobs: [...waiting, ...[...live, ...done].map(({ job }) => job)],
    pods: [...live, ...done].map(({ pod }) => pod),
    slices: [
      makeSlice(
        sweep,
        0,
        Object.entries(records).map(([trial, outcome]) => makeRecord(sweep, Number(trial), outcome)),
      ),
    ],
  });
}

function statusOf(sweep: ClusterSweep, scene: Scene = {}): SweepStatus {
  const snapshot = snapshotOf(sweep, scene);
  const verdict = judgeResults(sweep.sweep, snapshot.records.values());
  return buildStatus({
    sweep,
    snapshot,
    verdict,
    stuck: scene.stuck ?? [],
    previous: scene.previous,
    now: scene.now ?? NOW,
  });
}

/** `Progressing True TrialsRunning`, of the conditions that are named. */
function conditionsOf({ conditions }: SweepStatus, ...types: string[]): string[] {
  return conditions
    .filter(({ type }) => types.includes(type))
    .map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

const three = makeClusterSweep(3);
const cases: Record<
  string,
  { sweep?: ClusterSweep; scene?: Scene; phase: string; counts: number[]; conditions: string[]; message: RegExp }
> = {
  'nothing has begun': {
    phase: 'Pending',
    counts: [3, 0, 0, 0, 0],
    conditions: ['Progressing True WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^waiting for the first trial to start$/,
  },
  'nothing can begin': {
    scene: { stuck: [{ reason: 'QuotaExceeded', message: 'Job of trial 0: exceeded quota: raise it' }] },
    phase: 'Pending',
    counts: [3, 0, 0, 0, 0],
    conditions: ['Progressing False WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^Job of trial 0: exceeded quota/,
  },
  'Jobs that wait for a node, an image or a queue do not run': {
    scene: { pending: [0], queued: [1] },
    phase: 'Pending',
    counts: [3, 0, 0, 0, 0],
    conditions: ['Progressing True WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^waiting for the first trial to start$/,
  },
  'a Job that no node has room for is no progress': {
    scene: { pending: [0, 1], stuck: [{ reason: 'InsufficientGPU', message: 'Pod x: none free: add one' }] },
    phase: 'Pending',
    counts: [3, 0, 0, 0, 0],
    conditions: ['Progressing False WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^Pod x: none free: add one$/,
  },
  'one runs, and one waits for a node': {
    scene: { running: [0], pending: [1], stuck: [{ reason: 'InsufficientGPU', message: 'Pod x: none free: add one' }] },
    phase: 'Running',
    counts: [2, 1, 0, 0, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^Pod x: none free: add one$/,
  },
  'the next container is on its way': {
    scene: { records: { 0: 'Succeeded' }, pending: [1] },
    phase: 'Running',
    counts: [2, 0, 1, 0, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^so far, of 1 of 3 trials: best/,
  },
  'the next container cannot come': {
    scene: {
      records: { 0: 'Succeeded' },
      pending: [1],
      stuck: [{ reason: 'InsufficientGPU', message: 'Pod x: none free: add one' }],
    },
    phase: 'Running',
    counts: [2, 0, 1, 0, 0],
    conditions: ['Progressing False WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^so far, of 1 of 3 trials: best/,
  },
  'trials run': {
    scene: { running: [0, 1] },
    phase: 'Running',
    counts: [1, 2, 0, 0, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^waiting for the first result$/,
  },
  'a trial that ended counts as running until it is recorded': {
    scene: { ended: [0], running: [1] },
    phase: 'Running',
    counts: [1, 2, 0, 0, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^waiting for the first result$/,
  },
  'the verdict so far': {
    scene: { records: { 0: 'Succeeded' }, running: [1] },
    phase: 'Running',
    counts: [1, 1, 1, 0, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^so far, of 1 of 3 trials: best: \(3,8\) relu max, trial 0, kept at epoch/,
  },
  'between two trials': {
    scene: { records: { 0: 'Succeeded' } },
    phase: 'Running',
    counts: [2, 0, 1, 0, 0],
    conditions: ['Progressing True WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^so far/,
  },
  'those that are over failed': {
    scene: { records: { 0: 'Failed', 1: 'Failed' } },
    phase: 'Running',
    counts: [1, 0, 0, 2, 0],
    conditions: ['Progressing True WaitingToStart', 'Complete False WaitingToStart', 'Failed False AsExpected'],
    message: /^so far, of 2 of 3 trials: none succeeded; trial 0: OutOfMemory: the kernel killed it$/,
  },
  'one failed, and one runs': {
    scene: { records: { 1: 'Failed' }, running: [0] },
    phase: 'Running',
    counts: [1, 1, 0, 1, 0],
    conditions: ['Progressing True TrialsRunning', 'Complete False TrialsRunning', 'Failed False AsExpected'],
    message: /^so far, of 1 of 3 trials: none succeeded; trial 1: OutOfMemory: the kernel killed it$/,
  },
  'every trial is recorded': {
    scene: { records: { 0: 'Succeeded', 1: 'Succeeded', 2: 'Failed' } },
    phase: 'Complete',
    counts: [0, 0, 2, 1, 0],
    conditions: ['Progressing False Finished', 'Complete True Finished', 'Failed False AsExpected'],
    message: /^best: \(3,8\) relu max, trial 0, kept at epoch/,
  },
  'no trial succeeded': {
    scene: { records: { 0: 'Failed', 1: 'Failed', 2: 'Failed' } },
    phase: 'Failed',
    counts: [0, 0, 0, 3, 0],
    conditions: ['Progressing False AllTrialsFailed', 'Complete False AllTrialsFailed', 'Failed True AllTrialsFailed'],
    message: /^3 trials failed, none succeeded; trial 0: OutOfMemory: the kernel killed it$/,
  },
  'too many failed, and one still runs': {
    sweep: makeClusterSweep(3, { maxFailedTrials: 0 }),
    scene: { records: { 0: 'Failed' }, running: [1] },
    phase: 'Running',
    counts: [1, 1, 0, 1, 0],
    conditions: [
      'Progressing True MaxFailedTrialsExceeded',
      'Complete False MaxFailedTrialsExceeded',
      'Failed False AsExpected',
    ],
    message: /^1 trial failed; spec.maxFailedTrials allows 0/,
  },
  'too many failed, and one still waits for a node': {
    sweep: makeClusterSweep(3, { maxFailedTrials: 0 }),
    scene: { records: { 0: 'Failed' }, pending: [1] },
    phase: 'Running',
    counts: [2, 0, 0, 1, 0],
    conditions: [
      'Progressing True MaxFailedTrialsExceeded',
      'Complete False MaxFailedTrialsExceeded',
      'Failed False AsExpected',
    ],
    message: /^1 trial failed; spec.maxFailedTrials allows 0/,
  },
  'too many failed, and all is quiet': {
    sweep: makeClusterSweep(3, { maxFailedTrials: 0 }),
    scene: { records: { 0: 'Failed', 1: 'Stopped' } },
    phase: 'Failed',
    counts: [1, 0, 0, 1, 1],
    conditions: [
      'Progressing False MaxFailedTrialsExceeded',
      'Complete False MaxFailedTrialsExceeded',
      'Failed True MaxFailedTrialsExceeded',
    ],
    message: /^1 trial failed; spec.maxFailedTrials allows 0; trial 0: OutOfMemory/,
  },
  'suspended while trials run': {
    sweep: makeClusterSweep(3, { suspend: true }),
    scene: { running: [0] },
    phase: 'Suspended',
    counts: [2, 1, 0, 0, 0],
    conditions: ['Progressing False Suspended', 'Complete False Suspended', 'Failed False AsExpected'],
    message: /^spec.suspend is true; 1 started trial will finish; waiting for the first result$/,
  },
  'suspended while a Pod waits for a node': {
    sweep: makeClusterSweep(3, { suspend: true }),
    scene: { pending: [0], running: [1] },
    phase: 'Suspended',
    counts: [2, 1, 0, 0, 0],
    conditions: ['Progressing False Suspended', 'Complete False Suspended', 'Failed False AsExpected'],
    message: /^spec.suspend is true; 2 started trials will finish; waiting for the first result$/,
  },
  'suspended after the last trial is complete': {
    sweep: makeClusterSweep(1, { suspend: true }),
    scene: { records: { 0: 'Succeeded' } },
    phase: 'Complete',
    counts: [0, 0, 1, 0, 0],
    conditions: ['Progressing False Finished', 'Complete True Finished', 'Failed False AsExpected'],
    message: /^best/,
  },
  'no model is eligible': {
    sweep: makeClusterSweep(1, {
      selection: { checkpoint: 'BestEpoch', maxLossRise: 0, maxAccuracyGap: 0, parsimony: 'None' },
    }),
    scene: { records: { 0: 'Succeeded' } },
    phase: 'Complete',
    counts: [0, 0, 1, 0, 0],
    conditions: ['Progressing False Finished', 'Complete True NoEligibleModel', 'Failed False AsExpected'],
    message: /^no eligible model: the only trial is not eligible/,
  },
};
for (const [sentence, { sweep = three, scene = {}, phase, counts, conditions, message }] of Object.entries(cases))
  test(sentence, () => {
    const status = statusOf(sweep, scene);
    const { waiting, running, succeeded, failed, stopped } = status.trials;
    assert.equal(status.phase, phase);
    assert.deepEqual([waiting, running, succeeded, failed, stopped], counts);
    assert.deepEqual(conditionsOf(status, 'Progressing', 'Complete', 'Failed'), conditions);
    assert.match(status.message, message);
    assert.deepEqual(readStatus(status), status);
    assert.deepEqual(conditionsOf(status, 'Accepted'), ['Accepted True Valid']);
  });

test('the condition Failed says why trials failed, whether the sweep goes on or not', () => {
  const said = (records: Scene['records']) =>
    statusOf(three, { records: records ?? {} }).conditions.find(({ type }) => type === 'Failed')?.message;
  assert.equal(said({}), '0 trials failed');
  assert.equal(said({ 1: 'Failed' }), '1 trial failed; trial 1: OutOfMemory: the kernel killed it');
  assert.equal(
    said({ 0: 'Succeeded', 2: 'Failed', 1: 'Failed' }),
    '2 trials failed; trial 1: OutOfMemory: the kernel killed it',
  );
});

test('what is stuck stands in Degraded, and what is not does not', () => {
  const stuck: Stuck[] = [{ reason: 'InsufficientGPU', message: 'Pod x: none: add one' }];
  assert.deepEqual(conditionsOf(statusOf(three, { stuck }), 'Degraded'), ['Degraded True InsufficientGPU']);
  assert.deepEqual(conditionsOf(statusOf(three), 'Degraded'), ['Degraded False AsExpected']);
});

test('test figures are opened only when every trial is recorded and none was stopped', () => {
  const opened = (records: Scene['records']) => statusOf(three, { records: records ?? {} }).best?.testAccuracy;
  assert.equal(opened({ 0: 'Succeeded', 1: 'Succeeded' }), undefined);
  const last = statusOf(three, { records: { 0: 'Succeeded', 1: 'Succeeded' }, running: [2] });
  assert.deepEqual([last.trials.waiting, last.best?.testAccuracy], [0, undefined]);
  assert.equal(opened({ 0: 'Succeeded', 1: 'Succeeded', 2: 'Stopped' }), undefined);
  assert.equal(opened({ 0: 'Succeeded', 1: 'Succeeded', 2: 'Failed' }), 0.7777);
});

test('a sweep’s life: times are set once, transitions are dated, and the end is kept', () => {
  const times: (string | undefined)[][] = [];
  let previous: SweepStatus | undefined;
  const scenes: Scene[] = [
    {},
    { pending: [0, 1] },
    { running: [0, 1] },
    { ended: [0], running: [1] },
    { records: { 0: 'Succeeded' }, running: [1, 2] },
    { records: { 0: 'Succeeded', 1: 'Succeeded' }, running: [2] },
    { records: { 0: 'Succeeded', 1: 'Succeeded', 2: 'Succeeded' } },
    { records: { 0: 'Succeeded', 1: 'Succeeded', 2: 'Succeeded' } },
  ];
  for (const [hour, scene] of scenes.entries()) {
    previous = statusOf(three, { ...scene, previous, now: `2026-07-01T0${hour}:00:00Z` });
    const progressing = previous.conditions.find(({ type }) => type === 'Progressing')?.lastTransitionTime;
    times.push([previous.startTime, previous.completionTime, progressing].map((time) => time?.slice(11, 13)));
  }
  assert.deepEqual(times, [
    [undefined, undefined, '00'],
    [undefined, undefined, '00'],
    ['02', undefined, '00'],
    ['02', undefined, '00'],
    ['02', undefined, '00'],
    ['02', undefined, '00'],
    ['02', '06', '06'],
    ['02', '06', '06'],
  ]);
});

test('a sweep that goes on after its end has none again', () => {
  const few = makeClusterSweep(3, { maxFailedTrials: 0 });
  const failed = statusOf(few, { records: { 0: 'Failed' } });
  assert.equal(failed.completionTime, NOW);
  const more = makeClusterSweep(3, { maxFailedTrials: 1 });
  const status = statusOf(more, { records: { 0: 'Failed' }, previous: failed, now: LATER });
  assert.equal(status.completionTime, undefined);
  assert.deepEqual(conditionsOf(status, 'Failed'), ['Failed False AsExpected']);
});

test('the generation that was acted on is told by status and conditions', () => {
  const status = statusOf({ ...three, generation: 4 });
  assert.equal(status.observedGeneration, 4);
  assert.ok(status.conditions.every(({ observedGeneration }) => observedGeneration === 4));
});

test('the same facts later give the same status, however the API server orders it', () => {
  const scenes: Scene[] = [{}, { running: [0] }, { records: { 0: 'Succeeded', 1: 'Failed', 2: 'Stopped' } }];
  for (const scene of scenes) {
    const before = statusOf(three, scene);
    const { conditions, ...rest } = before;
    const read: unknown = JSON.parse(JSON.stringify({ conditions: conditions.toReversed(), ...rest }));
    assert.ok(sameStatus(read, statusOf(three, { ...scene, previous: readStatus(read), now: LATER })));
  }
});

test('a change of any field is a change', () => {
  const status = statusOf(three, { records: { 0: 'Succeeded' } });
  const changed: unknown[] = [
    undefined,
    {},
    'Complete',
    { ...status, phase: 'Complete' },
    { ...status, message: '' },
    { ...status, trials: { ...status.trials, running: 1 } },
    { ...status, best: undefined },
    { ...status, conditions: status.conditions.slice(1) },
    { ...status, completionTime: NOW },
  ];
  for (const other of changed) assert.equal(sameStatus(other, status), false);
  assert.equal(sameStatus(status, status), true);
});

test('a status that somebody made up is not believed', () => {
  assert.equal(readStatus({ phase: 'Complete', startTime: 'never' }), undefined);
  assert.equal(readStatus(null), undefined);
  assert.equal(readStatus({ ...statusOf(three), extra: 1 }), undefined);
});

test('an invalid Sweep: all violations in the words of validate, and an end to wait for', () => {
  const object = makeSweepObject(3, {
    grid: [{ widths: [[3, 8, 16, 32]], activation: ['relu'], pooling: ['max'], depth: [1] }],
    parallelism: 0,
  });
  const read = readSweep(object);
  assert.ok(!isValid(read));
  const status = buildInvalidStatus(read, { previous: undefined, now: NOW });
  assert.equal(status.phase, 'Failed');
  assert.match(
    status.message,
    /^spec.parallelism: 0: expected an integer from 1 to 1000\nspec.grid\[0\]: widths \[3,8,16,32\]/,
  );
  assert.deepEqual(conditionsOf(status, 'Accepted', 'Failed', 'Complete', 'Progressing'), [
    'Accepted False InvalidSweep',
    'Progressing False InvalidSweep',
    'Complete False InvalidSweep',
    'Failed True InvalidSweep',
  ]);
  assert.deepEqual(readStatus(status), status);
  assert.ok(sameStatus(status, buildInvalidStatus(read, { previous: status, now: LATER })));
});

test('a Sweep that a stricter controller refuses keeps what it had finished', () => {
  const previous = statusOf(three, { records: { 0: 'Succeeded' } });
  const status = buildInvalidStatus(
    { ...three, violations: [{ path: 'spec', message: 'no' }] },
    { previous, now: LATER },
  );
  assert.deepEqual([status.trials, status.best, status.startTime], [previous.trials, previous.best, NOW]);
});

const outcome = fc.constantFrom<Outcome | 'queued' | 'pending' | 'running' | 'ended' | 'waiting'>(
  'Succeeded',
  'Failed',
  'Stopped',
  'queued',
  'pending',
  'running',
  'ended',
  'waiting',
);

test('INV-9: waiting + running + finished = total, whatever happened', () => {
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 1, maxLength: 8 }), fc.boolean(), (fates, suspend) => {
      const sweep = makeClusterSweep(fates.length, { suspend, maxFailedTrials: 2 });
      const at = (fate: string) => fates.flatMap((each, trial) => (each === fate ? [trial] : []));
      const records = Object.fromEntries(
        (['Succeeded', 'Failed', 'Stopped'] as const).flatMap((fate) => at(fate).map((trial) => [trial, fate])),
      );
      const jobs = { queued: at('queued'), pending: at('pending'), running: at('running'), ended: at('ended') };
      const { trials, phase } = statusOf(sweep, { ...jobs, records });
      assert.deepEqual(trials, {
        total: fates.length,
        waiting: at('waiting').length + at('queued').length + at('pending').length,
        running: at('running').length + at('ended').length,
        succeeded: at('Succeeded').length,
        failed: at('Failed').length,
        stopped: at('Stopped').length,
      });
      if (phase === 'Complete') assert.equal(trials.waiting + trials.running, 0);
    }),
    { numRuns: 60 },
  );
});

test('INV-9: finished counts never fall while records come', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom<Outcome>('Succeeded', 'Failed', 'Stopped'), { minLength: 1, maxLength: 6 }),
      (outcomes) => {
        const sweep = makeClusterSweep(6);
        let before = [0, 0, 0];
        for (let count = 0; count <= outcomes.length; count++) {
          const { succeeded, failed, stopped } = statusOf(sweep, {
            records: Object.fromEntries(outcomes.slice(0, count).entries()),
          }).trials;
          const after = [succeeded, failed, stopped];
          assert.ok(after.every((value, at) => value >= (before[at] ?? 0)));
          before = after;
        }
      },
    ),
    { numRuns: 20 },
  );
});

test('INV-10: with 100,000 trials and every message at its longest the status stays below 8 KiB', () => {
  const sweep = makeClusterSweep(100_000);
  assert.equal(sweep.trials.length, 100_000);
  const words = '"\\\u0001€'.repeat(3000);
  const record = makeRecord(sweep, 99_999, 'Succeeded');
  const failed = Array.from({ length: 199 }, (_, trial) =>
    makeRecord(sweep, trial, 'Failed', { reason: words.slice(0, 1024) }),
  );
  const snapshot = makeSnapshot(sweep, { slices: [makeSlice(sweep, 0, [record, ...failed])] });
  const verdict = { ...judgeResults(sweep.sweep, snapshot.records.values()), message: words };
  assert.equal(snapshot.records.size, 200);
  const notes = Array.from({ length: 500 }, () => ({ path: words, message: words }));
  const stuck: Stuck[] = Array.from({ length: 1000 }, () => ({ reason: 'InsufficientGPU', message: words }));
  const strict = { ...sweep, notes, sweep: { ...sweep.sweep, spec: { ...sweep.sweep.spec, maxFailedTrials: 1 } } };
  const status = buildStatus({ sweep: strict, snapshot, verdict, stuck, previous: undefined, now: NOW });
  assert.equal(status.phase, 'Failed');
  assert.ok(Buffer.byteLength(JSON.stringify(status)) <= MAX_STATUS_BYTES);
  for (const { message } of [status, ...status.conditions]) assert.ok(Buffer.byteLength(message) <= MAX_MESSAGE);
  assert.deepEqual(readStatus(status), status);
  const invalid = buildInvalidStatus({ ...sweep, violations: notes }, { previous: status, now: NOW });
  assert.ok(Buffer.byteLength(JSON.stringify(invalid)) <= MAX_STATUS_BYTES);
});

test('INV-10: a status that is too large is built again with shorter messages until it fits', () => {
  const status = statusOf(three);
  const asked: number[] = [];
  const fitted = fitStatus((max) => {
    asked.push(max);
    return {
      ...status,
      conditions: status.conditions.map((condition) => ({ ...condition, message: 'x'.repeat(3 * max) })),
    };
  });
  assert.ok(Buffer.byteLength(JSON.stringify(fitted)) <= MAX_STATUS_BYTES);
  assert.deepEqual(asked, [1024, 768, 576, 432]);
});
