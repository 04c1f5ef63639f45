import type { Measurement } from '../sweep/measurement.ts';

export interface Early {
  readonly measurement: Measurement;
  readonly position: number;
}

/** In all. */
const LIMIT = 50_000;

/** Measurements of sweeps that nobody has told us of yet: the stream may be ahead of the API server. Those of the sweep that was heard
 * of first go when there are too many.
 */
export class EarlyMeasurements {
  readonly #bySweep = new Map<string, Early[]>();
  #size = 0;

  /** @returns false: there is no room for it */
  add(uid: string, measurement: Measurement, position: number): boolean {
    while (this.#size >= LIMIT) {
      const [oldest] = this.#bySweep.keys();
      if (oldest === undefined || oldest === uid) return false;
      this.take(oldest);
    }
    const early = this.#bySweep.get(uid);
    if (early) early.push({ measurement, position });
    else this.#bySweep.set(uid, [{ measurement, position }]);
    this.#size++;
    return true;
  }

  /** What waited for this sweep; it waits no longer. */
  take(uid: string): readonly Early[] {
    const early = this.#bySweep.get(uid) ?? [];
    this.#bySweep.delete(uid);
    this.#size -= early.length;
    return early;
  }
}
