import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptEnd, attemptEnd } from '../../src/controller/attempt-end.ts';
import { Waits } from '../../src/controller/waits.ts';
import type { Pod } from '../../src/shared/objects.ts';
import { encodeResult, type TrialResult } from '../../src/sweep/result.ts';
import {
  DISRUPTED,
  exited,
  Facts,
  type JobChanges,
  makeClusterSweep,
  makeJob,
  makePod,
  makeResult,
  type PodChanges,
  RUNNING,
  trialOf,
} from './builders.ts';

const sweep = makeClusterSweep();
const resultWith = (changes: Partial<TrialResult> = {}) => encodeResult(makeResult(sweep, 3, changes));
const result = resultWith();

/** As the kubelet takes it: cut at its beginning. */
const LOG = `poch":2,"trainLoss":1.9}
{"epoch":3,"trainLoss":1.7}
    at train (train.ts:40:7)

{"epoch":4,"trainLoss":1.6}
    at main (main.ts:2:1)
TypeError: no kernel
`;

interface Case {
  readonly job?: JobChanges;
  readonly pods?: readonly PodChanges[];
  readonly podsSeen?: number;
  /** How long ago all this was first seen. */
  readonly afterMs?: number;
  /** `Succeeded`, the reason of a failure with `!` if it is final, or `disrupted`; undefined: it lives. */
  readonly want: string | undefined;
  readonly says?: RegExp;
}

