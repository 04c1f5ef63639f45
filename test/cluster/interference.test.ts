import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../../src/shared/objects.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { FaultProxy } from './fault-proxy.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const TRIALS = 4;
const NAMED_MS = 60_000;
const OVER_MS = 90_000;
const LEASE = ['--lease-seconds=3', '--renew-seconds=2', '--retry-seconds=0.3'];

let cluster: Cluster;
const running = new Set<RunningController>();
const proxies: FaultProxy[] = [];

/** A namespace with a sweep, and what a test asks and does there. */
class Place {
  readonly namespace: string;

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  static async create(namespace: string): Promise<Place> {
    const place = new Place(namespace);
    await cluster.kubectl('create', 'namespace', namespace);
    await place.kubectl('create', 'serviceaccount', 'cnn-sweep-trainer');
    return place;
  }

  kubectl(...args: string[]): Promise<string> {
    return cluster.kubectl(`--namespace=${this.namespace}`, ...args);
  }

  /** @param isHeld its Pods find no node before `letRun` */
  async createSweep({ trials = TRIALS, parallelism = 2, isHeld = false } = {}): Promise<void> {
    const sweep = {
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'Sweep',
      metadata: { name: 'study' },
      spec: {
        grid: [{ widths: [[3]], seed: Array.from({ length: trials }, (_, seed) => seed) }],
        training: { epochs: 1 },
        parallelism,
        ...(isHeld && { trainer: { nodeSelector: { [`runs-${this.namespace}`]: 'true' } } }),
      },
    };
    await cluster.apply(JSON.stringify(sweep), `--namespace=${this.namespace}`);
  }

  async letRun(): Promise<void> {
    await cluster.kubectl('label', 'nodes', '--all', `runs-${this.namespace}=true`);
  }

  async start(args: readonly string[] = [], kubeconfig = cluster.kubeconfig): Promise<RunningController> {
    const place = [`--namespaces=${this.namespace}`, `--lease-name=${this.namespace}`, '--lease-namespace=default'];
    const controller = await startController(kubeconfig, ['--delete-delay-seconds=1', ...place, ...args]);
    running.add(controller);
    return controller;
  }

  /** A way of its own to the API server, so that one process's writes are told from another's. */
  async openProxy(name: string): Promise<{ proxy: FaultProxy; kubeconfig: string }> {
    const ca = await readFile(cluster.api.certificateFile, 'utf8');
    const proxy = await FaultProxy.open(cluster.api.url, ca, 'kubernetes.default.svc');
    proxies.push(proxy);
    const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8'));
    const kubeconfig = path.join(path.dirname(cluster.kubeconfig), `${this.namespace}-${name}.kubeconfig`);
    const server = { server: proxy.url, 'insecure-skip-tls-verify': true };
    const clusters = [{ name: config.clusters[0].name, cluster: server }];
    await writeFile(kubeconfig, JSON.stringify({ ...config, clusters }));
    return { proxy, kubeconfig };
  }

  async jobs(): Promise<Job[]> {
    return JSON.parse(await this.kubectl('get', 'jobs', '--output=json')).items;
  }

  /** Once so many are there. */
  jobsOnceThere(count: number): Promise<Job[]> {
    const ask = async () => {
      const jobs = await this.jobs();
      return jobs.length === count ? jobs : undefined;
    };
    return until(ask, `${count} Jobs in ${this.namespace}`, 30_000);
  }

  async status(): Promise<SweepStatus | undefined> {
    return JSON.parse(await this.kubectl('get', 'sweep', 'study', '--output=json')).status;
  }

  degraded(reason: string): Promise<Condition> {
    const ask = async () =>
      (await this.status())?.conditions.find((each) => each.type === 'Degraded' && each.reason === reason);
    return until(ask, `Degraded ${reason} in ${this.namespace}`, NAMED_MS);
  }

  /** All trials are recorded once, with a result, and their Jobs are gone. */
  async isOver(trials = TRIALS): Promise<void> {
    const ask = async () => {
      if ((await this.status())?.phase !== 'Complete') return undefined;
      return (await this.jobs()).length === 0 ? true : undefined;
    };
    await until(ask, `the end in ${this.namespace}`, OVER_MS);
    const slices: { records: TrialRecord[] }[] = JSON.parse(await this.kubectl('get', 'trs', '--output=json')).items;
    const records = slices.flatMap(({ records }) => records);
    assert.deepEqual(
      records.map(({ trial, outcome }) => `${trial} ${outcome}`).sort(),
      each(trials).map((trial) => `${trial} Succeeded`),
    );
  }

