import type { Quantity } from '../../report/charts/curves.ts';
import { endName } from '../../report/charts/end-labels.ts';
import { HUES, STRONG } from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import { formatCount, formatSeconds, plural } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import type { CurveView, SweepDetail, TrialRow } from '../api.ts';
import type { XScale } from './address.ts';
import { classesOf } from './report-data.ts';
import { statusOf } from './trial-words.ts';
import { partOf, valuesWithin, WHOLE, type Zoom, type Zoomable } from './zoom.ts';

type Value = number | null;
type Domain = readonly [number, number];

/** One trial's two lines. Columns of equal length; a value of null leaves a hole. */
export interface CurveLines {
  readonly trial: number;
  readonly name: string;
  /** From 0, of Okabe and Ito's palette; null: grey. */
  readonly hue: number | null;
  /** Of the first ten, or selected: both lines, in colour and named; else the validation line alone, faintly. */
  readonly isStrong: boolean;
  readonly x: readonly number[];
  readonly epochs: readonly number[];
  readonly training: readonly Value[];
  readonly validation: readonly Value[];
  /** The loss during training, as the optimiser met it; only where it is asked for. */
  readonly running?: readonly Value[];
}

/** A place on the selected curve that has a name. */
export interface CurveMark {
  readonly x: number;
  readonly text: string;
  readonly isKept: boolean;
  /** On the validation line; null where it has none. */
  readonly y: Value;
}

/** What the overlay draws; the last of the lines lies uppermost. */
export interface CurvesChart extends Zoomable {
  readonly lines: readonly CurveLines[];
  readonly selected: number | null;
  readonly marks: readonly CurveMark[];
  readonly isZoomed: boolean;
  readonly xLabel: string;
  readonly yLabel: string;
  /** What the chart shows, for those who cannot see it. */
  readonly sentence: string;
}

export interface CurvesInput {
  readonly detail: SweepDetail;
  readonly rows: ReadonlyMap<number, TrialRow>;
  readonly curves: ReadonlyMap<number, CurveView>;
  /** The trials to draw, the one to look at first at the front. */
  readonly order: readonly number[];
  readonly hues: ReadonlyMap<number, number>;
  readonly selected: number | null;
  readonly quantity: Quantity;
  readonly x: XScale;
  readonly smooth: boolean;
  /** Draws the running training loss of the selected trial too. */
  readonly running?: boolean;
  /** Absent: all that there is. */
  readonly zoom?: Zoom;
}

export function curvesChart(input: CurvesInput): CurvesChart {
  const lines = input.order.flatMap((trial, place) => linesOf(input, trial, place) ?? []);
  const selected = lines.find(({ trial }) => trial === input.selected);
  const { zoomX, zoomY } = input.zoom ?? WHOLE;
  const wholeX = xDomainOf(lines, input);
  const x = partOf(wholeX, zoomX);
  const y = zoomY ?? domainOf(lines, x, input);
  const isZoomed = x !== wholeX || zoomY !== null;
  return {
    lines: drawingOrder(lines, input.selected),
    selected: selected?.trial ?? null,
    marks: selected ? marksOf(selected, input).filter((mark) => mark.x >= x[0] && mark.x <= x[1]) : [],
    x,
    y,
    wholeX,
    leastX: (wholeX[1] - wholeX[0]) / Math.max(1, input.x === 'time' ? 100 : input.detail.epochsPlanned - 1),
    isZoomed,
    xLabel: X_LABELS[input.x],
    yLabel: input.quantity === 'loss' ? 'loss (cross-entropy, nats)' : 'accuracy',
    sentence: `${describe(lines, selected, input)}${isZoomed ? describeZoom(x, y, input) : describeCut(lines, y, input.quantity)}`,
  };
}

const X_LABELS: Record<XScale, string> = {
  epoch: 'epoch',
  images: 'images seen in training',
  time: 'time since the attempt began',
};

