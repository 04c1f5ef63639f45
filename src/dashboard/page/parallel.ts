import type { TableSpecification } from '../../report/charts/tables.ts';
import { formatCount, plural } from '../../report/format.ts';
import { formatLoss } from '../../sweep/figures.ts';
import { points } from '../../sweep/finding.ts';
import type { TrialRow } from '../api.ts';
import type { Range } from './address.ts';
import type { Dimension } from './brush.ts';
import { nameOf } from './words.ts';

/** One upright line with its scale. */
export interface ParallelAxis {
  readonly dimension: Dimension;
  /** Least and greatest value; of an axis of the grid the first and the last position. */
  readonly domain: Range;
  readonly ticks: readonly { readonly value: number; readonly text: string }[];
  /** From 0 at the foot to 1 at the head; null where the trial has no figure. */
  readonly place: (row: TrialRow) => number | null;
  readonly placeOf: (value: number) => number;
  /** The value at such a place. */
  readonly valueAt: (place: number) => number;
}

/** The end of a brush that has only a beginning. */
export const UNBOUNDED = Number.MAX_SAFE_INTEGER;

const isLog = ({ name }: Dimension) => name === 'parameterCount';

/** Losses far above the others stand at the head: so that one that diverges does not press the rest together. */
export function parallelAxes(rows: readonly TrialRow[], dimensions: readonly Dimension[]): ParallelAxis[] {
  return dimensions.map((dimension) => {
    const domain = domainOf(rows, dimension);
    const [low, high] = isLog(dimension) ? [Math.log(domain[0]), Math.log(domain[1])] : domain;
    const scaled = (value: number) => (isLog(dimension) ? Math.log(value) : value);
    const placeOf = (value: number) =>
      high === low ? 0.5 : Math.min(1, Math.max(0, (scaled(value) - low) / (high - low)));
    const valueAt = (place: number) => {
      const value = low + place * (high - low);
      return isLog(dimension) ? Math.exp(value) : value;
    };
    return {
      dimension,
      domain,
      ticks: ticksOf(dimension, domain, valueAt),
      placeOf,
      valueAt,
      place: (row) => {
        const value = dimension.of(row);
        return value === null ? null : placeOf(value);
      },
    };
  });
}

function domainOf(rows: readonly TrialRow[], dimension: Dimension): Range {
  if (dimension.values) return [0, Math.max(1, dimension.values.length - 1)];
  const values = rows
    .map(dimension.of)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  const [least = 0, most = 1] = [values[0], values.at(-1)];
  const usual = values[Math.floor(0.98 * (values.length - 1))] ?? most;
  const top = dimension.name === 'validationLoss' ? Math.min(most, usual + 0.3 * (usual - least)) : most;
  return [least, top > least ? top : least + (Math.abs(least) || 1)];
}

const MOST_TICKS = 12;

function ticksOf(dimension: Dimension, [low, high]: Range, valueAt: (place: number) => number) {
  const { values } = dimension;
  if (values) {
    const every = Math.ceil(values.length / MOST_TICKS);
    return values.flatMap((text, value) => (value % every === 0 ? [{ value, text }] : []));
  }
  if (low === high) return [];
  return [0, 0.25, 0.5, 0.75, 1].map((place) => ({
    value: valueAt(place),
    text: formatTick(dimension, valueAt(place)),
  }));
}

/** Short: the title says in what. */
function formatTick({ name }: Dimension, value: number): string {
  if (name === 'gap') return (100 * value).toFixed(0);
  if (name !== 'parameterCount') return value.toFixed(2);
  const rounded = Number(value.toPrecision(2));
  if (rounded >= 1e6) return `${rounded / 1e6} M`;
  return rounded >= 1000 ? `${rounded / 1000} k` : String(rounded);
}

/** As people read it: the axis's own word, `1.077`, `7.9 points`. */
export function formatValue({ name, values }: Dimension, value: number): string {
  if (values) return values[Math.round(value)] ?? '';
  if (name === 'gap') return points(value);
  return name === 'parameterCount' ? formatCount(Math.round(value)) : formatLoss(value);
}

export function parallelTable(rows: readonly TrialRow[], dimensions: readonly Dimension[]): TableSpecification {
  return {
    columns: ['Network', ...dimensions.map(({ label }) => label)],
    rows: rows.map((row) => [
      row.network,
      ...dimensions.map((dimension) => {
        const value = dimension.of(row);
        return value === null ? '–' : formatValue(dimension, value);
      }),
    ]),
  };
}

/** @param rows within the brushes */
export function describeParallel(
  rows: readonly TrialRow[],
  all: ReadonlyMap<number, TrialRow>,
  dimensions: readonly Dimension[],
  brush: ReadonlyMap<string, Range>,
  best: number | null,
): string {
  const axes = dimensions.map(({ label }) => label).join(', ');
  const ranges = dimensions.flatMap((dimension) => {
    const range = brush.get(dimension.name);
    if (!range) return [];
    const to = range[1] === UNBOUNDED ? ' up' : ` to ${formatValue(dimension, range[1])}`;
    return [`${dimension.label} from ${formatValue(dimension, range[0])}${to}`];
  });
  const kept =
    ranges.length === 0
      ? plural(rows.length, 'trial')
      : `${formatCount(rows.length)} of ${plural(all.size, 'trial')} within ${ranges.join(', ')}`;
  const winner = best === null ? '' : ` The winner is ${nameOf(all, best)}.`;
  return `Each trial as a line over ${axes}: ${kept}.${winner}`;
}
