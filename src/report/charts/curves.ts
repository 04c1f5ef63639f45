import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import type { Columns, ReportData, TrialView } from '../data.ts';
import { plural } from '../format.ts';
import { type CurveEnd, endLabels, endName, type Frame } from './end-labels.ts';
import { textWidth } from './labels.ts';
import { CHART_STYLE, type Chart, colourOf, highlightOf, type Plot, STRONG } from './marks.ts';

export type Quantity = 'loss' | 'accuracy';

export interface CurvesView {
  readonly width: number;
  readonly selected: number | null;
  readonly quantity: Quantity;
}

/** One epoch of one trial. */
export interface CurvePoint {
  readonly view: TrialView;
  readonly epoch: number;
  readonly training: number | null;
  readonly validation: number | null;
}

type Domain = readonly [number, number];
type Drawn = TrialView & { readonly curve: Columns };

/** Below this width, in pixels, names stand in a legend under the chart and not at the ends of the curves. */
export const NARROW = 640;
const MARGIN = { top: 44, bottom: 40, left: 48 };

/** All curves, training dashed and validation solid; of the selected trial also the gap, the kept epoch and t*. */
export function curvesChart(plot: Plot, data: ReportData, view: CurvesView): Chart {
  const drawn = data.trials.filter((trial): trial is Drawn => trial.curve !== null);
  const strong = drawn.filter(({ rank }) => rank < STRONG);
  const selected = drawn.find(({ trial }) => trial === view.selected);
  const named = selected && !strong.includes(selected) ? [...strong, selected] : strong;
  const domain = domainOf(drawn, view.quantity, data.classes);
  const narrow = view.width < NARROW;
  const height = narrow ? 340 : 460;
  const names = named.map((trial) => endName(trial, Math.floor((0.24 * view.width) / textWidth('x'))));
  const marginRight = narrow ? 16 : 28 + Math.max(40, ...names.map(textWidth));
  const span: [number, number] = data.epochs > 1 ? [1, data.epochs] : [0, 2];
  const frame: Frame = {
    domain,
    top: MARGIN.top,
    bottom: height - MARGIN.bottom,
    epochsPerPixel: (span[1] - span[0]) / (view.width - MARGIN.left - marginRight),
  };

  return {
    sentence: `${describeCurves(data, drawn, selected, view)}${describeCut(drawn, view.quantity, domain)}`,
    options: {
      width: view.width,
      height,
      marginTop: MARGIN.top,
      marginBottom: MARGIN.bottom,
      marginLeft: MARGIN.left,
      marginRight,
      style: CHART_STYLE,
      color: { type: 'identity' },
      x: { domain: span, label: null },
      y: { domain, label: null },
      marks: [
        plot.gridY({ stroke: 'var(--rule)', strokeOpacity: 1, ticks: 6 }),
        plot.axisY({ ticks: 6, tickSize: 0, ...(view.quantity === 'accuracy' && { tickFormat: asPercent }) }),
        plot.axisX({ ticks: epochTicks(data.epochs, view.width), tickFormat: 'd', tickSize: 4, label: null }),
        plot.text(['epoch'], { frameAnchor: 'bottom', dy: 34, fill: 'var(--soft)' }),
        faintLines(plot, drawn, selected, view.quantity),
        strongLines(plot, strong, selected, view.quantity),
        ...(selected ? selectedMarks(plot, selected, view, data.epochs, domain) : []),
        ...(narrow ? [] : endLabels(plot, curveEnds(named, names, view.quantity), view.selected, frame, span[1])),
        pointerMarks(plot, named, view.quantity, domain),
      ],
    },
  };
}

/** What the chart draws, one row a point; also the rows of its table. */
export function curvePoints(trials: readonly TrialView[], quantity: Quantity): CurvePoint[] {
  return trials.flatMap((view) => {
    const { curve } = view;
    if (!curve) return [];
    const [training, validation] =
      quantity === 'loss' ? [curve.trainLoss, curve.validationLoss] : [curve.trainAccuracy, curve.validationAccuracy];
    return curve.epoch.map((epoch, at) => ({
      view,
      epoch,
      training: training[at] ?? null,
      validation: validation[at] ?? null,
    }));
  });
}

const asPercent = (fraction: number) => `${Number((100 * fraction).toFixed(1))} %`;
const within = ([least, most]: Domain, value: number | null) => value !== null && value >= least && value <= most;
/** The smoothed loss was lowest at the last epoch: where it would have turned is not known. */
const notTurned = ({ turningEpoch, curve }: TrialView) => turningEpoch !== null && turningEpoch === curve?.epoch.at(-1);
const byTrial = (point: CurvePoint) => point.view.trial;
const colour = (point: CurvePoint) => colourOf(point.view);

