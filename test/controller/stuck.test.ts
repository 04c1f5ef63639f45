import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sayStuck } from '../../src/controller/conditions.ts';
import { explainJobRefusal } from '../../src/controller/refusal.ts';
import { buildSnapshot } from '../../src/controller/snapshot.ts';
import { type StuckInput, type StuckStates, stuckStates } from '../../src/controller/stuck.ts';
import { jsonBytes } from '../../src/controller/text.ts';
import type { EventObject, Job, Pod, SweepObject } from '../../src/shared/objects.ts';
import {
  DISRUPTED,
  exited,
  Facts,
  type JobChanges,
  makeClusterSweep,
  makeJob,
  makePod,
  makeRecord,
  makeSlice,
  makeSnapshot,
  makeSweepObject,
  OTHER_UID,
  type PodChanges,
  RUNNING,
} from './builders.ts';

const sweep = makeClusterSweep();

interface Case {
  readonly queueName?: string;
  readonly queueMissing?: 'LocalQueue' | 'Kueue';
  readonly object?: Partial<SweepObject['metadata']>;
  readonly jobs?: readonly JobChanges[];
  /** Of the first Job. */
  readonly pods?: readonly PodChanges[];
  readonly slices?: readonly unknown[];
  readonly refusals?: StuckInput['refusals'];
  readonly undeleted?: StuckInput['undeleted'];
  readonly events?: readonly { of: 'job' | 'pod'; reason: string; message: string; at?: string }[];
  /** Until when it must not be named, and when it must; 0 and 0: at once. */
  readonly notYetMs?: number;
  readonly afterMs?: number;
  /** Reason and message; undefined: nothing is stuck. */
  readonly want: RegExp | undefined;
  readonly wantEvents?: 'Job' | 'Pod';
}

const waiting = (reason: string, message?: string) => ({
  state: { waiting: { reason, ...(message !== undefined && { message }) } },
});

