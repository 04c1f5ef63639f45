import { ApiError } from '../shared/api-error.ts';
import type { Random } from '../shared/backoff.ts';
import { type Cluster, openCluster } from '../shared/calls.ts';
import { JOBS, PODS, SLICES, SWEEPS } from '../shared/kinds.ts';
import type { Log } from '../shared/log.ts';
import type { SweepObject } from '../shared/objects.ts';
import { pause, realTimers, type Timers } from '../shared/timers.ts';
import type { Wire } from '../shared/wire.ts';
import { type OpenCaches, openCaches } from './caches.ts';
import { openEvents } from './events.ts';
import type { TrainerOptions } from './job.ts';
import { type Elector, leaseIn, startElector } from './lease.ts';
import type { ControllerMetrics } from './metrics.ts';
import { Reconciler } from './reconcile.ts';
import type { Recorded } from './retention.ts';
import { readStatus } from './status.ts';
import { type QueueFigures, restAfter, startQueue, type WorkQueue } from './workqueue.ts';

/** How to run for the lease. */
export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Of this process alone. */
  readonly identity: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
  /** Once: the program exits at once, without clean-up. */
  readonly onLost: (why: string) => void;
}

export interface ControllerOptions {
  readonly wire: Wire;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  readonly trainer: TrainerOptions;
  /** Whether LocalQueues may be read. */
  readonly kueue?: boolean;
  /** From the record of a trial to the delete of its Job. */
  readonly deleteDelayMs: number;
  /** Told at each turn what is recorded of a Sweep, and when the Sweep is gone. */
  readonly onRecorded?: ((sweepUID: string, recorded: Recorded | undefined) => void) | undefined;
  /** Absent: it leads without asking; nobody else may run beside it. */
  readonly lease?: LeaseOptions | undefined;
  readonly log: Log;
  readonly metrics: ControllerMetrics;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly wallClock?: () => Date;
  /** Tests put something between the parts. */
  readonly open?: { readonly cluster?: typeof openCluster; readonly caches?: typeof openCaches };
}

export interface Controller {
  /** What is missing until it can lead, or can act as the leader. */
  readonly missing: string | undefined;
  readonly leads: boolean;
  /** Longest time without an answer of the API server; 0 for who does not lead. */
  readonly silentMs: number;
  queueFigures(): QueueFigures;
  /** No new turn; the lease is given up only if nothing of ours can still be sent. @returns whether that was so */
  stop(drainMs: number): Promise<boolean>;
}

const READ_AGAIN_MS = 5_000;
/** Sweeps that ended come after those that wait for something: to read 10,000 records takes part of a second. */
const ENDED_MS = 1_000;
/** An earlier leader's first slice of a Sweep may have been on its way when the slices' owners were listed. Within this time its Job is
 * not deleted yet, nor given up for want of its Pod (10 s); only a person who deletes the Job by hand would make us run the trial again,
 * as while a watch lags. */
const TRUST_MS = 5_000;
const IDLE: QueueFigures = { depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 };

/** Puts the parts together: first the right to read, then the lease, then the caches, then turns: those of Sweeps without a slice as soon
 * as it is known that they have none (ADR 16).
 *
 * The caches are opened by the leader, never before: a standby's watch may be half-open for a minute without anybody's noticing, and a
 * cache that has not seen a record whose Job is gone would start that trial again. What is listed after the lease was taken holds all
 * that earlier leaders wrote, but for a request in flight: that is what the delay before a delete is for.
 */
export function startController(options: ControllerOptions): Controller {
  return new RunningController(options);
}

