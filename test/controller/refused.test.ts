import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsOf } from '../../src/controller/cluster-sweep.ts';
import { releaseJobs } from '../../src/controller/release.ts';
import { startTrials } from '../../src/controller/start.ts';
import type { Turn } from '../../src/controller/turn.ts';
import { TurnMemory } from '../../src/controller/turn-memory.ts';
import { ApiError, type ApiFailure } from '../../src/shared/api-error.ts';
import type { CallOptions, Known, NewObject } from '../../src/shared/calls.ts';
import type { Job } from '../../src/shared/objects.ts';
import { planSweep } from '../../src/sweep/plan.ts';
import { makeClusterSweep, makeJob, makeRecord, makeSlice, makeSnapshot, OPTIONS } from './builders.ts';

const sweep = makeClusterSweep(60, { parallelism: 60 });
const CONFLICT: ApiFailure = {
  ...{ code: 409, reason: 'Conflict' },
  message: 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified',
};
const TROUBLE: ApiFailure = { code: 503, reason: 'ServiceUnavailable', message: 'etcd leader changed' };
const TIMEOUT: ApiFailure = { code: 0, reason: 'Timeout', message: 'POST: no answer in 12 s' };
const FORBIDDEN: ApiFailure = {
  ...{ code: 403, reason: 'Forbidden' },
  message: 'sweeps.cnn-sweep.dev "study" is forbidden: User "us" cannot get resource "sweeps"',
};

/** Turns of one Sweep whose Jobs are created, or deleted, on an API server that answers so. */
function turns(answers: {
  readonly create?: (nth: number) => ApiFailure | undefined;
  readonly look?: () => ApiFailure | undefined;
  readonly delete?: (job: string) => ApiFailure | undefined;
  /** Recorded trials that still have their Job. */
  readonly recorded?: readonly number[];
}) {
  let nowMs = 0;
  const memory = new TurnMemory({ now: () => nowMs });
  const created: Job[] = [];
  const deleted: string[] = [];
  const asked = { creates: 0, deletes: 0, looks: 0, patience: [] as (number | undefined)[] };
  const old = (answers.recorded ?? []).map((trial) => makeJob(sweep, trial));
  const refuse = (failure: ApiFailure | undefined) => {
    if (failure) throw new ApiError(failure);
  };
  const cluster = {
    getSweep: async () => {
      asked.looks++;
      refuse(answers.look?.());
      return { metadata: { uid: sweep.uid, generation: 1 } };
    },
    createJob: async (manifest: NewObject, { timeoutMs }: CallOptions) => {
      if (asked.creates === 0 || asked.patience.at(-1) !== timeoutMs) asked.patience.push(timeoutMs);
      refuse(answers.create?.(asked.creates++));
      const trial = Number(/-(\d+)$/.exec(manifest.metadata.name)?.[1]);
      const object = makeJob(sweep, trial);
      created.push(object);
      return { kind: 'created', object };
    },
    deleteJob: async ({ name }: Known) => {
      asked.deletes++;
      refuse(answers.delete?.(name));
      deleted.push(name);
      return 'deleted';
    },
  };
  const turnOf = () => {
    const jobs = [...old.filter(({ metadata }) => !deleted.includes(metadata.name)), ...created];
    const slices = [
      makeSlice(
        sweep,
        0,
        (answers.recorded ?? []).map((trial) => makeRecord(sweep, trial)),
      ),
    ];
    const snapshot = makeSnapshot(sweep, { jobs, slices, deleteDelayMs: 0 });
    const plan = planSweep(limitsOf(sweep), snapshot.planState);
    return {
      ...{ cluster, sweep, memory, snapshot, plan, slices, pods: [], trainer: OPTIONS },
      object: { metadata: { uid: sweep.uid, namespace: sweep.namespace, generation: 1 } },
      log: { info() {}, warn() {} },
      metrics: { trials: { created() {}, retried() {} } },
    } as unknown as Turn;
  };
  return {
    ...{ memory, created, deleted, asked },
    advance: (ms: number) => {
      nowMs += ms;
    },
    start: () => startTrials(turnOf()),
    release: () => releaseJobs(turnOf()),
  };
}

test('Jobs that get into each other’s way at a quota are tried again after a second', async () => {
  const sweeps = turns({ create: (nth) => (nth < 10 ? CONFLICT : undefined) });
  assert.equal(await sweeps.start(), 1_000);
  assert.equal(sweeps.created.length, 15);
  assert.deepEqual(sweeps.memory.refusals.all, [], 'others got through');
  sweeps.advance(1_000);
  await sweeps.start();
  assert.equal(sweeps.created.length, 40);
});

