/** Milliseconds on the controller's own monotonic clock since it first saw a fact, 0 the first time it is asked. Facts of one
 * Sweep: `ended/<jobUID>`, `scheduled/<podUID>`, `recorded/<trial>`. Never the difference of others' timestamps: clocks disagree.
 */
export type SinceSeen = (key: string) => number;

/** Asks whether facts have stood long enough, and notes when to look again. */
export class Waits {
  readonly #sinceSeen: SinceSeen;
  #soonestMs: number | undefined;

  constructor(sinceSeen: SinceSeen) {
    this.#sinceSeen = sinceSeen;
  }

  /** Milliseconds until the fact has stood that long; 0 if it has. */
  leftMs(key: string, ms: number): number {
    const left = Math.max(0, ms - this.#sinceSeen(key));
    if (left > 0) this.#soonestMs = Math.min(left, this.#soonestMs ?? left);
    return left;
  }

  passed(key: string, ms: number): boolean {
    return this.leftMs(key, ms) === 0;
  }

  /** When the first of the waits that were not over will be; undefined if none is left: nothing changes by itself. */
  get soonestMs(): number | undefined {
    return this.#soonestMs;
  }
}
