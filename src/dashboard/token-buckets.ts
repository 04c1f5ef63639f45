import type { Timers } from '../shared/timers.ts';

export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly timers: Pick<Timers, 'now'>;
}

/** Callers remembered at once: who has not called for longest is forgotten, and so has a full bucket again. */
const MAX_CALLERS = 10_000;

/** How often each caller may call: so many in a second on average, and a few more at once. */
export class TokenBuckets {
  readonly #options: BucketOptions;
  /** In the order of their last call. */
  readonly #buckets = new Map<string, { readonly tokens: number; readonly atMs: number }>();

  constructor(options: BucketOptions) {
    this.#options = options;
  }

  /** @returns 0: it may; else the seconds to wait */
  take(caller: string): number {
    const { perSecond, burst, timers } = this.#options;
    const atMs = timers.now();
    const before = this.#buckets.get(caller);
    const full = before ? before.tokens + ((atMs - before.atMs) / 1000) * perSecond : burst;
    const tokens = Math.min(burst, full);
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_CALLERS && oldest !== undefined) this.#buckets.delete(oldest);
    return tokens >= 1 ? 0 : (1 - tokens) / perSecond;
  }
}
