import type { Pod } from '../shared/objects.ts';
import type { RetryReason } from '../sweep/reasons.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { type AttemptEnd, type AttemptFacts, attemptEnd, isDisrupted, trainerOf } from './attempt-end.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import { MAX_ATTEMPT } from './job.ts';
import { recordOf } from './record.ts';
import type { Waits } from './waits.ts';

/** An attempt that was counted as failed is followed by at most two more. */
export const MAX_ATTEMPTS = 3;
const BACKOFF_BASE_MS = 10_000;
const BACKOFF_CAP_MS = 300_000;

/** What a running attempt does, from facts: its Job waits in a queue or was suspended, its Pod waits for a node or an image, its
 * container runs, or the Job is being deleted.
 */
export type AttemptState = 'Queued' | 'Pending' | 'Running' | 'Terminating';

export interface RunningAttempt extends AttemptFacts {
  readonly state: AttemptState;
}

export type Fate =
  | { readonly kind: 'record'; readonly record: TrialRecord }
  | { readonly kind: 'running'; readonly attempt: RunningAttempt }
  /** `after`: how the attempt before it ended; absent for the first. */
  | { readonly kind: 'next'; readonly attempt: number; readonly inMs: number; readonly after?: EndedAttempt };

/** An attempt that another one follows. */
export interface EndedAttempt {
  readonly reason: RetryReason;
  /** That its container ran, as far as was seen. */
  readonly seconds: number;
}

/** What becomes of a trial without a record, from the Jobs that it has. */
export function fateOf(attempts: readonly AttemptFacts[], { sweep }: ClusterSweep, waits: Waits): Fate {
  let live: AttemptFacts | undefined;
  let last: { facts: AttemptFacts; end: AttemptEnd } | undefined;
  let disrupted = 0;
  for (const facts of attempts) {
    const end = attemptEnd(facts, sweep.spec.trainer, waits);
    if (!end) {
      live = facts;
      continue;
    }
    if (end.kind === 'succeeded' || (end.kind === 'failed' && end.final)) {
      return { kind: 'record', record: recordOf(facts, end) };
    }
    if (end.kind === 'disrupted') disrupted++;
    last = { facts, end };
  }
  if (live) return { kind: 'running', attempt: { ...live, state: stateOf(live) } };
  if (!last) return { kind: 'next', attempt: 1, inMs: 0 };

  // Jobs of earlier attempts may have been deleted by hand: the number counts them.
  const { facts, end } = last;
  const counted = facts.attempt - disrupted;
  const { maxDisruptions } = sweep.spec.trainer;
  if (end.kind === 'failed' && (counted >= MAX_ATTEMPTS || facts.attempt >= MAX_ATTEMPT)) {
    return { kind: 'record', record: recordOf(facts, end) };
  }
  if (end.kind === 'disrupted' && (disrupted > maxDisruptions || facts.attempt >= MAX_ATTEMPT)) {
    const message = `evicted or preempted ${disrupted} times; spec.trainer.maxDisruptions allows ${maxDisruptions}`;
    const spoken = { kind: 'failed', reason: 'TooManyDisruptions', message, final: true, seconds: 0 } as const;
    return { kind: 'record', record: recordOf(facts, spoken) };
  }
  const inMs = waits.leftMs(`ended/${facts.job.metadata.uid}`, backoffMs(Math.max(1, counted)));
  return { kind: 'next', attempt: facts.attempt + 1, inMs, after: endedBy(end) };
}

function endedBy(end: AttemptEnd): EndedAttempt {
  if (end.kind !== 'failed') return { reason: 'Disrupted', seconds: 0 };
  // Only these two are tried again.
  return { reason: end.reason === 'ResultMissing' ? 'ResultMissing' : 'Crashed', seconds: end.seconds };
}

/** Full, not jittered: the trials of a sweep fail at times of their own. @param failures from 1 */
export function backoffMs(failures: number): number {
  return Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (failures - 1));
}

function stateOf({ job, pods }: AttemptFacts): AttemptState {
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (job.spec?.suspend) return 'Queued';
  return pods.some(hasBegun) ? 'Running' : 'Pending';
}

/** Its container runs, or has ended of itself, which the Job has yet to say; in place of a disrupted one another is to come. */
function hasBegun(pod: Pod): boolean {
  const { running, terminated } = trainerOf(pod)?.state ?? {};
  return running !== undefined || (terminated !== undefined && !isDisrupted(pod));
}
