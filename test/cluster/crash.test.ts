import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { SweepStatus } from '../../src/sweep/status.ts';
import type { Fault, Seen } from '../fakes/route.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { FaultProxy } from './fault-proxy.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const TRIALS = 6;
const SWEEP = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'study' },
  spec: {
    grid: [{ widths: [[3]], seed: Array.from({ length: TRIALS }, (_, seed) => seed) }],
    training: { epochs: 1 },
    parallelism: 2,
  },
};
const FAST = ['--lease-seconds=2', '--renew-seconds=1.5', '--retry-seconds=0.3', '--delete-delay-seconds=1'];

/** Where a process is killed, by how many of its writes are let through and what becomes of the last of them. */
const POINTS = {
  'K1: before the request': { namespace: 'before', through: 1, last: { kind: 'hang', done: false } },
  'K2: after the commit': { namespace: 'committed', through: 0, last: { kind: 'hang', done: true } },
  'K3: after the answer': { namespace: 'answered', through: 0, last: undefined },
} as const satisfies Record<string, { namespace: string; through: number; last: Fault | undefined }>;

/** What is there when all is over, without times and UIDs. */
interface End {
  readonly status: unknown;
  readonly records: readonly unknown[];
  readonly jobs: readonly string[];
}

describe('a controller that dies again and again, on a real API server', {
  ...options,
  timeout: 900_000,
  concurrency: 3,
}, () => {
  let cluster: Cluster;
  const running = new Set<RunningController>();
  const proxies: FaultProxy[] = [];
  let golden: End;

  before(async () => {
    cluster = await startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']);
    await cluster.addFakeNodes(2, { gpus: 100 });
    await installKinds(cluster);
    const undisturbed = await runSweep('golden', killedAt({ through: Number.POSITIVE_INFINITY, last: undefined }));
    assert.equal(undisturbed.deaths, 0);
    golden = undisturbed.end;
    assert.equal(golden.jobs.length, TRIALS);
  });
  after(async () => {
    for (const controller of running) await controller.stop('SIGKILL');
    for (const proxy of proxies) await proxy.close();
    await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
  });

  for (const [sentence, { namespace, ...point }] of Object.entries(POINTS)) {
    test(`${sentence}, the end is the same and no trial runs twice`, async () => {
      const { end, deaths } = await runSweep(namespace, killedAt(point));
      assert.deepEqual(end, golden);
      assert.ok(deaths > 2 * TRIALS, `${deaths} deaths`);
    });
  }

  test('K34: in a crash loop the end is the same and no trial runs twice', async () => {
    const { end, deaths } = await runSweep('crash-loop', async ({ start, isOver }, life) => {
      const controller = await start();
      // Now here, now there in a turn; a process that lives longer comes further.
      await sleep(100 * life);
      await controller.stop('SIGKILL');
      return (await isOver()) === undefined;
    });
    assert.deepEqual(end, golden);
    assert.ok(deaths > 2, `${deaths} deaths`);
  });

  test('K34: out of memory wherever it may be, the end is the same and no trial runs twice', async () => {
    const ways = new Set<unknown>();
    let deaths = 0;
    // One that has pages to spare may come to the end without another: then the sweep is run again, up to five times.
    for (let turn = 0; deaths <= 2; turn++) {
      assert.ok(turn < 5, `${deaths} deaths in ${turn} sweeps`);
      const ran = await runSweep(`out-of-memory-${turn}`, async ({ start, isOver }, life) => {
        const controller = await start();
        await sleep(20 * ((life + 5 * turn) % 25));
        // It gets no more from now on; what it does next that needs some is its end.
        await run(['prlimit', `--pid=${controller.pid}`, '--as=1']);
        let death: Awaited<typeof controller.ended> | undefined;
        void controller.ended.then((how) => {
          death = how;
        });
        await until(async () => death ?? (await isOver()), 'the end', 60_000, 500);
        if (death) ways.add(death[1] ?? death[0]);
        else await controller.stop('SIGKILL');
        return death !== undefined;
      });
      assert.deepEqual(ran.end, golden);
      deaths += ran.deaths;
    }
    for (const way of ways) assert.ok(way !== 0 && way !== 'SIGKILL', `ended by itself, with ${way}`);
  });

  /** Lives one process's life. @param life from 0 @returns whether it died; false: the sweep was over before */
  type Live = (
    given: {
      readonly proxy: FaultProxy;
      readonly start: () => Promise<RunningController>;
      readonly isOver: () => Promise<unknown>;
    },
    life: number,
  ) => Promise<boolean>;

  /** Each process gets one write further than the one before. */
  function killedAt(point: { readonly through: number; readonly last: Fault | undefined }): Live {
    return (given) => untilKilled(given, point);
  }

  /** Runs the sweep in a namespace of its own. */
  async function runSweep(namespace: string, live: Live): Promise<{ end: End; deaths: number }> {
    const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args);
    await cluster.kubectl('create', 'namespace', namespace);
    await kubectl('create', 'serviceaccount', 'cnn-sweep-trainer');
    await cluster.apply(JSON.stringify(SWEEP), `--namespace=${namespace}`);
    const ca = await readFile(cluster.api.certificateFile, 'utf8');
    const proxy = await FaultProxy.open(cluster.api.url, ca, 'kubernetes.default.svc');
    proxies.push(proxy);
    const kubeconfig = await kubeconfigOf(proxy, cluster.kubeconfig, namespace);
    const isOver = async () => {
      const { status } = JSON.parse(await kubectl('get', 'sweep', 'study', '--output=json')) as {
        status?: SweepStatus;
      };
      if (status?.phase !== 'Complete') return undefined;
      return (await kubectl('get', 'jobs', '--output=name')) === '' ? status : undefined;
    };

    let deaths = 0;
    let status: SweepStatus | undefined;
    const given = { proxy, isOver, start: () => start(kubeconfig, namespace) };
    let life = 0;
    for (const begun = performance.now(); status === undefined; status = await isOver()) {
      assert.ok(performance.now() - begun < 400_000, `not over after ${deaths} deaths`);
      if (await live(given, life++)) deaths++;
      proxy.fault = () => undefined;
    }
    const controller = await start(kubeconfig, namespace);
    await controller.line('listed');
    await sleep(1_500);
    const quiet = proxy.writes.filter(({ plural }) => plural !== 'leases').length;
    await sleep(3_000);
    const later = proxy.writes.filter(({ plural }) => plural !== 'leases').slice(quiet);
    await controller.stop();
    running.delete(controller);
    assert.deepEqual(later, [], 'nothing is written when all is done');
    const slices = JSON.parse(await kubectl('get', 'trs', '--output=json')).items;
    return { end: await describeEnd(namespace, status, slices), deaths };
  }

  async function untilKilled(
    { proxy, start, isOver }: Parameters<Live>[0],
    { through, last }: { readonly through: number; readonly last: Fault | undefined },
  ): Promise<boolean> {
    let writes = 0;
    let isDead: boolean = false;
    const dead = Promise.withResolvers<boolean>();
    const isWrite = ({ verb, plural }: Seen) => plural !== 'leases' && !['get', 'list', 'watch'].includes(verb);
    proxy.fault = (seen) => {
      if (!isWrite(seen)) return undefined;
      if (isDead) return { kind: 'hang', done: false };
      if (writes++ < through) return undefined;
      isDead = true;
      const before = proxy.writes.length;
      // A write that hangs undone leaves no trace; any other is in the list when it was done.
      const isDone = async () =>
        (last?.kind === 'hang' && !last.done) || proxy.writes.slice(before).some(isWrite) || undefined;
      void until(isDone, 'the last write', 15_000, 2)
        .then(() => sleep(last === undefined ? 3 : 0))
        .then(() => dead.resolve(true), dead.reject);
      return last;
    };
    const controller = await start();
    const ended = new AbortController();
    const over = (async () => {
      while (!ended.signal.aborted) {
        if ((await isOver()) !== undefined) return false;
        await sleep(500);
      }
      return true;
    })();
    const wasKilled = await Promise.race([dead.promise, over, gaveUp(controller)]);
    ended.abort();
    await controller.stop(wasKilled ? 'SIGKILL' : 'SIGTERM');
    return wasKilled;
  }

  async function start(kubeconfig: string, namespace: string): Promise<RunningController> {
    const place = [`--namespaces=${namespace}`, `--lease-namespace=${namespace}`];
    const controller = await startController(kubeconfig, [...FAST, ...place]);
    running.add(controller);
    return controller;
  }

  async function describeEnd(
    namespace: string,
    status: SweepStatus,
    slices: { records: TrialRecord[] }[],
  ): Promise<End> {
    const { startTime: _, completionTime: __, conditions, ...rest } = status;
    return {
      status: { ...rest, conditions: conditions.map(({ lastTransitionTime: _, ...condition }) => condition) },
      records: slices
        .flatMap(({ records }) => records)
        .map(({ attemptUID: _, ...record }) => record)
        .sort((a, b) => a.trial - b.trial),
      jobs: await jobsEverCreated(namespace),
    };
  }

  /** From the API server's audit log: whatever became of them. Without the part of the Sweep's UID. */
  async function jobsEverCreated(namespace: string): Promise<string[]> {
    const lines = (await readFile(cluster.api.auditLog, 'utf8')).trim().split('\n');
    return lines
      .map((line) => JSON.parse(line) as AuditEvent)
      .filter(
        ({ verb, objectRef, responseStatus }) =>
          verb === 'create' &&
          objectRef?.resource === 'jobs' &&
          objectRef.namespace === namespace &&
          responseStatus?.code === 201,
      )
      .map(({ objectRef }) => `${objectRef?.name}`.replace(/^study-[0-9a-f]{6}-/, ''))
      .sort();
  }
});

/** On a slow machine one may find that its lease of two seconds was not renewed in time: it ends, and another has to be started.
 * @throws an error if it ended for any other reason
 */
async function gaveUp(controller: RunningController): Promise<false> {
  const [code] = await controller.ended;
  const last = controller.lines.at(-1);
  assert.equal(last?.event, 'lease lost', `the controller ended with ${code}: ${JSON.stringify(last)}`);
  return false;
}

interface AuditEvent {
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code?: number };
}

/** The administrator's, by way of the proxy. */
async function kubeconfigOf(proxy: FaultProxy, admin: string, namespace: string): Promise<string> {
  const config = JSON.parse(await readFile(admin, 'utf8'));
  const file = path.join(path.dirname(admin), `${namespace}.kubeconfig`);
  const clusters = [
    { name: config.clusters[0].name, cluster: { server: proxy.url, 'insecure-skip-tls-verify': true } },
  ];
  const contexts = [{ name: config.contexts[0].name, context: { ...config.contexts[0].context, namespace } }];
  await writeFile(file, JSON.stringify({ ...config, clusters, contexts }));
  return file;
}