class RunningController implements Controller {
  readonly #options: ControllerOptions;
  readonly #timers: Timers;
  readonly #stopping = new AbortController();
  readonly #cluster: Cluster;
  #canRead: boolean = false;
  #elector: Elector | undefined;
  #caches: OpenCaches | undefined;
  #queue: WorkQueue | undefined;
  #isListed: boolean = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    const open = options.open?.cluster ?? openCluster;
    this.#cluster = open(options.wire, {
      beforeWrite: () => this.#elector?.assertLeading(),
      onRequest: options.metrics.onRequest,
      stopping: this.#stopping.signal,
      timers: options.timers,
      random: options.random,
    });
    void this.#run();
  }

  get missing(): string | undefined {
    if (!this.#canRead) return 'nothing could be read yet';
    return this.#caches && !this.#caches.isSynced ? 'not listed yet' : undefined;
  }

  get leads(): boolean {
    return this.#options.lease ? (this.#elector?.leads ?? false) : this.#caches !== undefined;
  }

  get silentMs(): number {
    return this.#caches?.silentMs ?? 0;
  }

  queueFigures(): QueueFigures {
    return this.#queue?.figures() ?? IDLE;
  }

  async stop(drainMs: number): Promise<boolean> {
    this.#stopping.abort();
    const isDrained = ((await this.#queue?.stop(drainMs)) ?? true) && this.#cluster.inFlight === 0;
    if (isDrained) await this.#elector?.release();
    return isDrained;
  }

  async #run(): Promise<void> {
    await this.#waitUntilReadable();
    if (this.#stopping.signal.aborted) return;
    const { lease, wire, timers, random, wallClock, log } = this.#options;
    if (!lease) {
      await this.#lead();
      return;
    }
    // Limits of its own: a renewal never waits behind other requests.
    const limits = { ...(timers && { timers }), ...(random && { random }) };
    const store = leaseIn(openCluster(wire, limits), lease, lease.renewMs / 2);
    this.#elector = startElector({
      ...{ ...lease, ...limits, store },
      ...(wallClock && { wallClock }),
      onElected: () => void this.#lead(),
      onProblem: (error) => log.warn('lease', { error }),
    });
  }

  /** Who cannot read what a leader reads does not ask for the lease: another one may be able to. One namespace is enough: the rights in
   * another one, or itself, may have been taken by its owner, and that must not stop the others' Sweeps. */
  async #waitUntilReadable(): Promise<void> {
    const { namespaces = [undefined] } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const namespace of namespaces) {
        this.#canRead = await this.#isReadable(namespace);
        if (this.#canRead) return;
      }
      await pause(this.#timers, READ_AGAIN_MS, signal);
    }
  }

  async #isReadable(namespace: string | undefined): Promise<boolean> {
    const { signal } = this.#stopping;
    try {
      for (const kind of [SWEEPS, JOBS, PODS, SLICES]) {
        await this.#cluster.list(kind, { namespace, limit: 1 }, { signal });
      }
      return true;
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn('cannot read', { namespace, error });
      return false;
    }
  }

  async #lead(): Promise<void> {
    const { namespaces, trainer, kueue, deleteDelayMs, log, metrics, timers, random, wallClock, open } = this.#options;
    const { onRecorded } = this.#options;
    if (this.#stopping.signal.aborted) return;
    log.info('leading');
    const cluster = this.#cluster;
    const caches = (open?.caches ?? openCaches)({
      ...{ cluster, namespaces },
      ...(timers && { timers }),
      ...(random && { random }),
      trustMs: Math.min(TRUST_MS, deleteDelayMs / 2),
      onChange: (uid, isSpec) => (isSpec ? this.#queue?.addNow(uid) : this.#changed(uid)),
      onGone: ({ metadata }) => {
        metrics.sweepGone(metadata.namespace, metadata.name);
        onRecorded?.(metadata.uid, undefined);
      },
      onProblem: ({ plural, namespace, error, waitMs }) => log.warn('watch', { plural, namespace, error, waitMs }),
    });
    this.#caches = caches;
    await caches.begun;
    if (this.#stopping.signal.aborted) return;
    const times = { timers: this.#timers, ...(wallClock && { wallClock }) };
    const events = openEvents(cluster, { log, ...times });
    const settings = { trainer, deleteDelayMs, onRecorded, ...(kueue !== undefined && { kueue }) };
    const reconciler = new Reconciler({ cluster, caches, log, metrics, events, ...settings, ...times });
    const queue = startQueue({
      turn: (uid) => reconciler.turn(uid),
      restMs: restAfter,
      observer: metrics.queue,
      onError: (uid, error, failures, waitMs) => {
        log.error('turn failed', { uid, error, failures, waitMs });
        if (!(error instanceof ApiError)) metrics.turns.panicked();
      },
      timers: this.#timers,
      ...(random && { random }),
    });
    this.#queue = queue;
    for (const sweep of caches.sweeps.values()) if (!hasEnded(sweep)) queue.add(sweep.metadata.uid);
    await caches.synced;
    if (this.#stopping.signal.aborted) return;
    this.#isListed = true;
    log.info('listed', { sweeps: caches.sweeps.size });
    for (const sweep of caches.sweeps.values()) {
      if (hasEnded(sweep)) queue.addAfter(sweep.metadata.uid, ENDED_MS);
      else queue.add(sweep.metadata.uid);
    }
  }

  /** Something that a Sweep owns. The first list of slices is a change of all that ever had a record: those that ended come later. */
  #changed(uid: string): void {
    const [sweep] = (!this.#isListed && this.#caches?.sweeps.byIndex(uid)) || [];
    if (!sweep || !hasEnded(sweep)) this.#queue?.add(uid);
  }
}

function hasEnded({ status }: SweepObject): boolean {
  const phase = readStatus(status)?.phase;
  return phase === 'Complete' || phase === 'Failed';
}