function describeZoom([from, to]: Domain, [least, most]: Domain, { x, quantity }: CurvesInput): string {
  const along = (value: number) => formatTick(Number(value.toFixed(2)), x);
  const up = (value: number) => formatTick(Number(value.toPrecision(3)), quantity);
  const by = { epoch: 'epochs', images: 'images', time: 'time' }[x];
  return ` Zoomed to ${by} ${along(from)} to ${along(to)}, ${quantity} ${up(least)} to ${up(most)}.`;
}

/** The figures that are drawn. */
export function curvesTable(chart: CurvesChart, quantity: Quantity): TableSpecification {
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  const rows = chart.lines
    .toReversed()
    .flatMap(({ name, epochs, training, validation, ...line }) =>
      pointsShown(line, chart).map((at) => [name, String(epochs[at]), format(training[at]), format(validation[at])]),
    );
  return { columns: ['Network', 'Epoch', `Training ${quantity}`, `Validation ${quantity}`], rows };
}

/** The same at full precision, to compute with. */
export function curvesSheet(chart: CurvesChart, quantity: Quantity): TableSpecification {
  const text = (value: Value | undefined) => (value === null || value === undefined ? '' : String(value));
  const rows = chart.lines
    .toReversed()
    .flatMap(({ trial, name, epochs, x, training, validation }) =>
      pointsShown({ x }, chart).map((at) => [
        String(trial),
        name,
        String(epochs[at]),
        text(x[at]),
        text(training[at]),
        text(validation[at]),
      ]),
    );
  return {
    columns: ['trial', 'network', 'epoch', chart.xLabel, `training ${quantity}`, `validation ${quantity}`],
    rows,
  };
}

/** Positions of the points between the ends of the frame. */
function pointsShown({ x }: Pick<CurveLines, 'x'>, { x: [from, to] }: CurvesChart): number[] {
  return [...x.keys()].filter((at) => (x[at] ?? from - 1) >= from && (x[at] ?? from - 1) <= to);
}

function linesOf(
  { detail, rows, curves, hues, selected, quantity, x, smooth, running }: CurvesInput,
  trial: number,
  place: number,
) {
  const curve = curves.get(trial);
  const row = rows.get(trial);
  if (!curve || !row || curve.epochs.length === 0) return undefined;
  const [training, validation] =
    quantity === 'loss' ? [curve.trainLoss, curve.validationLoss] : [curve.trainAccuracy, curve.validationAccuracy];
  const lines: CurveLines = {
    trial,
    name: nameOf(row),
    hue: hues.get(trial) ?? null,
    isStrong: place < STRONG || trial === selected,
    epochs: curve.epochs,
    x:
      x === 'time'
        ? curve.seconds
        : curve.epochs.map((epoch) => (x === 'images' ? epoch * detail.trainingExamples : epoch)),
    training: smooth ? medianOfThree(training) : training,
    validation: smooth ? medianOfThree(validation) : validation,
    ...(running && quantity === 'loss' && trial === selected && { running: curve.runningTrainLoss }),
  };
  return lines;
}

/** What ended badly says so; what is at it will still change. */
function nameOf(row: TrialRow): string {
  const status = statusOf(row);
  return status === 'Unfinished' ? row.network : endName({ name: row.network, status }, 200);
}

/** Faint ones first, the best last, the selected above all. */
function drawingOrder(lines: readonly CurveLines[], selected: number | null): CurveLines[] {
  const height = ({ trial, isStrong }: CurveLines) => (trial === selected ? 2 : isStrong ? 1 : 0);
  return lines.toReversed().sort((a, b) => height(a) - height(b));
}

/** As the verdict smooths losses: centred, the window clipped at the ends, a window of two giving their mean. */
export function medianOfThree(values: readonly Value[]): Value[] {
  if (values.length < 3) return [...values];
  return values.map((value, at) => {
    const window = values.slice(Math.max(0, at - 1), at + 2).filter((other) => other !== null);
    if (value === null) return null;
    const [a = 0, b = a, c] = window.sort((x, y) => x - y);
    return c === undefined ? (a + b) / 2 : b;
  });
}

