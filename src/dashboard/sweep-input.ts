import type { Sweep } from '../sweep/schema.ts';
import type { Condition, Phase } from '../sweep/status.ts';
import type { Trial } from '../sweep/trial.ts';
import type { SweepSummary } from './api.ts';

/** A sweep as a source says that it is now. */
export interface SweepInput {
  /** `local` for a run folder. */
  readonly namespace: string;
  readonly name: string;
  /** Another UID is another sweep, whatever its name. */
  readonly uid: string;
  /** Who tells of it. */
  readonly source: SweepSummary['source'];
  /** With every default filled in; null: it does not parse, and `message` says why. */
  readonly sweep: Sweep | null;
  /** Of `sweep`, by index; absent: they are expanded here. */
  readonly trials?: readonly Trial[];
  /** As sweep.yaml; absent: written from `sweep`. */
  readonly sweepText?: string;
  readonly phase: Phase;
  /** What the sweep waits for, where there is no verdict to tell. */
  readonly message?: string;
  readonly conditions?: readonly Condition[];
  /** Trials at once; null: not known. */
  readonly parallelism?: number | null;
  /** RFC 3339. */
  readonly createdAt?: string | null;
  readonly startTime?: string | null;
  readonly completionTime?: string | null;
}
