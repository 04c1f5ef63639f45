import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { textWidth } from '../../report/charts/labels.ts';
import { shorten } from '../../report/charts/marks.ts';
import type { TrialRow } from '../api.ts';
import type { Range } from './address.ts';
import { BrushFields } from './brush-fields.tsx';
import { resolveColour } from './colour.ts';
import { usePage } from './context.ts';
import { lineColour } from './curves.ts';
import { ChartTable, Exports } from './figure.tsx';
import type { Ref } from './measure.ts';
import { useWidth } from './measure.ts';
import { describeParallel, type ParallelAxis, parallelAxes, parallelTable } from './parallel.ts';
import { buildPicture } from './picture.ts';
import type { SweepPageData } from './sweep-data.ts';

const HEIGHT = 420;
const MARGIN = { top: 44, bottom: 18, side: 46 };
/** Room of one upright line at least, in pixels: on a phone the chart scrolls. */
const LEAST_STEP = 96;
/** A brush of fewer pixels is a click: it takes the brush away. */
const LEAST_BRUSH = 4;

/** Axes, then size, loss and gap; what is brushed here is shown everywhere. */
export function ParallelView({ data }: { readonly data: SweepPageData }) {
  const { address, go, theme } = usePage();
  const { state, rows, dimensions, hues, selected } = data;
  const { brush } = address;
  const outer: Ref<HTMLDivElement> = useRef<HTMLDivElement | null>(null);
  const canvas: Ref<HTMLCanvasElement> = useRef<HTMLCanvasElement | null>(null);
  const room = useWidth(outer);
  const width = Math.max(room, dimensions.length * LEAST_STEP);
  const all = useMemo(() => [...state.rows.values()], [state.rows]);
  const axes = useMemo(() => parallelAxes(all, dimensions), [all, state.detail]);
  const xOf = (at: number) => MARGIN.side + (at * (width - 2 * MARGIN.side)) / Math.max(1, axes.length - 1);
  const best = state.verdict?.best?.trial ?? null;
  const sentence = describeParallel(rows, state.rows, dimensions, brush, best);

  useEffect(() => {
    if (canvas.current && room > 0) drawLines(canvas.current, { axes, all, rows, hues, selected, width, xOf });
  }, [axes, all, rows, hues, selected, width, room, theme]);

  const setBrush = (name: string, range: Range | null) => {
    const next = new Map(brush);
    if (range) next.set(name, range);
    else next.delete(name);
    go({ brush: next });
  };
  const picture = () =>
    canvas.current
      ? buildPicture(canvas.current, { title: `${state.detail.name}: all trials`, sentence, legend: [] })
      : undefined;
  return (
    <section aria-labelledby="parallel-title">
      <h2 id="parallel-title">Parallel coordinates</h2>
      <p class="hint first">Drag along an axis to keep a part of it; every chart and the table follow.</p>
      <figure>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
        <section class="scroll bare" tabIndex={0} aria-label="The chart" ref={outer}>
          <div class="parallel" style={{ width: `${width}px`, height: `${HEIGHT}px` }}>
            <canvas ref={canvas} role="img" aria-label={sentence} />
            {axes.map((axis, at) => (
              <AxisBrush
                key={axis.dimension.name}
                axis={axis}
                left={xOf(at)}
                range={brush.get(axis.dimension.name) ?? null}
                onBrush={(range) => setBrush(axis.dimension.name, range)}
              />
            ))}
          </div>
        </section>
        <figcaption>{sentence}</figcaption>
        <BrushFields axes={axes} brush={brush} onBrush={setBrush} />
        <Exports
          name={`${state.detail.name}-parallel`}
          sheet={() => parallelTable(rows, dimensions)}
          picture={picture}
        />
        <ChartTable of="Parallel coordinates" table={() => parallelTable(rows, dimensions)} />
      </figure>
    </section>
  );
}

interface Lines {
  readonly axes: readonly ParallelAxis[];
  readonly all: readonly TrialRow[];
  readonly rows: readonly TrialRow[];
  readonly hues: ReadonlyMap<number, number>;
  readonly selected: number | null;
  readonly width: number;
  readonly xOf: (at: number) => number;
}

const yOf = (place: number) => HEIGHT - MARGIN.bottom - place * (HEIGHT - MARGIN.top - MARGIN.bottom);

