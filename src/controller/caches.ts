import type { Random } from '../shared/backoff.ts';
import type { Cluster } from '../shared/calls.ts';
import { JOBS, PODS, SLICES, SWEEPS } from '../shared/kinds.ts';
import { controllerUID, ObjectCache } from '../shared/object-cache.ts';
import type { Job, KubernetesObject, ObjectMeta, Pod, SliceObject, SweepObject } from '../shared/objects.ts';
import { type ReflectorProblem, startReflector } from '../shared/reflector.ts';
import { realTimers, type Timers } from '../shared/timers.ts';
import { messageOf } from '../sweep/errors.ts';
import { HASH_ANNOTATION, SWEEP_UID_LABEL } from './labels.ts';
import { listSliceOwners } from './slice-owners.ts';
import type { TurnMemory } from './turn-memory.ts';

/** What the reflectors have seen. */
export interface Caches {
  /** By UID. */
  readonly sweeps: Pick<ObjectCache<SweepObject>, 'byIndex' | 'values' | 'size'>;
  /** Whether the caches show a Sweep's Jobs and slices, all that we wrote included. Without slices: whether it had none and we wrote none. */
  caughtUp(sweep: ObjectMeta, memory: Pick<TurnMemory, 'jobsWritten' | 'slicesWritten'>): boolean;
  /** Whether the first lists of a namespace are whole: of one that may not be read, never. */
  isListed(namespace: string): boolean;
  reachedSweep(namespace: string, resourceVersion: string): boolean;
  /** What a turn reads. @param deleted UIDs of Jobs that count as gone; those whose end the cache has seen are taken out of it */
  read(sweep: ObjectMeta, deleted: Set<string>): SweepObjects;
}

export interface SweepObjects {
  /** All of the namespace: a foreign one may have a name of ours. */
  readonly jobs: readonly Job[];
  readonly pods: readonly Pod[];
  readonly slices: readonly SliceObject[];
}

export interface CachesOptions {
  readonly cluster: Pick<Cluster, 'list' | 'listMetadata' | 'watch'>;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  /** Something of a Sweep changed: give it a turn. @param isSpec the Sweep itself, not what it owns */
  readonly onChange: (uid: string, isSpec: boolean) => void;
  readonly onGone: (sweep: SweepObject) => void;
  /** @param problem without `waitMs` if there is no other try */
  readonly onProblem: (problem: Omit<ReflectorProblem, 'waitMs'> & Partial<ReflectorProblem>) => void;
  /** How long a Sweep that had no slice may have turns before the slices are listed. */
  readonly trustMs: number;
  readonly timers?: Timers;
  readonly random?: Random;
}

export interface OpenCaches extends Caches {
  /** Resolves when Sweeps without a slice can have a turn, with `synced` at the latest. */
  readonly begun: Promise<void>;
  /** Resolves when all is listed that may be read. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  /** Longest time without an answer of the API server. */
  readonly silentMs: number;
  stop(): Promise<void>;
}

