import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isJobOver } from '../../src/controller/attempt-end.ts';
import type { ClusterSweep } from '../../src/controller/cluster-sweep.ts';
import { limitsOf } from '../../src/controller/cluster-sweep.ts';
import { attemptFor, buildSnapshot, type Snapshot, type SnapshotInput } from '../../src/controller/snapshot.ts';
import type { Job, Pod, SliceObject } from '../../src/shared/objects.ts';
import { planSweep } from '../../src/sweep/plan.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import {
  DISRUPTED,
  exited,
  Facts,
  makeClusterSweep,
  makeCrashed,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSnapshot,
  makeSucceeded,
  OTHER_UID,
  RUNNING,
} from './builders.ts';

const sweep = makeClusterSweep();
type Read = Pick<SnapshotInput, 'jobs' | 'pods' | 'slices'>;
const both = (...pairs: { job: Job; pod: Pod }[]) => ({
  jobs: pairs.map(({ job }) => job),
  pods: pairs.map(({ pod }) => pod),
});
const live = (trial: number, changes = {}) => {
  const job = makeJob(sweep, trial, changes);
  return { job, pod: makePod(job, { state: RUNNING }) };
};

/** The buckets in short. */
function outline(snapshot: Snapshot) {
  const { records, running, toRecord, nextAttempt, delayed, released, collisions, lost, planState } = snapshot;
  const said = {
    recorded: [...records.keys()],
    running: [...running].map(([trial, { attempt, state }]) => `${trial}-r${attempt} ${state}`),
    toRecord: toRecord.map(({ trial, outcome, reason }) => `${trial} ${outcome} ${reason}`.trim()),
    next: [...nextAttempt].map(([trial, attempt]) => `${trial}-r${attempt}`),
    delayed: [...delayed].map(([trial, ms]) => `${trial} ${ms}`),
    released: released.map(
      ({ job, deleteInMs }) => `${job.metadata.name} ${isJobOver(job) ? 'over' : 'live'} ${deleteInMs}`,
    ),
    collisions: collisions.map(({ trial, job }) => `${trial} ${job.metadata.name}`),
    lost: [...lost].map(([trial, { jobName, times }]) => `${trial} ${jobName} ${times}`),
    alive: [...planState.running],
  };
  return Object.fromEntries(Object.entries(said).filter(([, bucket]) => bucket.length > 0));
}

