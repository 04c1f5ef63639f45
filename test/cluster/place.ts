import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { JOBS } from '../../src/shared/kinds.ts';
import { ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job, Pod } from '../../src/shared/objects.ts';
import { keepJob } from '../../src/shared/projections.ts';
import { type Reflector, startReflector } from '../../src/shared/reflector.ts';
import type { Wire } from '../../src/shared/wire.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import type { AnyCluster } from './any-cluster.ts';
import type { Cluster } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { FaultProxy } from './fault-proxy.ts';

export const TRIALS = 4;
/** A lease that is lost and taken within seconds, and kept on a machine that has other work. */
export const LEASE = ['--lease-seconds=6', '--renew-seconds=4', '--retry-seconds=0.5'];
const NAMED_MS = 60_000;
const OVER_MS = 180_000;

/** A cluster with fake nodes, in which every test has a namespace of its own. */
export class Places<C extends AnyCluster = AnyCluster> {
  readonly cluster: C;
  readonly #running = new Set<RunningController>();
  readonly #proxies: FaultProxy[] = [];

  readonly #namespaces: string[] = [];
  readonly #watches: JobWatch[] = [];

  private constructor(cluster: C) {
    this.cluster = cluster;
  }

  /** @param cluster which these places own from now on */
  static async open<C extends AnyCluster>(cluster: C): Promise<Places<C>> {
    await cluster.addFakeNodes(2, { gpus: 100 });
    await installKinds(cluster);
    return new Places(cluster);
  }

  /** The audit log and the ways to break it. @throws for a cluster of others */
  get own(): Cluster {
    const { cluster }: { readonly cluster: AnyCluster } = this;
    if (!isOwn(cluster)) throw new Error('this cluster is not ours to look into: skip the test, with needsOwn');
    return cluster;
  }

  async create(name: string): Promise<Place> {
    const namespace = `cnn-sweep-${name}`;
    const place = new Place(this, namespace);
    this.#namespaces.push(namespace);
    await this.cluster.kubectl('create', 'namespace', namespace);
    await place.kubectl('create', 'serviceaccount', 'cnn-sweep-trainer');
    if (!isOwn(this.cluster)) this.#watches.push(await place.watchJobs());
    return place;
  }