const cases: Record<string, Case> = {
  'what runs is not stuck': { pods: [{ state: RUNNING }], afterMs: 60_000, want: undefined },
  'F21: no node has a free GPU, in the scheduler’s words': {
    pods: [{ unschedulable: '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.' }],
    notYetMs: 19_999,
    afterMs: 20_000,
    want: /^InsufficientGPU Pod study-0f1e2d-0-abcde: 0\/3 nodes are available: 3 Insufficient nvidia.com\/gpu: add a node/,
  },
  'a slice of a GPU is one too': {
    pods: [{ unschedulable: '1 Insufficient nvidia.com/mig-1g.5gb' }],
    afterMs: 20_000,
    want: /^InsufficientGPU/,
  },
  'no node fits': {
    pods: [{ unschedulable: '0/3 nodes are available: 3 Insufficient cpu.' }],
    afterMs: 20_000,
    want: /^Unschedulable .*Insufficient cpu/,
  },
  'B30: the claim does not exist': {
    pods: [{ unschedulable: '0/1 nodes are available: persistentvolumeclaim "images" not found.' }],
    afterMs: 20_000,
    want: /^DataVolumeNotFound .*"images" not found: create or bind the claim/,
  },
  'J13: nobody schedules': {
    pods: [{ unseen: true }],
    notYetMs: 44_999,
    afterMs: 45_000,
    want: /^Unschedulable .*kube-scheduler/,
  },
  'F20: an image cannot be pulled': {
    pods: [waiting('ImagePullBackOff', 'Back-off pulling image "x:1"')],
    notYetMs: 9_999,
    afterMs: 10_000,
    want: /^ImagePullFailed Pod .*Back-off pulling image "x:1"/,
  },
  'the short word of the same': {
    pods: [waiting('ErrImagePull')],
    afterMs: 10_000,
    want: /^ImagePullFailed .*ErrImagePull/,
  },
  'F20: the container cannot be configured': {
    pods: [waiting('CreateContainerConfigError', 'container has runAsNonRoot and image will run as root')],
    afterMs: 10_000,
    want: /^ContainerConfigInvalid .*runAsNonRoot/,
  },
  'a word of a prototype is no reason': {
    pods: [waiting('constructor')],
    afterMs: 60_000,
    want: undefined,
    wantEvents: 'Pod',
  },
  'a large image may take minutes': {
    pods: [waiting('ContainerCreating')],
    afterMs: 299_999,
    want: undefined,
    wantEvents: 'Pod',
  },
  'but not more than five': {
    pods: [waiting('ContainerCreating')],
    afterMs: 300_000,
    want: /^NoProgress .*ContainerCreating for more/,
    wantEvents: 'Pod',
  },
  'a volume that cannot be mounted is told by an event alone': {
    pods: [waiting('ContainerCreating')],
    afterMs: 20_000,
    events: [{ of: 'pod', reason: 'FailedMount', message: 'MountVolume.SetUp failed for volume "data"' }],
    want: /^DataVolumeNotFound .*MountVolume.SetUp failed/,
    wantEvents: 'Pod',
  },
  'a runtime class that the node does not have, too': {
    pods: [waiting('ContainerCreating')],
    afterMs: 20_000,
    events: [
      { of: 'pod', reason: 'Scheduled', message: 'assigned to n1', at: '2026-07-01T12:00:02Z' },
      {
        of: 'pod',
        reason: 'FailedCreatePodSandBox',
        message: 'no runtime for "nvidia" is configured',
        at: '2026-07-01T12:00:01Z',
      },
    ],
    want: /^ContainerConfigInvalid .*no runtime for "nvidia"/,
    wantEvents: 'Pod',
  },
  'F22: the node does not answer': {
    pods: [{ state: RUNNING, conditions: [{ type: 'Ready', status: 'False' }] }],
    afterMs: 10_000,
    want: /^NoProgress Pod .*on node n1, but the node does not answer/,
  },
  'J14: a Pod that does not end': {
    pods: [{ state: RUNNING, deleting: true }],
    notYetMs: 44_999,
    afterMs: 45_000,
    want: /^Terminating Pod .*on node n1, but does not end.*--force/,
  },
  'F23: a Job without a Pod, for a quota': {
    jobs: [{}],
    afterMs: 20_000,
    events: [
      { of: 'job', reason: 'FailedCreate', message: 'Error creating: old', at: '2026-07-01T12:00:00Z' },
      {
        of: 'job',
        reason: 'FailedCreate',
        message: 'Error creating: pods "x" is forbidden: exceeded quota: gpus',
        at: '2026-07-01T12:00:01Z',
      },
    ],
    want: /^QuotaExceeded Job study-0f1e2d-0: .*exceeded quota: gpus/,
    wantEvents: 'Job',
  },
  'F24: for pod security': {
    jobs: [{}],
    afterMs: 20_000,
    events: [
      {
        of: 'job',
        reason: 'FailedCreate',
        message: 'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest"',
      },
    ],
    want: /^PodRefused .*violates PodSecurity/,
    wantEvents: 'Job',
  },
  'B30: for a priority class': {
    jobs: [{}],
    afterMs: 20_000,
    events: [
      {
        of: 'job',
        reason: 'FailedCreate',
        message: 'pods "x" is forbidden: no PriorityClass with name high was found',
      },
    ],
    want: /^PriorityClassNotFound .*with name high/,
    wantEvents: 'Job',
  },
  'F25: for a webhook that is down': {
    jobs: [{}],
    afterMs: 20_000,
    events: [
      {
        of: 'job',
        reason: 'FailedCreate',
        message: 'Internal error occurred: failed calling webhook "x.io": connection refused',
      },
    ],
    want: /^AdmissionUnavailable .*"x.io"/,
    wantEvents: 'Job',
  },
  'J13: nobody makes Pods, and no event tells why': {
    jobs: [{}],
    notYetMs: 44_999,
    afterMs: 45_000,
    want: /^NoProgress Job .*kube-controller-manager/,
    wantEvents: 'Job',
  },
  'K29: somebody suspended a Job': { jobs: [{ suspend: true }], afterMs: 10_000, want: /^NoProgress Job .*suspended/ },
  'a Job in a queue is queued, not stuck': {
    queueName: 'gpus',
    jobs: [{ suspend: true }],
    afterMs: 60_000,
    want: undefined,
  },
  'B30: the queue does not exist': {
    queueName: 'gpus',
    queueMissing: 'LocalQueue',
    jobs: [{ suspend: true }],
    want: /^QueueNotFound LocalQueue gpus: not in namespace team/,
  },
  'a queue that is gone stops nothing that runs': {
    queueName: 'gpus',
    queueMissing: 'LocalQueue',
    pods: [{ state: RUNNING }],
    want: undefined,
  },
  'B30: there is no Kueue, and what should queue runs': {
    queueName: 'gpus',
    queueMissing: 'Kueue',
    pods: [{ state: RUNNING }],
    want: /^QueueNotFound LocalQueue gpus: the cluster has no Kueue \(kueue\.x-k8s\.io\/v1beta1 is not served\).*: install Kueue, or/,
  },
  'a Pod that was evicted is not stuck, but that no other follows it is': {
    pods: [{ phase: 'Failed', reason: 'Evicted', conditions: [DISRUPTED] }],
    notYetMs: 44_999,
    afterMs: 45_000,
    want: /^NoProgress Job study-0f1e2d-0: its Pod is over, and neither another one nor its end has come, and no event says why: see whether kube-controller-manager runs$/,
    wantEvents: 'Job',
  },
  'why no other follows an evicted Pod is told by an event': {
    pods: [{ phase: 'Failed', reason: 'Evicted', conditions: [DISRUPTED] }],
    events: [{ of: 'job', reason: 'FailedCreate', message: 'pods "x" is forbidden: exceeded quota: pods' }],
    notYetMs: 19_999,
    afterMs: 20_000,
    want: /^QuotaExceeded Job study-0f1e2d-0: .*exceeded quota: pods: raise the quota/,
    wantEvents: 'Job',
  },
  'a Pod that succeeded and whose Job does not say so': {
    pods: [{ state: exited(0) }],
    afterMs: 45_000,
    want: /^NoProgress Job study-0f1e2d-0: its Pod is over/,
    wantEvents: 'Job',
  },
  'the successor of an evicted Pod is looked at for itself': {
    pods: [
      { phase: 'Failed', reason: 'Evicted', conditions: [DISRUPTED] },
      { name: 'next', uid: 'next', unschedulable: '0/1 nodes are available: 1 Insufficient nvidia.com/gpu' },
    ],
    afterMs: 50_000,
    want: /^InsufficientGPU Pod next: /,
  },
  'K28: a foreign Job of our name': {
    jobs: [{ owner: OTHER_UID }],
    want: /^NameCollision Job study-0f1e2d-0: has the name that trial 0 needs, and is not ours/,
  },
  'K26: a Job that a foreign finalizer holds': {
    jobs: [{ deleting: true, finalizers: ['example.com/hold', 'foregroundDeletion'] }],
    notYetMs: 44_999,
    afterMs: 45_000,
    want: /^Terminating Job .*finalizer example.com\/hold:/,
  },
  'K26: a Sweep that one holds': {
    object: { deletionTimestamp: '2026-07-01T12:00:00Z', finalizers: ['example.com/hold'] },
    afterMs: 45_000,
    want: /^Terminating Sweep study: .*example.com\/hold/,
  },
  'Kubernetes’ own finalizers go by themselves': {
    object: { deletionTimestamp: '2026-07-01T12:00:00Z', finalizers: ['foregroundDeletion'] },
    afterMs: 90_000,
    want: undefined,
  },
  'a finalizer of a Sweep that nobody deletes holds nothing': {
    object: { finalizers: ['example.com/hold'] },
    afterMs: 90_000,
    want: undefined,
  },
  'a record that cannot be read': {
    slices: [{ trial: 3 }],
    want: /^NoProgress TrialResultSlice study-0f1e2d-s0: record 0 \(trial 3\) cannot be read/,
  },
  'a refused create is named at once': {
    refusals: [
      { trial: 4, code: 403, reason: 'Forbidden', message: 'jobs.batch "x" is forbidden: exceeded quota: jobs' },
    ],
    want: /^QuotaExceeded Job of trial 4: .*exceeded quota: jobs/,
  },
  'a server in trouble is not a stuck state, unless the trouble lasts': {
    refusals: [{ trial: 4, code: 503, reason: 'ServiceUnavailable', message: 'etcd leader changed' }],
    notYetMs: 19_999,
    afterMs: 20_000,
    want: /^NoProgress Job of trial 4: etcd leader changed: it is tried again; see what keeps the API server, its webhooks or its quotas from an answer$/,
  },
  'a create without an answer has taken long enough': {
    refusals: [{ trial: 4, code: 0, reason: 'Timeout', message: 'POST /apis/batch/v1: no answer in 12 s' }],
    want: /^NoProgress Job of trial 4: .*no answer in 12 s: it is tried again/,
  },
  'a Job that nobody lets us delete': {
    undeleted: { job: 'study-0f1e2d-3', code: 403, reason: 'Forbidden', message: 'User "us" cannot delete resource' },
    want: /^Forbidden Job study-0f1e2d-3: cannot be deleted: User "us" cannot delete resource: give the controller its rights back/,
  },
  'a Job that a policy keeps': {
    undeleted: { job: 'study-0f1e2d-3', code: 422, reason: 'Invalid', message: 'denied by policy keep-jobs' },
    want: /^NoProgress Job study-0f1e2d-3: cannot be deleted: denied by policy keep-jobs: it is tried again; delete it by hand, or see who refuses$/,
  },
};

