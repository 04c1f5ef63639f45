import type { Random } from '../shared/backoff.ts';
import type { Cluster } from '../shared/calls.ts';
import { JOBS, PODS, SLICES, SWEEPS } from '../shared/kinds.ts';
import { SWEEP_UID_LABEL } from '../shared/labels.ts';
import type { Log } from '../shared/log.ts';
import { controllerUID, ObjectCache } from '../shared/object-cache.ts';
import type { Job, KubernetesObject, Pod, SliceObject, SweepObject } from '../shared/objects.ts';
import { keepJob, keepPod, keepSlice, keepSweep } from '../shared/projections.ts';
import { type Reflector, type ReflectorProblem, startReflector } from '../shared/reflector.ts';
import type { Timers } from '../shared/timers.ts';
import { readAttempts, readGone, trialOf } from './attempt-facts.ts';
import { SliceReader } from './slice-reader.ts';
import type { Store } from './store.ts';
import { SweepReader } from './sweep-object.ts';

export interface ClusterSourceOptions {
  readonly cluster: Pick<Cluster, 'list' | 'watch'>;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  readonly store: Store;
  readonly log: Log;
  readonly timers: Timers;
  readonly random?: Random;
  readonly now?: () => Date;
}

export interface ClusterSource {
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  /** Longest time without an answer of the API server. */
  readonly silentMs: number;
  stop(): Promise<void>;
}

interface Trouble {
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly atMs: number;
}

const LOOK_MS = 1_000;

/** Shows what the cluster has of Sweeps, their records, Jobs and Pods. While the API server is away what was seen goes on to be shown,
 * with the time since when it may be old.
 */
export function openClusterSource(options: ClusterSourceOptions): ClusterSource {
  return new RunningSource(options);
}

class RunningSource implements ClusterSource {
  readonly #options: ClusterSourceOptions;
  readonly #sweeps = new ObjectCache<SweepObject>(({ metadata }) => metadata.uid);
  readonly #slices = new ObjectCache<SliceObject>(controllerUID);
  readonly #jobs = new ObjectCache<Job>(keyOf);
  readonly #pods = new ObjectCache<Pod>(keyOf);
  readonly #reader = new SweepReader();
  readonly #sliceReaders = new Map<string, SliceReader>();
  readonly #reflectors: Readonly<Record<string, Reflector>>;
  /** What was in trouble and has not been heard of since: each kind in each namespace. */
  readonly #troubles = new Map<string, Trouble>();
  #cancelLook: () => void = () => undefined;
  readonly synced: Promise<void>;