  async close(): Promise<void> {
    for (const controller of this.#running) await controller.stop('SIGKILL');
    for (const proxy of this.#proxies) await proxy.close();
    for (const watch of this.#watches) await watch.stop();
    if (!isOwn(this.cluster)) await this.#leave();
    await this.cluster.stop();
  }

  /** Takes from somebody else's cluster what we brought; its kinds stay. */
  async #leave(): Promise<void> {
    const { kubectl } = this.cluster;
    await kubectl('delete', 'namespace', '--ignore-not-found', '--timeout=120s', ...this.#namespaces);
    await kubectl('delete', 'lease', '--namespace=default', '--ignore-not-found', ...this.#namespaces);
  }

  async start(args: readonly string[], kubeconfig: string): Promise<RunningController> {
    const controller = await startController(kubeconfig, args);
    this.#running.add(controller);
    return controller;
  }

  async openProxy(): Promise<FaultProxy> {
    const { url, certificateFile } = this.own.api;
    const proxy = await FaultProxy.open(url, await readFile(certificateFile, 'utf8'), 'kubernetes.default.svc');
    this.#proxies.push(proxy);
    return proxy;
  }
}

function isOwn(cluster: AnyCluster): cluster is Cluster {
  return 'parts' in cluster;
}

interface SweepOptions {
  readonly trials?: number;
  readonly parallelism?: number;
  /** Its Pods find no node before `letRun`. */
  readonly isHeld?: boolean;
  readonly trainer?: object;
  readonly finalizers?: readonly string[];
}

/** A namespace with a sweep, and what a test asks and does there. */
export class Place {
  readonly namespace: string;
  readonly #places: Places;
  readonly #cluster: AnyCluster;

  /** Where nobody may read the audit log. */
  #watched: JobWatch | undefined;

  constructor(places: Places, namespace: string) {
    this.#places = places;
    this.#cluster = places.cluster;
    this.namespace = namespace;
  }

  kubectl(...args: string[]): Promise<string> {
    return this.#cluster.kubectl(`--namespace=${this.namespace}`, ...args);
  }

  apply(object: object): Promise<string> {
    return this.#cluster.apply(JSON.stringify(object), `--namespace=${this.namespace}`);
  }

  async watchJobs(): Promise<JobWatch> {
    this.#watched = await JobWatch.open(this.#cluster.kubeconfig, this.namespace);
    return this.#watched;
  }

  async createSweep(options: SweepOptions = {}): Promise<void> {
    const { trials = TRIALS, parallelism = 2, isHeld = false, trainer, finalizers } = options;
    const nodeSelector = { [`runs-${this.namespace}`]: 'true' };
    await this.apply({
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'Sweep',
      metadata: { name: 'study', ...(finalizers && { finalizers }) },
      spec: {
        grid: [{ widths: [[3]], seed: Array.from({ length: trials }, (_, seed) => seed) }],
        training: { epochs: 1 },
        parallelism,
        ...((isHeld || trainer) && { trainer: { ...trainer, ...(isHeld && { nodeSelector }) } }),
      },
    });
  }

  /** @param nodes absent: on all */
  async letRun(...nodes: string[]): Promise<void> {
    const which = nodes.length > 0 ? nodes : ['--selector=cnn-sweep.dev/fake-node=true'];
    await this.#cluster.kubectl('label', 'nodes', ...which, `runs-${this.namespace}=true`);
  }

  async start(args: readonly string[] = [], kubeconfig = this.#cluster.kubeconfig): Promise<RunningController> {
    const place = [`--namespaces=${this.namespace}`, `--lease-name=${this.namespace}`, '--lease-namespace=default'];
    return this.#places.start(['--delete-delay-seconds=1', ...place, ...args], kubeconfig);
  }

  /** Starts it again when it has ended, as a Deployment does. @returns what ends that */
  supervise(kubeconfig?: string): () => Promise<void> {
    const stopping = new AbortController();
    const stop = Promise.withResolvers<void>();
    const work = (async () => {
      while (!stopping.signal.aborted) {
        const controller = await this.start(LEASE, kubeconfig).catch(() => undefined);
        if (!controller) continue;
        await Promise.race([controller.ended, stop.promise]);
        if (stopping.signal.aborted) await controller.stop();
      }
    })();
    return async () => {
      stopping.abort();
      stop.resolve();
      await work;
    };
  }

  /** A way of its own to the API server, so that one process's writes are told from another's. */
  async openProxy(name: string): Promise<{ proxy: FaultProxy; kubeconfig: string }> {
    const proxy = await this.#places.openProxy();
    const config = JSON.parse(await readFile(this.#cluster.kubeconfig, 'utf8'));
    const kubeconfig = path.join(path.dirname(this.#cluster.kubeconfig), `${this.namespace}-${name}.kubeconfig`);
    const server = { server: proxy.url, 'insecure-skip-tls-verify': true };
    const clusters = [{ name: config.clusters[0].name, cluster: server }];
    await writeFile(kubeconfig, JSON.stringify({ ...config, clusters }));
    return { proxy, kubeconfig };
  }

  async jobs(): Promise<Job[]> {
    return JSON.parse(await this.kubectl('get', 'jobs', '--output=json')).items;
  }

  async pods(): Promise<Pod[]> {
    return JSON.parse(await this.kubectl('get', 'pods', '--output=json')).items;
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

  /** Once so many results are in. */
  async succeeded(count: number): Promise<void> {
    const ask = async () => (((await this.status())?.trials.succeeded ?? 0) >= count ? true : undefined);
    await until(ask, `${count} results in ${this.namespace}`, OVER_MS);
  }

  async isPhase(phase: SweepStatus['phase']): Promise<SweepStatus> {
    const ask = async () => {
      const status = await this.status();
      return status?.phase === phase ? status : undefined;
    };
    return until(ask, `phase ${phase} in ${this.namespace}`, OVER_MS);
  }

  async records(): Promise<TrialRecord[]> {
    const slices: { records: TrialRecord[] }[] = JSON.parse(await this.kubectl('get', 'trs', '--output=json')).items;
    return slices.flatMap(({ records }) => records);
  }

  /** All trials are recorded once, with a result, and their Jobs are gone. */
  async isOver(trials = TRIALS): Promise<void> {
    await this.isPhase('Complete');
    await this.jobsOnceThere(0);
    const records = await this.records();
    assert.deepEqual(
      records.map(({ trial, outcome }) => `${trial} ${outcome}`).sort(inOrder),
      each(trials).map((trial) => `${trial} Succeeded`),
    );
  }

  /** Jobs that were ever created, by trial and attempt: from the API server's audit log, or as a watch of ours has seen them. */
  async created(): Promise<string[]> {
    if (this.#watched) return (await this.#watched.created()).map(shortName).sort(inOrder);
    const events = await this.audit();
    return events
      .filter(({ verb, objectRef, code }) => verb === 'create' && objectRef?.resource === 'jobs' && code === 201)
      .map(({ objectRef }) => shortName(`${objectRef?.name}`))
      .sort(inOrder);
  }

  /** What controllers asked for here. */
  async audit() {
    const text = await readFile(this.#places.own.api.auditLog, 'utf8');
    // The last line may still be being written, for as long as its API server stands still.
    const lines = text.split('\n').slice(0, -1);
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

/** Notes the Jobs of Sweeps that come into being in a namespace, whatever becomes of them. */
class JobWatch {
  readonly #names = new Map<string, string>();
  readonly #wire: Wire;
  readonly #reflector: Reflector;
  readonly #namespace: string;

  private constructor(kubeconfig: string, namespace: string) {
    this.#namespace = namespace;
    this.#wire = openWire(() => readKubeConfigFile(kubeconfig));
    this.#reflector = startReflector({
      cluster: openCluster(this.#wire),
      kind: JOBS,
      namespaces: [namespace],
      cache: new ObjectCache<Job>(),
      project: keepJob,
      onChange: ({ metadata }, change) => {
        if (change === 'added' && metadata.ownerReferences?.some(({ kind }) => kind === 'Sweep'))
          this.#names.set(metadata.uid, metadata.name);
      },
      onProblem: () => undefined,
    });
  }

  static async open(kubeconfig: string, namespace: string): Promise<JobWatch> {
    const watch = new JobWatch(kubeconfig, namespace);
    await watch.#reflector.synced;
    return watch;
  }

  /** All of which the API server knows now. */
  async created(): Promise<string[]> {
    const { items, resourceVersion } = await openCluster(this.#wire).list(JOBS, { namespace: this.#namespace });
    const latest = items.reduce(
      (last, { metadata }) => (BigInt(metadata.resourceVersion) > BigInt(last) ? metadata.resourceVersion : last),
      '0',
    );
    await until(
      async () => this.#reflector.reached(this.#namespace, latest) || undefined,
      `version ${resourceVersion}`,
      30_000,
    );
    return [...this.#names.values()];
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
    await this.#wire.close();
  }
}

const shortName = (job: string) => job.replace(/^study-[0-9a-f]{6}-/, '');
const inOrder = (a: string, b: string) => (a < b ? -1 : 1);

/** Numbers of trials, in the order of text. */
export function each(trials: number): string[] {
  return Array.from({ length: trials }, (_, trial) => `${trial}`).sort(inOrder);
}
