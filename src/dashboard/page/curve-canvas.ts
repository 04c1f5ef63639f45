import uPlot from 'uplot';
import { NARROW, type Quantity } from '../../report/charts/curves.ts';
import { spread, textWidth } from '../../report/charts/labels.ts';
import { shorten } from '../../report/charts/marks.ts';
import type { XScale } from './address.ts';
import { resolveColour } from './colour.ts';
import { type CurveLines, type CurvesChart, formatTick, lineColour, nameColour } from './curves.ts';

export interface Shown {
  readonly chart: CurvesChart;
  readonly quantity: Quantity;
  readonly x: XScale;
}

/** A point of a curve, and where it lies within the chart, in CSS pixels. */
export interface Hovered {
  readonly lines: CurveLines;
  readonly at: number;
  readonly left: number;
  readonly top: number;
}

export interface CurveCanvas {
  show(shown: Shown): void;
  resize(width: number, height: number): void;
  readonly canvas: HTMLCanvasElement;
  close(): void;
}

export interface CurveCanvasEvents {
  hovered(point: Hovered | null): void;
  picked(trial: number): void;
}

const MARGIN = { top: 40, bottom: 34, left: 52, right: 14 };
const LABEL_GAP = 16;
/** How near, in CSS pixels, the pointer must come to a point. */
const REACH = 45;
const STEPS: Partial<Record<XScale, number[]>> = {
  epoch: [1, 2, 5, 10, 20, 50, 100, 200, 500],
  time: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800],
};

/** The overlay on a canvas. uPlot keeps scales, axes and the ratio of pixels; the lines are drawn here, since it wants one x for all
 * series and these have each their own (time).
 */
export function openCurveCanvas(
  host: HTMLElement,
  first: Shown,
  size: { width: number; height: number },
  events: CurveCanvasEvents,
): CurveCanvas {
  let shown = first;
  const family = getComputedStyle(host).fontFamily;
  const font = `12px ${family}`;
  const plot = new uPlot(
    {
      ...size,
      padding: [MARGIN.top, () => rightMargin(shown.chart, plotWidth()), 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: () => [...shown.chart.x] }, y: { range: () => [...shown.chart.y] } },
      axes: [
        {
          size: MARGIN.bottom,
          font,
          stroke: () => resolveColour('var(--soft)'),
          grid: { show: false },
          ticks: { stroke: () => resolveColour('var(--grey)'), size: 4, width: 1 },
          space: () => (shown.x === 'epoch' ? 34 : 64),
          incrs: () => STEPS[shown.x] ?? DECIMAL,
          values: (_, splits) => splits.map((value) => formatTick(value, shown.x)),
        },
        {
          size: MARGIN.left,
          font,
          stroke: () => resolveColour('var(--soft)'),
          grid: { stroke: () => resolveColour('var(--rule)'), width: 1 },
          ticks: { show: false },
          space: 48,
          values: (_, splits) => splits.map((value) => formatTick(value, shown.quantity)),
        },
      ],
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      hooks: { draw: [(self) => drawChart(self, shown.chart, family)] },
    },
    dataOf(first.chart),
    host,
  );
  function plotWidth(): number {
    return host.clientWidth || size.width;
  }
  const nearest = (event: PointerEvent | MouseEvent) => {
    const box = plot.over.getBoundingClientRect();
    return nearestPoint(plot, shown.chart, event.clientX - box.left, event.clientY - box.top);
  };
  plot.over.addEventListener('pointermove', (event) => events.hovered(nearest(event) ?? null));
  plot.over.addEventListener('pointerleave', () => events.hovered(null));
  plot.over.addEventListener('click', (event) => {
    const point = nearest(event);
    if (point) events.picked(point.lines.trial);
  });
  return {
    canvas: plot.ctx.canvas,
    show(next) {
      shown = next;
      plot.setData(dataOf(next.chart));
    },
    resize: (width, height) => plot.setSize({ width, height }),
    close: () => plot.destroy(),
  };
}

const DECIMAL = [1, 2, 5]
  .flatMap((digit) => Array.from({ length: 10 }, (_, power) => digit * 10 ** power))
  .sort((a, b) => a - b);

/** uPlot works its scales out of these two corners. */
const dataOf = ({ x, y }: CurvesChart): uPlot.AlignedData => [[...x], [...y]];

const isNarrow = (width: number) => width < NARROW;

/** Room for the names at the ends of the curves. */
function rightMargin(chart: CurvesChart, width: number): number {
  if (isNarrow(width)) return MARGIN.right;
  return 28 + Math.max(30, ...namedLines(chart).map((lines) => textWidth(endName(lines, width))));
}

const endName = ({ name }: CurveLines, width: number) => shorten(name, Math.floor((0.26 * width) / textWidth('x')));
const namedLines = ({ lines }: CurvesChart) => (lines.length === 1 ? [] : lines.filter(({ isStrong }) => isStrong));

