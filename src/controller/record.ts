import type { TrialRecord } from '../sweep/slice.ts';
import type { Trial } from '../sweep/trial.ts';
import type { AttemptEnd, AttemptFacts } from './attempt-end.ts';

/** Longest reason of a record that we write, in characters. */
const MAX_REASON = 256;

/** The record of an attempt that succeeded, or failed for good. */
export function recordOf(facts: AttemptFacts, end: Exclude<AttemptEnd, { kind: 'disrupted' }>): TrialRecord {
  const { trial, attempt } = facts;
  if (end.kind === 'succeeded') return { ...end.result, hyperparameters: hyperparametersOf(trial) };
  const times = attempt > 1 && !end.final ? ` (in ${attempt} attempts)` : '';
  return {
    ...emptyRecord(facts, end.podUID),
    outcome: 'Failed',
    reason: shorten(`${end.reason}${times}: ${end.message}`),
    seconds: end.seconds,
  };
}

/** The record of a trial that is stopped by the plan: to be written before its Job is deleted. */
export function stoppedRecord(facts: AttemptFacts, message: string): TrialRecord {
  const podUID = facts.pods.at(-1)?.metadata.uid;
  return { ...emptyRecord(facts, podUID), outcome: 'Stopped', reason: shorten(`MaxFailedTrialsExceeded: ${message}`) };
}

/** Without a result there is nothing but who it was. */
function emptyRecord({ trial, attempt, job }: AttemptFacts, podUID: string | undefined) {
  return {
    trial: trial.trial,
    attempt,
    attemptUID: podUID ?? job.metadata.uid,
    hyperparametersHash: trial.hyperparametersHash,
    hyperparameters: hyperparametersOf(trial),
    parameterCount: trial.parameterCount,
    backend: null,
    seconds: 0,
    summary: null,
    test: null,
  } satisfies Partial<TrialRecord>;
}

function hyperparametersOf({ hyperparameters }: Trial): TrialRecord['hyperparameters'] {
  return { ...hyperparameters, widths: [...hyperparameters.widths] };
}

function shorten(reason: string): string {
  const characters = [...reason];
  return characters.length <= MAX_REASON ? reason : `${characters.slice(0, MAX_REASON - 1).join('')}…`;
}
