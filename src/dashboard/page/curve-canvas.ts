import uPlot from 'uplot';
import type { Quantity } from '../../report/charts/curves.ts';
import type { XScale } from './address.ts';
import { resolveColour } from './colour.ts';
import { listenToDrags } from './curve-drag.ts';
import { drawChart, MARGIN, rightMargin } from './curve-drawing.ts';
import { type CurveLines, type CurvesChart, formatTick } from './curves.ts';
import type { Box } from './zoom.ts';

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
  /** Near the curve of a trial, or of none; of a double click the first one only. */
  clicked(trial: number | null): void;
  /** A box was drawn over the frame. */
  zoomed(box: Box): void;
  /** A double click: all that there is again. */
  unzoomed(): void;
}

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
      padding: [MARGIN.top, () => rightMargin(shown.chart, plotWidth(), family), 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: () => [...shown.chart.x] }, y: { range: () => [...shown.chart.y] } },
      axes: [
        {
          size: MARGIN.bottom - LABEL,
          font,
          ...labelled(() => shown.chart.xLabel, font),
          stroke: () => resolveColour('var(--soft)'),
          grid: { show: false },
          ticks: { stroke: () => resolveColour('var(--grey)'), size: 4, width: 1 },
          space: () => (shown.x === 'epoch' ? 26 : 64),
          incrs: () => STEPS[shown.x] ?? DECIMAL,
          values: (_, splits) => splits.map((value) => formatTick(value, shown.x)),
        },
        {
          size: MARGIN.left - LABEL,
          font,
          ...labelled(() => shown.chart.yLabel, font),
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
  listenToDrags(plot.over, { begun: () => events.hovered(null), drawn: events.zoomed });
  plot.over.addEventListener('pointermove', (event) => events.hovered(nearest(event) ?? null));
  plot.over.addEventListener('pointerleave', () => events.hovered(null));
  plot.over.addEventListener('dblclick', events.unzoomed);
  plot.over.addEventListener('click', (event) => {
    if (event.detail < 2) events.clicked(nearest(event)?.lines.trial ?? null);
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

/** Room for the name of an axis, in CSS pixels. */
const LABEL = 18;

function labelled(label: () => string, font: string): Partial<uPlot.Axis> {
  return { label, labelSize: LABEL, labelGap: 0, labelFont: font };
}

const DECIMAL = [1, 2, 5]
  .flatMap((digit) => Array.from({ length: 10 }, (_, power) => digit * 10 ** power))
  .sort((a, b) => a - b);

/** uPlot works its scales out of these two corners. */
const dataOf = ({ x, y }: CurvesChart): uPlot.AlignedData => [[...x], [...y]];

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
      const place = lines.x[at] ?? x0 - 1;
      if (value === null || value > y1 || value < y0 || place < x0 || place > x1) continue;
      const px = ((place - x0) / (x1 - x0)) * width;
      const py = height - ((value - y0) / (y1 - y0)) * height;
      const distance = bias * ((px - left) ** 2 + (py - top) ** 2);
      if (distance >= least) continue;
      least = distance;
      best = { lines, at, left: px + plot.over.offsetLeft, top: py + plot.over.offsetTop };
    }
  }
  return best;
}
