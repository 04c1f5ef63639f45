import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import { type ClusterWithNode, startCluster } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { programImage } from './program-image.ts';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const options = isRoot || process.env.CI === 'true' ? {} : { skip: 'a real node needs root on Linux' };

/** What is promised: named within a minute of the cluster's showing it; here from the `kubectl apply`. */
const NAMED_MS = 60_000;
const NAMESPACES = ['jobs-quota', 'pods-quota', 'limits'];
/** Not a GPU; and little memory, for the trial that takes too much. */
const NO_GPU = { limits: { memory: '64Mi' } };
/** The actor ends well. */
const WELL = 1000;

interface Row {
  readonly outcome: 'Succeeded' | 'Failed';
  readonly reason: string;
  readonly attempt: number;
}

/** By the seed, which tells the actor how to end (programs/actor): reliability.md section 3, the attempt's end. */
const ENDS: Readonly<Record<number, Row>> = {
  0: failed('ResultMissing (in 3 attempts): exit 0 without a result', 3),
  1: failed('Crashed (in 3 attempts): exit 1: the actor ends with 1', 3),
  2: failed('BadConfiguration: exit 2: the actor ends with 2', 1),
  137: failed('Crashed (in 3 attempts): exit 137: the actor ends with 137', 3),
  139: failed('Crashed (in 3 attempts): exit 139: the actor ends with 139', 3),
  143: failed('Crashed (in 3 attempts): exit 143: the actor ends with 143', 3),
  255: failed('Crashed (in 3 attempts): exit 255: the actor ends with 255', 3),
  1000: { outcome: 'Succeeded', reason: '', attempt: 1 },
  1001: failed('Crashed (in 3 attempts): exit 1', 3),
  1002: failed('BadConfiguration: exit 2', 1),
  1137: failed('Crashed (in 3 attempts): exit 137', 3),
  1255: failed('Crashed (in 3 attempts): exit 255', 3),
  5000: failed(
    'OutOfMemory: the kernel killed it: raise spec.trainer.resources.limits.memory, or use smaller widths or batches',
    1,
  ),
};

function failed(reason: string, attempt: number): Row {
  return { outcome: 'Failed', reason, attempt };
}

