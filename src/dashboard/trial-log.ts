import { type Curve, fold } from '../sweep/curve.ts';
import type { Measurement } from '../sweep/measurement.ts';

interface Entry {
  readonly measurement: Measurement;
  /** Where it stands in the log that it came from. */
  readonly position: number;
  readonly revision: number;
}

/** What one attempt has measured. */
export interface AttemptLog {
  readonly attempt: number;
  readonly attemptUID: string;
  readonly epochsDone: number;
}

/** The Measurements of one trial, of all its attempts; each counts once, whenever and however often it arrives. */
export class TrialLog {
  readonly #entries = new Map<string, Entry>();
  readonly #uids = new Set<string>();
  /** They arrived in the order of their log, as nearly always. */
  #inOrder: boolean = true;
  #lastPosition = Number.NEGATIVE_INFINITY;

  /** Whether an attempt has measured anything. */
  has(attemptUID: string): boolean {
    return this.#uids.has(attemptUID);
  }

  /** Of two that conflict the earlier in the log stays, even if it arrives later. @returns whether anything changed */
  add(measurement: Measurement, position: number, revision: number): boolean {
    const key = keyOf(measurement.attemptUID, measurement.epoch);
    const known = this.#entries.get(key);
    if (known && known.position <= position) return false;
    if (known && same(known.measurement, measurement)) return false;
    if (position < this.#lastPosition) this.#inOrder = false;
    this.#lastPosition = Math.max(this.#lastPosition, position);
    this.#entries.set(key, { measurement, position, revision });
    this.#uids.add(measurement.attemptUID);
    return true;
  }

  /** @param recorded attemptUID of the record, if there is one */
  curve(trial: number, recorded: string | undefined): Curve | undefined {
    return fold(this.#measurements(), recorded === undefined ? undefined : new Map([[trial, recorded]])).get(trial);
  }

  /** Epochs of an attempt that arrived after a revision. */
  epochsSince(attemptUID: string, revision: number): ReadonlySet<number> {
    const epochs = new Set<number>();
    for (const entry of this.#entries.values()) {
      if (entry.revision > revision && entry.measurement.attemptUID === attemptUID) epochs.add(entry.measurement.epoch);
    }
    return epochs;
  }

  /** In the order in which the log first mentions them. */
  attempts(): AttemptLog[] {
    const attempts = new Map<string, AttemptLog>();
    for (const { attempt, attemptUID } of this.#measurements()) {
      const epochsDone = 1 + (attempts.get(attemptUID)?.epochsDone ?? 0);
      attempts.set(attemptUID, { attempt, attemptUID, epochsDone });
    }
    return [...attempts.values()];
  }

  #measurements(): Measurement[] {
    const entries = [...this.#entries.values()];
    if (!this.#inOrder) entries.sort((a, b) => a.position - b.position);
    return entries.map(({ measurement }) => measurement);
  }
}

function keyOf(attemptUID: string, epoch: number): string {
  return `${attemptUID}/${epoch}`;
}

function same(a: Measurement, b: Measurement): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