/** Values to pixels of the canvas: both scales are linear. */
interface Pen {
  readonly ctx: CanvasRenderingContext2D;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Pixels of the canvas for one of CSS. */
  readonly ratio: number;
  readonly family: string;
}

function penOf(plot: uPlot, { x: [x0, x1], y: [y0, y1] }: CurvesChart, family: string): Pen {
  const { left, top, width, height } = plot.bbox;
  return {
    ctx: plot.ctx,
    x: (value) => left + ((value - x0) / (x1 - x0)) * width,
    y: (value) => top + height - ((value - y0) / (y1 - y0)) * height,
    left,
    top,
    right: left + width,
    bottom: top + height,
    ratio: uPlot.pxRatio,
    family,
  };
}

function drawChart(plot: uPlot, chart: CurvesChart, family: string): void {
  const pen = penOf(plot, chart, family);
  const { ctx } = pen;
  // uPlot remembers what it set on the canvas: what is set here is taken back.
  ctx.save();
  const selected = chart.lines.find(({ trial }) => trial === chart.selected);
  ctx.save();
  ctx.beginPath();
  ctx.rect(pen.left, pen.top - 2, pen.right - pen.left + 3 * pen.ratio, pen.bottom - pen.top + 4);
  ctx.clip();
  ctx.lineJoin = 'round';
  ctx.lineCap = 'butt';
  const faint = chart.lines.filter(({ isStrong }) => !isStrong);
  ctx.globalAlpha = Math.min(0.5, Math.max(0.12, 25 / chart.lines.length));
  for (const lines of faint) strokeValues(pen, lines, lines.validation, { colour: 'var(--grey)', width: 1 });
  ctx.globalAlpha = 1;
  for (const lines of chart.lines) if (lines.isStrong && lines !== selected) drawStrong(pen, lines);
  if (selected) drawSelected(pen, selected);
  ctx.restore();
  drawMarks(pen, chart);
  if (!isNarrow(plot.width)) drawNames(pen, chart, plot.width);
  ctx.restore();
}

function drawStrong(pen: Pen, lines: CurveLines): void {
  const colour = lineColour(lines, null);
  pen.ctx.globalAlpha = 0.75;
  strokeValues(pen, lines, lines.training, { colour, width: 1.25, dash: [2, 4] });
  pen.ctx.globalAlpha = 1;
  strokeValues(pen, lines, lines.validation, { colour, width: 1.6 });
}

/** The gap shaded, and a halo, so that the selected curve stays readable where it crosses others. */
function drawSelected(pen: Pen, lines: CurveLines): void {
  const colour = lineColour(lines, lines.trial);
  fillGap(pen, lines, colour);
  strokeValues(pen, lines, lines.validation, { colour: 'var(--panel)', width: 6 });
  if (lines.running) strokeValues(pen, lines, lines.running, { colour: 'var(--soft)', width: 1.5, dash: [1, 3] });
  strokeValues(pen, lines, lines.training, { colour, width: 2.25, dash: [6, 4] });
  strokeValues(pen, lines, lines.validation, { colour, width: 3 });
}

interface Stroke {
  readonly colour: string;
  readonly width: number;
  readonly dash?: readonly number[];
}

function strokeValues(
  pen: Pen,
  { x }: CurveLines,
  values: readonly (number | null)[],
  { colour, width, dash = [] }: Stroke,
): void {
  const { ctx, ratio } = pen;
  ctx.strokeStyle = ctx.fillStyle = resolveColour(colour);
  ctx.lineWidth = width * ratio;
  ctx.setLineDash(dash.map((length) => length * ratio));
  ctx.beginPath();
  let isDown = false;
  for (const [at, value] of values.entries()) {
    if (value === null) {
      isDown = false;
      continue;
    }
    const [px, py] = [pen.x(x[at] ?? 0), pen.y(value)];
    if (isDown) ctx.lineTo(px, py);
    else ctx.moveTo(px, py);
    isDown = true;
  }
  ctx.stroke();
  ctx.setLineDash([]);
  if (values.length === 1 && values[0] != null) disc(pen, pen.x(x[0] ?? 0), pen.y(values[0]), Math.max(3, width + 1));
}

function disc({ ctx, ratio }: Pen, x: number, y: number, radius: number): void {
  ctx.beginPath();
  ctx.arc(x, y, radius * ratio, 0, 2 * Math.PI);
  ctx.fill();
}

