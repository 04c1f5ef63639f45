import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventOf, openEvents, type SweepEvent } from '../../src/controller/events.ts';
import { ApiError } from '../../src/shared/api-error.ts';
import { openLog } from '../../src/shared/log.ts';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';

function makeStatus(...conditions: readonly Pick<Condition, 'type' | 'status' | 'reason'>[]): SweepStatus {
  const trials = { total: 1, waiting: 1, running: 0, succeeded: 0, failed: 0, stopped: 0 };
  const lastTransitionTime = '2026-11-25T12:00:00Z';
  return {
    phase: 'Running',
    observedGeneration: 1,
    trials,
    message: '',
    conditions: conditions.map((each) => ({ ...each, message: 'm', observedGeneration: 1, lastTransitionTime })),
  };
}

const running = { type: 'Progressing', status: 'True', reason: 'TrialsRunning' } as const;
const stuck = { type: 'Degraded', status: 'True', reason: 'InsufficientGPU' } as const;
const fine = { type: 'Degraded', status: 'False', reason: 'AsExpected' } as const;
const invalid = { type: 'Accepted', status: 'False', reason: 'InvalidSweep' } as const;
const valid = { type: 'Accepted', status: 'True', reason: 'Valid' } as const;

const CASES: Record<string, { before?: SweepStatus; after: SweepStatus; want: readonly string[] }> = {
  'trials that begin to run are told': { after: makeStatus(valid, running, fine), want: ['Normal TrialsRunning'] },
  'what is as before is not told again': {
    before: makeStatus(running, stuck),
    after: makeStatus(running, stuck),
    want: [],
  },
  'what is stuck is a warning': {
    before: makeStatus(running, fine),
    after: makeStatus(running, stuck),
    want: ['Warning InsufficientGPU'],
  },
  'what is stuck for another reason is told': {
    before: makeStatus(stuck),
    after: makeStatus({ ...stuck, reason: 'QuotaExceeded' }),
    want: ['Warning QuotaExceeded'],
  },
  'what is not stuck any more is no news': { before: makeStatus(stuck), after: makeStatus(fine), want: [] },
  'a sweep that is refused is a warning': { after: makeStatus(invalid), want: ['Warning InvalidSweep'] },
};
for (const [sentence, { before, after, want }] of Object.entries(CASES)) {
  test(sentence, () => {
    assert.deepEqual(
      eventOf(before, after).map(({ type, reason }) => `${type} ${reason}`),
      want,
    );
  });
}

const SWEEP = {
  metadata: {
    name: 'study',
    namespace: 'default',
    uid: '0d0e0f00-1111',
    resourceVersion: '1',
    creationTimestamp: '2026-11-25T12:00:00Z',
  },
};
const EVENT: SweepEvent = { type: 'Warning', reason: 'QuotaExceeded', message: 'quota' };

function record({ fails = false } = {}) {
  let now = 0;
  const stored = new Set<string>();
  const calls: string[] = [];
  const lines: string[] = [];
  const events = openEvents(
    {
      create: async (_kind, { metadata }) => {
        if (fails) throw new ApiError({ code: 403, reason: 'Forbidden', message: 'no' });
        calls.push(`create ${metadata.name}`);
        if (stored.has(metadata.name)) return { kind: 'exists' };
        stored.add(metadata.name);
        return { kind: 'created', object: { metadata } as never };
      },
      mergePatch: async (_kind, { name }, patch) => {
        calls.push(`patch ${name} count ${(patch as { count: number }).count}`);
        return { kind: 'written', object: { metadata: {} } as never };
      },
    },
    { log: openLog((line) => lines.push(line)), timers: { now: () => now, after: () => () => {} } },
  );
  return { events, calls, lines, wait: (ms: number) => (now += ms) };
}

test('an event is written at most once a minute of each reason, and its count grows', async () => {
  const { events, calls, wait } = record();
  await events.record(SWEEP, EVENT);
  await events.record(SWEEP, EVENT);
  await events.record(SWEEP, { ...EVENT, reason: 'PodRefused' });
  wait(60_000);
  await events.record(SWEEP, EVENT);
  assert.deepEqual(calls, [
    'create study.0d0e0f00.quotaexceeded',
    'create study.0d0e0f00.podrefused',
    'create study.0d0e0f00.quotaexceeded',
    'patch study.0d0e0f00.quotaexceeded count 2',
  ]);
});

test('an event that cannot be written is logged, and nothing else happens', async () => {
  const { events, lines } = record({ fails: true });
  await events.record(SWEEP, EVENT);
  assert.match(lines[0] ?? '', /"event":"event not written","sweep":"default\/study","reason":"QuotaExceeded"/);
});