function drawLines(canvas: HTMLCanvasElement, { axes, all, rows, hues, selected, width, xOf }: Lines): void {
  const ctx = canvas.getContext('2d');
  if (!ctx) return;
  const ratio = devicePixelRatio;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${HEIGHT}px`;
  ctx.scale(ratio, ratio);
  const kept = new Set(rows.map(({ trial }) => trial));
  const line = (row: TrialRow, colour: string, wide: number, alpha: number) => {
    ctx.strokeStyle = resolveColour(colour);
    ctx.lineWidth = wide;
    ctx.globalAlpha = alpha;
    ctx.beginPath();
    let isDown = false;
    for (const [at, axis] of axes.entries()) {
      const place = axis.place(row);
      if (place === null) isDown = false;
      else if (isDown) ctx.lineTo(xOf(at), yOf(place));
      else ctx.moveTo(xOf(at), yOf(place));
      if (place !== null) isDown = true;
    }
    ctx.stroke();
  };
  const faint = Math.min(0.5, Math.max(0.08, 40 / Math.max(1, all.length)));
  for (const row of all) if (!kept.has(row.trial)) line(row, 'var(--edge)', 1, faint);
  for (const row of rows.toReversed()) {
    const hue = hues.get(row.trial) ?? null;
    line(
      row,
      lineColour({ hue, trial: row.trial }, null),
      hue === null ? 1 : 1.75,
      hue === null ? Math.max(0.25, faint) : 0.9,
    );
  }
  const chosen = rows.find(({ trial }) => trial === selected);
  if (chosen) {
    line(chosen, 'var(--panel)', 6, 1);
    line(chosen, lineColour({ hue: hues.get(chosen.trial) ?? null, trial: chosen.trial }, selected), 3.25, 1);
  }
  drawAxes(ctx, axes, xOf, width / Math.max(1, axes.length - 1));
}

function drawAxes(
  ctx: CanvasRenderingContext2D,
  axes: readonly ParallelAxis[],
  xOf: (at: number) => number,
  step: number,
): void {
  const family = getComputedStyle(ctx.canvas).fontFamily;
  const longest = Math.max(6, Math.floor(step / textWidth('x')) - 2);
  ctx.globalAlpha = 1;
  ctx.textAlign = 'center';
  for (const [at, { dimension, ticks, placeOf }] of axes.entries()) {
    const x = xOf(at);
    ctx.strokeStyle = resolveColour('var(--control)');
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(x, MARGIN.top);
    ctx.lineTo(x, HEIGHT - MARGIN.bottom);
    ctx.stroke();
    ctx.font = `600 12px ${family}`;
    ctx.fillStyle = resolveColour('var(--ink)');
    ctx.fillText(shorten(dimension.label, longest), x, 16);
    ctx.font = `12px ${family}`;
    ctx.lineWidth = 4;
    ctx.strokeStyle = resolveColour('var(--panel)');
    for (const { value, text } of ticks) {
      const y = yOf(placeOf(value)) + 4;
      ctx.strokeText(shorten(text, longest), x, y);
      ctx.fillText(shorten(text, longest), x, y);
    }
  }
}

interface AxisBrushProps {
  readonly axis: ParallelAxis;
  readonly left: number;
  readonly range: Range | null;
  readonly onBrush: (range: Range | null) => void;
}

/** The strip on which the pointer draws; the fields below do the same by keyboard. */
function AxisBrush({ axis, left, range, onBrush }: AxisBrushProps) {
  const [drawing, setDrawing] = useState<Range | null>(null);
  const placeAt = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / box.height));
  };
  const shown = drawing ?? (range && ([axis.placeOf(range[0]), axis.placeOf(range[1])] as const));
  const [low, high] = shown ? [Math.min(...shown), Math.max(...shown)] : [0, 0];
  const pad = axis.dimension.values && !drawing ? 0.02 : 0;
  const length = HEIGHT - MARGIN.top - MARGIN.bottom;
  return (
    <div
      class="brush"
      aria-hidden="true"
      style={{ left: `${left - 16}px`, top: `${MARGIN.top}px`, height: `${length}px` }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const place = placeAt(event);
        setDrawing([place, place]);
      }}
      onPointerMove={(event) => drawing && setDrawing([drawing[0], placeAt(event)])}
      onPointerCancel={() => setDrawing(null)}
      onPointerUp={(event) => {
        if (!drawing) return;
        const [from, to] = [Math.min(drawing[0], placeAt(event)), Math.max(drawing[0], placeAt(event))];
        setDrawing(null);
        onBrush((to - from) * length < LEAST_BRUSH ? null : rangeOf(axis, from, to));
      }}
    >
      {shown && (
        <div class="brushed" style={{ bottom: `${100 * (low - pad)}%`, height: `${100 * (high - low + 2 * pad)}%` }} />
      )}
    </div>
  );
}

/** Whole positions on an axis of the grid; on a figure as many digits as an address should hold. */
function rangeOf(axis: ParallelAxis, from: number, to: number): Range | null {
  const [low, high] = [axis.valueAt(from), axis.valueAt(to)];
  if (!axis.dimension.values) return [Number(low.toPrecision(4)), Number(high.toPrecision(4))];
  const range: Range = [Math.ceil(low - 0.2), Math.floor(high + 0.2)];
  return range[0] <= range[1] ? range : null;
}
