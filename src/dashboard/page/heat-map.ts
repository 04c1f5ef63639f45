import { textWidth } from '../../report/charts/labels.ts';
import { CHART_STYLE, type Chart, GLYPHS, type Plot, STATUS_WORDS, shorten } from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import type { AxisView, ReportData, TrialView } from '../../report/data.ts';
import { plural } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import { points } from '../../sweep/finding.ts';
import type { Address, CellFigure } from './address.ts';

/** Positions in `axes` of the report's data; null: not used. */
export interface HeatMapAxes {
  readonly across: number;
  readonly down: number | null;
  readonly facetAcross: number | null;
  readonly facetDown: number | null;
}

/** One cell: the best trial there, of so many. */
export interface Cell {
  readonly across: string;
  readonly down: string;
  readonly fx: string;
  readonly fy: string;
  readonly best: TrialView;
  readonly trials: number;
}

/** The axes that the address names, else widths × pooling, else the first two. An axis is used once. */
export function heatMapAxes(
  axes: readonly AxisView[],
  address: Pick<Address, 'across' | 'down' | 'facetAcross' | 'facetDown'>,
): HeatMapAxes {
  const used = new Set<number>();
  const take = (...wishes: readonly (string | null)[]): number | null => {
    const at = wishes
      .map((wish) => axes.findIndex((axis) => axis.name === wish))
      .find((place) => place >= 0 && !used.has(place));
    if (at !== undefined) used.add(at);
    return at ?? null;
  };
  const names = axes.map(({ name }) => name);
  const across = take(address.across, 'widths', ...names) ?? 0;
  const down = take(address.down, 'pooling', ...names);
  return { across, down, facetAcross: take(address.facetAcross), facetDown: take(address.facetDown) };
}

/** Of several trials in one cell the best is shown: by rank, the eligible first. */
export function cellsOf({ axes, trials }: ReportData, view: HeatMapAxes): Cell[] {
  const cells = new Map<string, Cell>();
  const valueAt = (trial: TrialView, axis: number | null) =>
    axis === null ? '' : (axes[axis]?.values[trial.point[axis] ?? -1] ?? '');
  for (const trial of trials) {
    const place = {
      across: valueAt(trial, view.across),
      down: valueAt(trial, view.down),
      fx: valueAt(trial, view.facetAcross),
      fy: valueAt(trial, view.facetDown),
    };
    const key = Object.values(place).join('\n');
    const cell = cells.get(key);
    cells.set(key, {
      ...place,
      best: cell === undefined || trial.rank < cell.best.rank ? trial : cell.best,
      trials: (cell?.trials ?? 0) + 1,
    });
  }
  return [...cells.values()];
}

const FORMATS: Record<CellFigure, (value: number | null) => string> = {
  loss: formatLoss,
  accuracy: formatAccuracy,
  gap: (gap) => (gap === null ? '–' : points(gap)),
};
const SHORT: Record<CellFigure, (value: number) => string> = {
  loss: (loss) => (loss < 100 ? loss.toFixed(3) : '≥ 100'),
  accuracy: (accuracy) => (100 * accuracy).toFixed(1),
  gap: (gap) => (100 * gap).toFixed(1),
};
export const CELL_WORDS: Record<CellFigure, string> = {
  loss: 'validation loss',
  accuracy: 'validation accuracy, %',
  gap: 'gap, points',
};

export const figureOf = ({ best }: Cell, figure: CellFigure): number | null =>
  figure === 'loss' ? best.validationLoss : figure === 'accuracy' ? best.validationAccuracy : best.gap;

const CELL = 52;
const MARGIN = { top: 10, right: 10, bottom: 30 };

