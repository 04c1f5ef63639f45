import type { Random } from './backoff.ts';
import type { Cluster } from './calls.ts';
import type { Kind } from './kinds.ts';
import type { Change, ObjectCache } from './object-cache.ts';
import type { KubernetesObject } from './objects.ts';
import type { Timers } from './timers.ts';

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly cluster: Pick<Cluster, 'list' | 'watch'>;
  readonly kind: Kind<T>;
  /** One reflector for each; absent: a single one for all namespaces. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  /** Keeps the fields that we read and drops the rest: caches are large. */
  readonly project: (object: T) => T;
  /** Where the objects go; nobody else writes to it. */
  readonly cache: ObjectCache<T>;
  /** Only enqueues. Called once for each change that was seen: changes in between may have been merged. */
  readonly onChange: (object: T, change: Change) => void;
  /** A list or a watch failed; the reflector goes on. For the log. */
  readonly onProblem?: ((problem: ReflectorProblem) => void) | undefined;
  readonly timers?: Timers | undefined;
  readonly random?: Random | undefined;
}

export interface ReflectorProblem {
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly error: unknown;
  /** Before the next try. */
  readonly waitMs: number;
}

export interface Reflector {
  /** Resolves when every namespace has been listed once; never rejects. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  /** Whether the cache holds all that was written to the namespace up to this version of the kind. */
  reached(namespace: string, resourceVersion: string): boolean;
  /** Longest time without a byte from the API server, over the namespaces: two minutes are too long. */
  readonly quietMs: number;
  stop(): Promise<void>;
}

/** Lists and watches a kind for ever, whatever the API server does. */
export declare function startReflector<T extends KubernetesObject>(options: ReflectorOptions<T>): Reflector;
