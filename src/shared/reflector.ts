import { ApiError } from './api-error.ts';
import { fullJitterMs, type Random, REQUEST_BACKOFF } from './backoff.ts';
import type { Cluster } from './calls.ts';
import type { Kind } from './kinds.ts';
import { readLines } from './lines.ts';
import type { Change, ObjectCache } from './object-cache.ts';
import type { KubernetesObject } from './objects.ts';
import { pause, realTimers, type Timers } from './timers.ts';
import { decodeWatchEvent, parseVersion, type WatchEvent } from './watch-event.ts';

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly cluster: Pick<Cluster, 'list' | 'watch'>;
  readonly kind: Kind<T>;
  /** Each is listed and watched by itself; absent: all at once, cluster-wide. */
  readonly namespaces?: readonly string[] | undefined;
  readonly labelSelector?: string | undefined;
  /** Keeps the fields that we read and drops the rest: caches are large. */
  readonly project: (object: T) => T;
  /** Where the objects go; nobody else writes to it. */
  readonly cache: ObjectCache<T>;
  /** Only enqueues. Called after the cache changed; changes in between may have been merged into one. */
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
  /** Resolves when every namespace has been listed once; never rejects. One that may not be read (403) is not waited for if another one
   * may: whoever took those rights must not stop all the others' work. */
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  /** Whether the first list of a namespace is in the cache, and all of it has been told. */
  isListed(namespace: string): boolean;
  /** Whether the cache holds all that was written to the namespace up to this version of the kind. */
  reached(namespace: string, resourceVersion: string): boolean;
  /** How long no byte came of what was asked for: two minutes are too long. @param namespace absent: the longest of all */
  quietMs(namespace?: string): number;
  /** Longest time without any answer of the API server. One that refuses, or asks to wait, is there: another process would hear no more. */
  readonly silentMs: number;
  stop(): Promise<void>;
}

/** Bookmarks come each minute or so. */
const WATCHDOG_MS = 75_000;
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const SHORTEST_WATCH_S = 300;
const LONGEST_WATCH_S = 600;
/** A watch that ends sooner, without a line, would be a hot loop. */
const TOO_SHORT_MS = 1_000;
/** Without a failure, until the backoff begins anew. */
const FORGIVE_MS = 120_000;
/** Failed watches in a row, without a good line, until the version itself is doubted. */
const DOUBTFUL = 2;

/** Lists and watches a kind for ever, whatever the API server does. @see reliability.md section 4 */
export function startReflector<T extends KubernetesObject>(options: ReflectorOptions<T>): Reflector {
  const namespaces = options.namespaces ?? [undefined];
  const followers = new Map(namespaces.map((namespace) => [namespace, new Follower(options, namespace)]));
  const all = [...followers.values()];
  for (const follower of all) follower.start();
  const followerOf = (namespace: string) => followers.get(namespace) ?? followers.get(undefined);
  const answered = Promise.all(all.map((follower) => follower.answered));
  return {
    synced: Promise.all([answered, Promise.race(all.map(({ synced }) => synced))]).then(() => undefined),
    get isSynced() {
      return all.every(({ isSynced, isRefused }) => isSynced || isRefused) && all.some(({ isSynced }) => isSynced);
    },
    isListed: (namespace) => followerOf(namespace)?.isSynced ?? false,
    reached: (namespace, resourceVersion) => followerOf(namespace)?.reached(parseVersion(resourceVersion)) ?? false,
    quietMs: (namespace) => {
      const meant = namespace === undefined ? all : [followerOf(namespace)];
      return Math.max(0, ...meant.map((follower) => follower?.quietMs ?? 0));
    },
    get silentMs() {
      return Math.max(0, ...all.map((follower) => follower.silentMs));
    },
    async stop() {
      await Promise.all(all.map((follower) => follower.stop()));
    },
  };
}

/** No byte came for so long that the connection counts as half-open. */
class QuietError extends Error {}