/** Any two axes, faceted by two more: the figure as colour and number, the finding as a symbol. */
export function heatMapChart(
  plot: Plot,
  data: ReportData,
  axes: HeatMapAxes,
  {
    figure,
    width,
    selected,
  }: { readonly figure: CellFigure; readonly width: number; readonly selected: number | null },
): Chart {
  const cells = cellsOf(data, axes);
  const valuesOf = (axis: number | null) => (axis === null ? [''] : (data.axes[axis]?.values ?? ['']));
  const [columns, rows, fx, fy] = [axes.across, axes.down, axes.facetAcross, axes.facetDown].map(valuesOf) as [
    readonly string[],
    readonly string[],
    readonly string[],
    readonly string[],
  ];
  const marginLeft = 16 + Math.max(...rows.map(textWidth), 10);
  const marginRight = MARGIN.right + (axes.facetDown === null ? 0 : 8 + Math.max(...fy.map(textWidth)));
  const marginTop = MARGIN.top + (axes.facetAcross === null ? 0 : 22);
  const cellWidth = (width - marginLeft - marginRight) / Math.max(1, columns.length * fx.length);
  const longest = Math.max(...columns.map(textWidth), 0);
  const turned = longest > cellWidth - 4;
  const bottom = turned ? MARGIN.bottom + 0.71 * Math.min(longest, 90) : MARGIN.bottom;
  const shade = shadeOf(cells, figure);
  const at = {
    x: 'across',
    y: 'down',
    ...(axes.facetAcross !== null && { fx: 'fx' }),
    ...(axes.facetDown !== null && { fy: 'fy' }),
  } as const;
  const ink = (cell: Cell) => (shade(cell) > 0.71 ? 'var(--on-strong)' : 'var(--on-weak)');
  const framed = (trial: number | null, dashed: boolean) =>
    plot.cell(
      cells.filter(({ best }) => best.trial === trial),
      { ...at, stroke: 'var(--ink)', strokeWidth: 2, fill: 'none', rx: 3, ...(dashed && { strokeDasharray: '4 3' }) },
    );
  return {
    sentence: describe(data, cells, axes, figure),
    options: {
      width,
      height: marginTop + fy.length * (rows.length * CELL + 6) + bottom,
      marginTop,
      marginBottom: bottom,
      marginLeft,
      marginRight,
      style: CHART_STYLE,
      color: { type: 'identity' },
      x: { type: 'band', domain: [...columns], padding: 0.06, label: null },
      y: { type: 'band', domain: [...rows], padding: 0.06, label: null },
      ...(axes.facetAcross !== null && { fx: { domain: [...fx], label: null, padding: 0.04 } }),
      ...(axes.facetDown !== null && { fy: { domain: [...fy], label: null, padding: 0.04 } }),
      marks: [
        plot.axisX({
          tickSize: 0,
          label: null,
          tickFormat: (value: string) => shorten(value, 18),
          ...(turned && { tickRotate: -45 }),
        }),
        plot.axisY({ tickSize: 0, label: null }),
        plot.cell(cells, {
          ...at,
          fill: (cell: Cell) => (figureOf(cell, figure) === null ? 'var(--empty)' : mix(shade(cell))),
          rx: 3,
        }),
        framed(data.best, false),
        ...(selected === data.best ? [] : [framed(selected, true)]),
        plot.text(cells, {
          ...at,
          fill: ink,
          dy: -8,
          text: (cell: Cell) => (cellWidth < 44 ? '' : shortFigure(cell, figure)),
        }),
        plot.text(cells, {
          ...at,
          fill: ink,
          dy: cellWidth < 44 ? 0 : 10,
          fontSize: 11,
          text: ({ best, trials }: Cell) =>
            `${GLYPHS[best.status]}${trials > 1 && cellWidth > 76 ? ` best of ${trials}` : ''}`,
        }),
        plot.tip(
          cells,
          plot.pointer({
            ...at,
            title: (cell: Cell) => titleOf(cell, figure),
            fill: 'var(--panel)',
            stroke: 'var(--grey)',
          }),
        ),
      ],
    },
  };
}