function marksOf(lines: CurveLines, { rows }: CurvesInput): CurveMark[] {
  const row = rows.get(lines.trial);
  if (!row) return [];
  const { keptEpoch, turningEpoch } = row;
  const lowestSoFar = turningEpoch !== null && turningEpoch === lines.epochs.at(-1);
  const same = keptEpoch !== null && keptEpoch === turningEpoch;
  // The epoch that would be kept if training ended here.
  const isRunning = row.phase === 'Running';
  const kept = isRunning ? 'kept so far' : 'kept';
  const sameWords = lowestSoFar ? (isRunning ? 'lowest so far' : 'kept, lowest so far') : `${kept} = t*`;
  const at = (epoch: number | null, text: string, isKept: boolean): CurveMark[] => {
    const place = epoch === null ? -1 : lines.epochs.indexOf(epoch);
    const x = lines.x[place];
    return x === undefined ? [] : [{ x, text: `${text}, epoch ${epoch}`, isKept, y: lines.validation[place] ?? null }];
  };
  return [
    ...at(keptEpoch, same ? sameWords : kept, true),
    ...(same ? [] : at(turningEpoch, lowestSoFar ? 'lowest so far' : 'turning point t*', false)),
  ];
}

function xDomainOf(lines: readonly CurveLines[], { detail, x }: CurvesInput): Domain {
  const [first, last] =
    x === 'images'
      ? [detail.trainingExamples, detail.trainingExamples * detail.epochsPlanned]
      : [1, detail.epochsPlanned];
  if (x !== 'time') return last > first ? [first, last] : [0, 2 * last];
  const longest = lines.reduce((most, line) => Math.max(most, line.x.at(-1) ?? 0), 0);
  return [0, longest || 1];
}

/** As wide as the figures; losses far above the others', as of a run that diverges, are cut off. */
function domainOf(lines: readonly CurveLines[], x: Domain, { rows, quantity, detail }: CurvesInput): Domain {
  const steady = lines.filter(({ trial }) => rows.get(trial)?.finding !== 'Diverged');
  const shown = (steady.length > 0 ? steady : lines).map((line) => ({
    training: line.isStrong
      ? [line.training, line.running ?? []].flatMap((values) => valuesWithin(line.x, values, x))
      : [],
    validation: valuesWithin(line.x, line.validation, x),
  }));
  const values = ascending(shown.flatMap(({ training, validation }) => [...training, ...validation]));
  const losses = ascending(shown.flatMap(({ validation }) => validation));
  const [least, most] = [values[0] ?? 0, values.at(-1) ?? 1];
  const top = quantity === 'loss' ? Math.min(most, highestShown(losses, least, classesOf(detail.dataset))) : most;
  const margin = 0.04 * (top - least) || 0.05 * (Math.abs(top) || 1);
  return [Math.max(0, least - margin), quantity === 'loss' ? top + margin : Math.min(1, top + margin)];
}

