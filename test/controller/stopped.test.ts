import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsOf } from '../../src/controller/cluster-sweep.ts';
import { record } from '../../src/controller/record-results.ts';
import type { Turn } from '../../src/controller/turn.ts';
import { TurnMemory } from '../../src/controller/turn-memory.ts';
import { ApiError } from '../../src/shared/api-error.ts';
import type { ListQuery } from '../../src/shared/calls.ts';
import type { Job, Pod, SliceObject } from '../../src/shared/objects.ts';
import { planSweep } from '../../src/sweep/plan.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import {
  makeClusterSweep,
  makeCrashed,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSnapshot,
  makeSucceeded,
  RUNNING,
} from './builders.ts';

const sweep = makeClusterSweep(4, { maxFailedTrials: 0 });
const crashed = (trial: number) => makeCrashed(sweep, trial, 3);
const running = (trial: number) => {
  const job = makeJob(sweep, trial);
  return { job, pod: makePod(job, { state: RUNNING }) };
};

interface Scene {
  readonly found: readonly { readonly job: Job; readonly pod: Pod }[];
  readonly recorded?: readonly unknown[];
  /** Pods whose present state no watch has told. */
  readonly unseen?: readonly Pod[];
  /** Pods whose end no watch has told. */
  readonly gone?: readonly Pod[];
  /** Trials whose Pods may not be listed. */
  readonly unlisted?: readonly number[];
  readonly generation?: number;
  readonly fails?: ApiError;
  readonly memory?: TurnMemory;
}

/** A turn's recording, on an API server that has these objects. */
async function recordIn(scene: Scene) {
  const { found, recorded = [], unseen = [], gone = [], unlisted = [], generation = 1, fails } = scene;
  const { memory = freshMemory() } = scene;
  const [jobs, pods] = [found.map(({ job }) => job), found.map(({ pod }) => pod)];
  const slices = recorded.length > 0 ? [makeSlice(sweep, 0, recorded)] : [];
  const written: TrialRecord[] = [];
  const requests: string[] = [];
  const write = async (slice: SliceObject, records: readonly TrialRecord[]) => {
    if (fails) throw fails;
    written.push(...records);
    return { kind: slices.length > 0 ? 'written' : 'created', object: slice };
  };
  const later = new Set(unseen.map(({ metadata }) => metadata.uid));
  const cluster = {
    getSweep: async () => {
      requests.push('get sweep');
      return { metadata: { uid: sweep.uid, generation } };
    },
    list: async (_: unknown, { labelSelector = '' }: ListQuery) => {
      if (unlisted.some((trial) => labelSelector.endsWith(`trial=${trial}`))) throw UNLISTED;
      const items = pods
        .filter((pod) => !gone.includes(pod))
        .filter(({ metadata }) => metadata.uid.startsWith(`pod-job-${/trial=(\d+)$/.exec(labelSelector)?.[1]}-`))
        .map((pod) =>
          later.has(pod.metadata.uid) ? { ...pod, metadata: { ...pod.metadata, resourceVersion: '2' } } : pod,
        );
      return { items };
    },
    createSlice: (slice: SliceObject) => write(makeSlice(sweep, 0, []), slice.records as TrialRecord[]),
    appendRecords: write,
  };
  const snapshot = makeSnapshot(sweep, { jobs, pods, slices });
  const turn = {
    ...{ cluster, sweep, memory, slices, pods, snapshot },
    object: { metadata: { uid: sweep.uid, namespace: sweep.namespace, generation: 1 } },
    log: { info() {}, warn() {} },
    metrics: { trials: { finished() {}, failed() {} } },
    timers: { now: () => 0 },
    plan: planSweep(limitsOf(sweep), snapshot.planState),
  };
  let problem: unknown;
  const againInMs = await record(turn as unknown as Turn).catch((error: unknown) => {
    problem = error;
    return undefined;
  });
  if (problem !== undefined && problem !== UNLISTED) throw problem;
  return { againInMs, requests, problem, said: written.map(({ trial, outcome, reason }) => [trial, outcome, reason]) };
}

const UNLISTED = new ApiError({ code: 403, reason: 'Forbidden', message: 'pods is forbidden: User "us" cannot list' });
const freshMemory = () => new TurnMemory({ now: () => 0 });
const STOPPED = 'MaxFailedTrialsExceeded: more than 0 trials failed';

