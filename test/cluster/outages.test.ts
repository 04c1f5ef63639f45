import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { ROOT } from '../../src/shared/package.ts';
import type { Wire } from '../../src/shared/wire.ts';
import { missingCluster, needsOwn } from './any-cluster.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { until } from './controller.ts';
import { each, type Place, Places } from './place.ts';

const missing = await missingCluster();
const skip = missing ?? needsOwn('it breaks the parts of the control plane');
const options = skip ? { skip } : {};

/** Ten minutes in the catalogue; `make campaign` can give it. */
const OUTAGE_MS = Number(process.env.CNN_SWEEP_TEST_OUTAGE_SECONDS ?? 10) * 1000;
/** INV-8 gives us 30 s until it goes on; here the other programs of the cluster have to come back first. */
const GOES_ON_MS = 60_000;
/** Until all is done, with what the other programs of the cluster need, on a machine that has other work. */
const CONVERGED_MS = 90_000;
/** So few requests at once that one user's share is a single one. */
const FEW = ['--max-requests-inflight=40', '--max-mutating-requests-inflight=20'];

describe('outages', { ...options, timeout: 1_200_000 + 6 * OUTAGE_MS }, () => {
  let places: Places<Cluster>;

  before(async () => {
    const parts = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
    places = await Places.open(await startControlPlane(parts, { flags: { 'kube-apiserver': FEW } }));
  });
  after(() => (places as Places<Cluster> | undefined)?.close()); // not there if its start failed

  const part = (name: keyof Cluster['parts']) => places.cluster.parts[name];
  interface Outage {
    readonly namespace: string;
    /** Pods run only after it: kwok, which plays the kubelets, can lose what it meant to write, and such a Pod then runs for ever. */
    readonly isHeldMeanwhile?: boolean;
    readonly fail: () => Promise<void>;
    readonly recover: () => Promise<void>;
  }
  const outages: Record<string, Outage> = {
    'K9: the API server is killed for a while': {
      namespace: 'killed',
      fail: () => part('kube-apiserver').stop('SIGKILL'),
      recover: () => part('kube-apiserver').start(),
    },
    'K9: the API server stands still for a while': {
      namespace: 'frozen',
      fail: async () => part('kube-apiserver').signal('SIGSTOP'),
      recover: async () => part('kube-apiserver').signal('SIGCONT'),
    },
    'K10: etcd is killed for a while': {
      namespace: 'no-etcd',
      isHeldMeanwhile: true,
      fail: () => part('etcd').stop('SIGKILL'),
      recover: () => part('etcd').start(),
    },
    'K10: etcd stands still for a while': {
      namespace: 'still',
      fail: async () => part('etcd').signal('SIGSTOP'),
      recover: async () => part('etcd').signal('SIGCONT'),
    },
    'J13: nobody makes Pods or schedules them for a while': {
      namespace: 'no-controllers',
      fail: async () => {
        await part('kube-controller-manager').stop('SIGKILL');
        await part('kube-scheduler').stop('SIGKILL');
      },
      recover: async () => {
        await part('kube-controller-manager').start();
        await part('kube-scheduler').start();
      },
    },
  };
  for (const [sentence, { namespace, isHeldMeanwhile = false, fail, recover }] of Object.entries(outages)) {
    test(`${sentence}: the sweep goes on where it was`, async (context) => {
      const place = await places.create(namespace);
      await place.createSweep({ trials: 12, isHeld: true });
      const stop = place.supervise();
      try {
        await place.jobsOnceThere(2);
        if (!isHeldMeanwhile) await place.letRun();
        await fail();
        await sleep(OUTAGE_MS);
        await recover();
        if (isHeldMeanwhile) await place.letRun();
        await converges(place, context);
      } finally {
        await stop();
      }
      assert.deepEqual(await place.created(), each(12));
    });
  }

  test('K8: an API server that answers 500 and 503 for a while: the sweep goes on where it was', async (context) => {
    const place = await places.create('in-trouble');
    await place.createSweep({ trials: 12, isHeld: true });
    const { proxy, kubeconfig } = await place.openProxy('in-trouble');
    const stop = place.supervise(kubeconfig);
    try {
      await place.jobsOnceThere(2);
      await place.letRun();
      let refused = 0;
      proxy.fault = () => ({ kind: 'refuse', status: refused++ % 2 === 0 ? 500 : 503 });
      for (const watch of proxy.watches) watch.cut();
      await sleep(OUTAGE_MS);
      proxy.fault = () => undefined;
      assert.ok(refused > 0);
      await converges(place, context);
    } finally {
      await stop();
    }
    assert.deepEqual(await place.created(), each(12));
  });

  /** From the end of the outage: the next Job comes soon, and all of them are done. */
  async function converges(place: Place, context: TestContext): Promise<void> {
    const begun = performance.now();
    const before = (await place.created()).length;
    const goesOn = async () => (await place.created()).length > before || undefined;
    await until(goesOn, `another Job in ${place.namespace}`, GOES_ON_MS);
    const seconds = (ms: number) => `${((ms - begun) / 1000).toFixed(1)} s`;
    context.diagnostic(`the next Job ${seconds(performance.now())} after the outage`);
    await place.isOver(12);
    const over = performance.now();
    assert.ok(over - begun < CONVERGED_MS, `over ${seconds(over)} after the outage`);
    context.diagnostic(`over ${seconds(over)} after it`);
  }

  test('J13: what is not made and not scheduled is named', async () => {
    const place = await places.create('named');
    await place.start();
    await part('kube-controller-manager').stop('SIGKILL');
    await part('kube-scheduler').stop('SIGKILL');
    await place.createSweep();
    const { message } = await place.degraded('NoProgress');
    assert.match(message, /^Job study-[0-9a-f]{6}-\d: .*Pod/);
    await part('kube-controller-manager').start();
    await part('kube-scheduler').start();
    await place.isOver();
    assert.deepEqual(await place.created(), each(4));
  });

  test('K7: an API server that gives us one request at a time has its way, and the sweep ends', async (context) => {
    const { cluster } = places;
    const place = await places.create('one-seat');
    await cluster.kubectl('create', 'clusterrolebinding', 'alice', '--clusterrole=cluster-admin', '--user=alice');
    for (const object of ONE_SEAT) await cluster.apply(JSON.stringify(object));
    const alice = openWire(() => readKubeConfigFile(cluster.api.kubeconfigs.alice));
    context.after(() => alice.close());
    const crowd = (count: number) => Promise.all(Array.from({ length: count }, () => statusOf(alice)));
    // It holds once its controller has seen it: then most of a crowd are sent away.
    await until(async () => ((await crowd(10)).includes(429) ? true : undefined), 'the limit', 60_000);
    const controller = await place.start([], cluster.api.kubeconfigs.alice);
    await place.createSweep({ trials: 6, parallelism: 6, isHeld: true });
    const alone = new AbortController();
    let pauseMs = 50;
    // Others of our name want the seat as well.
    const others = (async () => {
      while (!alone.signal.aborted) await crowd(3).then(() => sleep(pauseMs));
    })();
    try {
      const sentAgain = () => controller.metric('rest_client_request_retries_total');
      await until(async () => (await sentAgain()) > 0 || undefined, 'a request that was sent again', 60_000);
      pauseMs = 1_000;
      await place.letRun();
      await place.isPhase('Complete');
    } finally {
      alone.abort();
      await others;
    }
    await place.isOver(6);
    assert.deepEqual(await place.created(), each(6));
    await cluster.kubectl('delete', 'flowschema,prioritylevelconfiguration', 'one-seat');
  });

  test('K24: a CRD that is applied again, and tightened, under living objects changes nothing for them', async () => {
    const { cluster } = places;
    const place = await places.create('crd');
    await place.start();
    await place.createSweep({ trials: 12, parallelism: 2, isHeld: true });
    await place.jobsOnceThere(2);
    await cluster.kubectl('apply', '--server-side', '-f', path.join(ROOT, 'k8s/crds'));
    const bound = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/parallelism/maximum';
    const set = (value: number) =>
      cluster.kubectl(
        'patch',
        'crd',
        'sweeps.cnn-sweep.dev',
        '--type=json',
        '--patch',
        JSON.stringify([{ op: 'replace', path: bound, value }]),
      );
    await set(1);
    try {
      const isTight = async () =>
        await place.apply({ ...NEW_SWEEP, spec: { ...NEW_SWEEP.spec, parallelism: 2 } }).then(
          () => undefined,
          (error: Error) => (error.message.includes('less than or equal to 1') ? true : undefined),
        );
      await until(isTight, 'the tighter bound', 30_000);
      await place.letRun();
      await place.isOver(12);
    } finally {
      await set(1000);
    }
    assert.deepEqual(await place.created(), each(12));
  });
});

async function statusOf(wire: Wire): Promise<number> {
  const request = { method: 'GET', path: '/api/v1/pods', signal: AbortSignal.timeout(10_000) } as const;
  const { status, body } = await wire.exchange(request);
  for await (const _ of body);
  return status;
}

const NEW_SWEEP = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'other' },
  spec: { grid: [{ widths: [[3]] }], suspend: true },
};

const FLOW = 'flowcontrol.apiserver.k8s.io/v1';
const ONE_SEAT = [
  {
    apiVersion: FLOW,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: 'one-seat' },
    spec: {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 1, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } },
    },
  },
  {
    apiVersion: FLOW,
    kind: 'FlowSchema',
    metadata: { name: 'one-seat' },
    spec: {
      matchingPrecedence: 2,
      priorityLevelConfiguration: { name: 'one-seat' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'alice' } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
        },
      ],
    },
  },
] as const;
