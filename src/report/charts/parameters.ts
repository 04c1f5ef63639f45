import { formatLoss } from '../../sweep/figures.ts';
import type { ReportData, TrialView } from '../data.ts';
import { formatCount, plural } from '../format.ts';
import { placeLabels } from './labels.ts';
import { CHART_STYLE, type Chart, colourOf, type Plot, STATUS_WORDS, STRONG, SYMBOLS, shorten } from './marks.ts';

export interface ParametersView {
  readonly width: number;
  readonly selected: number | null;
}

export type Scored = TrialView & { readonly validationLoss: number };

/** The trials that have a validation loss at their kept epoch: what the chart draws, one a row. */
export function scoredTrials({ trials }: ReportData): Scored[] {
  return trials.filter((trial): trial is Scored => trial.validationLoss !== null);
}

const HEIGHT = 400;
const MARGIN = { top: 16, bottom: 44, left: 48, right: 20 };

/** Validation loss against parameters, with the band of one standard error: the picture that explains the pick. */
export function parametersChart(plot: Plot, data: ReportData, { width, selected }: ParametersView): Chart {
  const all = scoredTrials(data);
  const guessing = Math.log(data.classes);
  const drawn = all.filter(({ validationLoss }) => validationLoss < 4 * guessing);
  const xDomain = padLog(drawn.map(({ parameterCount }) => parameterCount));
  const winner = drawn.filter(({ trial }) => trial === data.best);
  const faint = drawn.filter(({ rank }) => rank >= STRONG);
  const strong = drawn.filter(({ rank }) => rank < STRONG);
  const yDomain = pad([
    ...drawn.map(({ validationLoss }) => validationLoss),
    ...strong.flatMap((view) => [lower(view), upper(view)]),
    ...(data.band ? [data.band.low, data.band.high] : []),
  ]);
  const error = { x: 'parameterCount', strokeWidth: 1, strokeOpacity: 0.7, clip: true } as const;
  const at = { x: 'parameterCount', y: 'validationLoss', strokeWidth: 1.75 } as const;
  const symbol = ({ status }: Scored) => SYMBOLS[status];

  return {
    sentence: describe(data, all, drawn),
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
      x: { type: 'log', domain: xDomain, label: null },
      y: { domain: yDomain, label: null },
      marks: [
        ...(data.band ? [bandMark(plot, data.band, xDomain)] : []),
        plot.gridY({ stroke: 'var(--rule)', strokeOpacity: 1, ticks: 6 }),
        plot.axisY({ ticks: 6, tickSize: 0, label: null }),
        plot.axisX({ ticks: width < 480 ? 3 : 5, tickFormat: shortCount, tickSize: 4, label: null }),
        plot.text(['parameters, logarithmic'], { frameAnchor: 'bottom', dy: 36, fill: 'var(--soft)' }),
        plot.dot(faint, { ...at, symbol, r: 3, stroke: 'var(--grey)', strokeWidth: 1, strokeOpacity: 0.5 }),
        plot.ruleX(strong, { ...error, y1: lower, y2: upper, stroke: colourOf }),
        plot.dot(strong, { ...at, symbol, r: 5, stroke: colourOf, fill: 'var(--panel)' }),
        plot.dot(
          drawn.filter(({ trial }) => trial === selected),
          { ...at, r: 9, stroke: 'var(--ink)', strokeWidth: 1.5 },
        ),
        plot.dot(winner, { ...at, r: 6, fill: colourOf, stroke: 'var(--panel)' }),
        ...labelMarks(plot, drawn, data, { width, xDomain, yDomain }),
        plot.tip(
          drawn,
          plot.pointer({
            x: 'parameterCount',
            y: 'validationLoss',
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

const lower = ({ validationLoss, standardError }: Scored) => validationLoss - (standardError ?? 0);
const upper = ({ validationLoss, standardError }: Scored) => validationLoss + (standardError ?? 0);

function titleOf({ name, parameterCount, validationLoss, standardError, status }: Scored): string {
  const loss = `${formatLoss(validationLoss)} ± ${formatLoss(standardError)}`;
  return `${name}\n${formatCount(parameterCount)} parameters\nvalidation loss ${loss}\n${STATUS_WORDS[status]}`;
}

function bandMark(plot: Plot, band: NonNullable<ReportData['band']>, [x1, x2]: readonly [number, number]) {
  return [
    plot.rect([band], { x1, x2, y1: 'low', y2: 'high', fill: 'var(--band)', clip: true }),
    plot.ruleY([band.low, band.high], { stroke: 'var(--band-edge)', strokeWidth: 1, clip: true }),
  ];
}

interface Scales {
  readonly width: number;
  readonly xDomain: readonly [number, number];
  readonly yDomain: readonly [number, number];
}

/** Names of the strong trials, where there is room; the winner chooses first. */
function labelMarks(plot: Plot, drawn: readonly Scored[], data: ReportData, { width, xDomain, yDomain }: Scales) {
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  const pixel = ({ parameterCount, validationLoss }: Scored) => ({
    x:
      MARGIN.left + (Math.log(parameterCount / xDomain[0]) / Math.log(xDomain[1] / xDomain[0])) * (right - MARGIN.left),
    y: bottom - ((validationLoss - yDomain[0]) / (yDomain[1] - yDomain[0])) * (bottom - MARGIN.top),
  });
  const named = drawn.filter(({ rank }) => rank < STRONG).toSorted((a, b) => a.rank - b.rank);
  const anchors = named.map((view) => ({
    ...pixel(view),
    text: shorten(view.name, view.trial === data.best ? 44 : 30),
    view,
  }));
  const bounds = { left: MARGIN.left, right: width - 4, top: 0, bottom };
  return placeLabels(anchors, drawn.map(pixel), bounds).map(({ text, dx, dy, anchor, x, y }) => {
    const view = anchors.find((other) => other.x === x && other.y === y && other.text === text)?.view;
    const won = view !== undefined && view.trial === data.best;
    return plot.text(view ? [view] : [], {
      x: 'parameterCount',
      y: 'validationLoss',
      text: () => text,
      dx,
      dy,
      textAnchor: anchor,
      fill: won ? 'var(--ink)' : 'var(--soft)',
      fontWeight: won ? 700 : 400,
      stroke: 'var(--panel)',
      strokeWidth: 3,
    });
  });
}

function shortCount(count: number): string {
  if (count >= 1e6) return `${count / 1e6} M`;
  return count >= 1000 ? `${count / 1000} k` : String(count);
}

function pad(values: readonly number[]): [number, number] {
  const [least, most] = extent(values, [0, 1]);
  const margin = 0.12 * (most - least) || 0.1 * (Math.abs(most) || 1);
  return [Math.max(0, least - margin), most + margin];
}

function padLog(values: readonly number[]): [number, number] {
  const [least, most] = extent(values, [1, 10]);
  const factor = Math.max(1.35, (most / least) ** 0.08);
  return [least / factor, most * factor];
}

/** Without spreading: a list may be long. */
function extent(values: readonly number[], otherwise: [number, number]): [number, number] {
  const [first] = values;
  if (first === undefined) return otherwise;
  return values.reduce<[number, number]>(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [first, first]);
}

function describe(data: ReportData, all: readonly Scored[], drawn: readonly Scored[]): string {
  if (all.length === 0) return 'No trial has a validation loss yet.';
  const beyond = all.length - drawn.length;
  const outside = beyond > 0 ? `, ${plural(beyond, 'trial')} above the frame` : '';
  const scope = `Validation loss at the kept epoch against parameters, ${plural(all.length, 'trial')}${outside}.`;
  const winner = all.find(({ trial }) => trial === data.best);
  if (!winner || !data.band) return `${scope} None is eligible.`;
  const smaller = drawn.filter(({ parameterCount }) => parameterCount < winner.parameterCount).length;
  const band = `${formatLoss(data.band.low)} to ${formatLoss(data.band.high)}`;
  return `${scope} The winner, ${winner.name}, stands at ${formatLoss(winner.validationLoss)} with ${formatCount(winner.parameterCount)} parameters; ${plural(smaller, 'trial')} ${smaller === 1 ? 'is' : 'are'} smaller. One standard error of the lowest eligible loss: ${band}.`;
}