test('when too many failed, those that run are recorded as stopped, beside the failure', async () => {
  const { said, againInMs } = await recordIn({ found: [crashed(0), running(1)] });
  assert.deepEqual(said, [
    [0, 'Failed', 'Crashed (in 3 attempts): exit 1'],
    [1, 'Stopped', STOPPED],
  ]);
  assert.equal(againInMs, undefined);
});

test('a failure that may be none stops nothing: a watch may be half-open, and a record is for ever', async () => {
  const doubtful = crashed(0);
  const { said, againInMs } = await recordIn({ found: [doubtful, running(1)], unseen: [doubtful.pod] });
  assert.deepEqual(said, []);
  assert.equal(againInMs, 250);
});

test('nor does one whose Pod is gone by now: it may have been evicted, and another one takes its place', async () => {
  const doubtful = crashed(0);
  const { said, againInMs } = await recordIn({ found: [doubtful, running(1)], gone: [doubtful.pod] });
  assert.deepEqual(said, []);
  assert.equal(againInMs, 250);
});

test('a sure failure is recorded and stops others, whatever becomes of a doubtful one', async () => {
  const doubtful = crashed(0);
  const { said, againInMs } = await recordIn({ found: [doubtful, crashed(1), running(2)], unseen: [doubtful.pod] });
  assert.deepEqual(
    said.map(([trial, outcome]) => [trial, outcome]),
    [
      [1, 'Failed'],
      [2, 'Stopped'],
    ],
  );
  assert.equal(againInMs, 250);
});

test('a trial that has ended well is not stopped, though its Job has yet to say so: its result is to come', async () => {
  const { job, pod } = makeSucceeded(sweep, 1);
  const open = { job: makeJob(sweep, 1), pod };
  assert.equal(open.job.metadata.uid, job.metadata.uid);
  const { said, againInMs } = await recordIn({ found: [crashed(0), open, running(2)] });
  assert.deepEqual(
    said.map(([trial, outcome]) => [trial, outcome]),
    [
      [0, 'Failed'],
      [2, 'Stopped'],
    ],
  );
  assert.equal(againInMs, 250);
});

test('nor is one that may have: a watch may be half-open', async () => {
  const behind = running(1);
  for (const scene of [{ unseen: [behind.pod] }, { gone: [behind.pod] }]) {
    const { said, againInMs } = await recordIn({ found: [crashed(0), behind], ...scene });
    assert.deepEqual([said.map(([trial]) => trial), againInMs], [[0], 250]);
  }
});

test('a Pod that nobody may ask for holds up no other trial’s result, and is named', async () => {
  const memory = freshMemory();
  const { said, problem } = await recordIn({ found: [crashed(0), makeSucceeded(sweep, 1)], unlisted: [0], memory });
  assert.deepEqual(said.map(([trial]) => trial), [1]); // biome-ignore format: one line
  assert.equal(problem, UNLISTED);
  assert.equal(memory.unrecorded?.message, `failures cannot be confirmed: ${UNLISTED.message}`);
});

test('recorded failures are sure', async () => {
  const { said } = await recordIn({ found: [running(1)], recorded: [makeRecord(sweep, 0, 'Failed')] });
  assert.deepEqual(said, [[1, 'Stopped', STOPPED]]);
});

test('a limit that was raised a moment ago stops nothing', async () => {
  const recorded = [makeRecord(sweep, 3)];
  const { said } = await recordIn({ found: [crashed(0), running(1)], recorded, generation: 2 });
  assert.deepEqual(
    said.map(([trial]) => trial),
    [0],
  );
});

test('a trial whose record cannot be read is not stopped, and not waited for', async () => {
  const failed = makeRecord(sweep, 0, 'Failed');
  const newer = { ...makeRecord(sweep, 1), outcome: 'Postponed' };
  const { said, againInMs, requests } = await recordIn({ found: [running(1)], recorded: [failed, newer] });
  assert.deepEqual(said, []);
  assert.equal(againInMs, undefined);
  assert.deepEqual(requests, []);
});

test('what keeps results from being recorded is named as long as there is one to record', async () => {
  const memory = freshMemory();
  const message = 'trialresultslices is forbidden: User "us" cannot create resource "trialresultslices"';
  const fails = new ApiError({ code: 403, reason: 'Forbidden', message });
  await assert.rejects(recordIn({ found: [crashed(0)], fails, memory }), fails);
  assert.equal(memory.unrecorded?.message, `results cannot be recorded: ${message}`);
  // Its Job is deleted by hand, and runs again.
  await recordIn({ found: [running(0)], memory });
  assert.equal(memory.unrecorded, undefined);
});