describe('on a real node', { ...options, timeout: 900_000, concurrency: 10 }, () => {
  let cluster: ClusterWithNode;
  let controller: RunningController;

  before(async () => {
    const image = await programImage('actor');
    cluster = await startCluster();
    await cluster.node.loadImage(image.archive);
    await installKinds(cluster);
    for (const name of NAMESPACES) {
      await cluster.kubectl('create', 'namespace', name);
      await cluster.kubectl('create', 'serviceaccount', 'cnn-sweep-trainer', `--namespace=${name}`);
    }
    // So that what completes proves at the same time that our Pods are admitted there.
    await cluster.kubectl(
      'label',
      'namespace',
      'default',
      ...NAMESPACES,
      'pod-security.kubernetes.io/enforce=restricted',
    );
    const namespaces = `--namespaces=${['default', ...NAMESPACES].join(',')}`;
    controller = await startController(cluster.kubeconfig, [`--trainer-image=${image.name}`, namespaces]);
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (cluster as ClusterWithNode | undefined)?.stop();
  });

  test('J7–J9, J3: exit codes with and without a result, and too little memory', async () => {
    const seeds = Object.keys(ENDS).map(Number);
    await apply('ends', { seeds, trainer: { resources: NO_GPU } });
    const { trials } = await over('ends', 'Complete', 420_000);
    assert.equal(trials.succeeded, 1);
    const records = await recordsOf('ends');
    const found = records.map(({ hyperparameters, outcome, reason, attempt }) => [
      hyperparameters.seed,
      { outcome, reason, attempt },
    ]);
    assert.deepEqual(Object.fromEntries(found), ENDS);
  });

  test('J1: an image that is nowhere is named, and final at the start deadline', async () => {
    const began = performance.now();
    const trainer = { image: 'localhost:1/nowhere:1', startDeadlineSeconds: 45, resources: NO_GPU };
    await apply('no-image', { trainer });
    const { message } = await degraded('no-image', 'ImagePullFailed', began);
    assert.match(message, /^Pod no-image-\S+: .*localhost:1\/nowhere:1.*: make the image available before/);
    const { conditions } = await over('no-image', 'Failed', 120_000);
    assert.equal(conditionOf(conditions, 'Failed')?.reason, 'AllTrialsFailed');
    assert.equal(conditionOf(conditions, 'Degraded')?.status, 'False');
    const [record] = await recordsOf('no-image');
    assert.match(
      `${record?.reason}`,
      /^StartDeadlineExceeded: not started 45 s after it got a node \(spec\.trainer\.startDeadlineSeconds\); (ErrImagePull|ImagePullBackOff): /,
    );
  });

  test('J1: a name that no image can have is final at once', async () => {
    const trainer = { image: 'Upper/Case:1', resources: NO_GPU };
    await apply('bad-name', { trainer });
    await over('bad-name', 'Failed', NAMED_MS);
    const [record] = await recordsOf('bad-name');
    assert.match(`${record?.reason}`, /^InvalidImage: InvalidImageName: .*Upper\/Case:1/);
  });

  test('J2: without a GPU a sweep says so in the scheduler’s words, and runs once there are two', async () => {
    const began = performance.now();
    await apply('no-gpu', { seeds: [WELL], trainer: {} });
    const { message } = await degraded('no-gpu', 'InsufficientGPU', began);
    assert.match(message, /^Pod no-gpu-\S+: 0\/1 nodes are available: 1 Insufficient nvidia\.com\/gpu\..*: add a node/);
    await cluster.setGpus(2);
    await over('no-gpu', 'Complete', 120_000);
  });

  const refusals: Record<string, { namespace: string; by: object; reason: string; says: RegExp }> = {
    'K20: a quota of Jobs': {
      namespace: 'jobs-quota',
      by: { kind: 'ResourceQuota', spec: { hard: { 'count/jobs.batch': '0' } } },
      reason: 'QuotaExceeded',
      says: /^Job of trial 0: .*exceeded quota: limit.*: raise the quota or lower spec\.parallelism$/,
    },
    'K21: a quota of Pods': {
      namespace: 'pods-quota',
      by: { kind: 'ResourceQuota', spec: { hard: { pods: '0' } } },
      reason: 'QuotaExceeded',
      says: /^Job refused-\S+: .*exceeded quota: limit.*: raise the quota or lower spec\.parallelism$/,
    },
    'K22: a limit range': {
      namespace: 'limits',
      by: { kind: 'LimitRange', spec: { limits: [{ type: 'Container', min: { memory: '128Mi' } }] } },
      reason: 'PodRefused',
      says: /^Job refused-\S+: .*minimum memory usage per Container is 128Mi.*: change what it names in a new Sweep, or/,
    },
  };
  for (const [sentence, { namespace, by, reason, says }] of Object.entries(refusals)) {
    test(`${sentence} is named, and the sweep goes on without it`, async () => {
      const object = { apiVersion: 'v1', metadata: { name: 'limit', namespace }, ...by };
      await cluster.apply(JSON.stringify(object));
      const kind = `${'kind' in by ? by.kind : ''}`.toLowerCase();
      // A quota holds once its controller has counted.
      if (kind === 'resourcequota') {
        const counted = ['get', kind, 'limit', `--namespace=${namespace}`, '--output=jsonpath={.status.hard}'];
        await until(async () => ((await cluster.kubectl(...counted)) !== '' ? true : undefined), 'the quota', 30_000);
      }
      const began = performance.now();
      await apply('refused', { trainer: { resources: NO_GPU } }, namespace);
      const { message } = await degraded('refused', reason, began, namespace);
      assert.match(message, says);
      await cluster.kubectl('delete', kind, 'limit', `--namespace=${namespace}`);
      const { conditions } = await over('refused', 'Complete', 180_000, namespace);
      assert.equal(conditionOf(conditions, 'Degraded')?.status, 'False');
    });
  }

  async function apply(
    name: string,
    { seeds = [WELL], trainer }: { seeds?: readonly number[]; trainer: object },
    namespace = 'default',
  ) {
    const training = { epochs: 1 };
    const spec = { grid: [{ widths: [[3]], seed: seeds }], training, parallelism: 20, trainer };
    const metadata = { name, namespace };
    await cluster.apply(JSON.stringify({ apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata, spec }));
  }

  async function statusOf(name: string, namespace = 'default'): Promise<SweepStatus | undefined> {
    return JSON.parse(await cluster.kubectl('get', 'sweep', name, `--namespace=${namespace}`, '--output=json')).status;
  }

  async function degraded(name: string, reason: string, began: number, namespace?: string): Promise<Condition> {
    const ask = async () => {
      const condition = conditionOf((await statusOf(name, namespace))?.conditions ?? [], 'Degraded');
      return condition?.reason === reason ? condition : undefined;
    };
    const left = NAMED_MS - (performance.now() - began);
    return until(ask, `Degraded ${reason} of ${name}`, left, 500);
  }

  async function over(name: string, phase: SweepStatus['phase'], ms: number, namespace?: string): Promise<SweepStatus> {
    const ask = async () => {
      const status = await statusOf(name, namespace);
      const isOver = status?.phase === 'Complete' || status?.phase === 'Failed';
      if (isOver) assert.equal(status.phase, phase, JSON.stringify(await recordsOf(name, namespace)));
      return isOver ? status : undefined;
    };
    return until(ask, `phase ${phase} of ${name}`, ms, 500);
  }

  async function recordsOf(name: string, namespace = 'default'): Promise<TrialRecord[]> {
    const which = [`--selector=cnn-sweep.dev/sweep=${name}`, `--namespace=${namespace}`];
    const { items } = JSON.parse(await cluster.kubectl('get', 'trialresultslices', ...which, '--output=json'));
    return items.flatMap(({ records }: { records: TrialRecord[] }) => records);
  }
});

function conditionOf(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((each) => each.type === type);
}
