import type { CurvePoints, CurveView, StreamData, SweepDetail, TrialRow, VerdictView } from '../api.ts';

/** What the page knows of one sweep. A change makes a new one; what did not change stays the same object. */
export interface SweepState {
  readonly detail: SweepDetail;
  readonly verdict: VerdictView | null;
  readonly rows: ReadonlyMap<number, TrialRow>;
  readonly curves: ReadonlyMap<number, CurveView>;
}

export interface Change {
  readonly state: SweepState;
  /** Trials whose curve has a hole now, or begins later than here: to be read anew. */
  readonly wanted: readonly number[];
}

/** Curves that are shown at once; more than these nobody can tell apart. */
export const MAX_CURVES = 200;

/** What a delta, or a snapshot, changes. Rows of trials that were not read yet are kept: they are whole. */
export function applyStream(state: SweepState, data: StreamData): Change {
  const rows = data.trials && data.trials.length > 0 ? new Map(state.rows) : state.rows;
  if (rows instanceof Map) for (const row of data.trials ?? []) rows.set(row.trial, row);
  const { curves, wanted } = addPoints(state.curves, data.curves ?? []);
  return {
    state: { detail: data.sweep ?? state.detail, verdict: data.verdict ?? state.verdict, rows, curves },
    wanted,
  };
}

function addPoints(
  known: ReadonlyMap<number, CurveView>,
  added: readonly CurvePoints[],
): { curves: ReadonlyMap<number, CurveView>; wanted: number[] } {
  if (added.length === 0) return { curves: known, wanted: [] };
  const curves = new Map(known);
  const wanted: number[] = [];
  for (const points of added) {
    const before = curves.get(points.trial);
    if (!before && curves.size >= MAX_CURVES) continue;
    const joined = joinCurve(before, points);
    if (joined) curves.set(points.trial, joined);
    else wanted.push(points.trial);
  }
  return { curves, wanted };
}

/** The curve with its new epochs; undefined if epochs between them are missing. Another attempt begins anew. */
export function joinCurve(before: CurveView | undefined, { attemptUID, points }: CurvePoints): CurveView | undefined {
  const [first] = points.epochs;
  if (!before || before.attemptUID !== attemptUID) {
    return first === undefined || first === 1 ? points : undefined;
  }
  if (first === undefined) return { ...points, ...columnsOf(before) };
  const last = before.epochs.at(-1) ?? 0;
  if (first > last + 1) return undefined;
  const kept = before.epochs.findIndex((epoch) => epoch >= first);
  const count = kept < 0 ? before.epochs.length : kept;
  const join = <Value>(a: readonly Value[], b: readonly Value[]) => [...a.slice(0, count), ...b];
  return {
    ...points,
    epochs: join(before.epochs, points.epochs),
    trainLoss: join(before.trainLoss, points.trainLoss),
    validationLoss: join(before.validationLoss, points.validationLoss),
    validationLossStandardError: join(before.validationLossStandardError, points.validationLossStandardError),
    runningTrainLoss: join(before.runningTrainLoss, points.runningTrainLoss),
    trainAccuracy: join(before.trainAccuracy, points.trainAccuracy),
    validationAccuracy: join(before.validationAccuracy, points.validationAccuracy),
    seconds: join(before.seconds, points.seconds),
  };
}

function columnsOf(curve: CurveView) {
  const { epochs, trainLoss, validationLoss, validationLossStandardError, runningTrainLoss } = curve;
  const { trainAccuracy, validationAccuracy, seconds } = curve;
  return {
    epochs,
    trainLoss,
    validationLoss,
    validationLossStandardError,
    runningTrainLoss,
    trainAccuracy,
    validationAccuracy,
    seconds,
  };
}

/** `0-9,17`: as `…/curves?trials=` has it. */
export function encodeTrials(trials: Iterable<number>): string {
  const runs: [number, number][] = [];
  for (const trial of [...trials].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && trial <= run[1] + 1) run[1] = trial;
    else runs.push([trial, trial]);
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