export function heatMapTable(data: ReportData, axes: HeatMapAxes, figure: CellFigure): TableSpecification {
  const named = [axes.across, axes.down, axes.facetAcross, axes.facetDown].filter((axis) => axis !== null);
  return {
    columns: [...named.map((axis) => data.axes[axis]?.label ?? ''), CELL_WORDS[figure], 'Finding', 'Network', 'Trials'],
    rows: cellsOf(data, axes).map((cell) => [
      ...[cell.across, cell.down, cell.fx, cell.fy].slice(0, axes.down === null ? 1 : 2),
      ...(axes.facetAcross === null ? [] : [cell.fx]),
      ...(axes.facetDown === null ? [] : [cell.fy]),
      FORMATS[figure](figureOf(cell, figure)),
      STATUS_WORDS[cell.best.status],
      cell.best.name,
      String(cell.trials),
    ]),
  };
}

/** What the colours mean: from the worst to the best. */
export function heatMapKey(
  data: ReportData,
  axes: HeatMapAxes,
  figure: CellFigure,
): { colour: string; text: string }[] {
  const range = rangeOf(cellsOf(data, axes), figure);
  if (!range) return [];
  const [worst, best] = range;
  const steps = worst === best ? [0.5] : [0, 0.25, 0.5, 0.75, 1];
  return steps.map((share) => ({ colour: mix(share), text: FORMATS[figure](worst + share * (best - worst)) }));
}

function shortFigure(cell: Cell, figure: CellFigure): string {
  const value = figureOf(cell, figure);
  return value === null ? '–' : SHORT[figure](value);
}

/** The worst and the best that colours tell apart: one that is far off cannot dwarf the others. */
function rangeOf(cells: readonly Cell[], figure: CellFigure): readonly [number, number] | undefined {
  const values = cells.map((cell) => figureOf(cell, figure)).filter((value) => value !== null);
  const sorted = values.sort((a, b) => (figure === 'accuracy' ? b - a : a - b));
  const best = sorted[0];
  const worst = sorted[Math.floor(0.95 * (sorted.length - 1))];
  return best === undefined || worst === undefined ? undefined : [worst, best];
}

/** From 0 for the worst to 1 for the best. */
function shadeOf(cells: readonly Cell[], figure: CellFigure): (cell: Cell) => number {
  const [worst, best] = rangeOf(cells, figure) ?? [0, 0];
  return (cell) => {
    const value = figureOf(cell, figure);
    if (value === null) return 0;
    return worst === best ? 0.5 : Math.min(1, Math.max(0, (value - worst) / (best - worst)));
  };
}

const mix = (share: number) => `color-mix(in oklab, var(--strong) ${Math.round(100 * share)}%, var(--weak))`;

function titleOf(cell: Cell, figure: CellFigure): string {
  const of = cell.trials > 1 ? `\nthe best of ${cell.trials} here` : '';
  const value = FORMATS[figure](figureOf(cell, figure));
  return `${cell.best.name}\n${figure === 'loss' ? 'validation loss' : figure} ${value}\n${STATUS_WORDS[cell.best.status]}${of}`;
}

function describe(data: ReportData, cells: readonly Cell[], axes: HeatMapAxes, figure: CellFigure): string {
  const names = [axes.across, axes.down, axes.facetAcross, axes.facetDown].filter((axis) => axis !== null);
  const by = names.map((axis) => data.axes[axis]?.label ?? '').join(', ');
  const shown = `${{ loss: 'Validation loss', accuracy: 'Validation accuracy', gap: 'Gap' }[figure]} by ${by}, ${plural(cells.length, 'cell')}`;
  const several = cells.some(({ trials }) => trials > 1) ? '; of several trials in one cell the best is shown' : '';
  const [, best] = rangeOf(cells, figure) ?? [];
  const cell = cells.find((other) => best !== undefined && figureOf(other, figure) === best);
  if (!cell || best === undefined) return `${shown}${several}. None has a figure yet.`;
  const framed = cells.some((other) => other.best.trial === data.best) ? ' The winner has a frame.' : '';
  return `${shown}${several}. ${figure === 'accuracy' ? 'Highest' : 'Lowest'}: ${cell.best.name}, ${FORMATS[figure](best)}.${framed}`;
}