  constructor(options: ClusterSourceOptions) {
    this.#options = options;
    const { cluster, namespaces, timers, random } = options;
    const shared = {
      ...{ cluster, namespaces, timers, random },
      onProblem: (problem: ReflectorProblem) => this.#inTrouble(problem),
    };
    const ours = { ...shared, labelSelector: SWEEP_UID_LABEL };
    this.#reflectors = {
      sweeps: startReflector({
        ...shared,
        kind: SWEEPS,
        cache: this.#sweeps,
        project: keepSweep,
        onChange: (sweep, change) => (change === 'deleted' ? this.#gone(sweep) : this.#seen(sweep)),
      }),
      trialresultslices: startReflector({
        ...shared,
        kind: SLICES,
        cache: this.#slices,
        project: keepSlice,
        onChange: (slice, change) => change !== 'deleted' && this.#recorded(slice),
      }),
      jobs: startReflector({
        ...ours,
        kind: JOBS,
        cache: this.#jobs,
        project: (job: Job) => keepJob(job),
        onChange: (job) => this.#looked(job),
      }),
      pods: startReflector({
        ...ours,
        kind: PODS,
        cache: this.#pods,
        project: keepPod,
        onChange: (pod, change) => {
          if (change === 'deleted') this.#podGone(pod);
          this.#looked(pod);
        },
      }),
    };
    this.synced = Promise.all(Object.values(this.#reflectors).map(({ synced }) => synced)).then(() => undefined);
    this.#look();
  }

  get isSynced(): boolean {
    return Object.values(this.#reflectors).every(({ isSynced }) => isSynced);
  }

  get silentMs(): number {
    return Math.max(...Object.values(this.#reflectors).map(({ silentMs }) => silentMs));
  }

  async stop(): Promise<void> {
    this.#cancelLook();
    await Promise.all(Object.values(this.#reflectors).map((reflector) => reflector.stop()));
  }

  #seen(object: SweepObject): void {
    const { store } = this.#options;
    const { uid } = object.metadata;
    const { trials, ...input } = this.#reader.read(object);
    store.putSweep({ ...input, trials });
    if (this.#sliceReaders.get(uid)?.trials === trials) return;
    // What belongs to it may have been seen before it.
    this.#sliceReaders.set(uid, new SliceReader(trials));
    for (const slice of this.#slices.byIndex(uid)) this.#recorded(slice);
    for (const trial of trials.keys()) {
      const { jobs, pods } = this.#objectsOf(uid, trial);
      if (jobs.length + pods.length > 0) this.#show(uid, trial);
    }
  }

  #gone({ metadata: { uid } }: SweepObject): void {
    this.#reader.forget(uid);
    this.#sliceReaders.delete(uid);
    this.#options.store.removeSweep(uid);
  }

  #recorded(slice: SliceObject): void {
    const { store, log } = this.#options;
    const uid = controllerUID(slice);
    const reader = uid === undefined ? undefined : this.#sliceReaders.get(uid);
    if (uid === undefined || !reader || !this.#isBeside(slice, uid)) return;
    for (const entry of reader.read(slice)) {
      if (entry.kind === 'damaged') {
        store.note(`a record that cannot be read: ${entry.message}`, uid);
        log.warn('record rejected', { sweep: uid, why: entry.message });
        continue;
      }
      const { trial, attemptUID } = entry.result;
      const { attempts } = readAttempts(this.#objectsOf(uid, trial));
      const ended = attempts.find((one) => one.attemptUID === attemptUID)?.endedAt;
      // When those were recorded that are listed at the start, nobody wrote down.
      store.record(uid, entry.result, ended ?? (this.#isListed(slice.metadata.namespace) ? undefined : null));
    }
  }

  #isListed(namespace: string): boolean {
    return Object.values(this.#reflectors).every((reflector) => reflector.isListed(namespace));
  }

  #looked(object: KubernetesObject): void {
    const whose = this.#whose(object);
    if (whose) this.#show(whose.uid, whose.trial);
  }

  #podGone(pod: Pod): void {
    const { store, now = () => new Date() } = this.#options;
    const whose = this.#whose(pod);
    if (whose) store.seeAttempt(whose.uid, whose.trial, readGone(pod, now().toISOString()));
  }

  #whose(object: KubernetesObject): { readonly uid: string; readonly trial: number } | undefined {
    const uid = object.metadata.labels?.[SWEEP_UID_LABEL];
    const trial = trialOf(object);
    return uid !== undefined && trial !== undefined && this.#isBeside(object, uid) ? { uid, trial } : undefined;
  }

  /** Whoever may write labels in another namespace could name any Sweep there. */
  #isBeside({ metadata: { namespace } }: KubernetesObject, sweepUID: string): boolean {
    return this.#sweeps.byIndex(sweepUID)[0]?.metadata.namespace === namespace;
  }

  #show(uid: string, trial: number): void {
    const { store } = this.#options;
    const { liveness, attempts } = readAttempts(this.#objectsOf(uid, trial));
    for (const attempt of attempts) store.seeAttempt(uid, trial, attempt);
    // The Job of a recorded trial goes; where it ran stays known.
    if (liveness.phase === 'Waiting' && store.isRecorded(uid, trial)) return;
    store.setTrial(uid, trial, liveness);
  }

  #objectsOf(uid: string, trial: number) {
    const key = `${uid}/${trial}`;
    const isBeside = (object: KubernetesObject) => this.#isBeside(object, uid);
    return { jobs: this.#jobs.byIndex(key).filter(isBeside), pods: this.#pods.byIndex(key).filter(isBeside) };
  }

  #inTrouble({ plural, namespace, error, waitMs }: ReflectorProblem): void {
    const { log, timers, store, now = () => new Date() } = this.#options;
    log.warn('watch failed', { kind: plural, namespace, error, waitMs });
    this.#troubles.set(`${plural}/${namespace ?? ''}`, { plural, namespace, atMs: timers.now() });
    const since = store.stale('kubernetes', namespace) ?? now().toISOString();
    store.setStale('kubernetes', since, namespace);
  }

  /** A kind is well again when a byte came since its last trouble. */
  #look(): void {
    const { timers, store, namespaces = [undefined] } = this.#options;
    for (const [key, { plural, namespace, atMs }] of this.#troubles) {
      const reflector = this.#reflectors[plural];
      const isListed = namespace === undefined ? reflector?.isSynced : reflector?.isListed(namespace);
      if (reflector && isListed && reflector.quietMs(namespace) < timers.now() - atMs) this.#troubles.delete(key);
    }
    const troubled = new Set([...this.#troubles.values()].map(({ namespace }) => namespace));
    for (const namespace of namespaces) {
      if (!troubled.has(namespace)) store.setStale('kubernetes', null, namespace);
    }
    this.#cancelLook = timers.after(LOOK_MS, () => this.#look());
  }
}

function keyOf(object: KubernetesObject): string | undefined {
  const uid = object.metadata.labels?.[SWEEP_UID_LABEL];
  const trial = trialOf(object);
  return uid === undefined || trial === undefined ? undefined : `${uid}/${trial}`;
}