const cases: Record<string, { read: Partial<Read>; want: object }> = {
  'nothing there': { read: {}, want: {} },
  'a live Job runs': { read: both(live(2)), want: { running: ['2-r1 Running'], alive: [2] } },
  'a Job without a Pod is pending': {
    read: { jobs: [makeJob(sweep, 2)] },
    want: { running: ['2-r1 Pending'], alive: [2] },
  },
  'a suspended one is queued': {
    read: { jobs: [makeJob(sweep, 2, { suspend: true })] },
    want: { running: ['2-r1 Queued'], alive: [2] },
  },
  'one that is being deleted still holds its name and its place': {
    read: both(live(2, { deleting: true })),
    want: { running: ['2-r1 Terminating'], alive: [2] },
  },
  'a result is to be recorded': { read: both(makeSucceeded(sweep, 1)), want: { toRecord: ['1 Succeeded'] } },
  'a result is recorded although its Job is being deleted': {
    read: (() => {
      const { job, pod } = makeSucceeded(sweep, 1);
      return both({ job: { ...job, metadata: { ...job.metadata, deletionTimestamp: 'now' } }, pod });
    })(),
    want: { toRecord: ['1 Succeeded'] },
  },
  'a first crash waits ten seconds for attempt 2': {
    read: both(makeCrashed(sweep, 1)),
    want: { next: ['1-r2'], delayed: ['1 10000'] },
  },
  'a second one twenty for attempt 3': {
    read: both(makeCrashed(sweep, 1), makeCrashed(sweep, 1, 2)),
    want: { next: ['1-r3'], delayed: ['1 20000'] },
  },
  'the third is final': {
    read: both(makeCrashed(sweep, 1), makeCrashed(sweep, 1, 2), makeCrashed(sweep, 1, 3)),
    want: { toRecord: ['1 Failed Crashed (in 3 attempts): exit 1'] },
  },
  'also if a person removed the first two': {
    read: both(makeCrashed(sweep, 1, 3)),
    want: { toRecord: ['1 Failed Crashed (in 3 attempts): exit 1'] },
  },
  'a container that ended is no Pod that waits, although its Job does not say so yet': {
    read: (() => {
      const job = makeJob(sweep, 1);
      return both({ job, pod: makePod(job, { state: exited(0) }) });
    })(),
    want: { running: ['1-r1 Running'], alive: [1] },
  },
  'in place of a Pod that was evicted another is to come': {
    read: (() => {
      const job = makeJob(sweep, 1);
      return both({ job, pod: makePod(job, { state: exited(143), conditions: [DISRUPTED] }) });
    })(),
    want: { running: ['1-r1 Pending'], alive: [1] },
  },
  'bad configuration is final at once': {
    read: both(makeCrashed(sweep, 1, 1, 2)),
    want: { toRecord: ['1 Failed BadConfiguration: exit 2'] },
  },
  'a retry runs beside the Job of the attempt before': {
    read: both(makeCrashed(sweep, 1), live(1, { attempt: 2 })),
    want: { running: ['1-r2 Running'], alive: [1] },
  },
  'a retry that succeeds is recorded': {
    read: both(makeCrashed(sweep, 1), makeSucceeded(sweep, 1, 2)),
    want: { toRecord: ['1 Succeeded'] },
  },
  'what we end ourselves is to be recorded while its Job lives': {
    read: (() => {
      const job = makeJob(sweep, 1);
      return both({ job, pod: makePod(job, { state: { waiting: { reason: 'InvalidImageName' } } }) });
    })(),
    want: { toRecord: ['1 Failed InvalidImage: InvalidImageName'], alive: [1] },
  },
  'of a recorded trial the Job is released after its delay': {
    read: { ...both(makeSucceeded(sweep, 1)), slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])] },
    want: { recorded: [1], released: ['study-0f1e2d-1 over 30000'] },
  },
  'a live Job of a recorded trial is released at once, and counts as alive': {
    read: { ...both(live(1)), slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])] },
    want: { recorded: [1], released: ['study-0f1e2d-1 live 0'], alive: [1] },
  },
  'the outcome of a Job of a recorded trial is not read': {
    read: { ...both(makeSucceeded(sweep, 1)), slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1, 'Stopped')])] },
    want: { recorded: [1], released: ['study-0f1e2d-1 over 30000'] },
  },
  'every attempt of a recorded trial is released': {
    read: {
      ...both(makeCrashed(sweep, 1), makeSucceeded(sweep, 1, 2)),
      slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])],
    },
    want: { recorded: [1], released: ['study-0f1e2d-1 over 30000', 'study-0f1e2d-1-r2 over 30000'] },
  },
  'one that is being deleted already is not deleted again': {
    read: { ...both(live(1, { deleting: true })), slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])] },
    want: { recorded: [1], alive: [1] },
  },
  'a foreign Job of the name that comes next is a collision': {
    read: { jobs: [makeJob(sweep, 1, { owner: OTHER_UID })] },
    want: { collisions: ['1 study-0f1e2d-1'], delayed: ['1 undefined'] },
  },
  'one of a later attempt is in nobody’s way yet': {
    read: { jobs: [makeJob(sweep, 1, { attempt: 2, owner: OTHER_UID })] },
    want: {},
  },
  'until it is': {
    read: {
      ...both(makeCrashed(sweep, 1)),
      jobs: [makeCrashed(sweep, 1).job, makeJob(sweep, 1, { attempt: 2, owner: OTHER_UID, uid: 'x' })],
    },
    want: { next: ['1-r2'], delayed: ['1 undefined'], collisions: ['1 study-0f1e2d-1-r2'] },
  },
  'one of a recorded trial is left alone': {
    read: { jobs: [makeJob(sweep, 1, { owner: OTHER_UID })], slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])] },
    want: { recorded: [1] },
  },
  'a Job of ours that somebody relabelled is a collision, not adopted': {
    read: { jobs: [makeJob(sweep, 1, { labels: { 'cnn-sweep.dev/trial': '2' } })] },
    want: { collisions: ['1 study-0f1e2d-1'], delayed: ['1 undefined'] },
  },
  'garbage in labels is nobody’s trial': {
    read: { jobs: [makeJob(sweep, 1, { labels: { 'cnn-sweep.dev/trial': '__proto__' } })] },
    want: { collisions: ['1 study-0f1e2d-1'], delayed: ['1 undefined'] },
  },
  'a record that cannot be read: its trial neither starts nor is recorded again': {
    read: { ...both(makeSucceeded(sweep, 1)), slices: [makeSlice(sweep, 0, [{ trial: 1 }])] },
    want: { delayed: ['1 undefined'] },
  },
  'a Job that is over without its Pod seen is not over yet': {
    read: { jobs: [makeJob(sweep, 1, { end: 'Complete' })] },
    want: { running: ['1-r1 Pending'], alive: [1] },
  },
};
for (const [sentence, { read, want }] of Object.entries(cases))
  test(sentence, () => assert.deepEqual(outline(makeSnapshot(sweep, read)), want));

