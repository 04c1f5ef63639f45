import type { Log } from '../shared/log.ts';
import type { Timers } from '../shared/timers.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import type { Address } from '../sweep/message.ts';
import type { IngestObserver } from './metrics.ts';
import type { Store } from './store.ts';

/** Where measurements come from; the bus fits. Everything from the first message on, and what comes later. */
export interface Feed {
  /** Never ends of itself, never throws. */
  read(signal: AbortSignal): AsyncIterable<FeedEntry>;
  status():
    | { readonly connected: true }
    | { readonly connected: false; readonly reason: string; readonly message: string };
}

export type FeedEntry = {
  /** In the log. */
  readonly position: number;
  /** Messages behind it; 0: live. */
  readonly pending: number;
  /** When it was published, in milliseconds since 1970, where that is known. */
  readonly publishedMs?: number | undefined;
} & (
  | { readonly kind: 'epoch'; readonly address: Address; readonly measurements: readonly Measurement[] }
  | { readonly kind: 'progress'; readonly address: Address; readonly progress: readonly Progress[] }
  | { readonly kind: 'rejected'; readonly subject: string; readonly error: Error }
  /** Reading begins, or begins anew. `isAnother`: another log, whose positions begin anew too. */
  | { readonly kind: 'opened'; readonly isAnother: boolean }
);

export interface FollowOptions {
  readonly feed: Feed;
  readonly store: Store;
  readonly observer?: IngestObserver | undefined;
  readonly log: Log;
  readonly timers: Timers;
  readonly now?: () => Date;
  readonly signal: AbortSignal;
}

const STATUS_MS = 1_000;
/** Entries after which others get their turn: a log of a million is read at the start. */
const BREATH = 200;
/** For the note of the page. */
const NOTE = 'telemetry';

/** Folds the feed into the store until it is told to stop; says while it is out of reach. What is known stays. */
export async function followFeed(options: FollowOptions): Promise<void> {
  const { feed, observer, signal } = options;
  const stopWatching = watchStatus(options);
  /** Positions of one log after those of the log before it. */
  let base = 0;
  let highest = 0;
  let read = 0;
  try {
    for await (const entry of feed.read(signal)) {
      observer?.pending(entry.pending);
      if (entry.kind === 'opened' && entry.isAnother) base = highest;
      const position = base + entry.position;
      highest = Math.max(highest, position);
      take(entry, position, options);
      if (++read % BREATH === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    stopWatching();
  }
}

function take(
  entry: FeedEntry,
  position: number,
  { store, observer, log, now = () => new Date() }: FollowOptions,
): void {
  switch (entry.kind) {
    case 'epoch': {
      const { sweepUID } = entry.address;
      for (const measurement of entry.measurements) {
        const result = store.measure(sweepUID, measurement, position);
        observer?.ingested(result);
        if (result !== 'stored' || entry.publishedMs === undefined || entry.pending > 0) continue;
        observer?.lagged((now().getTime() - entry.publishedMs) / 1000, `${measurement.sweep}/${measurement.trial}`);
      }
      return;
    }
    case 'progress':
      for (const progress of entry.progress) store.progress(entry.address.sweepUID, progress);
      return;
    case 'rejected':
      observer?.ingested('rejected');
      log.warn('message rejected', { subject: entry.subject, error: entry.error });
      return;
    case 'opened':
  }
}

/** The page says since when its curves stand still, and why. */
function watchStatus({ feed, store, timers, now = () => new Date() }: FollowOptions): () => void {
  let cancel: () => void = () => undefined;
  const look = () => {
    const status = feed.status();
    store.setStale('nats', status.connected ? null : (store.stale('nats') ?? now().toISOString()));
    store.setNote(NOTE, status.connected ? null : `curves stand still: ${status.reason}: ${status.message}`);
    cancel = timers.after(STATUS_MS, look);
  };
  look();
  return () => cancel();
}

/** Without NATS the curves that grow are not seen; results and verdict do not need it. */
export function noFeed(store: Store): void {
  store.setNote(
    NOTE,
    'telemetry is off: no NATS is configured, so that a trial has no curve; its record still has the verdict’s figures',
  );
}
