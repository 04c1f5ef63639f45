import { placeLabels } from '../../report/charts/labels.ts';
import {
  CHART_STYLE,
  type Chart,
  colourOf,
  type Plot,
  STATUS_WORDS,
  STRONG,
  SYMBOLS,
  shorten,
} from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import type { ReportData, TrialView } from '../../report/data.ts';
import { formatCount, plural } from '../../report/format.ts';
import { formatLoss } from '../../sweep/figures.ts';
import { points } from '../../sweep/finding.ts';
import type { SweepDetail } from '../api.ts';

type Scored = TrialView & { readonly validationLoss: number; readonly gap: number };

export interface ScoreGapView {
  readonly width: number;
  readonly selected: number | null;
}

const HEIGHT = 400;
const MARGIN = { top: 32, bottom: 44, left: 56, right: 20 };

/** Validation loss against gap: whose curve lets it win is a disc or a triangle, the band is one standard error, a limit on the gap shades
 * what may not win. Rightwards and downwards is worse and better: the picture that explains the pick.
 */
export function scoreGapChart(
  plot: Plot,
  data: ReportData,
  detail: SweepDetail,
  { width, selected }: ScoreGapView,
): Chart {
  const all = scored(data);
  const drawn = all.filter(({ validationLoss }) => validationLoss < 4 * Math.log(data.classes));
  const x = pad(
    drawn.map(({ validationLoss }) => validationLoss),
    data.band ? [data.band.low, data.band.high] : [],
  );
  const y = pad(
    drawn.map(({ gap }) => gap),
    detail.maxAccuracyGap === null ? [0] : [0, detail.maxAccuracyGap],
  );
  const faint = drawn.filter(({ rank }) => rank >= STRONG);
  const strong = drawn.filter(({ rank }) => rank < STRONG);
  const at = { x: 'validationLoss', y: 'gap', strokeWidth: 1.75 } as const;
  const symbol = ({ status }: Scored) => SYMBOLS[status];
  return {
    sentence: describe(data, detail, all, drawn),
    options: {
      width,
      height: HEIGHT,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      marginLeft: MARGIN.left,
      marginRight: MARGIN.right,
      style: CHART_STYLE,
      color: { type: 'identity' },
      symbol: { type: 'identity' },
      r: { type: 'identity' },
      x: { domain: x, label: null },
      y: { domain: y, label: null },
      marks: [
        ...regionMarks(plot, data, detail, x, y),
        plot.gridY({ stroke: 'var(--rule)', strokeOpacity: 1, ticks: 6 }),
        plot.axisY({
          ticks: 6,
          tickSize: 0,
          label: null,
          tickFormat: (gap: number) => `${Number((100 * gap).toFixed(1))}`,
        }),
        plot.axisX({ ticks: width < 480 ? 4 : 7, tickSize: 4, label: null }),
        plot.text(['gap, points'], { frameAnchor: 'top-left', dx: -44, dy: -20, fill: 'var(--soft)' }),
        plot.text(['validation loss'], { frameAnchor: 'bottom', dy: 36, fill: 'var(--soft)' }),
        plot.dot(faint, { ...at, symbol, r: 3, stroke: 'var(--grey)', strokeWidth: 1, strokeOpacity: 0.5 }),
        plot.dot(strong, { ...at, symbol, r: 5, stroke: colourOf, fill: 'var(--panel)' }),
        plot.dot(
          drawn.filter(({ trial }) => trial === selected),
          { ...at, r: 9, stroke: 'var(--ink)', strokeWidth: 1.5 },
        ),
        plot.dot(
          drawn.filter(({ trial }) => trial === data.best),
          { ...at, r: 6, fill: colourOf, stroke: 'var(--panel)' },
        ),
        ...labelMarks(plot, drawn, data, width, x, y),
        plot.tip(
          drawn,
          plot.pointer({
            x: 'validationLoss',
            y: 'gap',
            title: titleOf,
            fill: 'var(--panel)',
            stroke: 'var(--grey)',
            maxRadius: 40,
          }),
        ),
      ],
    },
  };
}

export function scoreGapTable(data: ReportData): TableSpecification {
  return {
    columns: ['Network', 'Validation loss', 'Gap', 'Parameters', 'Finding'],
    rows: scored(data).map((view) => [
      view.name,
      formatLoss(view.validationLoss),
      points(view.gap),
      formatCount(view.parameterCount),
      STATUS_WORDS[view.status],
    ]),
  };
}

function scored({ trials }: ReportData): Scored[] {
  return trials.filter((view): view is Scored => view.validationLoss !== null && view.gap !== null);
}

