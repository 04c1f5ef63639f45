import type { ReportData, TrialView } from '../../report/data.ts';
import { DATASETS } from '../../sweep/dataset.ts';
import { AXES } from '../../sweep/grid.ts';
import type { TrialRow } from '../api.ts';
import { axisValue } from './brush.ts';
import type { SweepState } from './sweep-state.ts';
import { statusOf } from './trial-words.ts';

/** The state in the form that the report's charts take, so that page and report draw the same. Curves are not part of it.
 * @param rows what is shown
 * @param places position of each trial among the first ones (its hue), the others behind
 */
export function reportDataOf(
  { detail, verdict }: SweepState,
  rows: readonly TrialRow[],
  places: ReadonlyMap<number, number>,
): ReportData {
  const axes = detail.axes.flatMap(({ name, label, values }) => {
    const known = AXES.find((axis) => axis === name);
    return known === undefined ? [] : [{ name: known, label, values }];
  });
  const { lowest } = verdict ?? {};
  return {
    epochs: detail.epochsPlanned,
    classes: classesOf(detail.dataset),
    selected: null,
    best: verdict?.best?.trial ?? null,
    band: lowest
      ? { low: lowest.validationLoss, high: lowest.validationLoss + lowest.validationLossStandardError }
      : null,
    axes,
    trials: rows.map((row) => viewOf(row, axes, places.get(row.trial) ?? places.size)),
  };
}

/** Pure guessing is one in so many. */
export function classesOf(dataset: string): number {
  return Object.entries(DATASETS).find(([name]) => name === dataset)?.[1].classes ?? 10;
}

function viewOf(row: TrialRow, axes: ReportData['axes'], rank: number): TrialView {
  return {
    trial: row.trial,
    name: row.network,
    parameterCount: row.parameterCount,
    status: statusOf(row),
    reason: row.reason,
    rank,
    point: axes.map(({ name, values }) => values.indexOf(axisValue(row, name))),
    keptEpoch: row.keptEpoch,
    turningEpoch: row.turningEpoch,
    trainLoss: row.trainLoss,
    validationLoss: row.validationLoss,
    standardError: row.validationLossStandardError,
    trainAccuracy: row.trainAccuracy,
    validationAccuracy: row.validationAccuracy,
    gap: row.gap,
    rise: row.rise,
    seconds: row.seconds,
    attempts: row.attempt,
    backend: row.backend,
    curve: null,
  };
}