const cases: Record<string, Case> = {
  'a Job without a condition lives, whatever its Pod says': {
    pods: [{ state: exited(0, { message: result }) }],
    want: undefined,
  },
  'exit 0 with its own result': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: result }) }],
    want: 'Succeeded',
  },
  'exit 0 without a result': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0) }],
    want: 'ResultMissing',
    says: /exit 0 without a result/,
  },
  'exit 0 with garbage': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: '{"trial": NaN}' }) }],
    want: 'ResultMissing',
    says: /NaN is not JSON/,
  },
  'the result of another trial does not count': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: resultWith({ trial: 4 }) }) }],
    want: 'ResultMissing',
    says: /trial 4, not 3/,
  },
  'nor that of another attempt': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: resultWith({ attempt: 2 }) }) }],
    want: 'ResultMissing',
    says: /attempt 2, not 1/,
  },
  'nor that of another Pod': {
    job: { end: 'Complete' },
    pods: [{ uid: 'pod-x', state: exited(0, { message: result }) }],
    want: 'ResultMissing',
    says: /attemptUID/,
  },
  'but that of a trainer that was not told its UID does': {
    job: { end: 'Complete' },
    pods: [{ uid: 'pod-x', state: exited(0, { message: resultWith({ attemptUID: 'pod' }) }) }],
    want: 'Succeeded',
  },
  'nor that of other hyperparameters': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: resultWith({ hyperparametersHash: '0'.repeat(16) }) }) }],
    want: 'ResultMissing',
    says: /hyperparametersHash/,
  },
  'of two Pods at once the one whose result is its own is taken': {
    job: { end: 'Complete' },
    pods: [
      { name: 'a', uid: 'a', state: exited(0, { message: result }) },
      { name: 'b', state: exited(0, { message: result }) },
    ],
    want: 'Succeeded',
  },
  'exit 1 is a crash, to be tried again': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(1, { message: 'no space left\n' }) }],
    want: 'Crashed',
    says: /^exit 1: no space left$/,
  },
  'a result beside exit 1 is not read': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(1, { message: result }) }],
    want: 'Crashed',
    says: /^exit 1$/,
  },
  'a crash without words of its own is told by the end of its log, measurements aside': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(1, { message: LOG }) }],
    want: 'Crashed',
    says: /^exit 1: at train \(train\.ts:40:7\) \| at main \(main\.ts:2:1\) \| TypeError: no kernel$/,
  },
  'of a long log only the last lines that fit are told': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(1, { message: `${'a line of the log\n'.repeat(100)}the last one` }) }],
    want: 'Crashed',
    says: /^exit 1: (a line of the log \| ){9}the last one$/,
  },
  'exit 2 is final': { job: { end: 'PodFailurePolicy' }, pods: [{ state: exited(2) }], want: 'BadConfiguration!' },
  'exit 2 with a result is final too': {
    job: { end: 'PodFailurePolicy' },
    pods: [{ state: exited(2, { message: result }) }],
    want: 'BadConfiguration!',
  },
  'out of memory is final': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(137, { reason: 'OOMKilled' }) }],
    want: 'OutOfMemory!',
  },
  '137 alone decides nothing': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(137, { reason: 'Error', signal: 9 }) }],
    want: 'Crashed',
    says: /exit 137, signal 9/,
  },
  '139, 143 and 255 are crashes': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(143) }],
    want: 'Crashed',
  },
  'the run deadline is final, whatever the exit code': {
    job: { end: 'DeadlineExceeded' },
    pods: [{ state: exited(143) }],
    want: 'DeadlineExceeded!',
  },
  'but a result that is there counts: the deadline passed before its Job was looked at': {
    job: { end: 'DeadlineExceeded' },
    pods: [{ state: exited(0, { message: result }) }],
    want: 'Succeeded',
  },
  'one that does not decode is none': {
    job: { end: 'DeadlineExceeded' },
    pods: [{ state: exited(0, { message: '{"trial":' }) }],
    want: 'DeadlineExceeded!',
  },
  'the run deadline of a Pod that nobody saw': { job: { end: 'DeadlineExceeded' }, want: 'DeadlineExceeded!' },
  'out of memory comes before the run deadline': {
    job: { end: 'DeadlineExceeded' },
    pods: [{ state: exited(137, { reason: 'OOMKilled' }) }],
    want: 'OutOfMemory!',
  },
  'a disrupted Pod beside one that succeeded does not count': {
    job: { end: 'Complete' },
    pods: [
      { name: 'a', uid: 'a', state: exited(2), conditions: [DISRUPTED] },
      { name: 'b', state: exited(0, { message: result }) },
    ],
    want: 'Succeeded',
  },
  'a Pod that was evicted while it ended well counts': {
    job: { end: 'Complete' },
    pods: [{ state: exited(0, { message: result }), conditions: [DISRUPTED] }],
    want: 'Succeeded',
  },
  'a Pod that its node refused is a crash with the node’s words': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [
      { phase: 'Failed', reason: 'UnexpectedAdmissionError', message: 'Allocate failed due to no healthy devices' },
    ],
    want: 'Crashed',
    says: /^UnexpectedAdmissionError: Allocate failed/,
  },
  'a Job that ended is not over for us before its Pod is seen': {
    job: { end: 'Complete' },
    pods: [{ state: RUNNING }],
    want: undefined,
  },
  'a Job that ended while the Pod was removed: its result is missing': {
    job: { end: 'Complete' },
    afterMs: 10_000,
    want: 'ResultMissing',
    says: /its Pod was removed/,
  },
  'a Job that failed while the Pod was removed has crashed': {
    job: { end: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' },
    afterMs: 10_000,
    want: 'Crashed',
    says: /backoff limit/,
  },
  'by its failure policy it was exit 2': {
    job: { end: 'PodFailurePolicy' },
    afterMs: 10_000,
    want: 'BadConfiguration!',
  },
  'a Job that was given up for a disruption is not counted': {
    job: { end: 'BackoffLimitExceeded' },
    pods: [{ state: exited(143), conditions: [DISRUPTED] }],
    afterMs: 10_000,
    want: 'disrupted',
  },
  'a Pod that failed beside the one that completed the Job, which is not seen yet, decides nothing': {
    job: { end: 'Complete' },
    pods: [{ state: exited(1) }],
    want: undefined,
  },
  'as many disruptions as allowed': { podsSeen: 11, pods: [{ state: RUNNING }], want: undefined },
  'one disruption too many is final, though the Job lives': {
    podsSeen: 12,
    pods: [{ state: RUNNING }],
    want: 'TooManyDisruptions!',
    says: /11 times.*allows 10/,
  },
  'a Pod that is about to be disrupted may end well': {
    podsSeen: 11,
    pods: Array.from({ length: 11 }, (_, at) => ({ uid: `pod-${at}`, state: RUNNING, conditions: [DISRUPTED] })),
    want: undefined,
  },
  'one that has ended well within its time of grace was not disrupted, though its Job has yet to say so': {
    podsSeen: 50,
    pods: [{ state: exited(0, { message: result }), conditions: [DISRUPTED] }],
    want: undefined,
  },
  'a result counts after any number of disruptions': {
    job: { end: 'Complete' },
    podsSeen: 50,
    pods: [{ state: exited(0, { message: result }) }],
    want: 'Succeeded',
  },
  'a name that is no image is final at once': {
    pods: [{ state: { waiting: { reason: 'InvalidImageName', message: 'couldn’t parse' } } }],
    want: 'InvalidImage!',
    says: /InvalidImageName: couldn/,
  },
  'and so is an image that is never pulled': {
    pods: [{ state: { waiting: { reason: 'ErrImageNeverPull' } } }],
    want: 'InvalidImage!',
  },
  'an image that cannot be pulled may come': {
    pods: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }],
    afterMs: 899_999,
    want: undefined,
  },
  'until the start deadline': {
    pods: [{ state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } } }],
    afterMs: 900_000,
    want: 'StartDeadlineExceeded!',
    says: /900 s after it got a node.*Back-off pulling image/,
  },
  'a Pod without a node has no start deadline': {
    pods: [{ unschedulable: '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.' }],
    afterMs: 9_000_000,
    want: undefined,
  },
  'nor has one that runs, for however long': { pods: [{ state: RUNNING }], afterMs: 9_000_000, want: undefined },
  'nor one that is being deleted': { pods: [{ deleting: true }], afterMs: 9_000_000, want: undefined },
};