function regionMarks(plot: Plot, { band }: ReportData, detail: SweepDetail, x: [number, number], y: [number, number]) {
  const limit = detail.maxAccuracyGap;
  return [
    ...(limit === null
      ? []
      : [
          plot.rect([0], { x1: x[0], x2: x[1], y1: limit, y2: y[1], fill: 'var(--empty)', clip: true }),
          plot.ruleY([limit], { stroke: 'var(--ink)', strokeDasharray: '4 3' }),
          plot.text([`above a gap of ${points(limit)} none is eligible`], {
            frameAnchor: 'top-right',
            dx: -6,
            dy: 8,
            fill: 'var(--soft)',
          }),
        ]),
    ...(band
      ? [
          plot.rect([band], { x1: 'low', x2: 'high', y1: y[0], y2: limit ?? y[1], fill: 'var(--band)', clip: true }),
          plot.ruleX([band.low, band.high], { stroke: 'var(--band-edge)', strokeWidth: 1 }),
        ]
      : []),
  ];
}

function labelMarks(
  plot: Plot,
  drawn: readonly Scored[],
  data: ReportData,
  width: number,
  x: [number, number],
  y: [number, number],
) {
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  const pixel = ({ validationLoss, gap }: Scored) => ({
    x: MARGIN.left + ((validationLoss - x[0]) / (x[1] - x[0])) * (right - MARGIN.left),
    y: bottom - ((gap - y[0]) / (y[1] - y[0])) * (bottom - MARGIN.top),
  });
  const named = drawn.filter(({ rank }) => rank < STRONG).toSorted((a, b) => a.rank - b.rank);
  const anchors = named.map((view) => ({ ...pixel(view), text: shorten(view.name, 34), view }));
  const bounds = { left: MARGIN.left, right: width - 4, top: 0, bottom };
  return placeLabels(anchors, drawn.map(pixel), bounds).flatMap((placed) => {
    const view = anchors.find(
      (other) => other.x === placed.x && other.y === placed.y && other.text === placed.text,
    )?.view;
    if (!view) return [];
    const won = view.trial === data.best;
    return plot.text([view], {
      x: 'validationLoss',
      y: 'gap',
      text: () => placed.text,
      dx: placed.dx,
      dy: placed.dy,
      textAnchor: placed.anchor,
      fill: won ? 'var(--ink)' : 'var(--soft)',
      fontWeight: won ? 700 : 400,
      stroke: 'var(--panel)',
      strokeWidth: 3,
    });
  });
}

const titleOf = ({ name, validationLoss, gap, status }: Scored) =>
  `${name}\nvalidation loss ${formatLoss(validationLoss)}\ngap ${points(gap)}\n${STATUS_WORDS[status]}`;

function pad(values: readonly number[], also: readonly number[]): [number, number] {
  const all = [...values, ...also];
  const least = all.reduce((a, b) => Math.min(a, b), all[0] ?? 0);
  const most = all.reduce((a, b) => Math.max(a, b), all[0] ?? 1);
  const margin = 0.1 * (most - least) || 0.1 * (Math.abs(most) || 1);
  return [least - margin, most + margin];
}

function describe(
  data: ReportData,
  { maxAccuracyGap }: SweepDetail,
  all: readonly Scored[],
  drawn: readonly Scored[],
): string {
  if (all.length === 0) return 'No trial has a validation loss yet.';
  const beyond = all.length - drawn.length;
  const outside = beyond > 0 ? `, ${plural(beyond, 'trial')} beyond the frame` : '';
  const scope = `Validation loss at the kept epoch against the gap in points, ${plural(all.length, 'trial')}${outside}.`;
  const limit =
    maxAccuracyGap === null ? ' The gap alone refuses none.' : ` A gap above ${points(maxAccuracyGap)} is refused.`;
  const winner = all.find(({ trial }) => trial === data.best);
  if (!winner || !data.band) return `${scope}${limit} None is eligible.`;
  const lower = all.filter((view) => view.validationLoss < winner.validationLoss && view.status === 'Overfit').length;
  const passed =
    lower > 0 ? ` ${plural(lower, 'trial')} with a lower loss ${lower === 1 ? 'overfits' : 'overfit'}.` : '';
  return `${scope}${limit} The winner, ${winner.name}, stands at ${formatLoss(winner.validationLoss)} and ${points(winner.gap)}.${passed} One standard error of the lowest eligible loss: ${formatLoss(data.band.low)} to ${formatLoss(data.band.high)}.`;
}