  /** Jobs that were ever created, by trial and attempt, from the API server's audit log. */
  async created(): Promise<string[]> {
    const events = await this.audit();
    return events
      .filter(({ verb, objectRef, code }) => verb === 'create' && objectRef?.resource === 'jobs' && code === 201)
      .map(({ objectRef }) => `${objectRef?.name}`.replace(/^study-[0-9a-f]{6}-/, ''))
      .sort();
  }

  /** What controllers asked for here. */
  async audit() {
    const lines = (await readFile(cluster.api.auditLog, 'utf8')).trim().split('\n');
    return lines.flatMap((line) => {
      const { verb, objectRef, responseStatus, userAgent } = JSON.parse(line) as AuditEvent;
      if (userAgent !== 'cnn-sweep' || objectRef?.namespace !== this.namespace) return [];
      return [{ verb, objectRef, code: responseStatus?.code }];
    });
  }
}

interface AuditEvent {
  readonly verb: string;
  readonly userAgent?: string;
  readonly objectRef?: { readonly resource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code?: number };
}

/** In the order of text. */
const each = (trials: number) =>
  Array.from({ length: trials }, (_, trial) => `${trial}`).sort((a, b) => (a < b ? -1 : 1));
const isWrite = (verb: string) => !['get', 'list', 'watch'].includes(verb);

before(async () => {
  if (options.skip !== undefined) return;
  cluster = await startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']);
  await cluster.addFakeNodes(2, { gpus: 100 });
  await installKinds(cluster);
});
after(async () => {
  for (const controller of running) await controller.stop('SIGKILL');
  for (const proxy of proxies) await proxy.close();
  await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
});

describe('people and other controllers', { ...options, timeout: 300_000, concurrency: 4 }, () => {
  test('J10: a Job that is deleted before its record is named as lost, and its trial runs again', async () => {
    const place = await Place.create('lost');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [job] = await place.jobsOnceThere(2);
    await place.kubectl('delete', 'job', `${job?.metadata.name}`);
    const { message } = await place.degraded('Lost');
    assert.match(message, /^Job study-[0-9a-f]{6}-0: vanished before the result of trial 0 was recorded/);
    await place.letRun();
    await place.isOver();
    await place.degraded('AsExpected');
    assert.deepEqual(await place.created(), ['0', ...each(TRIALS)]);
  });

  test('J11: a Job that is deleted after its record does not run again', async () => {
    const place = await Place.create('recorded');
    const controller = await place.start(['--delete-delay-seconds=3600']);
    await place.createSweep();
    const ask = async () => ((await place.status())?.phase === 'Complete' ? true : undefined);
    await until(ask, 'all results', OVER_MS);
    for (const { metadata } of await place.jobsOnceThere(TRIALS)) await place.kubectl('delete', 'job', metadata.name);
    await sleep(5_000);
    assert.deepEqual(await place.jobs(), []);
    await controller.stop();
    running.delete(controller);
    await (await place.start()).line('listed');
    await sleep(3_000);
    await place.isOver();
    assert.deepEqual(await place.created(), each(TRIALS));
  });

  test('K29: a Job that somebody suspends is named, and goes on when it may', async () => {
    const place = await Place.create('suspended');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [job] = await place.jobsOnceThere(2);
    const patch = (suspend: boolean) =>
      place.kubectl(
        'patch',
        'job',
        `${job?.metadata.name}`,
        '--type=merge',
        '--patch',
        JSON.stringify({ spec: { suspend } }),
      );
    await patch(true);
    const { message } = await place.degraded('NoProgress');
    assert.match(
      message,
      /^Job study-[0-9a-f]{6}-0: somebody suspended it: set its spec\.suspend to false, or delete it/,
    );
    await patch(false);
    await place.letRun();
    await place.isOver();
    assert.deepEqual(await place.created(), each(TRIALS));
  });

  test('K29: a Job that somebody disowns or relabels is a stranger, left alone, and ours again when it is given back', async () => {
    const place = await Place.create('strangers');
    await place.start();
    await place.createSweep({ isHeld: true });
    const [first, second] = await place.jobsOnceThere(2);
    const [disowned, relabelled] = [`${first?.metadata.name}`, `${second?.metadata.name}`];
    await place.kubectl(
      'patch',
      'job',
      disowned,
      '--type=json',
      '--patch',
      '[{"op":"remove","path":"/metadata/ownerReferences"}]',
    );
    await place.kubectl('label', 'job', relabelled, '--overwrite', 'cnn-sweep.dev/trial=3');
    const { message } = await place.degraded('NameCollision');
    assert.match(message, new RegExp(`^Job ${disowned}: has the name that trial 0 needs, and is not ours`));
    await place.kubectl('label', 'job', relabelled, '--overwrite', 'cnn-sweep.dev/trial=1');
    await place.letRun();
    const three = async () => ((await place.status())?.trials.succeeded === TRIALS - 1 ? true : undefined);
    await until(three, 'the results of the others', OVER_MS);
    const left = await place.jobs();
    assert.ok(
      left.some(({ metadata }) => metadata.name === disowned),
      'the stranger is still there',
    );
    await place.kubectl('delete', 'job', disowned);
    await place.isOver();
    assert.deepEqual(await place.created(), ['0', ...each(TRIALS)]);
  });

  test('K25: a namespace that is deleted under a sweep goes, and nobody asks for it any more', async () => {
    const place = await Place.create('goes');
    const controller = await place.start();
    await place.createSweep({ isHeld: true });
    await place.jobsOnceThere(2);
    await cluster.kubectl('delete', 'namespace', 'goes', '--timeout=60s');
    await sleep(3_000);
    const before = (await place.audit()).length;
    await sleep(8_000);
    const later = (await place.audit()).slice(before);
    assert.deepEqual(later, []);
    assert.equal(await controller.stop(), 0);
    running.delete(controller);
  });

  test('K31: two controllers that both lead do no more than one', async () => {
    const place = await Place.create('both');
    await place.createSweep({ trials: 12, parallelism: 3 });
    await Promise.all([place.start(['--no-leader-elect']), place.start(['--no-leader-elect'])]);
    let most = 0;
    const count = async () => {
      const alive = (await place.jobs()).filter(
        ({ status }) => !status?.conditions?.some(({ status }) => status === 'True'),
      );
      most = Math.max(most, alive.length);
      return (await place.status())?.phase === 'Complete' ? true : undefined;
    };
    await until(count, 'the end', OVER_MS, 50);
    await place.isOver(12);
    assert.ok(most <= 3, `${most} Jobs at once`);
    assert.deepEqual(await place.created(), each(12));
  });

  test('K30: a leader that stood still for longer than its lease sends nothing more, and its follower loses nothing', async () => {
    const place = await Place.create('frozen');
    await place.createSweep({ isHeld: true });
    const { proxy, kubeconfig } = await place.openProxy('frozen');
    const leader = await place.start(LEASE, kubeconfig);
    await place.jobsOnceThere(2);
    process.kill(leader.pid, 'SIGSTOP');
    await place.start(LEASE);
    await place.letRun();
    const half = async () => (((await place.status())?.trials.succeeded ?? 0) >= 2 ? true : undefined);
    await until(half, 'results from its follower', OVER_MS);
    const before = proxy.requests.length;
    process.kill(leader.pid, 'SIGCONT');
    await leader.line('lease lost');
    assert.equal(await leader.stop('SIGCONT'), 1);
    running.delete(leader);
    assert.deepEqual(
      proxy.requests.slice(before).filter(({ verb, plural }) => isWrite(verb) && plural !== 'leases'),
      [],
    );
    await place.isOver();
    assert.deepEqual(await place.created(), each(TRIALS));
  });
});

