import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Job, Pod } from '../../src/shared/objects.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import type { Cluster } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { FaultProxy } from './fault-proxy.ts';

export const TRIALS = 4;
/** A lease that is lost and taken within seconds. */
export const LEASE = ['--lease-seconds=3', '--renew-seconds=2', '--retry-seconds=0.3'];
const NAMED_MS = 60_000;
const OVER_MS = 90_000;

/** A cluster with fake nodes, in which every test has a namespace of its own. */
export class Places {
  readonly cluster: Cluster;
  readonly #running = new Set<RunningController>();
  readonly #proxies: FaultProxy[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** @param cluster which these places own from now on */
  static async open(cluster: Cluster): Promise<Places> {
    await cluster.addFakeNodes(2, { gpus: 100 });
    await installKinds(cluster);
    return new Places(cluster);
  }

  async create(namespace: string): Promise<Place> {
    const place = new Place(this, namespace);
    await this.cluster.kubectl('create', 'namespace', namespace);
    await place.kubectl('create', 'serviceaccount', 'cnn-sweep-trainer');
    return place;
  }

  async close(): Promise<void> {
    for (const controller of this.#running) await controller.stop('SIGKILL');
    for (const proxy of this.#proxies) await proxy.close();
    await this.cluster.stop();
  }

  async start(args: readonly string[], kubeconfig: string): Promise<RunningController> {
    const controller = await startController(kubeconfig, args);
    this.#running.add(controller);
    return controller;
  }

  async openProxy(): Promise<FaultProxy> {
    const ca = await readFile(this.cluster.api.certificateFile, 'utf8');
    const proxy = await FaultProxy.open(this.cluster.api.url, ca, 'kubernetes.default.svc');
    this.#proxies.push(proxy);
    return proxy;
  }
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
  readonly #cluster: Cluster;

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
    await this.#cluster.kubectl(
      'label',
      'nodes',
      ...(nodes.length > 0 ? nodes : ['--all']),
      `runs-${this.namespace}=true`,
    );
  }

  async start(args: readonly string[] = [], kubeconfig = this.#cluster.kubeconfig): Promise<RunningController> {
    const place = [`--namespaces=${this.namespace}`, `--lease-name=${this.namespace}`, '--lease-namespace=default'];
    return this.#places.start(['--delete-delay-seconds=1', ...place, ...args], kubeconfig);
  }

  /** Starts it again when it has ended, as a Deployment does. @returns what ends that */
  supervise(kubeconfig?: string): () => Promise<void> {
    const stopping = new AbortController();
    const work = (async () => {
      while (!stopping.signal.aborted) {
        const controller = await this.start(LEASE, kubeconfig).catch(() => undefined);
        if (!controller) continue;
        const stop = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));
        await Promise.race([controller.line('lease lost'), stop]);
        if (stopping.signal.aborted) await controller.stop();
      }
    })();
    return async () => {
      stopping.abort();
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

  /** Jobs that were ever created, by trial and attempt, from the API server's audit log. */
  async created(): Promise<string[]> {
    const events = await this.audit();
    return events
      .filter(({ verb, objectRef, code }) => verb === 'create' && objectRef?.resource === 'jobs' && code === 201)
      .map(({ objectRef }) => `${objectRef?.name}`.replace(/^study-[0-9a-f]{6}-/, ''))
      .sort(inOrder);
  }

  /** What controllers asked for here. */
  async audit() {
    const lines = (await readFile(this.#cluster.api.auditLog, 'utf8')).trim().split('\n');
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

const inOrder = (a: string, b: string) => (a < b ? -1 : 1);

/** Numbers of trials, in the order of text. */
export function each(trials: number): string[] {
  return Array.from({ length: trials }, (_, trial) => `${trial}`).sort(inOrder);
}
