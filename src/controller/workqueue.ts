import { type Backoff, fullJitterMs, type Random } from '../shared/backoff.ts';
import { realTimers, type Timers } from '../shared/timers.ts';

/** How a turn ended: `again` asks for another one later, and is no failure. */
export type TurnEnd = { readonly againAfterMs: number } | undefined;

export type TurnResult = 'success' | 'error' | 'requeue_after';

/** What the metrics `workqueue_…` and `controller_runtime_…` are made of. */
export interface QueueObserver {
  /** A key was added that was not waiting yet. */
  added?(): void;
  /** A failed key waits for another turn. */
  retried?(): void;
  /** A turn begins. @param queueSeconds how long its key waited */
  started?(queueSeconds: number): void;
  ended?(result: TurnResult, workSeconds: number): void;
}

export interface QueueOptions {
  /** One turn for a key; it rejects to be tried again. */
  readonly turn: (key: string) => Promise<TurnEnd>;
  /** The one place where a failure is logged. @param failures in a row, from 1 */
  readonly onError?: (key: string, error: unknown, failures: number, waitMs: number) => void;
  readonly observer?: QueueObserver;
  readonly concurrency?: number;
  /** From the end of a key's turn, which took so long, to the beginning of its next: what happens meanwhile is one turn. 0 by default. */
  readonly restMs?: (turnMs: number) => number;
  readonly timers?: Timers;
  readonly random?: Random;
}

/** The gauges of the same metrics, at this moment. */
export interface QueueFigures {
  /** Keys that could start now. */
  readonly depth: number;
  readonly activeWorkers: number;
  /** Sum over the turns that run. */
  readonly unfinishedWorkSeconds: number;
  readonly longestRunningSeconds: number;
}

export interface WorkQueue {
  /** Asks for a turn, once however often it is asked; while one runs, for one more. A key that failed keeps waiting. */
  add(key: string): void;
  /** As `add`, but a failure's wait is over: somebody changed what failed. */
  addNow(key: string): void;
  /** Adds the key later; of several the earliest counts. */
  addAfter(key: string, ms: number): void;
  /** Forgets what is waiting for a key that is no more. */
  forget(key: string): void;
  figures(): QueueFigures;
  /** No new turn. @returns whether those that run ended within `ms` */
  stop(ms: number): Promise<boolean>;
}

/** How long a Sweep rests after a turn. A trial is some ten events, and a turn reads them all at once: of 200 trials that run, a turn for
 * each event would be most of the controller's work. A turn is long if the Sweep is large or the API server is busy: such turns take no
 * more than a third of the time, unless they take more than half a second each.
 */
export function restAfter(turnMs: number): number {
  return Math.min(Math.max(100, 2 * turnMs), 1_000);
}

const CONCURRENCY = 8;
const FAILED: Backoff = { baseMs: 1_000, capMs: 300_000 };

/** A queue of keys, not of events: a turn reads what is there now, so any number of adds are one.
 * First come, first served; one turn for a key at a time; failures wait longer and longer.
 */
export function startQueue(options: QueueOptions): WorkQueue {
  return new KeyQueue(options);
}

class KeyQueue implements WorkQueue {
  readonly #turn: QueueOptions['turn'];
  readonly #onError: NonNullable<QueueOptions['onError']>;
  readonly #observer: QueueObserver;
  readonly #concurrency: number;
  readonly #restMs: (turnMs: number) => number;
  readonly #timers: Timers;
  readonly #random: Random;
  /** Keys that could start, with the time since when, in the order of their coming. */
  readonly #ready = new Map<string, number>();
  /** Keys whose turn runs, with its beginning. */
  readonly #running = new Map<string, number>();
  /** Keys whose turn ended a moment ago. */
  readonly #resting = new Map<string, () => void>();
  /** Keys added while their turn runs, or right after it. */
  readonly #again = new Set<string>();
  readonly #later = new Map<string, { readonly at: number; readonly cancel: () => void }>();
  /** Keys that wait because they failed. */
  readonly #failing = new Map<string, () => void>();
  readonly #failures = new Map<string, number>();
  #stopped: boolean = false;
  #whenIdle = () => {};

  constructor({ turn, onError, observer, concurrency, restMs, timers, random }: QueueOptions) {
    this.#turn = turn;
    this.#onError = onError ?? (() => {});
    this.#observer = observer ?? {};
    this.#concurrency = concurrency ?? CONCURRENCY;
    this.#restMs = restMs ?? (() => 0);
    this.#timers = timers ?? realTimers;
    this.#random = random ?? Math.random;
  }

