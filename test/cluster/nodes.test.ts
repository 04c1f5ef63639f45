import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { missingCluster, needsOwn } from './any-cluster.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import type { Flags } from './control-plane.ts';
import { until } from './controller.ts';
import { each, type Place, Places } from './place.ts';

const missing = await missingCluster();
const skip = missing ?? needsOwn('it breaks the parts of the control plane');
const options = skip ? { skip } : {};

/** A node is given up within half a minute, not six. */
const SOONER: Flags = {
  'kube-apiserver': ['--default-not-ready-toleration-seconds=5', '--default-unreachable-toleration-seconds=5'],
  'kube-controller-manager': ['--node-monitor-grace-period=25s', '--node-monitor-period=2s'],
};
const FAKE = 'cnn-sweep.dev/fake-node';
const [LOST, OTHER] = ['fake-0', 'fake-1'];

describe('nodes that come and go', { ...options, timeout: 600_000 }, () => {
  let places: Places<Cluster>;

  before(async () => {
    const parts = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
    places = await Places.open(await startControlPlane(parts, { flags: SOONER }));
  });
  after(() => (places as Places<Cluster> | undefined)?.close()); // not there if its start failed

  const kubectl = (...args: string[]) => places.cluster.kubectl(...args);
  /** The machine is gone, or back: whoever plays the nodes plays this one no more. */
  const leave = () => kubectl('label', 'node', LOST, `${FAKE}-`);
  const comeBack = () => kubectl('label', 'node', LOST, `${FAKE}=true`);
  const isReady = async () =>
    (await kubectl('get', 'node', LOST, '--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}')) ===
    'True';

  async function podsOn(place: Place, count: number) {
    const ask = async () => {
      const pods = (await place.pods()).filter(({ spec }) => spec?.nodeName === LOST);
      return pods.length === count ? pods : undefined;
    };
    return until(ask, `${count} Pods on ${LOST}`, 30_000);
  }

  test('J14: a Pod that does not end is named, and no second one is made beside it', async () => {
    const place = await places.create('stuck');
    await place.start();
    await leave();
    await place.createSweep({ trials: 2, isHeld: true });
    await place.letRun(LOST);
    const [pod] = await podsOn(place, 2);
    await place.kubectl('delete', 'pod', `${pod?.metadata.name}`, '--wait=false');
    const job = `${pod?.metadata.ownerReferences?.[0]?.name}`;
    const ofJob = async () =>
      (await place.pods()).filter(({ metadata }) => metadata.ownerReferences?.[0]?.name === job);
    const { message } = await place.degraded('Terminating');
    assert.match(message, new RegExp(`^Pod ${pod?.metadata.name}: .*does not end`));
    assert.equal((await ofJob()).length, 1);
    await comeBack();
    await place.isOver(2);
  });

  test('J6: of a node that is lost and comes back with its Pods alive, one attempt of each trial is recorded', async () => {
    const place = await places.create('lost');
    await place.start();
    await until(async () => (await isReady()) || undefined, 'the node', 60_000);
    await leave();
    await place.createSweep({ isHeld: true });
    await place.letRun(LOST);
    await podsOn(place, 2);
    await until(async () => ((await isReady()) ? undefined : true), 'the node is given up', 90_000);
    await place.letRun(OTHER);
    await sleep(15_000);
    await comeBack();
    await place.isOver();
    const records = await place.records();
    assert.deepEqual(
      records.map(({ trial }) => `${trial}`).sort((a, b) => (a < b ? -1 : 1)),
      each(4),
    );
  });

  test('J5: when half of the nodes are gone their trials run elsewhere, uncounted', async () => {
    const place = await places.create('gone');
    await place.start();
    await until(async () => (await isReady()) || undefined, 'the node', 60_000);
    await leave();
    await place.createSweep({ isHeld: true });
    await place.letRun(LOST);
    await podsOn(place, 2);
    await place.letRun(OTHER);
    await kubectl('delete', 'node', LOST);
    await place.isOver();
    for (const { attempt, outcome } of await place.records()) assert.deepEqual([attempt, outcome], [1, 'Succeeded']);
    assert.deepEqual(await place.created(), each(4));
  });
});