for (const [sentence, failure] of Object.entries({ 'a conflict': CONFLICT, 'a server in trouble': TROUBLE }))
  test(`${sentence} that lasts is asked less and less, for one Job alone, and told`, async () => {
    const sweeps = turns({ create: () => failure });
    const waits: (number | undefined)[] = [];
    const creates: number[] = [];
    for (let turn = 0; turn < 8; turn++) {
      const before = sweeps.asked.creates;
      const waitMs = await sweeps.start();
      waits.push(waitMs);
      creates.push(sweeps.asked.creates - before);
      sweeps.advance((waitMs ?? 0) - 1);
      assert.equal(await sweeps.start(), 1, 'not before');
      sweeps.advance(1);
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert.deepEqual(creates, [25, 25, 25, 1, 1, 1, 1, 1]);
    assert.deepEqual(
      sweeps.memory.refusals.all.map(({ message }) => message),
      [failure.message],
    );
  });

test('after a timeout one Job alone waits as long as the slowest webhook, and what gets through is the end of it', async () => {
  const sweeps = turns({ create: (nth) => (nth < 25 ? TIMEOUT : undefined) });
  assert.equal(await sweeps.start(), 1_000);
  sweeps.advance(1_000);
  assert.equal(await sweeps.start(), 0, 'at once');
  assert.deepEqual(sweeps.memory.refusals.all, []);
  await sweeps.start();
  assert.deepEqual(sweeps.asked.patience, [12_000, 32_000, 12_000]);
  assert.equal(sweeps.created.length, 26);
});

test('a wait that the API server asks for is kept', async () => {
  const sweeps = turns({ create: () => ({ ...TROUBLE, code: 429, retryAfterMs: 7_000 }) });
  assert.equal(await sweeps.start(), 7_000);
});

test('whoever may not look at the Sweep once more is told, and asks every half minute', async () => {
  let failure: ApiFailure | undefined = FORBIDDEN;
  const sweeps = turns({ look: () => failure });
  assert.equal(await sweeps.start(), 30_000);
  assert.deepEqual(sweeps.memory.refusals.current, [{ trial: 0, ...FORBIDDEN }]);
  assert.deepEqual([sweeps.asked.looks, sweeps.asked.creates], [1, 0]);
  failure = undefined;
  sweeps.advance(30_000);
  await sweeps.start();
  assert.deepEqual([sweeps.created.length, sweeps.memory.refusals.current], [1, []]);
});

test('a Job that cannot be deleted is told, asked for less and less, and keeps no other one', async () => {
  let failure: ApiFailure | undefined = { ...FORBIDDEN, message: 'denied by policy keep' };
  const kept = makeJob(sweep, 0).metadata.name;
  const sweeps = turns({ recorded: [0, 1, 2, 3], delete: (job) => (job === kept ? failure : undefined) });
  assert.equal(await sweeps.release(), 5_000);
  assert.equal(sweeps.deleted.length, 3);
  const told = { job: kept, code: 403, reason: 'Forbidden', message: 'denied by policy keep' };
  assert.deepEqual(sweeps.memory.undeletable.current, told);
  const waits: (number | undefined)[] = [];
  for (let turn = 0; turn < 4; turn++) {
    sweeps.advance(30_000);
    waits.push(await sweeps.release());
    assert.deepEqual(sweeps.memory.undeletable.current, told);
  }
  assert.deepEqual(waits, [10_000, 20_000, 30_000, 30_000]);
  assert.equal(await sweeps.release(), 30_000);
  assert.equal(sweeps.asked.deletes, 4 + 4);
  failure = undefined;
  sweeps.advance(30_000);
  assert.equal(await sweeps.release(), undefined);
  assert.deepEqual([sweeps.deleted.length, sweeps.memory.undeletable.current], [4, undefined]);
});

test('where no delete gets through one asks for all', async () => {
  let failure: ApiFailure | undefined = FORBIDDEN;
  const recorded = Array.from({ length: 55 }, (_, trial) => trial);
  const sweeps = turns({ recorded, delete: () => failure });
  assert.equal(await sweeps.release(), 5_000);
  sweeps.advance(5_000);
  assert.equal(await sweeps.release(), 10_000);
  assert.equal(sweeps.asked.deletes, 50 + 1);
  failure = undefined;
  sweeps.advance(10_000);
  for (let turn = 0; turn < 60 && (await sweeps.release()) === 0; turn++);
  assert.equal(sweeps.deleted.length, 55);
  assert.equal(sweeps.memory.undeletable.current, undefined);
});