function endOf({ job: changes = {}, pods: podChanges = [], podsSeen, afterMs = 0 }: Case): AttemptEnd | undefined {
  const job = makeJob(sweep, 3, changes);
  const pods: Pod[] = podChanges.map((change) => makePod(job, change));
  const facts = { trial: trialOf(sweep, 3), attempt: 1, job, pods, podsSeen: podsSeen ?? pods.length };
  const seen = new Facts();
  const look = () => attemptEnd(facts, sweep.sweep.spec.trainer, new Waits(seen.sinceSeen));
  look();
  seen.advance(afterMs);
  return look();
}

for (const [sentence, given] of Object.entries(cases))
  test(sentence, () => {
    const end = endOf(given);
    const said = end?.kind === 'failed' ? `${end.reason}${end.final ? '!' : ''}` : end?.kind;
    assert.equal(said === 'succeeded' ? 'Succeeded' : said, given.want);
    if (given.says) assert.match(end?.kind === 'failed' ? end.message : '', given.says);
  });

test('a result is its Pod’s, whether or not its trainer was told the UID', () => {
  for (const attemptUID of ['pod', 'pod-x']) {
    const pod = { uid: 'pod-x', state: exited(0, { message: resultWith({ attemptUID }) }) };
    const end = endOf({ job: { end: 'Complete' }, pods: [pod], want: 'Succeeded' });
    assert.equal(end?.kind === 'succeeded' && end.result.attemptUID, 'pod-x');
  }
});

test('a failure carries its Pod and how long it ran, by the kubelet’s clock', () => {
  const end = endOf({ job: { end: 'BackoffLimitExceeded' }, pods: [{ state: exited(1) }], want: 'Crashed' });
  assert.equal(end?.kind, 'failed');
  assert.deepEqual([end.podUID, end.seconds], ['pod-job-3-1', 60]);
});

test('the same facts give the same end in whatever order the Pods were seen', () => {
  const pods = [
    { name: 'a', uid: 'a', state: exited(1) },
    { name: 'b', uid: 'b', state: exited(2) },
  ];
  const both = [pods, pods.toReversed()].map((given) =>
    endOf({ job: { end: 'BackoffLimitExceeded' }, pods: given, want: '' }),
  );
  assert.deepEqual(
    both.map((end) => end?.kind === 'failed' && end.reason),
    ['BadConfiguration', 'BadConfiguration'],
  );
});