/** Lists and watches the four kinds that a turn reads. */
export function openCaches({ onChange, onGone, ...options }: CachesOptions): OpenCaches {
  const sweeps = new ObjectCache<SweepObject>(({ metadata }) => metadata.uid);
  const jobs = new ObjectCache<Job>(controllerUID);
  const pods = new ObjectCache<Pod>(sweepUIDOf);
  const slices = new ObjectCache<SliceObject>(controllerUID);
  const changed = (...uids: readonly (string | undefined)[]) => {
    for (const uid of new Set(uids)) if (uid !== undefined) onChange(uid, false);
  };
  const stopping = new AbortController();
  const { cluster, namespaces, trustMs, timers = realTimers } = options;
  const owners = listSliceOwners({ cluster, namespaces, timers, trustMs, signal: stopping.signal });
  const ownersListed = owners.listed.catch((cause: unknown) => {
    if (stopping.signal.aborted) return;
    const error = new Error(`every Sweep waits for all slices: their owners cannot be listed: ${messageOf(cause)}`, {
      cause,
    });
    options.onProblem({ plural: SLICES.plural, namespace: undefined, error });
  });
  const reflectors = {
    sweeps: startReflector({
      ...options,
      kind: SWEEPS,
      cache: sweeps,
      project: ({ metadata, spec, status }) => ({ metadata: slim(metadata), spec, status }),
      onChange: (sweep, change) => {
        if (change === 'deleted') {
          // What we wrote for it is forgotten: if a list that was too old took it away, it comes back as one that we never saw.
          owners.doubt(sweep.metadata.uid);
          onGone(sweep);
        }
        onChange(sweep.metadata.uid, true);
      },
    }),
    // Without a selector: a foreign Job of our name need not bear our labels.
    jobs: startReflector({
      ...options,
      kind: JOBS,
      cache: jobs,
      project: projectJob,
      // By its label too: whoever takes its owner away makes it a stranger with a name of ours.
      onChange: (job) => changed(controllerUID(job), sweepUIDOf(job)),
    }),
    pods: startReflector({
      ...options,
      kind: PODS,
      labelSelector: SWEEP_UID_LABEL,
      cache: pods,
      project: projectPod,
      onChange: (pod) => changed(sweepUIDOf(pod)),
    }),
    slices: startReflector({
      ...options,
      kind: SLICES,
      cache: slices,
      project: ({ metadata, slice, sweep, records }) => ({
        metadata: slim(metadata),
        ...(slice !== undefined && { slice }),
        ...(sweep !== undefined && { sweep }),
        ...(records && { records }),
      }),
      onChange: (slice) => changed(controllerUID(slice)),
    }),
  };
  const all = Object.values(reflectors);
  const { slices: slicesOf, ...others } = reflectors;
  const othersSynced = Promise.all(Object.values(others).map(({ synced }) => synced));
  return {
    sweeps,
    caughtUp: ({ namespace, uid }, { jobsWritten, slicesWritten }) =>
      reflectors.jobs.reached(namespace, jobsWritten) &&
      reflectors.pods.reached(namespace, '0') &&
      // Nobody but us writes a slice of it: if there was none, and we have tried to write none, there is nothing to wait for.
      (slicesOf.reached(namespace, slicesWritten) || (slicesWritten === '0' && owners.lacks({ namespace, uid }))),
    isListed: (namespace) => all.every((reflector) => reflector.isListed(namespace)),
    reachedSweep: (namespace, resourceVersion) => reflectors.sweeps.reached(namespace, resourceVersion),
    read: ({ namespace, uid }, deleted) => {
      const there = [...jobs.values(namespace)];
      if (deleted.size > 0) {
        // One that only a finalizer holds is there, and is shown as it is.
        const unseen = there.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
        const present = new Set(unseen.map(({ metadata }) => metadata.uid));
        for (const gone of deleted) if (!present.has(gone)) deleted.delete(gone);
      }
      // Whoever may write in another namespace can name any Sweep and any Job there, and what a Pod says is a result.
      const isBeside = ({ metadata }: KubernetesObject) => metadata.namespace === namespace;
      return {
        jobs: there.filter(({ metadata }) => !deleted.has(metadata.uid)),
        pods: pods.byIndex(uid).filter(isBeside),
        slices: slices.byIndex(uid).filter(isBeside),
      };
    },
    begun: Promise.all([othersSynced, Promise.race([ownersListed, slicesOf.synced])]).then(() => undefined),
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
    get isSynced() {
      return all.every(({ isSynced }) => isSynced);
    },
    get silentMs() {
      return Math.max(...all.map(({ silentMs }) => silentMs));
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(all.map((reflector) => reflector.stop()));
    },
  };
}

function sweepUIDOf({ metadata }: KubernetesObject): string | undefined {
  return metadata.labels?.[SWEEP_UID_LABEL];
}

/** Without managedFields and annotations, which are the larger part of many objects. */
function slim({ name, namespace, uid, resourceVersion, creationTimestamp, ...rest }: ObjectMeta): ObjectMeta {
  const { generation, deletionTimestamp, finalizers, labels, ownerReferences, annotations } = rest;
  const hash = annotations?.[HASH_ANNOTATION];
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp,
    ...(generation !== undefined && { generation }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(finalizers && { finalizers }),
    ...(labels && { labels }),
    ...(ownerReferences && { ownerReferences }),
    ...(hash !== undefined && { annotations: { [HASH_ANNOTATION]: hash } }),
  };
}

function projectJob({ metadata, spec, status }: Job): Job {
  return {
    metadata: slim(metadata),
    ...(spec?.suspend !== undefined && { spec: { suspend: spec.suspend } }),
    ...(status && {
      status: {
        ...(status.active !== undefined && { active: status.active }),
        ...(status.failed !== undefined && { failed: status.failed }),
        ...(status.conditions && { conditions: status.conditions }),
      },
    }),
  };
}

function projectPod({ metadata, spec, status }: Pod): Pod {
  return {
    metadata: slim(metadata),
    ...(spec?.nodeName !== undefined && { spec: { nodeName: spec.nodeName } }),
    ...(status && {
      status: {
        ...(status.phase !== undefined && { phase: status.phase }),
        ...(status.reason !== undefined && { reason: status.reason }),
        ...(status.message !== undefined && { message: status.message }),
        ...(status.conditions && { conditions: status.conditions }),
        ...(status.containerStatuses && {
          containerStatuses: status.containerStatuses.map(({ name, state }) => ({ name, ...(state && { state }) })),
        }),
      },
    }),
  };
}