function fillGap(pen: Pen, { x, training, validation }: CurveLines, colour: string): void {
  const { ctx } = pen;
  const points = x.flatMap((value, at) => {
    const [low, high] = [training[at], validation[at]];
    return low == null || high == null ? [] : [{ x: pen.x(value), low: pen.y(low), high: pen.y(high) }];
  });
  ctx.fillStyle = resolveColour(colour);
  ctx.globalAlpha = 0.13;
  ctx.beginPath();
  for (const [at, point] of points.entries())
    at === 0 ? ctx.moveTo(point.x, point.high) : ctx.lineTo(point.x, point.high);
  for (const point of points.toReversed()) ctx.lineTo(point.x, point.low);
  ctx.fill();
  ctx.globalAlpha = 1;
}

/** Rules with their names above the frame, in two rows so that neighbours do not meet. */
function drawMarks(pen: Pen, { marks, lines, selected }: CurvesChart): void {
  const { ctx, ratio } = pen;
  const owner = lines.find(({ trial }) => trial === selected);
  for (const { x, y, text, isKept } of marks) {
    const px = Math.round(pen.x(x)) + 0.5;
    const row = isKept ? 0 : 1;
    ctx.strokeStyle = resolveColour('var(--ink)');
    ctx.lineWidth = ratio;
    ctx.setLineDash(isKept ? [] : [3 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(px, pen.top - (isKept ? 22 : 5) * ratio);
    ctx.lineTo(px, pen.bottom);
    ctx.stroke();
    ctx.setLineDash([]);
    const share = (px - pen.left) / (pen.right - pen.left);
    ctx.font = `${isKept ? 600 : 400} ${12 * ratio}px ${pen.family}`;
    ctx.textAlign = share > 0.6 ? 'right' : share < 0.25 ? 'left' : 'center';
    ctx.textBaseline = 'middle';
    ctx.fillStyle = resolveColour('var(--ink)');
    const nudge = ctx.textAlign === 'right' ? 4 : ctx.textAlign === 'left' ? -4 : 0;
    ctx.fillText(text, px + nudge * ratio, pen.top - (30 - 17 * row) * ratio);
    if (!isKept || y === null || !owner) continue;
    ctx.fillStyle = resolveColour('var(--panel)');
    disc(pen, px, pen.y(y), 7);
    ctx.fillStyle = resolveColour(lineColour(owner, selected));
    disc(pen, px, pen.y(y), 5.5);
  }
}

/** Names at the right of the frame, at the height where each validation curve ends, moved apart, with a leader to each. */
function drawNames(pen: Pen, chart: CurvesChart, width: number): void {
  const { ctx, ratio } = pen;
  const ends = namedLines(chart).map((lines) => {
    const at = lines.validation.findLastIndex((value) => value !== null);
    const value = lines.validation[at] ?? chart.y[1];
    return { lines, x: pen.x(lines.x[at] ?? chart.x[1]), y: Math.min(pen.bottom, Math.max(pen.top, pen.y(value))) };
  });
  const placed = spread(
    ends.map(({ y }) => y),
    LABEL_GAP * ratio,
    pen.top,
    pen.bottom,
  );
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.lineWidth = ratio;
  for (const [at, { lines, x, y }] of ends.entries()) {
    const labelY = placed[at] ?? y;
    const isChosen = lines.trial === chart.selected;
    ctx.strokeStyle = resolveColour(lineColour(lines, chart.selected));
    ctx.beginPath();
    // A curve that ended early has only a stub: a line across the chart would look like data.
    const reaches = x > pen.right - 2 * ratio;
    ctx.moveTo(reaches ? pen.right + 3 * ratio : pen.right + 8 * ratio, reaches ? y : labelY);
    ctx.lineTo(pen.right + 17 * ratio, labelY);
    ctx.stroke();
    ctx.font = `${isChosen ? 700 : 400} ${12 * ratio}px ${pen.family}`;
    ctx.fillStyle = resolveColour(nameColour(lines, chart.selected));
    ctx.fillText(endName(lines, width), pen.right + 20 * ratio, labelY);
  }
}

/** The nearest point of a curve, strong ones first. @param left, top within the frame, in CSS pixels */
function nearestPoint(plot: uPlot, chart: CurvesChart, left: number, top: number): Hovered | undefined {
  const { width, height } = plot.over.getBoundingClientRect();
  const [x0, x1] = chart.x;
  const [y0, y1] = chart.y;
  let best: Hovered | undefined;
  let least = REACH ** 2;
  for (const lines of chart.lines) {
    const bias = lines.isStrong ? 1 : 2;
    for (const [at, value] of lines.validation.entries()) {
      if (value === null || value > y1 || value < y0) continue;
      const px = (((lines.x[at] ?? 0) - x0) / (x1 - x0)) * width;
      const py = height - ((value - y0) / (y1 - y0)) * height;
      const distance = bias * ((px - left) ** 2 + (py - top) ** 2);
      if (distance >= least) continue;
      least = distance;
      best = { lines, at, left: px + plot.over.offsetLeft, top: py + plot.over.offsetTop };
    }
  }
  return best;
}