/** Beyond the ten best only the validation curve is drawn, faintly: a background to read the others against. */
function faintLines(plot: Plot, drawn: readonly Drawn[], selected: Drawn | undefined, quantity: Quantity) {
  const faint = curvePoints(
    drawn.filter((view) => view.rank >= STRONG && view !== selected),
    quantity,
  );
  const strokeOpacity = Math.min(0.4, Math.max(0.07, 25 / drawn.length));
  const style = { z: byTrial, stroke: 'var(--grey)', strokeWidth: 1, strokeOpacity, clip: true } as const;
  return [plot.lineY(faint, { x: 'epoch', y: 'validation', ...style }), ...loneDots(plot, faint)];
}

function strongLines(plot: Plot, strong: readonly Drawn[], selected: Drawn | undefined, quantity: Quantity) {
  const points = curvePoints(
    strong.filter((view) => view !== selected),
    quantity,
  );
  const style = { x: 'epoch', z: byTrial, stroke: colour, clip: true } as const;
  return [
    plot.lineY(points, { ...style, y: 'training', strokeWidth: 1.25, strokeDasharray: '2 4', strokeOpacity: 0.75 }),
    plot.lineY(points, { ...style, y: 'validation', strokeWidth: 1.5 }),
    ...loneDots(plot, points),
  ];
}

/** A curve of one epoch is no line: its training figure is a ring, its validation figure a disc. */
function loneDots(plot: Plot, points: readonly CurvePoint[]) {
  const lone = points.filter(({ view }) => view.curve?.epoch.length === 1);
  if (lone.length === 0) return [];
  return [
    plot.dot(lone, { x: 'epoch', y: 'training', r: 4, stroke: colour, clip: true }),
    plot.dot(lone, { x: 'epoch', y: 'validation', r: 4, fill: colour, clip: true }),
  ];
}

function selectedMarks(plot: Plot, selected: Drawn, { quantity, width }: CurvesView, planned: number, domain: Domain) {
  const points = curvePoints([selected], quantity);
  const stroke = highlightOf(selected);
  const line = { x: 'epoch', stroke, clip: true } as const;
  const kept = points.find(({ epoch }) => epoch === selected.keptEpoch);
  const turn = points.find(({ epoch }) => epoch === selected.turningEpoch);
  return [
    plot.areaY(points, { x: 'epoch', y1: 'training', y2: 'validation', fill: stroke, fillOpacity: 0.13, clip: true }),
    // A halo, so that the selected curve stays readable where it crosses others.
    plot.lineY(points, { ...line, y: 'validation', stroke: 'var(--panel)', strokeWidth: 6 }),
    plot.lineY(points, { ...line, y: 'training', strokeWidth: 2.25, strokeDasharray: '5 4' }),
    plot.lineY(points, { ...line, y: 'validation', strokeWidth: 3 }),
    ...loneDots(plot, points),
    ...markers(plot, kept, turn, width, planned),
    ...(kept && within(domain, kept.validation)
      ? [plot.dot([kept], { x: 'epoch', y: 'validation', r: 6, fill: stroke, stroke: 'var(--panel)' })]
      : []),
  ];
}

/** Rules with their names above the frame, in two rows so that neighbours do not meet. */
function markers(
  plot: Plot,
  kept: CurvePoint | undefined,
  turn: CurvePoint | undefined,
  width: number,
  planned: number,
) {
  const same = kept && turn && kept.epoch === turn.epoch;
  const lowest = turn && notTurned(turn.view);
  const turnName = lowest ? 'lowest so far' : width < NARROW ? 't*' : 'turning point t*';
  const alsoTurn = lowest ? ', lowest so far' : ' = t*';
  const labels = [
    ...(kept ? [{ epoch: kept.epoch, text: `kept${same ? alsoTurn : ''}, epoch ${kept.epoch}`, row: 0 }] : []),
    ...(turn && !same ? [{ epoch: turn.epoch, text: `${turnName}, epoch ${turn.epoch}`, row: 1 }] : []),
  ];
  return labels.flatMap(({ epoch, text, row }) => {
    const share = epoch / planned;
    const textAnchor = share > 0.7 ? 'end' : share < 0.25 || width < NARROW ? 'start' : 'middle';
    const dy = 17 * row - MARGIN.top + 10;
    return [
      plot.ruleX([epoch], {
        stroke: 'var(--ink)',
        strokeWidth: 1,
        strokeDasharray: row === 0 ? 'none' : '3 3',
        insetTop: 17 * row - MARGIN.top + 18,
      }),
      plot.text([text], {
        x: () => epoch,
        frameAnchor: 'top',
        dy,
        dx: textAnchor === 'end' ? 4 : textAnchor === 'start' ? -4 : 0,
        textAnchor,
        lineAnchor: 'middle',
        fill: 'var(--ink)',
        stroke: 'var(--panel)',
        strokeWidth: 4,
        fontWeight: row === 0 ? 600 : 400,
      }),
    ];
  });
}

