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

const CONCURRENCY = 8;
const FAILED: Backoff = { baseMs: 1_000, capMs: 300_000 };

export declare function startQueue(options: QueueOptions): WorkQueue;
