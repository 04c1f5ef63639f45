import { formatLoss } from '../../sweep/figures.ts';
import type { AxisView, ReportData, TrialView } from '../data.ts';
import { plural } from '../format.ts';
import { textWidth } from './labels.ts';
import { CHART_STYLE, type Chart, GLYPHS, type Plot, STATUS_WORDS, shorten } from './marks.ts';

export interface HeatMapView {
  readonly width: number;
  readonly selected: number | null;
  /** Positions in `axes`; the vertical one is absent where only one axis varies. */
  readonly across: number;
  readonly down: number | null;
  /** For the other axes, by position: the value that is shown; absent: the best of all. */
  readonly fixed: ReadonlyMap<number, number>;
}

/** One cell: the best trial there, of so many. */
export interface Cell {
  readonly across: string;
  readonly down: string;
  readonly best: TrialView;
  readonly trials: number;
}

const MARGIN = { top: 8, bottom: 56, right: 8 };
const CELL = 54;

/** The trials of a grid by two of its axes. Of several in one cell the best is shown: the eligible first, then the lower loss. */
export function cellsOf({ axes, trials }: ReportData, { across, down, fixed }: Omit<HeatMapView, 'width'>): Cell[] {
  const cells = new Map<string, { best: TrialView; trials: number }>();
  for (const view of trials) {
    if ([...fixed].some(([axis, value]) => view.point[axis] !== value)) continue;
    const key = `${view.point[across]}/${down === null ? 0 : view.point[down]}`;
    const cell = cells.get(key);
    const better = cell === undefined || view.rank < cell.best.rank;
    cells.set(key, { best: better ? view : cell.best, trials: (cell?.trials ?? 0) + 1 });
  }
  return [...cells.values()].map((cell) => ({
    ...cell,
    across: valueAt(axes[across], cell.best, across),
    down: down === null ? '' : valueAt(axes[down], cell.best, down),
  }));
}

function valueAt(axis: AxisView | undefined, view: TrialView, position: number): string {
  return axis?.values[view.point[position] ?? 0] ?? '';
}

/** Widths × pooling, or any two axes that vary: the loss as colour and number, the finding as a symbol. */
export function heatMapChart(plot: Plot, data: ReportData, view: HeatMapView): Chart {
  const cells = cellsOf(data, view);
  const across = data.axes[view.across];
  const down = view.down === null ? undefined : data.axes[view.down];
  const rows = down?.values ?? [''];
  const columns = across?.values ?? [];
  const marginLeft = 20 + Math.max(...rows.map((row) => textWidth(row)), 10);
  const cellWidth = (view.width - marginLeft - MARGIN.right) / Math.max(1, columns.length);
  const longest = Math.max(...columns.map((column) => textWidth(column)), 0);
  const turned = longest > cellWidth - 4;
  const bottom = turned ? MARGIN.bottom + 0.71 * Math.min(longest, 90) : MARGIN.bottom;
  const shade = shadeOf(cells);
  const at = { x: 'across', y: 'down' } as const;
  const text = { ...at, fill: (cell: Cell) => (shade(cell) > DARK ? 'var(--on-strong)' : 'var(--on-weak)') };
  const small = cellWidth < 44;

  return {
    sentence: describe(data, cells, across, down),
    options: {
      width: view.width,
      height: MARGIN.top + rows.length * CELL + bottom,
      marginTop: MARGIN.top,
      marginBottom: bottom,
      marginLeft,
      marginRight: MARGIN.right,
      style: CHART_STYLE,
      color: { type: 'identity' },
      x: { type: 'band', domain: columns, padding: 0.06, label: null },
      y: { type: 'band', domain: rows, padding: 0.06, label: null },
      marks: [
        plot.axisX({
          tickSize: 0,
          label: null,
          tickFormat: (value: string) => shorten(value, 18),
          ...(turned && { tickRotate: -45 }),
        }),
        plot.axisY({ tickSize: 0, label: null }),
        plot.text([across?.label ?? ''], { frameAnchor: 'bottom', dy: bottom - 10, fill: 'var(--soft)' }),
        plot.cell(cells, {
          ...at,
          fill: (cell: Cell) => (cell.best.validationLoss === null ? 'var(--empty)' : mix(shade(cell))),
          rx: 3,
        }),
        plot.cell(
          cells.filter(({ best }) => best.trial === data.best),
          { ...at, stroke: 'var(--ink)', strokeWidth: 2, fill: 'none', rx: 3 },
        ),
        plot.cell(
          cells.filter(({ best }) => best.trial === view.selected && best.trial !== data.best),
          { ...at, stroke: 'var(--ink)', strokeWidth: 1.5, strokeDasharray: '4 3', fill: 'none', rx: 3 },
        ),
        ...[true, false].map((won) =>
          plot.text(
            cells.filter(({ best }) => (best.trial === data.best) === won),
            {
              ...text,
              text: (cell: Cell) => (small ? '' : figure(cell, cellWidth)),
              dy: -8,
              fontWeight: won ? 700 : 400,
            },
          ),
        ),
        plot.text(cells, {
          ...text,
          text: ({ best, trials }: Cell) =>
            `${GLYPHS[best.status]}${trials > 1 && cellWidth > 76 ? ` best of ${trials}` : ''}`,
          dy: small ? 0 : 10,
          fontSize: 11,
        }),
        plot.tip(cells, plot.pointer({ ...at, title: titleOf, fill: 'var(--panel)', stroke: 'var(--grey)' })),
      ],
    },
  };
}

