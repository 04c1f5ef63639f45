import { Compile } from 'typebox/compile';
import type { SliceObject } from '../shared/objects.ts';
import type { TrialResult } from '../sweep/result.ts';
import { type TrialRecord, TrialRecordSchema } from '../sweep/slice.ts';
import type { Trial } from '../sweep/trial.ts';

const validator = Compile(TrialRecordSchema);

/** A record that came since the last look. */
export type NewRecord =
  | { readonly kind: 'record'; readonly result: TrialResult }
  /** For people. */
  | { readonly kind: 'damaged'; readonly message: string };

/** The records of one Sweep as its slices grow: each is decoded once, since slices are append-only. Of two records of one trial that
 * in the lower slice counts.
 */
export class SliceReader {
  readonly trials: readonly Trial[];
  /** Records read of each slice, by UID. */
  readonly #read = new Map<string, number>();
  /** Number of the slice that a trial's record is in. */
  readonly #slices = new Map<number, number>();

  constructor(trials: readonly Trial[]) {
    this.trials = trials;
  }

  *read({ metadata, slice = Number.MAX_SAFE_INTEGER, records = [] }: SliceObject): Generator<NewRecord> {
    const from = this.#read.get(metadata.uid) ?? 0;
    this.#read.set(metadata.uid, Math.max(from, records.length));
    for (const [at, value] of records.entries()) {
      if (at < from) continue;
      const record = this.#check(value);
      if (typeof record === 'string') yield { kind: 'damaged', message: `${metadata.name}, record ${at}: ${record}` };
      else if (slice < (this.#slices.get(record.trial) ?? Number.POSITIVE_INFINITY)) {
        this.#slices.set(record.trial, slice);
        const { hyperparameters: _, ...result } = record;
        yield { kind: 'record', result };
      }
    }
  }

  /** The record, or what is wrong with it. */
  #check(value: unknown): TrialRecord | string {
    if (!validator.Check(value)) {
      const [error] = validator.Errors(value);
      return `${error?.instancePath ?? ''} ${error?.message ?? 'does not decode'}`.trim();
    }
    const trial = this.trials[value.trial];
    if (!trial) return `trial ${value.trial} is none of this Sweep`;
    if (trial.hyperparametersHash !== value.hyperparametersHash) return `trial ${value.trial} was another network`;
    return value;
  }
}