  add(key: string): void {
    // A failed key gets its turn anyway; if events could end the wait, a failure that causes events would be a hot loop.
    if (this.#stopped || this.#failing.has(key) || this.#ready.has(key) || this.#again.has(key)) return;
    this.#observer.added?.();
    if (this.#running.has(key) || this.#resting.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#ready.set(key, this.#timers.now());
    this.#startTurns();
  }

  addNow(key: string): void {
    this.#failing.get(key)?.();
    this.#failing.delete(key);
    this.#failures.delete(key);
    this.add(key);
  }

  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    // Whole milliseconds: less than the clock can tell apart would be no wait at all, and a turn that waits for it a hot loop.
    const wait = Math.ceil(ms);
    const at = this.#timers.now() + wait;
    const planned = this.#later.get(key);
    if (planned && planned.at <= at) return;
    planned?.cancel();
    const cancel = this.#timers.after(wait, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { at, cancel });
  }

  forget(key: string): void {
    this.#later.get(key)?.cancel();
    this.#later.delete(key);
    this.#failing.get(key)?.();
    this.#failing.delete(key);
    this.#failures.delete(key);
    this.#ready.delete(key);
    this.#again.delete(key);
    this.#resting.get(key)?.();
    this.#resting.delete(key);
  }

  figures(): QueueFigures {
    const now = this.#timers.now();
    const seconds = [...this.#running.values()].map((begun) => (now - begun) / 1000);
    return {
      depth: this.#ready.size,
      activeWorkers: this.#running.size,
      unfinishedWorkSeconds: seconds.reduce((sum, one) => sum + one, 0),
      longestRunningSeconds: Math.max(0, ...seconds),
    };
  }

  async stop(ms: number): Promise<boolean> {
    this.#stopped = true;
    for (const { cancel } of this.#later.values()) cancel();
    for (const cancel of this.#failing.values()) cancel();
    for (const cancel of this.#resting.values()) cancel();
    this.#resting.clear();
    this.#later.clear();
    this.#failing.clear();
    this.#ready.clear();
    this.#again.clear();
    if (this.#running.size === 0) return true;
    return new Promise((resolve) => {
      const cancel = this.#timers.after(ms, () => resolve(false));
      this.#whenIdle = () => {
        cancel();
        resolve(true);
      };
    });
  }

  #startTurns(): void {
    for (const [key, since] of this.#ready) {
      if (this.#running.size >= this.#concurrency) return;
      this.#ready.delete(key);
      const now = this.#timers.now();
      this.#running.set(key, now);
      this.#observer.started?.((now - since) / 1000);
      void this.#run(key, now);
    }
  }

  async #run(key: string, begun: number): Promise<void> {
    let end: TurnEnd;
    let failed: { readonly error: unknown } | undefined;
    try {
      end = await this.#turn(key);
    } catch (error) {
      failed = { error };
    }
    this.#running.delete(key);
    const result = failed ? 'error' : end ? 'requeue_after' : 'success';
    const turnMs = this.#timers.now() - begun;
    this.#observer.ended?.(result, turnMs / 1000);
    if (failed) {
      this.#again.delete(key);
      this.#fail(key, failed.error);
    } else {
      this.#failures.delete(key);
      if (end) this.addAfter(key, end.againAfterMs);
      if (!this.#stopped) this.#rest(key, this.#restMs(turnMs));
    }
    this.#startTurns();
    if (this.#running.size === 0) this.#whenIdle();
  }

  #rest(key: string, ms: number): void {
    if (ms === 0) {
      this.#rested(key);
      return;
    }
    const cancel = this.#timers.after(ms, () => {
      this.#rested(key);
      this.#startTurns();
    });
    this.#resting.set(key, cancel);
  }

  #rested(key: string): void {
    this.#resting.delete(key);
    if (this.#again.delete(key)) this.#ready.set(key, this.#timers.now());
  }

  #fail(key: string, error: unknown): void {
    const before = this.#failures.get(key) ?? 0;
    const waitMs = fullJitterMs(FAILED, before, this.#random);
    this.#failures.set(key, before + 1);
    this.#onError(key, error, before + 1, waitMs);
    if (this.#stopped) return;
    this.#observer.retried?.();
    const cancel = this.#timers.after(waitMs, () => {
      this.#failing.delete(key);
      this.add(key);
    });
    this.#failing.set(key, cancel);
  }
}