function look({
  jobs,
  pods = [],
  slices = [],
  events = [],
  refusals = [],
  ...given
}: Case): (ms: number) => StuckStates {
  const owner =
    given.queueName === undefined ? sweep : makeClusterSweep(5, { trainer: { queueName: given.queueName } });
  const made: Job[] = (jobs ?? (pods.length > 0 ? [{}] : [])).map((changes, trial) => makeJob(owner, trial, changes));
  const [job] = made;
  const its: Pod[] = job ? pods.map((changes) => makePod(job, changes)) : [];
  const facts = new Facts();
  const { sinceSeen } = facts;
  const uids = { job: job?.metadata.uid ?? '', pod: its[0]?.metadata.uid ?? '' };
  const told = events.map(
    ({ of, reason, message, at = '' }) =>
      ({ involvedObject: { uid: uids[of] }, reason, message, lastTimestamp: at }) as EventObject,
  );
  const object = makeSweepObject();
  return (ms) => {
    facts.advance(ms);
    const snapshot = buildSnapshot({
      sweep: owner,
      jobs: made,
      pods: its,
      slices: [makeSlice(owner, 0, slices)],
      sinceSeen,
      deleteDelayMs: 30_000,
    });
    return stuckStates({
      sweep: owner,
      object: { ...object, metadata: { ...object.metadata, ...given.object } },
      snapshot,
      refusals,
      events: told,
      queueMissing: given.queueMissing,
      undeleted: given.undeleted,
      sinceSeen,
    });
  };
}

