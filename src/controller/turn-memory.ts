import type { EventObject } from '../shared/objects.ts';
import type { Timers } from '../shared/timers.ts';
import type { SweepStatus } from '../sweep/status.ts';
import { SweepMemory } from './memory.ts';
import type { Refusal } from './refusal.ts';
import type { QueueMissing, Stuck, Undeleted } from './stuck.ts';

/** Since when facts stand, on our own clock. What one turn does not ask for is forgotten: it does not stand any more. */
export class FirstSeen {
  readonly #now: () => number;
  #seen = new Map<string, number>();
  #asked = new Map<string, number>();
  #ended: boolean = true;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A turn begins. */
  begin(): void {
    // One that failed half-way did not come to all of its questions.
    this.#seen = this.#ended ? this.#asked : new Map([...this.#seen, ...this.#asked]);
    this.#asked = new Map();
    this.#ended = false;
  }

  /** It came to its end. */
  end(): void {
    this.#ended = true;
  }

  readonly sinceSeen = (key: string): number => {
    const now = this.#now();
    const first = this.#asked.get(key) ?? this.#seen.get(key) ?? now;
    this.#asked.set(key, first);
    return now - first;
  };
}

/** Lets something happen at most once in a while. */
export class Pace {
  readonly #now: () => number;
  readonly #everyMs: number;
  #earliest = Number.NEGATIVE_INFINITY;
  #next = Number.NEGATIVE_INFINITY;

  constructor(now: () => number, everyMs: number) {
    this.#now = now;
    this.#everyMs = everyMs;
  }

  /** 0: now. */
  get leftMs(): number {
    return Math.max(0, this.#next - this.#now());
  }

  /** The same where what the last time cost is no reason to wait. */
  get leastMs(): number {
    return Math.max(0, this.#earliest - this.#now());
  }

  /** @param costMs how long it took, where that shall be a small part of the time: a tenth of it, as long as it is no more than a
   * second; what takes longer waits for something else */
  took(costMs = 0): void {
    const now = this.#now();
    this.#earliest = Math.max(this.#earliest, now + this.#everyMs);
    this.#next = Math.max(this.#next, this.#earliest, now + 9 * Math.min(costMs, 1_000));
  }

  /** Not before so much time has passed. */
  pause(ms: number): void {
    this.#earliest = this.#now() + ms;
    this.#next = this.#earliest;
  }
}

const WRITE_EVERY_MS = 1_000;
const ASK_QUEUE_EVERY_MS = 60_000;
const REFUSED_BASE_MS = 30_000;
const REFUSED_CAP_MS = 300_000;
/** Turns in a row of which no create got through. */
const LIKELY = 3;
const PASSING_BASE_MS = 1_000;
const PASSING_CAP_MS = 30_000;
const UNDELETED_BASE_MS = 5_000;
const UNDELETED_CAP_MS = 30_000;

/** Creates that were refused: nothing more is created until a wait is over, which grows with every refusal in a row. */
export class Refusals {
  readonly #now: () => number;
  #refusals: readonly Refusal[] = [];
  #times = 0;
  #passing: Refusal | undefined;
  #passingTimes = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  get current(): readonly Refusal[] {
    return this.#refusals;
  }

  /** With the one that passes by itself, as long as no create has got through since. */
  get all(): readonly Refusal[] {
    return this.#passing ? [...this.#refusals, this.#passing] : this.#refusals;
  }

  /** Of the last turn's one was refused or had no answer in time, or for some turns none got through. */
  get areLikely(): boolean {
    return this.#refusals.length > 0 || this.#passing?.reason === 'Timeout' || this.#passingTimes >= LIKELY;
  }

  /** 0: Jobs may be created. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  /** An answer that passes by itself. @param waitMs nothing is created before, where the API server said so */
  passing(refusal: Refusal, waitMs?: number): void {
    // Of one turn's creates all may come to the same.
    if (this.leftMs === 0) this.#passingTimes++;
    const ownMs = Math.min(PASSING_CAP_MS, PASSING_BASE_MS * 2 ** (this.#passingTimes - 1));
    this.#passing = refusal;
    this.#until = Math.max(this.#until, this.#now() + (waitMs ?? ownMs));
  }

  /** A Job that was wanted is there. */
  gotThrough(): void {
    this.#passing = undefined;
    this.#passingTimes = 0;
  }

  /** What one turn's creates came to; none: every Job that was wanted is there. */
  note(refusals: readonly Refusal[]): void {
    this.gotThrough();
    if (refusals.length === 0) {
      this.#refusals = [];
      this.#times = 0;
      return;
    }
    this.#refusals = refusals;
    this.#until = this.#now() + Math.min(REFUSED_CAP_MS, REFUSED_BASE_MS * 2 ** this.#times);
    this.#times++;
  }
}

/** Deletes that failed: one is tried again after a wait, which grows with every failure in a row. */
export class Undeletable {
  readonly #now: () => number;
  #current: Undeleted | undefined;
  #times = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.#now = now;
  }

  get current(): Undeleted | undefined {
    return this.#current;
  }

  /** 0: Jobs may be deleted. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  /** What one turn's deletes came to. @param failed undefined: none failed */
  note(failed: Undeleted | undefined): void {
    this.#current = failed;
    if (!failed) {
      this.#times = 0;
      return;
    }
    this.#until = this.#now() + Math.min(UNDELETED_CAP_MS, UNDELETED_BASE_MS * 2 ** this.#times);
    this.#times++;
  }
}

/** What the controller remembers of one Sweep from turn to turn. All of it may be lost: it is found again, or waited for again. */
export class TurnMemory {
  readonly sweep = new SweepMemory();
  readonly facts: FirstSeen;
  readonly refusals: Refusals;
  readonly undeletable: Undeletable;
  readonly sliceWrites: Pace;
  readonly statusWrites: Pace;
  /** UIDs of Jobs that we deleted and whose end the cache has not seen. */
  readonly deletedJobs = new Set<string>();
  /** Jobs whose container was not seen to run yet, and when each was created: UID → time of the API server. */
  readonly pending = new Map<string, string>();
  /** Versions of our last writes: the caches must have them before the next turn. */
  jobsWritten = '0';
  slicesWritten = '0';
  sweepWritten = '0';
  /** Why results cannot be recorded. */
  unrecorded: Stuck | undefined;
  /** As written last. */
  status: SweepStatus | undefined;
  /** Whether the LocalQueue that the Sweep names was there when it was last asked for. */
  readonly queue: { readonly pace: Pace; missing?: QueueMissing | undefined };
  /** Events of Jobs and Pods that do not get on, and when they were read. */
  readonly events = new Map<string, { readonly atMs: number; readonly events: readonly EventObject[] }>();

  constructor({ now }: Pick<Timers, 'now'>) {
    this.facts = new FirstSeen(now);
    this.refusals = new Refusals(now);
    this.undeletable = new Undeletable(now);
    this.queue = { pace: new Pace(now, ASK_QUEUE_EVERY_MS) };
    this.sliceWrites = new Pace(now, WRITE_EVERY_MS);
    this.statusWrites = new Pace(now, WRITE_EVERY_MS);
  }
}

/** The later of two resourceVersions of one kind. */
export function laterVersion(a: string, b: string): string {
  return BigInt(b) > BigInt(a) ? b : a;
}
