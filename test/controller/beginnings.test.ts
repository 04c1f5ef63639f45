import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginnings } from '../../src/controller/beginnings.ts';
import type { Job, Pod } from '../../src/shared/objects.ts';
import { DISRUPTED, exited, makeClusterSweep, makeJob, makePod, makeSnapshot, type PodChanges } from './builders.ts';

const sweep = makeClusterSweep();
const job = makeJob(sweep, 1);
/** The Job was created at 12:00:00. */
const AT_40_S = { running: { startedAt: '2026-07-01T12:00:40Z' } } as const;

function turn(pending: Map<string, string>, jobs: readonly Job[], pods: readonly Pod[]): number[] {
  return beginnings(pending, makeSnapshot(sweep, { jobs, pods }), { jobs, pods });
}

const withPod = (changes: PodChanges) => [[job], [makePod(job, changes)]] as const;

test('a trial that was seen to wait counts once, from its Job’s creation to its container’s start', () => {
  const pending = new Map<string, string>();
  assert.deepEqual(turn(pending, [job], []), []);
  assert.deepEqual(turn(pending, ...withPod({})), []);
  assert.deepEqual(turn(pending, ...withPod({ state: AT_40_S })), [40]);
  assert.deepEqual(turn(pending, ...withPod({ state: AT_40_S })), []);
});

test('one that ended before it was seen to run counts as well', () => {
  const pending = new Map([[job.metadata.uid, job.metadata.creationTimestamp]]);
  const ended = makeJob(sweep, 1, { end: 'BackoffLimitExceeded' });
  assert.deepEqual(turn(pending, [ended], [makePod(ended, { state: exited(1) })]), [0]);
});

test('between the end of its container and that of its Job it does not wait again', () => {
  const pending = new Map<string, string>();
  turn(pending, [job], []);
  assert.deepEqual(turn(pending, ...withPod({ state: exited(0) })), [0]);
  assert.deepEqual(turn(pending, ...withPod({ state: exited(0) })), []);
  assert.equal(pending.size, 0);
});

test('nor does it in another Pod after an eviction, whether the first Pod is there or gone', () => {
  const evicted = makePod(job, { name: 'a', uid: 'a', state: exited(137), conditions: [DISRUPTED] });
  const waiting = makePod(job, { name: 'b', uid: 'b' });
  const pending = new Map<string, string>();
  assert.deepEqual(turn(pending, [job], [evicted, waiting]), []);
  const snapshot = makeSnapshot(sweep, { jobs: [job], pods: [waiting], podsSeen: () => 2 });
  assert.deepEqual(beginnings(pending, snapshot, { jobs: [job], pods: [waiting] }), []);
  assert.equal(pending.size, 0);
});

test('one that ran when it was first seen was another’s to count', () => {
  assert.deepEqual(turn(new Map(), ...withPod({ state: AT_40_S })), []);
});

test('a node’s clock that is behind gives no time below nothing, and one without a time counts not', () => {
  const created = [[job.metadata.uid, job.metadata.creationTimestamp]] as const;
  const early = { running: { startedAt: '2026-07-01T11:59:00Z' } };
  assert.deepEqual(turn(new Map(created), ...withPod({ state: early })), [0]);
  assert.deepEqual(turn(new Map(created), ...withPod({ state: { running: {} } })), []);
});

test('a Job that is gone is forgotten', () => {
  const pending = new Map([['gone', '2026-07-01T12:00:00Z']]);
  turn(pending, [job], []);
  assert.deepEqual([...pending.keys()], [job.metadata.uid]);
});