function figure({ best: { validationLoss } }: Cell, cellWidth: number): string {
  return validationLoss === null
    ? '–'
    : validationLoss < 100
      ? validationLoss.toFixed(cellWidth < 56 ? 2 : 3)
      : '≥ 100';
}

function titleOf({ best, trials }: Cell): string {
  const of = trials > 1 ? `\nthe best of ${trials} here` : '';
  return `${best.name}\nvalidation loss ${formatLoss(best.validationLoss)}\n${STATUS_WORDS[best.status]}${of}`;
}

/** Above this share of the strong colour its text changes sides: there black and white both have 4.5:1, in either theme. */
const DARK = 0.71;

/** The losses between which colours differ: from the lowest to one that few exceed, so that one loss cannot dwarf the others. */
function rangeOf(cells: readonly Cell[]): { low: number; high: number; highest: number } | undefined {
  const losses = cells.map(({ best }) => best.validationLoss).filter((loss) => loss !== null);
  const sorted = losses.toSorted((a, b) => a - b);
  const [low, highest] = [sorted[0], sorted.at(-1)];
  if (low === undefined || highest === undefined) return undefined;
  return { low, high: sorted[Math.floor(0.95 * (sorted.length - 1))] ?? low, highest };
}

/** One colour of the heat map and the loss that it stands for. */
export interface KeyItem {
  /** As CSS has it. */
  readonly colour: string;
  readonly text: string;
}

const KEY_STEPS = 5;

/** What the colours of the heat map mean, from the lowest loss to the highest; empty where no cell has a loss. */
export function heatMapKey(data: ReportData, view: Omit<HeatMapView, 'width'>): KeyItem[] {
  const cells = cellsOf(data, view);
  const range = rangeOf(cells);
  if (!range) return [];
  const { low, high, highest } = range;
  const steps = low === high ? [0] : Array.from({ length: KEY_STEPS }, (_, at) => at / (KEY_STEPS - 1));
  const items = steps.map((share) => ({
    colour: mix(low === high ? 0.5 : 1 - share),
    text: `${formatLoss(low + share * (high - low))}${share === 1 && highest > high ? ' or more' : ''}`,
  }));
  const isEmpty = cells.some(({ best }) => best.validationLoss === null);
  return isEmpty ? [...items, { colour: 'var(--empty)', text: 'no loss' }] : items;
}

/** From 0 for the highest loss to 1 for the lowest. */
function shadeOf(cells: readonly Cell[]): (cell: Cell) => number {
  const { low, high } = rangeOf(cells) ?? { low: 0, high: 0 };
  return ({ best: { validationLoss } }) => {
    if (validationLoss === null) return 0;
    return high === low ? 0.5 : 1 - Math.min(1, (validationLoss - low) / (high - low));
  };
}

function mix(share: number): string {
  return `color-mix(in oklab, var(--strong) ${Math.round(100 * share)}%, var(--weak))`;
}

function describe(
  data: ReportData,
  cells: readonly Cell[],
  across: AxisView | undefined,
  down: AxisView | undefined,
): string {
  const axes = down ? `${across?.label} and ${down.label}` : (across?.label ?? '');
  const shown = `Validation loss by ${axes}, ${plural(cells.length, 'cell')}`;
  const several = cells.some(({ trials }) => trials > 1) ? '; of several trials in one cell the best is shown' : '';
  const [lowest] = cells
    .filter(({ best }) => best.validationLoss !== null)
    .toSorted((a, b) => (a.best.validationLoss ?? 0) - (b.best.validationLoss ?? 0));
  if (!lowest) return `${shown}${several}. None has a loss.`;
  const winner = cells.find(({ best }) => best.trial === data.best);
  const framed = winner ? ' The winner has a frame.' : '';
  return `${shown}${several}. Lowest: ${lowest.best.name}, ${formatLoss(lowest.best.validationLoss)}.${framed}`;
}
