import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAttempts, readGone } from '../../src/dashboard/attempt-facts.ts';
import type { SeenAttempt } from '../../src/dashboard/attempts.ts';
import { ATTEMPT_LABEL } from '../../src/shared/labels.ts';
import type { ContainerStatus, Job, Pod } from '../../src/shared/objects.ts';

const CREATED = '2026-11-25T09:00:00Z';
const BEGAN = '2026-11-25T09:00:12Z';
const ENDED = '2026-11-25T09:05:00Z';
const EVICTED = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'EvictionByEvictionAPI',
  message: 'drained',
  lastTransitionTime: ENDED,
};

function metaOf(name: string, attempt: number) {
  const labels = attempt > 1 ? { [ATTEMPT_LABEL]: `${attempt}` } : {};
  return { name, namespace: 'team-a', uid: `uid-${name}`, resourceVersion: '1', creationTimestamp: CREATED, labels };
}

interface PodParts {
  readonly name?: string;
  readonly attempt?: number;
  readonly node?: string;
  readonly state?: NonNullable<ContainerStatus['state']>;
  readonly status?: Pod['status'];
}

function makePod({ name = 'pod', attempt = 1, node, state, status = {} }: PodParts): Pod {
  const containerStatuses = state ? [{ name: 'trainer', state }] : [];
  return {
    metadata: metaOf(name, attempt),
    ...(node !== undefined && { spec: { nodeName: node } }),
    status: { containerStatuses, ...status },
  };
}

function makeJob(attempt: number, reason?: string): Job {
  const failed = { type: 'Failed', status: 'True', reason: reason ?? '', lastTransitionTime: ENDED };
  return { metadata: metaOf(`job-${attempt}`, attempt), status: { conditions: reason === undefined ? [] : [failed] } };
}

const terminated = { exitCode: 137, reason: 'OOMKilled', startedAt: BEGAN, finishedAt: ENDED };
const cases: Record<string, { pod: PodParts; want: Partial<SeenAttempt> }> = {
  'a Pod without a node is pending since its creation': {
    pod: { status: { phase: 'Pending' } },
    want: { node: null, createdAt: CREATED, startedAt: null, endedAt: null, reason: '' },
  },
  'one whose container runs has begun': {
    pod: { node: 'n1', state: { running: { startedAt: BEGAN } } },
    want: { node: 'n1', pod: 'pod', createdAt: CREATED, startedAt: BEGAN, endedAt: null, reason: '' },
  },
  'one whose container ended badly says when and why': {
    pod: { node: 'n1', state: { terminated } },
    want: { startedAt: BEGAN, endedAt: ENDED, reason: 'out of memory, exit 137' },
  },
  'one that succeeded has an end and no reason': {
    pod: { node: 'n1', state: { terminated: { ...terminated, exitCode: 0, reason: 'Completed' } } },
    want: { startedAt: BEGAN, endedAt: ENDED, reason: '' },
  },
  'one that is evicted before its container began ended then': {
    pod: { node: 'n1', status: { phase: 'Failed', conditions: [EVICTED] } },
    want: { startedAt: null, endedAt: ENDED, reason: 'EvictionByEvictionAPI: drained' },
  },
  'one that is to be evicted still runs': {
    pod: { node: 'n1', state: { running: { startedAt: BEGAN } }, status: { phase: 'Running', conditions: [EVICTED] } },
    want: { endedAt: null, reason: '' },
  },
};
for (const [sentence, { pod, want }] of Object.entries(cases))
  test(sentence, () =>
    assert.partialDeepStrictEqual(readAttempts({ jobs: [makeJob(1)], pods: [makePod(pod)] }).attempts, [want]),
  );

test('every Pod of a trial is told, those of earlier attempts and evicted ones too', () => {
  const pods = [
    makePod({ name: 'evicted', node: 'n1', status: { phase: 'Failed', conditions: [EVICTED] } }),
    makePod({ name: 'crashed', node: 'n2', state: { terminated } }),
    makePod({ name: 'now', attempt: 2, node: 'n1', state: { running: { startedAt: BEGAN } } }),
  ];
  const { attempts, liveness } = readAttempts({ jobs: [makeJob(1), makeJob(2)], pods });
  assert.deepEqual(
    attempts.map(({ attempt, attemptUID, node }) => [attempt, attemptUID, node]),
    [
      [1, 'uid-evicted', 'n1'],
      [1, 'uid-crashed', 'n2'],
      [2, 'uid-now', 'n1'],
    ],
  );
  assert.deepEqual([liveness.phase, liveness.attempt, liveness.attemptUID], ['Running', 2, 'uid-now']);
});

test('a Job that failed and has no Pod is an attempt of which its number is known', () => {
  const { attempts } = readAttempts({ jobs: [makeJob(1, 'DeadlineExceeded'), makeJob(2)], pods: [] });
  assert.deepEqual(attempts, [{ attempt: 1, endedAt: ENDED, reason: 'DeadlineExceeded' }]);
});

test('a Pod that is gone without an end ended when that was seen; one that had an end keeps it', () => {
  const gone = '2026-11-25T10:00:00Z';
  const running = { node: 'n1', state: { running: { startedAt: BEGAN } } };
  const saying = (parts: PodParts) => {
    const { endedAt, reason } = readGone(makePod(parts), gone);
    return [endedAt, reason];
  };
  assert.deepEqual(saying(running), [gone, 'its Pod was deleted']);
  assert.deepEqual(saying({ ...running, status: { conditions: [EVICTED], containerStatuses: [] } }), [
    gone,
    'EvictionByEvictionAPI: drained',
  ]);
  assert.deepEqual(saying({ node: 'n1', state: { terminated } }), [ENDED, 'out of memory, exit 137']);
});
