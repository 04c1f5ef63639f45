import type { SweepStatus } from '../sweep/status.ts';
import type { Verdict } from '../sweep/verdict.ts';
import type { ClusterSweep, InvalidSweep } from './cluster-sweep.ts';
import type { Snapshot } from './snapshot.ts';
import type { Stuck } from './stuck.ts';

export interface StatusInput {
  readonly sweep: ClusterSweep;
  readonly snapshot: Snapshot;
  /** Of the records of this snapshot. */
  readonly verdict: Verdict;
  /** Worst first. */
  readonly stuck: readonly Stuck[];
  /** As it stands in the object, if it is one of ours: readStatus. */
  readonly previous: SweepStatus | undefined;
  /** RFC 3339. */
  readonly now: string;
}

export function buildStatus(_: StatusInput): SweepStatus {
  throw new Error('not written yet');
}

export function buildInvalidStatus(
  _sweep: InvalidSweep,
  _context: { readonly previous: SweepStatus | undefined; readonly now: string },
): SweepStatus {
  throw new Error('not written yet');
}

/** The status of an object, if it is one that we could have written. */
export function readStatus(_status: unknown): SweepStatus | undefined {
  return undefined;
}

/** Whether writing `b` over `a` would change nothing: keys and conditions in any order. */
export function sameStatus(_a: unknown, _b: SweepStatus): boolean {
  return false;
}
