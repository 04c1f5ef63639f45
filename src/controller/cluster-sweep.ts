import type { SweepObject } from '../shared/objects.ts';
import { InvalidSweepError, type Violation } from '../sweep/errors.ts';
import type { PlanLimits } from '../sweep/plan.ts';
import type { Sweep } from '../sweep/schema.ts';
import { parseSweep } from '../sweep/sweep.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';

/** Which object of the cluster a Sweep is. */
export interface SweepIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
}

/** A Sweep that can be acted on: its identity, its spec with every default filled in, its trials by index. */
export interface ClusterSweep extends SweepIdentity {
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  readonly notes: readonly Violation[];
}

/** A Sweep that no Job is created for, with all that is wrong with it. */
export interface InvalidSweep extends SweepIdentity {
  readonly violations: readonly Violation[];
}

export function identityOf({ metadata }: SweepObject): SweepIdentity {
  const { name, namespace, uid, generation = 0 } = metadata;
  return { name, namespace, uid, generation };
}

/** Parses a Sweep as the API server gave it. Slow for a large grid (a second at 100,000 trials): remember what it returns, by
 * UID and generation.
 * @param before of an earlier generation: its trials are taken over if the grid is the same
 */
export function readSweep(object: SweepObject, before?: ClusterSweep): ClusterSweep | InvalidSweep {
  const identity = identityOf(object);
  try {
    // Members of a list come without these two, and nobody else's metadata is ours to judge.
    const input = { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: { name: identity.name } };
    const { sweep, notes } = parseSweep({ ...input, spec: object.spec });
    const sameTrials = before?.uid === identity.uid && trialsKey(before.sweep) === trialsKey(sweep);
    return { ...identity, sweep, trials: sameTrials ? before.trials : expandTrials(sweep), notes };
  } catch (error) {
    if (!(error instanceof InvalidSweepError)) throw error;
    return { ...identity, violations: error.violations };
  }
}

/** All that the trials follow from. */
function trialsKey({ spec: { grid, training } }: Sweep): string {
  return JSON.stringify([grid, training]);
}

export function isValid(sweep: ClusterSweep | InvalidSweep): sweep is ClusterSweep {
  return 'sweep' in sweep;
}

/** Trials at once where the file does not say. @see architecture.md section 10 */
export const DEFAULT_PARALLELISM = 10;

export function limitsOf({ sweep: { spec }, trials }: ClusterSweep): PlanLimits {
  const { parallelism = DEFAULT_PARALLELISM, maxFailedTrials, suspend } = spec;
  return { trials: trials.length, parallelism, maxFailedTrials, suspend };
}