function curveEnds(named: readonly Drawn[], names: readonly string[], quantity: Quantity): CurveEnd[] {
  return named.map((view, at) => {
    const end = curvePoints([view], quantity).findLast(({ validation }) => validation !== null);
    return { view, text: names[at] ?? '', epoch: end?.epoch ?? null, value: end?.validation ?? null };
  });
}

function pointerMarks(plot: Plot, named: readonly Drawn[], quantity: Quantity, domain: Domain) {
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  const points = curvePoints(named, quantity).filter(({ validation }) => within(domain, validation));
  const title = ({ view, epoch, training, validation }: CurvePoint) =>
    `${view.name}\nepoch ${epoch}\nvalidation ${format(validation)}\ntraining ${format(training)}`;
  return plot.tip(
    points,
    plot.pointer({ x: 'epoch', y: 'validation', title, fill: 'var(--panel)', stroke: 'var(--grey)', maxRadius: 60 }),
  );
}

/** As wide as the figures; losses far above the others', as of a run that diverges, are cut off. */
function domainOf(drawn: readonly Drawn[], quantity: Quantity, classes: number): [number, number] {
  const steady = drawn.filter(({ status }) => status !== 'Diverged');
  const points = curvePoints(steady.length > 0 ? steady : drawn, quantity);
  const values = finite(points.flatMap(({ training, validation }) => [training, validation]));
  const [least, most] = [values[0] ?? 0, values.at(-1) ?? 1];
  const top = quantity === 'loss' ? Math.min(most, highestShown(points, least, classes)) : most;
  const margin = 0.04 * (top - least) || 0.05 * (Math.abs(top) || 1);
  return [Math.max(0, least - margin), quantity === 'loss' ? top + margin : Math.min(1, top + margin)];
}

/** Half as far again as 95 % of the validation losses reach, and at most one and a half times the loss of pure guessing. */
function highestShown(points: readonly CurvePoint[], least: number, classes: number): number {
  const losses = finite(points.map(({ validation }) => validation));
  const high = losses[Math.ceil(0.95 * (losses.length - 1))] ?? least;
  return Math.min(high + 0.5 * (high - least), 1.5 * Math.max(Math.log(classes), least)) || 1;
}

/** Ascending. */
function finite(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null).sort((a, b) => a - b);
}

function describeCut(drawn: readonly Drawn[], quantity: Quantity, [, most]: Domain): string {
  const above = curvePoints(drawn, quantity).filter(({ training, validation }) =>
    [training, validation].some((value) => value !== null && value > most),
  );
  const count = new Set(above.map(({ view }) => view.trial)).size;
  return count === 0 ? '' : ` Above ${formatLoss(most)} the curves of ${plural(count, 'trial')} are cut off.`;
}

/** Whole epochs, the first and the last among them. */
function epochTicks(planned: number, width: number): number[] {
  const room = Math.max(2, Math.floor(width / 55));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => planned / size <= room) ?? 500;
  const ticks = Array.from({ length: Math.floor(planned / step) }, (_, at) => (at + 1) * step);
  return step === 1 ? ticks : [1, ...ticks];
}

function describeCurves(
  data: ReportData,
  drawn: readonly Drawn[],
  selected: Drawn | undefined,
  { quantity, selected: wanted }: CurvesView,
): string {
  if (drawn.length === 0) return 'No trial has a curve yet.';
  const all = `${quantity === 'loss' ? 'Loss' : 'Accuracy'} by epoch of ${plural(drawn.length, 'trial')}`;
  const missing = data.trials.length - drawn.length;
  const without = missing > 0 ? ` (${formatMissing(missing)})` : '';
  const bare = data.trials.find(({ trial }) => trial === wanted);
  if (!selected) return bare ? `${all}${without}. Selected: ${bare.name}, which has no curve.` : `${all}${without}.`;
  const format = quantity === 'loss' ? formatLoss : formatAccuracy;
  const kept = curvePoints([selected], quantity).find(({ epoch }) => epoch === selected.keptEpoch);
  const ended = ENDED[selected.status] ?? ', which has no kept epoch';
  const figures =
    kept?.validation != null
      ? `: at its kept epoch ${kept.epoch} training ${format(kept.training)}, validation ${format(kept.validation)}`
      : ended;
  const turns = notTurned(selected) ? 'has not turned by' : 'turns at';
  const turn =
    selected.turningEpoch === null ? '' : `; its smoothed validation loss ${turns} epoch ${selected.turningEpoch}`;
  return `${all}${without}. Selected: ${selected.name}${figures}${turn}.`;
}

const ENDED: Partial<Record<TrialView['status'], string>> = {
  Diverged: ', which diverged',
  Unfinished: ', which has not finished',
};

const formatMissing = (count: number) => `${plural(count, 'trial')} without a curve`;
