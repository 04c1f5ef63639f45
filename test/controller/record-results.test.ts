import assert from 'node:assert/strict';
import { test } from 'node:test';
import { record } from '../../src/controller/record-results.ts';
import type { Turn } from '../../src/controller/turn.ts';
import { TurnMemory } from '../../src/controller/turn-memory.ts';
import type { Job, Pod, SliceObject } from '../../src/shared/objects.ts';
import {
  makeClusterSweep,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSnapshot,
  makeSucceeded,
  RUNNING,
} from './builders.ts';

const sweep = makeClusterSweep(400);
const records = (count: number) => Array.from({ length: count }, (_, trial) => makeRecord(sweep, trial));

/** An API server that takes so long for a write, and how the recording of results gets on by its clock. */
function recording({
  recorded,
  writeMs,
  ...answers
}: {
  recorded: number;
  writeMs: number;
  createSlice?: () => Promise<unknown>;
  appendRecords?: () => Promise<unknown>;
  get?: () => Promise<unknown>;
}) {
  let nowMs = 0;
  let slices: SliceObject[] = [makeSlice(sweep, 0, records(recorded))];
  const memory = new TurnMemory({ now: () => nowMs });
  const wrote = (slice: SliceObject) => {
    nowMs += writeMs;
    slices = [...slices.filter(({ metadata }) => metadata.name !== slice.metadata.name), slice];
    return slice;
  };
  const cluster = {
    getSweep: async () => ({ metadata: { uid: sweep.uid } }),
    appendRecords: async (slice: SliceObject, added: readonly unknown[]) => ({
      kind: 'written',
      object: wrote({ ...slice, records: [...(slice.records ?? []), ...added] }),
    }),
    createSlice: async ({ slice, records: added }: SliceObject) => ({
      kind: 'created',
      object: wrote(makeSlice(sweep, slice ?? 0, added ?? [])),
    }),
    ...answers,
  };
  const ended = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => makeSucceeded(sweep, from + at));
  const running = (trial: number) => {
    const job = makeJob(sweep, trial);
    return { job, pod: makePod(job, { state: RUNNING }) };
  };
  return {
    ended,
    running,
    memory,
    advance: (ms: number) => {
      nowMs += ms;
    },
    get recorded() {
      return slices.reduce((sum, slice) => sum + (slice.records ?? []).length, 0);
    },
    /** @returns when to try again */
    turn: async (found: readonly { job: Job; pod: Pod }[], start: readonly number[] = []) => {
      const [jobs, pods] = [found.map(({ job }) => job), found.map(({ pod }) => pod)];
      const turn = {
        ...{ cluster, sweep, memory, slices, pods },
        ...{ object: { metadata: { uid: sweep.uid, namespace: sweep.namespace } }, log: { info() {} } },
        metrics: { trials: { finished() {} } },
        timers: { now: () => nowMs },
        snapshot: makeSnapshot(sweep, { jobs, pods, slices }),
        plan: { start, stop: [], done: false, failed: false },
      };
      return record(turn as unknown as Turn);
    },
  };
}

test('results are written at most once a second', async () => {
  const results = recording({ recorded: 3, writeMs: 0 });
  await results.turn(results.ended(3, 1));
  assert.equal(results.recorded, 4);
  assert.equal(await results.turn(results.ended(4, 1)), 1_000);
  results.advance(1_000);
  await results.turn(results.ended(4, 1));
  assert.equal(results.recorded, 5);
});

test('after a write that took long they wait nine times as long, as long as others run or start', async () => {
  const results = recording({ recorded: 3, writeMs: 400 });
  await results.turn(results.ended(3, 1));
  results.advance(1_000);
  assert.equal(await results.turn([...results.ended(4, 1), results.running(5)]), 2_600);
  assert.equal(await results.turn(results.ended(4, 1), [5]), 2_600);
  assert.equal(results.recorded, 4);
});

test('where nothing runs any more they wait a second', async () => {
  const results = recording({ recorded: 3, writeMs: 400 });
  await results.turn([...results.ended(3, 1), results.running(4)]);
  assert.equal(await results.turn(results.ended(4, 1)), 1_000);
  results.advance(1_000);
  await results.turn(results.ended(4, 1));
  assert.equal(results.recorded, 5);
});

test('those that a slice has no room for are in the next one a second later, whatever runs', async () => {
  const results = recording({ recorded: 24, writeMs: 400 });
  const found = [...results.ended(24, 178), results.running(300)];
  assert.equal(await results.turn(found), 1_000);
  assert.equal(results.recorded, 200);
  results.advance(1_000);
  await results.turn(found);
  assert.equal(results.recorded, 202);
});

test('whatever becomes of a slice that was sent, the Sweep counts as one that has some: an answer may be lost', async () => {
  const ours = makeSlice(sweep, 1, []);
  const exists = recording({
    ...{ recorded: 25, writeMs: 0 },
    createSlice: async () => ({ kind: 'exists' }),
    get: async () => ours,
  });
  assert.equal(exists.memory.slicesWritten, '0');
  await exists.turn(exists.ended(25, 1));
  assert.equal(exists.memory.slicesWritten, '1');
  // Or by a write of ours whose answer was lost: what it holds must be seen first.
  for (const answers of [
    { recorded: 25, createSlice: async () => ({ kind: 'exists' }) },
    { recorded: 3, appendRecords: async () => ({ kind: 'conflict' }) },
  ]) {
    const written = recording({ writeMs: 0, get: async () => makeSlice(sweep, 0, [], '77'), ...answers });
    await written.turn(written.ended(25, 1));
    assert.equal(written.memory.slicesWritten, '77');
  }
  const lost = recording({
    ...{ recorded: 25, writeMs: 0 },
    createSlice: async () => {
      throw new Error('socket hang up');
    },
  });
  await assert.rejects(lost.turn(lost.ended(25, 1)), /socket hang up/);
  assert.equal(lost.memory.slicesWritten, '1');
});