test('Jobs of other namespaces, of no trial of ours and of other names are nobody’s business', () => {
  const { metadata } = makeJob(sweep, 1);
  const others = [
    { namespace: 'other' },
    { name: 'study-0f1e2d-9' },
    { name: 'study-0f1e2d-1-r100' },
    { name: 'backup' },
  ];
  const jobs = others.map((changes) => ({ metadata: { ...metadata, ...changes } }));
  assert.deepEqual(outline(makeSnapshot(sweep, { jobs })), {});
});

/** Looks again and again at what changes, as a controller does. */
class Watch {
  readonly facts = new Facts();
  readonly #sweep: ClusterSweep;
  snapshot: Snapshot | undefined;

  constructor(watched = sweep) {
    this.#sweep = watched;
  }

  look(read: Partial<Read> = {}): ReturnType<typeof outline> & { wake?: number } {
    const { sinceSeen } = this.facts;
    const all = { jobs: [], pods: [], slices: [], ...read };
    const { snapshot: previous } = this;
    this.snapshot = buildSnapshot({ sweep: this.#sweep, ...all, sinceSeen, deleteDelayMs: 30_000, previous });
    return outline(this.snapshot);
  }
}

test('a backoff ends by itself, and the snapshot says when', () => {
  const watch = new Watch();
  const read = both(makeCrashed(sweep, 1));
  watch.look(read);
  assert.equal(watch.snapshot?.wakeInMs, 10_000);
  watch.facts.advance(9_999);
  assert.deepEqual(watch.look(read), { next: ['1-r2'], delayed: ['1 1'] });
  watch.facts.advance(1);
  assert.deepEqual(watch.look(read), { next: ['1-r2'] });
  assert.equal(watch.snapshot.wakeInMs, undefined);
  assert.equal(attemptFor(watch.snapshot, 1), 2);
  assert.equal(attemptFor(watch.snapshot, 0), 1);
});

test('a recorded Job may go thirty seconds later', () => {
  const watch = new Watch();
  const read = { ...both(makeSucceeded(sweep, 1)), slices: [makeSlice(sweep, 0, [makeRecord(sweep, 1)])] };
  watch.look(read);
  watch.facts.advance(30_000);
  assert.deepEqual(watch.look(read), { recorded: [1], released: ['study-0f1e2d-1 over 0'] });
});

test('a Job that vanished unrecorded is lost, waits longer each time, and runs again as the same attempt', () => {
  const watch = new Watch();
  for (const [times, ms] of [
    [1, 10_000],
    [2, 20_000],
    [3, 40_000],
  ] as const) {
    watch.look(both(live(2, { uid: `job-${times}` })));
    const gone = { lost: [`2 study-0f1e2d-2 ${times}`], delayed: [`2 ${ms}`] };
    assert.deepEqual(watch.look(), gone);
    assert.deepEqual(watch.look(), gone);
    watch.facts.advance(ms);
    assert.deepEqual(watch.look(), { lost: gone.lost });
    assert.equal(watch.snapshot && attemptFor(watch.snapshot, 2), 1);
  }
  assert.deepEqual(watch.look(both(live(2, { uid: 'job-4' }))), { running: ['2-r1 Running'], alive: [2] });
});

test('a Job of another UID under the same name: the first one was lost, and runs again', () => {
  const watch = new Watch();
  watch.look(both(live(2, { uid: 'a' })));
  assert.deepEqual(watch.look(both(live(2, { uid: 'b' }))), { running: ['2-r1 Running'], alive: [2] });
});

test('a Job that is deleted after its record is not lost', () => {
  const watch = new Watch();
  watch.look(both(makeSucceeded(sweep, 1)));
  const slices = [makeSlice(sweep, 0, [makeRecord(sweep, 1)])];
  watch.look({ ...both(makeSucceeded(sweep, 1)), slices });
  assert.deepEqual(watch.look({ slices }), { recorded: [1] });
});

test('a Job that somebody disowns is not lost but in the way', () => {
  const watch = new Watch();
  const { job, pod } = live(2);
  watch.look(both({ job, pod }));
  const { ownerReferences: _, ...bare } = job.metadata;
  assert.deepEqual(watch.look(both({ job: { ...job, metadata: bare }, pod })), {
    delayed: ['2 undefined'],
    collisions: ['2 study-0f1e2d-2'],
  });
});

test('disruptions are retried apart from the three attempts, up to maxDisruptions', () => {
  const few = makeClusterSweep(3, { trainer: { maxDisruptions: 1 } });
  const disrupted = (attempt: number) => {
    const job = makeJob(few, 1, { attempt, end: 'BackoffLimitExceeded' });
    return { job, pod: makePod(job, { state: exited(143), conditions: [DISRUPTED] }) };
  };
  const watch = new Watch(few);
  const once = both(disrupted(1));
  assert.deepEqual(watch.look(once), { running: ['1-r1 Pending'], alive: [1] });
  watch.facts.advance(10_000);
  assert.deepEqual(watch.look(once), { next: ['1-r2'] });
  const fourth = both(disrupted(1), makeCrashed(few, 1, 2), makeCrashed(few, 1, 3));
  assert.deepEqual(watch.look(fourth), { next: ['1-r4'], delayed: ['1 20000'] });
  const twice = both(disrupted(1), disrupted(2));
  watch.look(twice);
  watch.facts.advance(10_000);
  assert.deepEqual(watch.look(twice), {
    toRecord: ['1 Failed TooManyDisruptions: evicted or preempted 2 times; spec.trainer.maxDisruptions allows 1'],
  });
});

test('Pods that are gone are remembered as disruptions', () => {
  const { job, pod } = live(1);
  const snapshot = makeSnapshot(sweep, { ...both({ job, pod }), podsSeen: () => 12 });
  assert.deepEqual(outline(snapshot).toRecord, [
    '1 Failed TooManyDisruptions: its Pod was evicted or preempted 11 times; spec.trainer.maxDisruptions allows 10',
  ]);
});

test('of two Pods that crashed the record names the same one, whichever was read first', () => {
  const job = makeJob(sweep, 1, { attempt: 3, end: 'BackoffLimitExceeded' });
  const pods = ['a', 'b'].map((name, at) => makePod(job, { name, uid: name, state: exited(at + 3) }));
  for (const read of [pods, pods.toReversed()]) {
    assert.equal(makeSnapshot(sweep, { jobs: [job], pods: read }).toRecord[0]?.attemptUID, 'b');
  }
});

test('a record names the Pod, the trial and what was trained', () => {
  const [record] = makeSnapshot(sweep, both(makeCrashed(sweep, 1, 1, 2))).toRecord;
  const { hyperparameters, hyperparametersHash, parameterCount } = sweep.trials[1] ?? assert.fail();
  assert.deepEqual(record, {
    trial: 1,
    attempt: 1,
    attemptUID: 'pod-job-1-1',
    outcome: 'Failed',
    reason: 'BadConfiguration: exit 2',
    hyperparametersHash,
    hyperparameters,
    parameterCount,
    backend: null,
    seconds: 60,
    summary: null,
    test: null,
  });
});

// A small cluster in which anything may happen to a trial's Jobs.
type Happening =
  | 'nothing'
  | 'live'
  | 'succeeded'
  | 'crashed'
  | 'bad'
  | 'deleting'
  | 'foreign'
  | 'relabelled'
  | 'podless'
  | 'image';
const happening = fc.constantFrom<Happening>(
  'nothing',
  'live',
  'succeeded',
  'crashed',
  'bad',
  'deleting',
  'foreign',
  'relabelled',
  'podless',
  'image',
);

function happen(trial: number, attempt: number, what: Happening): { job: Job; pod?: Pod }[] {
  const job = makeJob(sweep, trial, { attempt });
  switch (what) {
    case 'nothing':
      return [];
    case 'live':
      return [{ job, pod: makePod(job, { state: RUNNING }) }];
    case 'succeeded':
      return [makeSucceeded(sweep, trial, attempt)];
    case 'crashed':
      return [makeCrashed(sweep, trial, attempt)];
    case 'bad':
      return [makeCrashed(sweep, trial, attempt, 2)];
    case 'deleting':
      return [{ job: makeJob(sweep, trial, { attempt, deleting: true }) }];
    case 'foreign':
      return [{ job: makeJob(sweep, trial, { attempt, owner: OTHER_UID }) }];
    case 'relabelled':
      return [{ job: makeJob(sweep, trial, { attempt, labels: { 'cnn-sweep.dev/trial': 'NaN' } }) }];
    case 'podless':
      return [{ job: makeJob(sweep, trial, { attempt, end: 'Complete' }) }];
    case 'image':
      return [{ job, pod: makePod(job, { state: { waiting: { reason: 'ErrImageNeverPull' } } }) }];
  }
}

const world = fc.record({
  jobs: fc.array(fc.tuple(happening, happening, happening), { minLength: 5, maxLength: 5 }),
  recorded: fc.subarray([0, 1, 2, 3, 4]),
  parallelism: fc.integer({ min: 1, max: 6 }),
  suspend: fc.boolean(),
});

function readWorld({ jobs, recorded }: { jobs: [Happening, Happening, Happening][]; recorded: number[] }): Read {
  const all = jobs.flatMap((attempts, trial) => attempts.flatMap((what, at) => happen(trial, at + 1, what)));
  const slices: SliceObject[] = [
    makeSlice(
      sweep,
      0,
      recorded.map((trial) => makeRecord(sweep, trial)),
    ),
  ];
  return { jobs: all.map(({ job }) => job), pods: all.flatMap(({ pod }) => pod ?? []), slices };
}

test('INV-1, 2, 7: whatever stands in the cluster, what starts has no record, no live Job and a free name, and parallelism holds', () => {
  fc.assert(
    fc.property(world, (given) => {
      const read = readWorld(given);
      const jobs = [...read.jobs];
      const snapshot = makeSnapshot(sweep, read);
      const limits = { ...limitsOf(sweep), parallelism: given.parallelism, suspend: given.suspend };
      const plan = planSweep(limits, snapshot.planState);
      const names = new Set(jobs.map(({ metadata }) => metadata.name));
      for (const trial of plan.start) {
        assert.ok(!given.recorded.includes(trial));
        assert.ok(!snapshot.running.has(trial));
        const attempt = attemptFor(snapshot, trial);
        assert.ok(!names.has(makeJob(sweep, trial, { attempt }).metadata.name), `trial ${trial} attempt ${attempt}`);
      }
      if (plan.start.length > 0) {
        assert.ok(plan.start.length + snapshot.planState.running.size <= given.parallelism);
        assert.ok(!given.suspend);
      }
    }),
  );
});

test('INV-2, 3, 15: nothing is released or recorded that is not ours, and nothing is released without a record', () => {
  fc.assert(
    fc.property(world, (given) => {
      const snapshot = makeSnapshot(sweep, readWorld(given));
      for (const { job, deleteInMs } of snapshot.released) {
        const trial = Number(job.metadata.labels?.['cnn-sweep.dev/trial']);
        assert.ok(given.recorded.includes(trial));
        assert.equal(job.metadata.ownerReferences?.[0]?.uid, sweep.uid);
        assert.ok(job.metadata.name.startsWith(makeJob(sweep, trial).metadata.name));
        if (!isJobOver(job)) assert.equal(deleteInMs, 0);
      }
      const trials = snapshot.toRecord.map(({ trial }: TrialRecord) => trial);
      assert.equal(new Set(trials).size, trials.length);
      for (const trial of trials) assert.ok(!given.recorded.includes(trial) && !snapshot.running.has(trial));
    }),
  );
});

test('the order in which objects were read changes nothing', () => {
  fc.assert(
    fc.property(world, (given) => {
      const read = readWorld(given);
      const backwards = { ...read, jobs: [...read.jobs].reverse(), pods: [...read.pods].reverse() };
      const sorted = (snapshot: Snapshot) =>
        Object.fromEntries(
          Object.entries(outline(snapshot)).map(([bucket, values]) => [bucket, values.map(String).sort()]),
        );
      assert.deepEqual(sorted(makeSnapshot(sweep, read)), sorted(makeSnapshot(sweep, backwards)));
    }),
  );
});