describe('a kubelet that is slow', { ...options, timeout: 300_000 }, () => {
  let places: Places<Cluster>;

  before(async () => {
    const parts = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
    places = await Places.open(await startControlPlane(parts));
  });
  after(() => (places as Places<Cluster> | undefined)?.close());

  /** Pods that run and do not end: they are marked while nobody plays the nodes. */
  async function running(place: Place, count: number): Promise<void> {
    const { part } = await places.cluster.addFakeNodes(0);
    const placed = async () => {
      const pods = (await place.pods()).filter(({ spec }) => spec?.nodeName !== undefined);
      return pods.length === count ? pods : undefined;
    };
    part.signal('SIGSTOP');
    await place.letRun();
    for (const { metadata } of await until(placed, `${count} Pods`, 30_000))
      await place.kubectl('annotate', 'pod', metadata.name, 'cnn-sweep.dev/test-hold=yes');
    part.signal('SIGCONT');
    const runs = async () => {
      const pods = (await place.pods()).filter(({ status }) => status?.phase === 'Running');
      return pods.length === count ? true : undefined;
    };
    await until(runs, `${count} Pods that run`, 30_000);
  }

  test('J12: a trial that runs beyond its deadline fails for good, in the middle of an epoch', async () => {
    const place = await places.create('late');
    await place.start();
    await place.createSweep({ trials: 2, isHeld: true, trainer: { activeDeadlineSeconds: 15 } });
    await place.jobsOnceThere(2);
    await running(place, 2);
    await place.isPhase('Failed');
    for (const { attempt, outcome, reason } of await place.records()) {
      assert.deepEqual([attempt, outcome], [1, 'Failed']);
      assert.match(reason, /^DeadlineExceeded: /);
    }
    await place.jobsOnceThere(0);
    assert.deepEqual(await place.created(), each(2));
  });

  /** A Pod that takes all GPUs of a node and comes before every trial. */
  const important = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: {
      priorityClassName: 'important',
      nodeSelector: { 'cnn-sweep.dev/fake-node': 'true' },
      containers: [{ name: 'main', image: 'any', resources: { limits: { 'nvidia.com/gpu': '100' } } }],
    },
  });

  const kubectl = (...args: string[]) => places.cluster.kubectl(...args);
  const DISRUPTIONS: Readonly<Record<string, { begin(): Promise<unknown>; end(): Promise<unknown> }>> = {
    evicted: {
      begin: () => kubectl('drain', LOST, OTHER, '--force', '--delete-emptydir-data', '--timeout=30s'),
      end: () => kubectl('uncordon', LOST, OTHER),
    },
    tainted: {
      begin: () => kubectl('taint', 'node', LOST, OTHER, 'broken=yes:NoExecute'),
      end: () => kubectl('taint', 'node', LOST, OTHER, 'broken-'),
    },
    preempted: {
      begin: async () => {
        await kubectl('create', 'priorityclass', 'important', '--value=1000');
        for (const name of ['one', 'two']) await places.cluster.apply(JSON.stringify(important(name)));
      },
      end: () => kubectl('delete', 'pod', 'one', 'two', '--force', '--grace-period=0'),
    },
  };
  for (const [how, { begin, end }] of Object.entries(DISRUPTIONS)) {
    test(`J4: a Pod that is ${how} is replaced, and its trial not counted as failed`, async () => {
      const place = await places.create(how);
      await place.start();
      await place.createSweep({ trials: 2, isHeld: true });
      await place.jobsOnceThere(2);
      await running(place, 2);
      const before = (await place.pods()).map(({ metadata }) => metadata.uid);
      await begin();
      const areGone = async () =>
        (await place.pods()).every(({ metadata }) => !before.includes(metadata.uid)) || undefined;
      await until(areGone, 'the Pods are gone', 60_000);
      await end();
      await place.isOver(2);
      for (const { attempt, outcome } of await place.records()) assert.deepEqual([attempt, outcome], [1, 'Succeeded']);
      assert.ok((await place.records()).every(({ attemptUID }) => !before.includes(attemptUID)));
      assert.deepEqual(await place.created(), each(2));
    });
  }
});
