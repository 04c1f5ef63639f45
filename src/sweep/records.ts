import { summarise } from './curve.ts';
import type { Outcome, TrialResult } from './result.ts';
import type { Sweep } from './schema.ts';
import { type Candidate, judge, type Verdict } from './verdict.ts';

/** How many trials ended in which way. */
export interface Counts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly stopped: number;
  /** Without a record. */
  readonly waiting: number;
}

export function countOutcomes(results: Iterable<{ readonly outcome: Outcome }>, total: number): Counts {
  const counts = { Succeeded: 0, Failed: 0, Stopped: 0 };
  for (const { outcome } of results) counts[outcome]++;
  const { Succeeded: succeeded, Failed: failed, Stopped: stopped } = counts;
  return { total, succeeded, failed, stopped, waiting: total - succeeded - failed - stopped };
}

/** What the judge looks at. A trial that failed has an empty curve, whatever it had learned: it can never win. */
export function candidateOf({ trial, outcome, parameterCount, summary }: TrialResult, epochs: number): Candidate {
  return { trial, parameterCount, summary: (outcome === 'Failed' ? null : summary) ?? summarise([], epochs) };
}

/** Every trial has a record that stays: one that was stopped is only cut off. */
export function isComplete({ waiting, stopped }: Counts): boolean {
  return waiting === 0 && stopped === 0;
}

/** Judges what is recorded. */
export function judgeResults(sweep: Sweep, results: Iterable<TrialResult>): Verdict {
  const { training, selection } = sweep.spec;
  return judge(
    Array.from(results, (result) => candidateOf(result, training.epochs)),
    selection,
  );
}
