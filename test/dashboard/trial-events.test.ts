import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptFacts, type SeenAttempt, withAttempt } from '../../src/dashboard/attempts.ts';
import { buildEvents } from '../../src/dashboard/trial-events.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import { makeResult } from '../sweep/builders.ts';

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 25, 9) + 1000 * seconds).toISOString();
const seeAll = (seen: readonly SeenAttempt[]) => seen.reduce<readonly AttemptFacts[]>(withAttempt, []);

interface Case {
  readonly seen: readonly SeenAttempt[];
  readonly record?: TrialResult;
  readonly endedAt?: string | null;
  /** Seconds, attempt, words. */
  readonly want: readonly (readonly [number | null, number, string])[];
}

const first = { attempt: 1, attemptUID: 'a', node: 'node-a', createdAt: at(0), startedAt: at(12) };
const cases: Record<string, Case> = {
  'created, begun where and after how long, ended and why': {
    seen: [{ ...first, endedAt: at(60), reason: 'Evicted: no disk' }],
    want: [
      [0, 1, 'created'],
      [12, 1, 'began on node-a after 12 s'],
      [60, 1, 'ended: Evicted: no disk'],
    ],
  },
  'a process of this machine is not created before it begins': {
    seen: [{ attempt: 1, attemptUID: 'a', createdAt: at(5), startedAt: at(5) }],
    want: [[5, 1, 'began']],
  },
  'a Pod that comes before the last one has ended stands between': {
    seen: [
      { ...first, endedAt: at(60), reason: 'evicted' },
      { attempt: 1, attemptUID: 'b', createdAt: at(40) },
    ],
    want: [
      [0, 1, 'created'],
      [12, 1, 'began on node-a after 12 s'],
      [40, 1, 'created'],
      [60, 1, 'ended: evicted'],
    ],
  },
  'an end of which nobody knows the time stands behind its attempt': {
    seen: [
      { ...first, reason: 'exit 1' },
      { attempt: 2, attemptUID: 'b', createdAt: at(90) },
    ],
    want: [
      [0, 1, 'created'],
      [12, 1, 'began on node-a after 12 s'],
      [null, 1, 'ended: exit 1'],
      [90, 2, 'created'],
    ],
  },
  'the end of a recorded attempt is its record': {
    seen: [{ ...first, endedAt: at(99) }],
    record: makeResult({ attempt: 1, attemptUID: 'a' }),
    endedAt: at(100),
    want: [
      [0, 1, 'created'],
      [12, 1, 'began on node-a after 12 s'],
      [100, 1, 'recorded: Succeeded'],
    ],
  },
  'one that ended well and is not recorded yet has ended': {
    seen: [{ ...first, endedAt: at(99) }],
    want: [
      [0, 1, 'created'],
      [12, 1, 'began on node-a after 12 s'],
      [99, 1, 'ended'],
    ],
  },
  'a record that is a failure says why; when it was written may be unknown': {
    seen: [],
    record: makeResult({ attempt: 3, attemptUID: 'c', outcome: 'Failed', reason: 'Crashed: exit 139', summary: null }),
    endedAt: null,
    want: [[null, 3, 'recorded: Failed: Crashed: exit 139']],
  },
};
for (const [sentence, { seen, record = null, endedAt = null, want }] of Object.entries(cases))
  test(sentence, () =>
    assert.deepEqual(
      buildEvents({ attempts: seeAll(seen), record, endedAt }),
      want.map(([seconds, attempt, words]) => ({ at: seconds === null ? null : at(seconds), attempt, words })),
    ),
  );