/** Half as far again as 95 % of the validation losses reach, and at most one and a half times the loss of pure guessing. */
function highestShown(losses: readonly number[], least: number, classes: number): number {
  const high = losses[Math.ceil(0.95 * (losses.length - 1))] ?? least;
  return Math.min(high + 0.5 * (high - least), 1.5 * Math.max(Math.log(classes), least)) || 1;
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function describeCut(lines: readonly CurveLines[], [, most]: Domain, quantity: Quantity): string {
  const above = (values: readonly Value[]) => values.some((value) => value !== null && value > most);
  const cut = lines.filter(({ isStrong, training, validation }) => above(validation) || (isStrong && above(training)));
  if (quantity !== 'loss' || cut.length === 0) return '';
  return ` Above ${formatLoss(most)} the curves of ${plural(cut.length, 'trial')} are cut off.`;
}

function describe(lines: readonly CurveLines[], selected: CurveLines | undefined, input: CurvesInput): string {
  const { quantity, rows, detail, x, smooth } = input;
  if (lines.length === 0) return 'No trial has a curve yet.';
  const by = { epoch: 'epoch', images: 'images seen', time: 'time' }[x];
  const smoothed = smooth ? ', smoothed by a median of three epochs' : '';
  const missing = lines.length === 1 ? 0 : detail.trials.total - lines.length;
  const without =
    missing > 0 ? ` (${formatCount(missing)} more of the sweep ${missing === 1 ? 'is' : 'are'} not drawn)` : '';
  const all = `${quantity === 'loss' ? 'Loss' : 'Accuracy'} by ${by}${smoothed}, ${lines.length === 1 ? 'one trial' : plural(lines.length, 'trial')}${without}.`;
  const row = input.selected === null ? undefined : rows.get(input.selected);
  if (!row) return all;
  if (!selected) return `${all} Selected: ${row.network}, which has no curve here.`;
  return `${all} Selected: ${row.network}${describeSelected(row, selected, quantity)}.`;
}

function describeSelected(row: TrialRow, lines: CurveLines, quantity: Quantity): string {
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  const kept = row.keptEpoch === null ? -1 : lines.epochs.indexOf(row.keptEpoch);
  const figures =
    kept < 0
      ? `, ${lines.epochs.at(-1)} of ${row.epochsPlanned} epochs`
      : `: at its kept epoch ${row.keptEpoch} training ${format(lines.training[kept])}, validation ${format(lines.validation[kept])}`;
  if (row.turningEpoch === null) return figures;
  const turns = row.turningEpoch === lines.epochs.at(-1) ? 'has not turned by' : 'turns at';
  return `${figures}; its smoothed validation loss ${turns} epoch ${row.turningEpoch}`;
}

/** What stands at a curve's point under the pointer. */
export function describePoint(lines: CurveLines, at: number, quantity: Quantity, x: XScale): string[] {
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  const value = lines.x[at] ?? 0;
  const place = x === 'epoch' ? '' : x === 'images' ? ` · ${formatCount(value)} images` : ` · ${formatSeconds(value)}`;
  return [
    lines.name,
    `epoch ${lines.epochs[at]}${place}`,
    `validation ${format(lines.validation[at])}`,
    `training ${format(lines.training[at])}`,
  ];
}

/** A variable of the style sheet. */
export function lineColour({ hue, trial }: Pick<CurveLines, 'hue' | 'trial'>, selected: number | null): string {
  if (hue !== null && hue < HUES) return `var(--hue-${hue + 1})`;
  return trial === selected ? 'var(--highlight)' : 'var(--grey)';
}

export function nameColour({ hue, trial }: Pick<CurveLines, 'hue' | 'trial'>, selected: number | null): string {
  if (hue !== null && hue < HUES) return `var(--hue-text-${hue + 1})`;
  return trial === selected ? 'var(--highlight)' : 'var(--soft)';
}

/** Of an axis, in the words of its figures. */
export function formatTick(value: number, scale: XScale | Quantity): string {
  switch (scale) {
    case 'images':
      return value >= 1e6
        ? `${Number((value / 1e6).toFixed(2))} M`
        : value >= 1e3
          ? `${Number((value / 1e3).toFixed(1))} k`
          : String(value);
    case 'time':
      return value === 0 ? '0' : formatSeconds(value);
    case 'accuracy':
      return `${Number((100 * value).toFixed(1))} %`;
    case 'loss':
      return String(Number(value.toFixed(4)));
    case 'epoch':
      return String(value);
  }
}

/** `(48,128)…r 0.001, seed 2`: names of one grid differ at their ends more than in the middle. */
export function shortenMiddle(name: string, length: number): string {
  if (name.length <= length) return name;
  const tail = Math.max(1, Math.floor(0.6 * (length - 1)));
  return `${name.slice(0, Math.max(1, length - 1 - tail))}…${name.slice(-tail)}`;
}
