import uPlot from 'uplot';
import { NARROW } from '../../report/charts/curves.ts';
import { spread, textWidth } from '../../report/charts/labels.ts';
import { resolveColour } from './colour.ts';
import { type CurveLines, type CurveMark, type CurvesChart, lineColour, nameColour, shortenMiddle } from './curves.ts';
import { valueAt } from './zoom.ts';

/** Around the frame, in CSS pixels. */
export const MARGIN = { top: 40, bottom: 50, left: 62, right: 14 };
const LABEL_GAP = 16;

const isNarrow = (width: number) => width < NARROW;

/** Room for the names at the ends of the curves, each as wide as it is when its curve is chosen. */
export function rightMargin(chart: CurvesChart, width: number, family: string): number {
  if (isNarrow(width)) return MARGIN.right;
  const ctx = document.createElement('canvas').getContext('2d');
  if (ctx) ctx.font = `700 12px ${family}`;
  const widthOf = (text: string) => ctx?.measureText(text).width ?? textWidth(text);
  return 28 + Math.max(30, ...namedLines(chart).map((lines) => widthOf(endName(lines, width))));
}

const endName = ({ name }: CurveLines, width: number) =>
  shortenMiddle(name, Math.floor((0.26 * width) / textWidth('x')));
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

/** The lines, the gap, the marks and the names, over the axes that uPlot has drawn. */
export function drawChart(plot: uPlot, chart: CurvesChart, family: string): void {
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

/** Rules with their names above the frame, in two rows so that neighbours do not meet; no rule goes through a name. */
function drawMarks(pen: Pen, { marks, lines, selected }: CurvesChart): void {
  const owner = lines.find(({ trial }) => trial === selected);
  for (const mark of marks) drawRule(pen, mark);
  for (const mark of marks) drawMarkName(pen, mark);
  for (const { x, y, isKept } of marks) {
    if (!isKept || y === null || !owner || pen.y(y) < pen.top || pen.y(y) > pen.bottom) continue;
    const px = placeOf(pen, x);
    pen.ctx.fillStyle = resolveColour('var(--panel)');
    disc(pen, px, pen.y(y), 7);
    pen.ctx.fillStyle = resolveColour(lineColour(owner, selected));
    disc(pen, px, pen.y(y), 5.5);
  }
}

const placeOf = (pen: Pen, x: number) => Math.round(pen.x(x)) + 0.5;

function drawRule(pen: Pen, { x, isKept }: CurveMark): void {
  const { ctx, ratio } = pen;
  const px = placeOf(pen, x);
  ctx.strokeStyle = resolveColour('var(--ink)');
  ctx.lineWidth = ratio;
  ctx.setLineDash(isKept ? [] : [3 * ratio, 3 * ratio]);
  ctx.beginPath();
  ctx.moveTo(px, pen.top - (isKept ? 22 : 5) * ratio);
  ctx.lineTo(px, pen.bottom);
  ctx.stroke();
  ctx.setLineDash([]);
}

function drawMarkName(pen: Pen, { x, text, isKept }: CurveMark): void {
  const { ctx, ratio } = pen;
  const px = placeOf(pen, x);
  const share = (px - pen.left) / (pen.right - pen.left);
  ctx.font = `${isKept ? 600 : 400} ${12 * ratio}px ${pen.family}`;
  ctx.textAlign = share > 0.6 ? 'right' : share < 0.25 ? 'left' : 'center';
  ctx.textBaseline = 'middle';
  const nudge = ctx.textAlign === 'right' ? 4 : ctx.textAlign === 'left' ? -4 : 0;
  const place = [px + nudge * ratio, pen.top - (30 - (isKept ? 0 : 17)) * ratio] as const;
  ctx.lineJoin = 'round';
  ctx.lineWidth = 5 * ratio;
  ctx.strokeStyle = resolveColour('var(--panel)');
  ctx.strokeText(text, ...place);
  ctx.fillStyle = resolveColour('var(--ink)');
  ctx.fillText(text, ...place);
}

/** Where a validation curve ends or leaves the frame on its right. Into a part of it a name is no way in: what is not there has none. */
function endOf(pen: Pen, lines: CurveLines, { x: [, right], y: [least, most], isZoomed }: CurvesChart) {
  const { x, validation } = lines;
  const last = validation.findLastIndex((value, at) => value !== null && (x[at] ?? 0) <= right);
  const leaves = valueAt(x, validation, right);
  const place = leaves === null ? (x[last] ?? right) : right;
  const value = leaves ?? validation[last] ?? most;
  if (isZoomed && (last < 0 || value < least || value > most)) return undefined;
  return { lines, x: pen.x(place), y: Math.min(pen.bottom, Math.max(pen.top, pen.y(value))) };
}

/** Names at the right of the frame, at the height where each validation curve ends, moved apart, with a leader to each. */
function drawNames(pen: Pen, chart: CurvesChart, width: number): void {
  const { ctx, ratio } = pen;
  const ends = namedLines(chart).flatMap((lines) => endOf(pen, lines, chart) ?? []);
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
