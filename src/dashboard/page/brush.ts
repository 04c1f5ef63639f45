import type { SweepDetail, TrialRow } from '../api.ts';
import type { Range } from './address.ts';

/** One upright line of the parallel coordinates: an axis of the grid with its values by position, or a figure. */
export interface Dimension {
  readonly name: string;
  readonly label: string;
  /** In order, of an axis of the grid; absent of a figure. */
  readonly values?: readonly string[];
  /** Position, or the figure; null where the trial has none. */
  readonly of: (row: TrialRow) => number | null;
}

/** The axes that vary, then parameters, loss and gap. */
export function dimensionsOf({ axes }: Pick<SweepDetail, 'axes'>): Dimension[] {
  return [
    ...axes.map(
      ({ name, label, values }): Dimension => ({
        name,
        label,
        values,
        of: (row) => {
          const position = values.indexOf(axisValue(row, name));
          return position < 0 ? null : position;
        },
      }),
    ),
    { name: 'parameterCount', label: 'parameters', of: ({ parameterCount }) => parameterCount },
    { name: 'validationLoss', label: 'validation loss', of: ({ validationLoss }) => validationLoss },
    { name: 'gap', label: 'gap, points', of: ({ gap }) => gap },
  ];
}

/** As `axes` of the sweep writes it: `(12,32)`, `relu`, `0.001`. */
export function axisValue({ hyperparameters }: Pick<TrialRow, 'hyperparameters'>, name: string): string {
  if (name === 'widths') return `(${hyperparameters.widths.join(',')})`;
  const value: unknown = Object.entries(hyperparameters).find(([key]) => key === name)?.[1];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** Within every range; a trial without that figure is not. */
export function isBrushed(row: TrialRow, dimensions: readonly Dimension[], brush: ReadonlyMap<string, Range>): boolean {
  for (const [name, [from, to]] of brush) {
    const value = dimensions.find((dimension) => dimension.name === name)?.of(row);
    if (value === undefined) continue;
    if (value === null || value < from || value > to) return false;
  }
  return true;
}
