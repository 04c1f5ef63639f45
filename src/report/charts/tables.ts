import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import type { ReportData } from '../data.ts';
import { formatCount } from '../format.ts';
import { curvePoints, type Quantity } from './curves.ts';
import { cellsOf, type HeatMapView } from './heatmap.ts';
import { STATUS_WORDS } from './marks.ts';
import { scoredTrials } from './parameters.ts';

/** The figures of a chart, one row a mark, for those who cannot see it or want to copy them. */
export interface TableSpecification {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function curvesTable({ trials }: ReportData, quantity: Quantity): TableSpecification {
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  return {
    columns: ['Network', 'Epoch', `Training ${quantity}`, `Validation ${quantity}`],
    rows: curvePoints(trials, quantity).map(({ view, epoch, training, validation }) => [
      view.name,
      String(epoch),
      format(training),
      format(validation),
    ]),
  };
}

export function parametersTable(data: ReportData): TableSpecification {
  return {
    columns: ['Network', 'Parameters', 'Validation loss', 'Standard error', 'Finding'],
    rows: scoredTrials(data).map((view) => [
      view.name,
      formatCount(view.parameterCount),
      formatLoss(view.validationLoss),
      formatLoss(view.standardError),
      STATUS_WORDS[view.status],
    ]),
  };
}

export function heatMapTable(data: ReportData, view: Omit<HeatMapView, 'width'>): TableSpecification {
  const label = (axis: number | null) => (axis === null ? '' : (data.axes[axis]?.label ?? ''));
  return {
    columns: [label(view.across), label(view.down) || '–', 'Validation loss', 'Finding', 'Network', 'Trials'],
    rows: cellsOf(data, view).map(({ across, down, best, trials }) => [
      across,
      down || '–',
      formatLoss(best.validationLoss),
      STATUS_WORDS[best.status],
      best.name,
      String(trials),
    ]),
  };
}