for (const [sentence, given] of Object.entries(cases))
  test(sentence, () => {
    const { notYetMs, afterMs = 0, want, wantEvents } = given;
    const at = look(given);
    let states = at(0);
    if (notYetMs !== undefined) {
      assert.deepEqual(at(notYetMs).stuck, []);
      assert.ok((at(0).wakeInMs ?? Number.POSITIVE_INFINITY) <= afterMs - notYetMs, 'nobody would look again in time');
    }
    states = at(afterMs - (notYetMs ?? 0));
    const said = states.stuck.map(({ reason, message }) => `${reason} ${message}`);
    if (want) assert.match(said.join('\n'), want);
    assert.equal(said.length, want ? 1 : 0);
    assert.deepEqual(
      states.eventsWanted.map(({ kind }) => kind),
      wantEvents ? [wantEvents] : [],
    );
  });

test('INV-13: every wait for a name is shorter than a minute, but for the image that may be large', () => {
  for (const [sentence, { afterMs = 0, want }] of Object.entries(cases))
    if (want) assert.ok(afterMs < 60_000 || sentence.startsWith('but not more than five'), sentence);
});

test('a vanished Job is named until its trial runs again', () => {
  const facts = new Facts();
  const base = { sweep, slices: [], pods: [], sinceSeen: facts.sinceSeen, deleteDelayMs: 1 };
  const before = buildSnapshot({ ...base, jobs: [makeJob(sweep, 2)] });
  const after = buildSnapshot({ ...base, jobs: [], previous: before });
  const ask = { sweep, object: makeSweepObject(), refusals: [], events: [], sinceSeen: facts.sinceSeen };
  assert.match(
    stuckStates({ ...ask, snapshot: after }).stuck[0]?.message ?? '',
    /^Job study-0f1e2d-2: vanished before the result of trial 2/,
  );
  const again = buildSnapshot({ ...base, jobs: [makeJob(sweep, 2, { uid: 'new' })], previous: after });
  assert.deepEqual(stuckStates({ ...ask, snapshot: again }).stuck, []);
});

