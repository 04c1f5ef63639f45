import type { SweepObject } from '../shared/objects.ts';
import { realTimers, type Timers } from '../shared/timers.ts';
import { type Plan, planSweep } from '../sweep/plan.ts';
import type { SweepStatus } from '../sweep/status.ts';
import { beginnings } from './beginnings.ts';
import { isValid, limitsOf } from './cluster-sweep.ts';
import { eventOf } from './events.ts';
import { readStuck } from './read-stuck.ts';
import { record } from './record-results.ts';
import { releaseJobs } from './release.ts';
import { sightOf } from './sight.ts';
import { startTrials } from './start.ts';
import { buildInvalidStatus, buildStatus, readStatus, sameStatus } from './status.ts';
import { all } from './steps.ts';
import type { ReconcilerDeps, Turn } from './turn.ts';
import { laterVersion, TurnMemory } from './turn-memory.ts';
import type { TurnEnd } from './workqueue.ts';

/** Without an event every Sweep gets a turn that often (F4). */
const RESYNC_MS = 300_000;
/** Until the caches have what was written; an event comes first as a rule. */
const GATE_MS = 250;
/** … and until there are caches at all, for as many Sweeps as have ever had a record: each is woken when they are there. */
const UNLISTED_MS = 5_000;
/** Only a person frees a name that is taken; no event of ours tells. */
const COLLISION_MS = 30_000;

/** Brings the cluster to what one Sweep asks for, a turn at a time. Level-triggered: a turn reads what is there, whatever happened,
 * and may be cut off anywhere: the next one does what is left.
 */
export class Reconciler {
  readonly #deps: ReconcilerDeps;
  readonly #timers: Timers;
  readonly #memories = new Map<string, TurnMemory>();

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
    this.#timers = deps.timers ?? realTimers;
  }

  /** One turn. @param uid of the Sweep @throws ApiError to be tried again */
  async turn(uid: string): Promise<TurnEnd> {
    const { caches } = this.#deps;
    const object = caches.sweeps.byIndex(uid)[0];
    if (!object) return this.#forget(uid);
    const memory = this.#memoryOf(uid);

    // 1. Read once: the Sweep, its Jobs, its Pods, its slices; not before the caches show what we wrote ourselves.
    if (!caches.caughtUp(object.metadata, memory)) {
      return { againAfterMs: caches.isListed(object.metadata.namespace) ? GATE_MS : UNLISTED_MS };
    }
    const sweep = memory.sweep.read(object);
    if (!isValid(sweep)) {
      const isNews = this.#previous(object, memory)?.observedGeneration !== object.metadata.generation;
      if (isNews) this.#deps.metrics.turns.refused();
      const status = buildInvalidStatus(sweep, { previous: this.#previous(object, memory), now: this.#time() });
      return this.#writeStatus(object, memory, status);
    }
    memory.facts.begin();
    const read = caches.read(object.metadata, memory.deletedJobs);
    const { sinceSeen } = memory.facts;
    const { deleteDelayMs } = this.#deps;
    const snapshot = memory.sweep.snapshot(sweep, read, { sinceSeen, deleteDelayMs });
    this.#deps.onRecorded?.(uid, { selection: sweep.sweep.spec.selection, records: snapshot.records });
    for (const seconds of beginnings(memory.pending, snapshot, read)) this.#deps.metrics.trials.started(seconds);

    // 2. Decide: pure, the same answer any number of times.
    const isLeaving = object.metadata.deletionTimestamp !== undefined;
    const plan: Plan = isLeaving
      ? { start: [], stop: [], done: false, failed: false }
      : planSweep(limitsOf(sweep), snapshot.planState);

    // 3. Record …
    const turn: Turn = { ...this.#deps, timers: this.#timers, sweep, object, memory, snapshot, ...read, plan };
    // What fails is tried again in another turn; the status, which tells of it, is written in this one.
    const failures: unknown[] = [];
    const tried = (step: Promise<number | undefined>) => step.catch((error: unknown) => void failures.push(error));
    // 4. … meanwhile start others, and delete only Jobs whose trial a slice held at step 1.
    const [recordInMs, startInMs, releaseInMs] = await all([
      isLeaving ? Promise.resolve(undefined) : tried(record(turn)),
      tried(startTrials(turn)),
      tried(releaseJobs(turn)),
    ]);

    // 5. One status write, last.
    const { stuck, wakeInMs } = await readStuck(turn);
    const previous = this.#previous(object, memory);
    const verdict = memory.sweep.verdict(sweep, snapshot.records);
    const status = buildStatus({ sweep, snapshot, verdict, stuck, previous, now: this.#time() });
    const status_ = await this.#writeStatus(object, memory, status);
    this.#deps.metrics.sweepSeen(sightOf(sweep, snapshot, status, sinceSeen));
    memory.facts.end();
    if (failures.length > 0) throw failures[0];
    const collisionMs = snapshot.collisions.length > 0 ? COLLISION_MS : undefined;
    return soonest(recordInMs, startInMs, releaseInMs, wakeInMs, snapshot.wakeInMs, status_?.againAfterMs, collisionMs);
  }

  #memoryOf(uid: string): TurnMemory {
    let memory = this.#memories.get(uid);
    if (!memory) {
      memory = new TurnMemory(this.#timers);
      this.#memories.set(uid, memory);
    }
    return memory;
  }

  #forget(uid: string): undefined {
    this.#memories.delete(uid);
    return undefined;
  }

  /** What our own last status was: the object's, unless the cache is older than our write. */
  #previous({ metadata, status }: SweepObject, memory: TurnMemory): SweepStatus | undefined {
    const seen = this.#deps.caches.reachedSweep(metadata.namespace, memory.sweepWritten);
    return (seen ? readStatus(status) : undefined) ?? memory.status;
  }

  /** Writes the status if it changed, at most once a second. */
  async #writeStatus(object: SweepObject, memory: TurnMemory, status: SweepStatus): Promise<TurnEnd> {
    const { cluster, caches, log, events } = this.#deps;
    const { namespace, name } = object.metadata;
    const isSeen = caches.reachedSweep(namespace, memory.sweepWritten);
    const before = isSeen ? object.status : memory.status;
    if (sameStatus(before, status)) return undefined;
    const { leftMs } = memory.statusWrites;
    if (leftMs > 0) return { againAfterMs: leftMs };
    memory.statusWrites.took();
    const previous = this.#previous(object, memory);
    // A write may take long, or be sent again and again: the second counts from its end.
    const written = await cluster.applySweepStatus(object, status).finally(() => memory.statusWrites.took());
    // Deleted, or created again under another UID: the cache will tell.
    if (written.kind !== 'written') return undefined;
    memory.sweepWritten = laterVersion(memory.sweepWritten, written.object.metadata.resourceVersion);
    memory.status = status;
    if (previous?.phase !== status.phase) {
      log.info('phase', { sweep: `${namespace}/${name}`, phase: status.phase, message: status.message });
    }
    for (const event of eventOf(previous, status)) await events.record(object, event);
    return undefined;
  }

  #time(): string {
    return (this.#deps.wallClock?.() ?? new Date()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

function soonest(...waits: readonly (number | undefined)[]): TurnEnd {
  const known = waits.filter((wait) => wait !== undefined);
  return { againAfterMs: Math.min(RESYNC_MS, ...known) };
}
