/** A number from 0 to below 1, as Math.random gives. */
export type Random = () => number;

/** How long to wait after the n-th failure in a row. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** Of requests and watches. */
export const REQUEST_BACKOFF: Backoff = { baseMs: 800, capMs: 30_000 };

/** Full jitter: anything from 0 to min(cap, base · 2ⁿ), so that clients that failed together do not come back together.
 * @param failures in a row so far, from 0
 * @see "Exponential Backoff And Jitter", AWS Architecture Blog (2015)
 */
export function fullJitterMs({ baseMs, capMs }: Backoff, failures: number, random: Random): number {
  return random() * Math.min(capMs, baseMs * 2 ** failures);
}

const LONGEST_RETRY_AFTER_S = 300;

/** What a `Retry-After` header asks for: at most 300 s, plus up to a second so that not all come at once.
 * Undefined for none, for garbage, and for a date: the API server sends seconds.
 */
export function retryAfterMs(header: string | undefined, random: Random): number | undefined {
  if (header === undefined || !/^\s*\d{1,9}\s*$/.test(header)) return undefined;
  return (Math.min(Number(header), LONGEST_RETRY_AFTER_S) + random()) * 1000;
}
