import type { Static } from 'typebox';
import type { EpochFigures } from '../sweep/measurement.ts';
import { isEligible } from '../sweep/selection.ts';
import type { AttemptView, TrialRow } from './api.ts';
import { type AttemptFacts, withAttempt } from './attempts.ts';
import type { Reading, TrialState } from './trial-state.ts';

/** The row of a trial in the table. Pure. */
export function buildRow(state: TrialState, { curve, finding, facts }: Reading, epochsPlanned: number): TrialRow {
  const { trial, record, progress, facts: attempt } = state;
  const last = curve?.epochs.at(-1);
  return {
    trial: trial.trial,
    network: state.network,
    hyperparameters: { ...trial.hyperparameters, widths: [...trial.hyperparameters.widths] },
    parameterCount: trial.parameterCount,
    phase: state.phase,
    finding: finding?.finding ?? null,
    reason: reasonOf(state, finding?.reason),
    isEligible: record?.outcome === 'Succeeded' && finding !== null && isEligible(finding),
    attempt: record?.attempt ?? curve?.attempt ?? state.attempt,
    attemptUID: record?.attemptUID ?? curve?.attemptUID ?? state.attemptUID,
    epochsDone: record?.summary?.epochsDone ?? curve?.epochs.length ?? 0,
    epochsPlanned,
    keptEpoch: facts.keptEpoch,
    turningEpoch: facts.turningPoint,
    trainLoss: finding?.trainLoss ?? null,
    validationLoss: finding?.validationLoss ?? null,
    validationLossStandardError: finding?.validationLossStandardError ?? null,
    trainAccuracy: finding?.trainAccuracy ?? null,
    validationAccuracy: finding?.validationAccuracy ?? null,
    gap: finding?.gap ?? null,
    rise: finding?.rise ?? null,
    seconds: record?.seconds ?? (curve ? secondsOf(curve.epochs) : null),
    examplesPerSecond: (record ? undefined : progress?.examplesPerSecond) ?? last?.examplesPerSecond ?? null,
    isCurveComplete: facts.complete,
    hasModel: state.hasModel,
    backend: record ? record.backend : state.backend,
    currentAttempt: state.current.attempt,
    node: attempt?.node ?? null,
    createdAt: attempt?.createdAt ?? null,
    startedAt: attempt?.startedAt ?? null,
    endedAt: attempt?.endedAt ?? state.endedAt,
    earlierAttempts: earlierAttempts(state),
  };
}

/** A row is sent often: of the attempts before it only the latest, and no more words than a tip holds. */
const MOST_EARLIER = 12;
const MAX_WORDS = 200;

function earlierAttempts({ attempts, facts, current }: TrialState): TrialRow['earlierAttempts'] {
  return attempts
    .filter((one) => one !== facts && one.attempt <= current.attempt)
    .slice(-MOST_EARLIER)
    .map(({ attempt, node, createdAt, startedAt, endedAt, reason }) => {
      const words = reason.length > MAX_WORDS ? `${reason.slice(0, MAX_WORDS - 1)}…` : reason;
      return { attempt, node, createdAt, startedAt, endedAt, reason: words };
    });
}

/** What a person wants to know first: why it failed, why it waits, else what its curve says. */
function reasonOf({ record, phase, reason }: TrialState, found: string | undefined): string {
  if (record && record.outcome !== 'Succeeded') return record.reason;
  if (!record && phase !== 'Running' && reason !== '') return reason;
  return found ?? record?.reason ?? reason;
}

function secondsOf(epochs: readonly EpochFigures[]): number {
  return epochs.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** Every attempt that is known of, by number: discarded ones too, those that measured nothing, and those of which only the number is
 * known.
 */
export function buildAttempts(state: TrialState, shown: string | undefined): Static<typeof AttemptView>[] {
  const { record } = state;
  const logs = new Map(state.log.attempts().map((log) => [log.attemptUID, log]));
  // A source that knows of an attempt by its number alone means the one that measured.
  const told = [...logs.values(), ...(record ? [record, state] : [state])].reduce<readonly AttemptFacts[]>(
    (known, { attempt, attemptUID }) =>
      attempt === 0 || attemptUID === null ? known : withAttempt(known, { attempt, attemptUID }),
    state.attempts,
  );
  return told.map(({ pod: _, reason, ...facts }) => ({
    ...facts,
    epochsDone: logs.get(facts.attemptUID ?? '')?.epochsDone ?? 0,
    isShown: facts.attemptUID !== null && facts.attemptUID === shown,
    reason: record?.attemptUID === facts.attemptUID ? record.reason : reason,
  }));
}