describe('outages', { ...options, timeout: 300_000 }, () => {
  const outages: Record<string, { namespace: string; fail: () => Promise<void>; recover: () => Promise<void> }> = {
    'K8: the API server is killed for ten seconds': {
      namespace: 'killed',
      fail: () => cluster.parts['kube-apiserver'].stop('SIGKILL'),
      recover: () => cluster.parts['kube-apiserver'].start(),
    },
    'K9: etcd stands still for ten seconds': {
      namespace: 'still',
      fail: async () => cluster.parts.etcd.signal('SIGSTOP'),
      recover: async () => cluster.parts.etcd.signal('SIGCONT'),
    },
  };
  for (const [sentence, { namespace, fail, recover }] of Object.entries(outages)) {
    test(`${sentence}: the sweep goes on where it was`, async () => {
      const place = await Place.create(namespace);
      await place.createSweep({ trials: 12, isHeld: true });
      const supervision = supervise(place);
      try {
        await place.jobsOnceThere(2);
        await place.letRun();
        await fail();
        await sleep(10_000);
        await recover();
        const begun = performance.now();
        await place.isOver(12);
        const seconds = (performance.now() - begun) / 1000;
        assert.ok(seconds < 60, `over ${seconds.toFixed(0)} s after the outage`);
      } finally {
        await supervision.stop();
      }
      assert.deepEqual(await place.created(), each(12));
    });
  }

  /** Starts it again when it has ended, as a Deployment does. */
  function supervise(place: Place) {
    const stopping = new AbortController();
    const work = (async () => {
      while (!stopping.signal.aborted) {
        const controller = await place.start(LEASE).catch(() => undefined);
        if (!controller) continue;
        const stop = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
        await Promise.race([controller.line('lease lost'), stop]);
        if (stopping.signal.aborted) await controller.stop();
        running.delete(controller);
      }
    })();
    return {
      stop: async () => {
        stopping.abort();
        await work;
      },
    };
  }
});
