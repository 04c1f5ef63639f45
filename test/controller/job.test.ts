import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IsObject, type TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { buildJob, isOurs, parseJobName } from '../../src/controller/job.ts';
import { AssignmentSchema, decodeAssignment } from '../../src/sweep/assignment.ts';
import { SweepSchema } from '../../src/sweep/schema.ts';
import { at } from '../charts/helm.ts';
import { makeClusterSweep, makeJob, OPTIONS, OTHER_UID, SWEEP_UID, trialOf } from './builders.ts';

const sweep = makeClusterSweep();
const podOf = (trainer = {}, options = {}) => {
  const owner = makeClusterSweep(5, { trainer });
  const job = buildJob(owner, trialOf(owner, 3), 2, { ...OPTIONS, ...options });
  const [container] = job.spec.template.spec.containers;
  assert.ok(container);
  return { job, pod: job.spec.template.spec, container };
};

test('a Job bears the name, the labels and the owner that tell whose it is', () => {
  const { metadata, spec } = buildJob(sweep, trialOf(sweep, 3), 2, OPTIONS);
  assert.equal(metadata.name, 'study-0f1e2d-3-r2');
  assert.equal(metadata.namespace, 'team');
  const labels = {
    'cnn-sweep.dev/sweep-uid': SWEEP_UID,
    'cnn-sweep.dev/sweep': 'study',
    'cnn-sweep.dev/trial': '3',
    'cnn-sweep.dev/attempt': '2',
  };
  assert.deepEqual(metadata.labels, labels);
  // Nothing more: the API server follows each field of a Pod through its whole life.
  const ofPods = { 'app.kubernetes.io/name': 'cnn-sweep', 'app.kubernetes.io/component': 'trainer' };
  assert.deepEqual(spec.template.metadata, { labels: { ...ofPods, ...labels } });
  assert.deepEqual(metadata.ownerReferences, [
    {
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'Sweep',
      name: 'study',
      uid: SWEEP_UID,
      controller: true,
      blockOwnerDeletion: false,
    },
  ]);
});

test('a first attempt is not said, as in the name of its Job', () => {
  const { metadata, spec } = buildJob(sweep, trialOf(sweep, 3), 1, OPTIONS);
  assert.equal(metadata.name, 'study-0f1e2d-3');
  assert.ok(!('cnn-sweep.dev/attempt' in metadata.labels));
  assert.ok(!('cnn-sweep.dev/attempt' in spec.template.metadata.labels));
});

test('its Pod is never retried, a disruption is ignored first, and exit 2 fails the Job', () => {
  const { spec } = buildJob(sweep, trialOf(sweep, 0), 1, OPTIONS);
  const { backoffLimit, completions, parallelism, podReplacementPolicy, activeDeadlineSeconds, podFailurePolicy } =
    spec;
  assert.deepEqual(
    { backoffLimit, completions, parallelism, podReplacementPolicy, activeDeadlineSeconds },
    { backoffLimit: 0, completions: 1, parallelism: 1, podReplacementPolicy: 'Failed', activeDeadlineSeconds: 86_400 },
  );
  assert.deepEqual(podFailurePolicy.rules, [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailJob', onExitCodes: { containerName: 'trainer', operator: 'In', values: [2] } },
  ]);
  assert.ok(!('ttlSecondsAfterFinished' in spec) && !('suspend' in spec));
  assert.equal(spec.template.spec.restartPolicy, 'Never');
});

test('the assignment is an argument of the container, and reads back', () => {
  const { job, container } = podOf();
  const { metadata } = job;
  const [flag, text = ''] = container.args;
  assert.equal(flag, '--assignment-json');
  const assignment = decodeAssignment(text);
  assert.deepEqual([assignment.sweep, assignment.trial, assignment.attempt], ['study', 3, 2]);
  assert.equal(assignment.hyperparametersHash, trialOf(sweep, 3).hyperparametersHash);
  assert.deepEqual(metadata.annotations, {
    'cnn-sweep.dev/hyperparameters-hash': assignment.hyperparametersHash,
  });
});

test('the kubelet finds nothing to expand in an assignment, whatever a Sweep says', () => {
  // The UID is ours, and the Sweep's name is checked where it is read.
  assert.deepEqual(textsWith('$(HOME)', AssignmentSchema.properties), ['sweep', 'attemptUID']);
  assert.deepEqual(textsWith('$(HOME)', SweepSchema.properties.metadata.properties), []);
});

