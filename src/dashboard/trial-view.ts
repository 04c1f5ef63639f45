import type { Static } from 'typebox';
import type { EpochFigures } from '../sweep/measurement.ts';
import { isEligible } from '../sweep/selection.ts';
import type { AttemptView, TrialRow } from './api.ts';
import type { Reading, TrialState } from './trial-state.ts';

/** The row of a trial in the table. Pure. */
export function buildRow(state: TrialState, { curve, finding, facts }: Reading, epochsPlanned: number): TrialRow {
  const { trial, record, progress } = state;
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
    node: state.place.node,
    startedAt: state.place.startedAt,
    endedAt: state.endedAt,
  };
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

/** Every attempt that is known of, by number: discarded ones too, and those that measured nothing. */
export function buildAttempts(state: TrialState, shown: string | undefined): Static<typeof AttemptView>[] {
  const { record, ends } = state;
  const logs = new Map(state.log.attempts().map((log) => [log.attemptUID, log]));
  const known = [...logs.values()].map(({ attempt, attemptUID }) => ({ attempt, attemptUID }));
  for (const { attempt, attemptUID } of record ? [record, state] : [state]) {
    if (attemptUID !== null && attempt > 0 && !known.some((one) => one.attemptUID === attemptUID))
      known.push({ attempt, attemptUID });
  }
  for (const [attempt, { attemptUID }] of ends) {
    if (attemptUID !== null && !known.some((one) => one.attemptUID === attemptUID)) known.push({ attempt, attemptUID });
  }
  return known
    .sort((a, b) => a.attempt - b.attempt)
    .map(({ attempt, attemptUID }) => ({
      attempt,
      attemptUID,
      epochsDone: logs.get(attemptUID)?.epochsDone ?? 0,
      isShown: attemptUID === shown,
      reason: (record?.attemptUID === attemptUID ? record.reason : ends.get(attempt)?.reason) ?? '',
    }));
}
