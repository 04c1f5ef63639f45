import { AXES, type Axis } from '../sweep/grid.ts';
import type { Hyperparameters } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';

// What people call the trials of a sweep and the axes that they differ on: the same in the report and on the page.

/** An axis of the grid that takes more than one value. */
export interface AxisView {
  readonly name: Axis;
  readonly label: string;
  readonly values: readonly string[];
}

const AXIS_LABELS: Record<Axis, string> = {
  widths: 'widths',
  activation: 'activation',
  pooling: 'pooling',
  depth: 'depth',
  batchSize: 'batch size',
  learningRate: 'learning rate',
  momentum: 'momentum',
  seed: 'seed',
};

/** One value of a trial as a label: `(12,32)`, `0.001`. */
export function formatValue(hyperparameters: Hyperparameters, axis: Axis): string {
  if (axis === 'widths') return `(${hyperparameters.widths.join(',')})`;
  return String(hyperparameters[axis]);
}

/** The axes that take more than one value. Numbers ascend; words stay in the order in which the grid names them; widths go by their count, then by size. */
export function varyingAxes(trials: readonly Trial[]): AxisView[] {
  return AXES.flatMap((name) => {
    const values = [...new Set(trials.map(({ hyperparameters }) => formatValue(hyperparameters, name)))];
    if (values.length < 2) return [];
    if (name === 'widths') values.sort(byWidths);
    else if (name !== 'activation' && name !== 'pooling') values.sort((a, b) => Number(a) - Number(b));
    return [{ name, label: AXIS_LABELS[name], values }];
  });
}

function byWidths(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.slice(1, -1).split(',').map(Number));
  if (!x || !y) return 0;
  return x.length - y.length || (x.map((width, at) => width - (y[at] ?? 0)).find((by) => by !== 0) ?? 0);
}

function shortLabel({ name, label }: AxisView): string {
  return name === 'learningRate' ? 'lr' : name === 'batchSize' ? 'batch' : label;
}

/** A name for each trial, by index. Networks of the same name differ in how they were trained: that is appended, but only where it varies. */
export function uniqueNames(trials: readonly Trial[], axes: readonly AxisView[]): Map<number, string> {
  const trained = axes.filter(({ name }) => ['batchSize', 'learningRate', 'momentum', 'seed'].includes(name));
  return new Map(
    trials.map(({ trial, name, hyperparameters }) => [
      trial,
      [name, ...trained.map((axis) => `${shortLabel(axis)} ${formatValue(hyperparameters, axis.name)}`)].join(', '),
    ]),
  );
}