/** Follows one kind in one namespace. */
class Follower<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #namespace: string | undefined;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #stopping = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  readonly #answered = Promise.withResolvers<void>();
  #isSynced: boolean = false;
  #isRefused: boolean = false;
  #running = Promise.resolve();
  /** What the cache holds; undefined before the first list. */
  #reached: bigint | undefined;
  /** Where the next watch begins; undefined: list first. */
  #version: bigint | undefined;
  #failures = 0;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Failed watches since the last good line or list. */
  #fruitless = 0;
  #heardAt: number;
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReflectorOptions<T>, namespace: string | undefined) {
    this.#options = options;
    this.#namespace = namespace;
    this.#timers = options.timers ?? realTimers;
    this.#random = options.random ?? Math.random;
    this.#heardAt = this.#timers.now();
  }

  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Resolves when it has been listed once, or may not be. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  /** Whether the API server has said that this may not be read. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  get quietMs(): number {
    return this.#timers.now() - this.#heardAt;
  }

  get silentMs(): number {
    return this.#timers.now() - Math.max(this.#heardAt, this.#refusedAt);
  }

  reached(version: bigint): boolean {
    return this.#reached !== undefined && this.#reached >= version;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const version = this.#version ?? (await this.#list());
        await this.#watch(version);
      } catch (error) {
        if (!signal.aborted) await this.#recover(error);
      }
    }
  }

  /** Decides from where to go on, and waits. */
  async #recover(error: unknown): Promise<void> {
    const expired = error instanceof ApiError && error.expired;
    if (expired || ++this.#fruitless >= DOUBTFUL) this.#version = undefined;
    let waitMs = 0;
    // A half-open connection has been waited for already.
    if (!(error instanceof QuietError)) {
      const now = this.#timers.now();
      if (now - this.#failedAt > FORGIVE_MS) this.#failures = 0;
      const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
      waitMs = asked ?? fullJitterMs(REQUEST_BACKOFF, this.#failures++, this.#random);
      this.#failedAt = now + waitMs;
      if (error instanceof ApiError && error.code !== 0) this.#refusedAt = this.#failedAt;
      if (error instanceof ApiError && error.code === 403) {
        this.#isRefused = true;
        this.#answered.resolve();
      }
    }
    this.#report(error, waitMs);
    await pause(this.#timers, waitMs, this.#stopping.signal);
  }

  /** Lists all pages of one and the same version; a page that has expired throws, and all are listed anew. */
  async #list(): Promise<bigint> {
    const { cluster, kind, labelSelector, cache } = this.#options;
    const listed = new Map<string, T>();
    let version: bigint | undefined;
    let token: string | undefined;
    do {
      const query = { namespace: this.#namespace, labelSelector, continue: token };
      const page = await cluster.list(kind, query, { signal: this.#stopping.signal });
      this.#heardAt = this.#timers.now();
      version ??= parseVersion(page.resourceVersion);
      for (const object of page.items) {
        const { namespace, name } = object.metadata;
        const known = cache.get(namespace, name);
        const kept = known && isSame(known, object) ? known : this.#project(object);
        if (kept) listed.set(`${namespace}/${name}`, kept);
      }
      token = page.continue;
    } while (token !== undefined);
    this.#reached = version;
    this.#version = version;
    this.#fruitless = 0;
    this.#replaceAll(listed);
    this.#isSynced = true;
    this.#synced.resolve();
    this.#answered.resolve();
    return version;
  }

  /** Only UIDs tell whether it is the same object: one that was deleted and created again is two changes. Nobody is told before all
   * is in the cache: who acts on the first change would take what is not there yet for gone.
   */
  #replaceAll(listed: ReadonlyMap<string, T>): void {
    const { cache } = this.#options;
    const changes: (readonly [T, Change])[] = [];
    for (const known of [...cache.values(this.#namespace)]) {
      const { namespace, name, uid } = known.metadata;
      if (listed.get(`${namespace}/${name}`)?.metadata.uid === uid) continue;
      cache.remove(namespace, name);
      changes.push([known, 'deleted']);
    }
    for (const object of listed.values()) {
      const known = cache.get(object.metadata.namespace, object.metadata.name);
      if (known === object) continue;
      cache.set(object);
      changes.push([object, known ? 'modified' : 'added']);
    }
    for (const [object, change] of changes) this.#tell(object, change);
  }

  /** One watch, until its normal end. */
  async #watch(version: bigint): Promise<void> {
    const { cluster, kind, labelSelector } = this.#options;
    const attempt = new AbortController();
    const begun = this.#timers.now();
    let cancelWatchdog = () => {};
    const feedWatchdog = () => {
      this.#heardAt = this.#timers.now();
      cancelWatchdog();
      cancelWatchdog = this.#timers.after(WATCHDOG_MS, () => attempt.abort(new QuietError('no byte for 75 s')));
    };
    let lines = 0;
    try {
      const bytes = await cluster.watch(kind, {
        namespace: this.#namespace,
        labelSelector,
        resourceVersion: `${version}`,
        timeoutSeconds: Math.floor(SHORTEST_WATCH_S + this.#random() * (LONGEST_WATCH_S - SHORTEST_WATCH_S + 1)),
        signal: AbortSignal.any([attempt.signal, this.#stopping.signal]),
      });
      feedWatchdog();
      for await (const line of readLines(tapped(bytes, feedWatchdog), MAX_LINE_BYTES)) {
        this.#apply(decodeWatchEvent<T>(line));
        this.#fruitless = 0;
        lines++;
      }
    } catch (error) {
      throw attempt.signal.aborted ? attempt.signal.reason : error;
    } finally {
      cancelWatchdog();
      attempt.abort();
    }
    if (lines === 0 && this.#timers.now() - begun < TOO_SHORT_MS) throw new Error('the watch ended at once');
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type === 'BOOKMARK') {
      if (event.version < (this.#version ?? 0n)) this.#doubt(`a bookmark of version ${event.version} came late`);
      this.#moveTo(event.version);
      return;
    }
    const { object, version, type } = event;
    const known = this.#options.cache.get(object.metadata.namespace, object.metadata.name);
    if (version <= (this.#version ?? 0n)) {
      // Seen before, if all is well. If not, only a list tells what else came in the wrong order.
      const old = known ? parseVersion(known.metadata.resourceVersion) >= version : type === 'DELETED';
      if (old) return;
      this.#doubt(`an event of version ${version} came late`);
    }
    this.#moveTo(version);
    if (type === 'DELETED') {
      if (known) this.#remove(known);
      return;
    }
    const kept = this.#project(object);
    if (known && known.metadata.uid !== object.metadata.uid) this.#remove(known);
    if (kept) this.#put(kept);
  }

  /** Lines come in the order of their versions, unless the server was put back to an older state. */
  #doubt(why: string): never {
    this.#version = undefined;
    throw new Error(why);
  }

  #moveTo(version: bigint): void {
    this.#version = version;
    this.#reached = version;
  }

  #put(object: T): void {
    const { cache } = this.#options;
    const known = cache.get(object.metadata.namespace, object.metadata.name);
    cache.set(object);
    this.#tell(object, known ? 'modified' : 'added');
  }

  #remove(known: T): void {
    this.#options.cache.remove(known.metadata.namespace, known.metadata.name);
    this.#tell(known, 'deleted');
  }

  /** A callback that throws must not end the watch for all others. */
  #tell(object: T, change: Change): void {
    try {
      this.#options.onChange(object, change);
    } catch (error) {
      this.#report(error, 0);
    }
  }

  /** An object that cannot be read is left out: one of them must not hide all others. */
  #project(object: T): T | undefined {
    try {
      return this.#options.project(object);
    } catch (error) {
      this.#report(error, 0);
      return undefined;
    }
  }

  #report(error: unknown, waitMs: number): void {
    const { kind, onProblem } = this.#options;
    onProblem?.({ plural: kind.plural, namespace: this.#namespace, error, waitMs });
  }
}

function isSame(known: KubernetesObject, object: KubernetesObject): boolean {
  const { uid, resourceVersion } = object.metadata;
  return known.metadata.uid === uid && known.metadata.resourceVersion === resourceVersion;
}

async function* tapped(bytes: AsyncIterable<Uint8Array>, onBytes: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onBytes();
    yield chunk;
  }
}