const refusals: Record<string, [code: number, reason: string, message: string, want: string | undefined]> = {
  'a missing right': [
    403,
    'Forbidden',
    'jobs.batch is forbidden: User "system:serviceaccount:a:b" cannot create resource "jobs" in API group "batch"',
    'Forbidden',
  ],
  'a token that is no longer valid': [401, 'Unauthorized', 'Unauthorized', 'Forbidden'],
  'a quota': [
    403,
    'Forbidden',
    'jobs.batch "x" is forbidden: exceeded quota: q, requested: count/jobs.batch=1',
    'QuotaExceeded',
  ],
  'a webhook that does not answer': [
    500,
    'InternalError',
    'Internal error occurred: failed calling webhook "a.b": failed to call webhook: timeout',
    'AdmissionUnavailable',
  ],
  'a webhook that says no': [400, 'BadRequest', 'admission webhook "a.b" denied the request: no', 'JobRefused'],
  'a policy that says no': [
    422,
    'Invalid',
    'ValidatingAdmissionPolicy "p" with binding "b" denied request: no',
    'JobRefused',
  ],
  'a label that is too long': [422, 'Invalid', 'metadata.labels: Invalid value', 'JobRefused'],
  'a namespace that goes': [
    403,
    'Forbidden',
    'jobs.batch "x" is forbidden: unable to create new content in namespace team because it is being terminated',
    'Terminating',
  ],
  'a name that is taken': [409, 'AlreadyExists', 'jobs.batch "x" already exists', 'NameCollision'],
  'any other conflict': [409, 'Conflict', 'the object has been modified', undefined],
  'too many requests': [429, 'TooManyRequests', 'too many', undefined],
  'no answer': [0, 'Timeout', 'no answer', undefined],
  'a server in trouble': [500, 'InternalError', 'etcdserver: request timed out', undefined],
};
for (const [sentence, [code, reason, message, want]] of Object.entries(refusals))
  test(`refused: ${sentence}`, () => assert.equal(explainJobRefusal({ code, reason, message }), want));

test('the worst comes first, one of each kind, and how many there are beside', () => {
  const many = makeClusterSweep(60);
  const facts = new Facts();
  const jobs = many.trials.slice(0, 40).map(({ trial }) => makeJob(many, trial));
  const pods = jobs.map((job, at) =>
    makePod(job, at % 2 ? waiting('ErrImagePull', 'no such image') : { unschedulable: 'Insufficient nvidia.com/gpu' }),
  );
  const foreign = makeJob(many, 50, { owner: OTHER_UID });
  const ask = () => {
    const snapshot = buildSnapshot({
      sweep: many,
      jobs: [...jobs, foreign],
      pods,
      slices: [],
      sinceSeen: facts.sinceSeen,
      deleteDelayMs: 1,
    });
    return stuckStates({
      sweep: many,
      object: makeSweepObject(),
      snapshot,
      refusals: [],
      events: [],
      sinceSeen: facts.sinceSeen,
    });
  };
  ask();
  facts.advance(20_000);
  const saying = sayStuck(ask().stuck, 1024);
  assert.equal(saying.reason, 'NameCollision');
  assert.match(
    saying.message,
    /^Job study-0f1e2d-50: .*; ImagePullFailed: Pod study-0f1e2d-1-abcde: .*; InsufficientGPU: Pod study-0f1e2d-0-abcde: .*; and 38 more$/,
  );
});

test('a message has a bound, however long the words of others are', () => {
  const words = '"\\\n€'.repeat(2000);
  const snapshot = makeSnapshot(sweep);
  const refused = [0, 1, 2, 3].map((trial) => ({ trial, code: 422, reason: 'Invalid', message: words }));
  const { stuck } = stuckStates({
    sweep,
    object: makeSweepObject(),
    snapshot,
    refusals: refused,
    events: [],
    sinceSeen: () => 0,
  });
  const { message } = sayStuck(stuck, 1024);
  assert.ok(jsonBytes(message) <= 1024);
  assert.match(message, /and 3 more$/);
  assert.ok(jsonBytes(sayStuck(stuck, 100).message) <= 100);
});

test('of many objects only a few are asked for their Events', () => {
  const many = makeClusterSweep(60);
  const jobs = many.trials.map(({ trial }) => makeJob(many, trial));
  const snapshot = makeSnapshot(many, { jobs, sinceSeen: () => 0 });
  const { eventsWanted } = stuckStates({
    sweep: many,
    object: makeSweepObject(),
    snapshot,
    refusals: [],
    events: [],
    sinceSeen: () => 30_000,
  });
  assert.deepEqual(
    eventsWanted.map(({ name }) => name),
    ['study-0f1e2d-0', 'study-0f1e2d-1', 'study-0f1e2d-2'],
  );
});

test('a recorded trial is never stuck', () => {
  const job = makeJob(sweep, 0);
  const pod = makePod(job, waiting('ErrImagePull'));
  const snapshot = makeSnapshot(sweep, {
    jobs: [job],
    pods: [pod],
    slices: [makeSlice(sweep, 0, [makeRecord(sweep, 0)])],
  });
  assert.deepEqual(
    stuckStates({ sweep, object: makeSweepObject(), snapshot, refusals: [], events: [], sinceSeen: () => 60_000 })
      .stuck,
    [],
  );
});
