import type { Curve } from '../sweep/curve.ts';
import type { EpochFigures } from '../sweep/measurement.ts';
import type { CurveView } from './api.ts';
import { thin } from './thin.ts';

/** What is known of a curve beside its epochs. */
export interface CurveFacts {
  readonly turningPoint: number | null;
  readonly keptEpoch: number | null;
  readonly complete: boolean;
}

/** A curve in columns. @param points at most so many epochs; the turning point and the kept epoch stay */
export function buildCurveView(
  { trial, attemptUID, epochs }: Curve,
  facts: CurveFacts,
  points = Number.POSITIVE_INFINITY,
): CurveView {
  const marked = epochs.flatMap(({ epoch }, at) =>
    epoch === facts.turningPoint || epoch === facts.keptEpoch ? [at] : [],
  );
  const shown = thin(
    epochs.map(({ validationLoss }) => validationLoss),
    points,
    marked,
  );
  return columnsOf({ trial, attemptUID, epochs }, facts, shown);
}

/** Only some epochs of a curve: those that a client does not have yet. */
export function buildCurvePart(curve: Curve, facts: CurveFacts, wanted: (epoch: number) => boolean): CurveView {
  const shown = curve.epochs.flatMap(({ epoch }, at) => (wanted(epoch) ? [at] : []));
  return columnsOf(curve, facts, shown);
}

function columnsOf(
  { trial, attemptUID, epochs }: Pick<Curve, 'trial' | 'attemptUID' | 'epochs'>,
  facts: CurveFacts,
  shown: readonly number[],
): CurveView {
  let elapsed = 0;
  const elapsedAt = epochs.map(({ seconds }) => {
    elapsed += seconds;
    return elapsed;
  });
  const kept = shown.flatMap((at) => epochs[at] ?? []);
  const column = <Value>(value: (figures: EpochFigures) => Value) => kept.map(value);
  return {
    trial,
    attemptUID,
    epochs: column(({ epoch }) => epoch),
    trainLoss: column(({ trainLoss }) => trainLoss),
    validationLoss: column(({ validationLoss }) => validationLoss),
    validationLossStandardError: column(({ validationLossStandardError }) => validationLossStandardError),
    runningTrainLoss: column(({ runningTrainLoss }) => runningTrainLoss),
    trainAccuracy: column(({ trainAccuracy }) => trainAccuracy),
    validationAccuracy: column(({ validationAccuracy }) => validationAccuracy),
    seconds: shown.map((at) => elapsedAt[at] ?? 0),
    ...facts,
    epochsDone: epochs.length,
  };
}