/** Names of the fields that may be this text. */
function textsWith(text: string, properties: Readonly<Record<string, TSchema>>): string[] {
  return Object.entries(properties).flatMap(([name, schema]) =>
    IsObject(schema) ? textsWith(text, schema.properties) : Check(schema, text) ? [name] : [],
  );
}

test('the Pod is restricted and gets no token', () => {
  const { pod, container } = podOf();
  assert.deepEqual(pod.securityContext, {
    runAsNonRoot: true,
    runAsUser: 65_532,
    runAsGroup: 65_532,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  assert.equal(pod.automountServiceAccountToken, false);
  assert.equal(pod.enableServiceLinks, false);
  assert.equal(pod.serviceAccountName, 'cnn-sweep-trainer');
  assert.deepEqual(pod.tolerations, [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }]);
});

const NATS = { url: 'tls://nats.home.svc:4222', ca: 'PEM' };

test('a trial that may tell how it gets on has a token for that alone, and trusts our authority', () => {
  const { job, pod, container } = podOf({}, { nats: NATS });
  const without = podOf();
  assert.deepEqual(container.args.slice(without.container.args.length), [
    '--sweep-uid',
    SWEEP_UID,
    '--attempt-uid-file',
    '/var/run/secrets/cnn-sweep/nats/pod-uid',
    '--nats-url',
    'tls://nats.home.svc:4222',
    '--nats-token-file',
    '/var/run/secrets/cnn-sweep/nats/token',
    '--nats-ca-file',
    '/var/run/secrets/cnn-sweep/nats/ca.crt',
  ]);
  const uid = { path: 'pod-uid', fieldRef: { fieldPath: 'metadata.uid' } };
  const authority = { path: 'ca.crt', fieldRef: { fieldPath: "metadata.annotations['cnn-sweep.dev/nats-ca']" } };
  const token = { path: 'token', audience: 'nats', expirationSeconds: 600 };
  assert.deepEqual(pod.volumes.slice(1), [
    {
      name: 'nats',
      projected: { sources: [{ serviceAccountToken: token }, { downwardAPI: { items: [uid, authority] } }] },
    },
  ]);
  const mount = { name: 'nats', mountPath: '/var/run/secrets/cnn-sweep/nats', readOnly: true };
  assert.deepEqual(container.volumeMounts.slice(1), [mount]);
  assert.equal(at(job.spec.template.metadata.annotations, 'cnn-sweep.dev/nats-ca'), 'PEM');
  assert.equal(pod.automountServiceAccountToken, false);
});

test('without a callout all trials share a Secret, and a trial runs where there is none', () => {
  const { pod, container } = podOf({}, { nats: { url: 'nats://nats', secretName: 'shared' } });
  assert.deepEqual(container.args.slice(-6), [
    '--nats-url',
    'nats://nats',
    '--nats-user',
    'trainer',
    '--nats-password-file',
    '/var/run/secrets/cnn-sweep/nats/password',
  ]);
  const uid = { path: 'pod-uid', fieldRef: { fieldPath: 'metadata.uid' } };
  assert.deepEqual(pod.volumes.at(-1), {
    name: 'nats',
    projected: { sources: [{ secret: { name: 'shared', optional: true } }, { downwardAPI: { items: [uid] } }] },
  });
});

test('without NATS nothing of a Job speaks of it', () => {
  assert.doesNotMatch(
    JSON.stringify(podOf({}, { nats: undefined }).job),
    /nats|serviceAccountToken|downwardAPI|--sweep-uid|--attempt-uid/,
  );
});

test('what the Sweep asks for reaches the Pod', () => {
  const { job, pod, container } = podOf({
    image: 'mine:2',
    nodeSelector: { 'nvidia.com/gpu.product': 'A100' },
    tolerations: [{ key: 'spot', operator: 'Exists' }],
    runtimeClassName: 'nvidia',
    priorityClassName: 'low',
    dataClaim: 'images',
    queueName: 'gpus',
    kueuePriorityClass: 'batch',
    maxExecSeconds: 3600,
    activeDeadlineSeconds: 60,
  });
  assert.equal(container.image, 'mine:2');
  assert.deepEqual(pod.nodeSelector, { 'nvidia.com/gpu.product': 'A100' });
  assert.deepEqual(pod.tolerations.at(-1), { key: 'spot', operator: 'Exists' });
  assert.deepEqual([pod.runtimeClassName, pod.priorityClassName], ['nvidia', 'low']);
  assert.deepEqual(pod.volumes.at(-1), {
    name: 'data',
    persistentVolumeClaim: { claimName: 'images', readOnly: true },
  });
  assert.deepEqual(container.volumeMounts.at(-1), { name: 'data', mountPath: '/data', readOnly: true });
  assert.equal(job.spec.activeDeadlineSeconds, 60);
  const kueue = Object.entries(job.metadata.labels).filter(([label]) => label.startsWith('kueue'));
  assert.deepEqual(Object.fromEntries(kueue), {
    'kueue.x-k8s.io/queue-name': 'gpus',
    'kueue.x-k8s.io/priority-class': 'batch',
    'kueue.x-k8s.io/max-exec-time-seconds': '3600',
  });
  assert.ok(!Object.keys(job.spec.template.metadata.labels).some((label) => label.startsWith('kueue')));
});

test('native hides the GPUs of its node from TensorFlow, and nothing else does', () => {
  const hidden = (backend: string) =>
    podOf({ backend }).container.env?.find(({ name }) => name === 'CUDA_VISIBLE_DEVICES');
  assert.deepEqual(hidden('native'), { name: 'CUDA_VISIBLE_DEVICES', value: '-1' });
  for (const backend of ['auto', 'gpu', 'wasm', 'cpu']) assert.equal(hidden(backend), undefined);
});

const defaults = { limits: { memory: '2Gi' }, requests: { cpu: '500m', memory: '1Gi' } };
const resources: Record<string, { resources?: object; want: object }> = {
  'one GPU unless the Sweep says otherwise, beside the release’s defaults': {
    want: { limits: { memory: '2Gi', 'nvidia.com/gpu': 1 }, requests: { cpu: '500m', memory: '1Gi' } },
  },
  'empty limits mean no GPU': {
    resources: { limits: {} },
    want: { limits: { memory: '2Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
  },
  'a default never meets a limit of the same resource, which could be lower': {
    resources: { limits: { memory: '512Mi', cpu: '100m' } },
    want: { limits: { memory: '512Mi', cpu: '100m' }, requests: {} },
  },
  'a default limit never meets a request, which could be higher': {
    resources: { requests: { memory: '8Gi' } },
    want: { limits: { 'nvidia.com/gpu': 1 }, requests: { cpu: '500m', memory: '8Gi' } },
  },
};
for (const [sentence, { resources: given, want }] of Object.entries(resources))
  test(sentence, () => assert.deepEqual(podOf(given && { resources: given }, defaults).container.resources, want));

const ownership: Record<string, { changes: Parameters<typeof makeJob>[2]; want: boolean }> = {
  'the Job that we create is ours': { changes: {}, want: true },
  'of a Sweep that was deleted and created again: not ours': { changes: { owner: OTHER_UID }, want: false },
  'relabelled to another trial: not ours': { changes: { labels: { 'cnn-sweep.dev/trial': '4' } }, want: false },
  'other hyperparameters: not ours': {
    changes: { annotations: { 'cnn-sweep.dev/hyperparameters-hash': '0'.repeat(16) } },
    want: false,
  },
  'other labels may change': { changes: { labels: { 'cnn-sweep.dev/attempt': '9', team: 'x' } }, want: true },
};
for (const [sentence, { changes, want }] of Object.entries(ownership))
  test(sentence, () => assert.equal(isOurs(makeJob(sweep, 3, changes), SWEEP_UID, trialOf(sweep, 3)), want));

test('a Job without any metadata of ours is not ours', () => {
  const { metadata } = makeJob(sweep, 3);
  const { labels: _, annotations: __, ownerReferences: ___, ...bare } = metadata;
  assert.equal(isOurs({ metadata: bare }, SWEEP_UID, trialOf(sweep, 3)), false);
});

test('every name that we give is read back, and no other name is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 1, max: 99 }), (trial, attempt) => {
      const retry = attempt === 1 ? '' : `-r${attempt}`;
      assert.deepEqual(parseJobName(`study-0f1e2d-${trial}${retry}`, sweep), { trial, attempt });
    }),
  );
  const foreign = [
    'study',
    'study-0f1e2d-',
    'study-0f1e2d-03',
    'study-0f1e2d-3-r1',
    'study-0f1e2d-3-r02',
    'study-0f1e2e-3',
  ];
  for (const name of [...foreign, 'study-0f1e2d-3x', 'study-0f1e2d-s0', 'study-0f1e2d-3-r100', 'x-study-0f1e2d-3'])
    assert.equal(parseJobName(name, sweep), undefined, name);
});
