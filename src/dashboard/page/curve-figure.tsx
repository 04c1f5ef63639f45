import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { NARROW, type Quantity } from '../../report/charts/curves.ts';
import { X_SCALES, type XScale } from './address.ts';
import { resolveColour } from './colour.ts';
import { usePage } from './context.ts';
import { type CurveCanvas, type Hovered, openCurveCanvas } from './curve-canvas.ts';
import { type CurvesChart, curvesSheet, curvesTable, describePoint, lineColour } from './curves.ts';
import { ChartTable, Exports } from './figure.tsx';
import type { Ref } from './measure.ts';
import { useWidth } from './measure.ts';
import { buildPicture } from './picture.ts';
import { StepByArrow } from './step-by-arrow.tsx';
import { type Box, panBy, WHOLE, type Zoom, zoomBy, zoomInto } from './zoom.ts';

interface CurveFigureProps {
  readonly chart: CurvesChart;
  /** Of the picture. */
  readonly title: string;
  readonly fileName: string;
  readonly onPick: (trial: number) => void;
  /** Arrow keys: the trial before or behind in rank. */
  readonly onStep?: (by: number) => void;
}

/** The learning curves with their controls, the table of their figures and what can be taken away. */
export function CurveFigure({ chart, title, fileName, onPick, onStep }: CurveFigureProps) {
  const { address, go, theme } = usePage();
  const { quantity, x } = address;
  const place: Ref<HTMLDivElement> = useRef<HTMLDivElement | null>(null);
  const canvas: Ref<CurveCanvas> = useRef<CurveCanvas | null>(null);
  const width = useWidth(place);
  const height = width < NARROW ? 340 : Math.min(560, Math.max(400, Math.round(0.55 * width)));
  const [hovered, setHovered] = useState<Hovered | null>(null);
  // The canvas outlives what is drawn on it: what it calls is that of the last drawing.
  const beforeClick = useRef<number | null>(null);
  const zooming = {
    clicked(trial: number | null) {
      beforeClick.current = address.trial;
      if (trial !== null) onPick(trial);
    },
    zoomed: (box: Box) => go(zoomInto(chart, box, address)),
    // Who wants to see all again did not mean the trial that the first of two clicks met.
    unzoomed: () => chart.isZoomed && go({ ...WHOLE, trial: beforeClick.current }),
  };
  const events = useRef(zooming);
  events.current = zooming;

  useEffect(() => {
    if (!place.current || width === 0) return;
    if (canvas.current) canvas.current.resize(width, height);
    else {
      canvas.current = openCurveCanvas(
        place.current,
        { chart, quantity, x },
        { width, height },
        {
          hovered: setHovered,
          clicked: (trial) => events.current.clicked(trial),
          zoomed: (box) => events.current.zoomed(box),
          unzoomed: () => events.current.unzoomed(),
        },
      );
    }
  }, [width, height]);
  useEffect(() => canvas.current?.show({ chart, quantity, x }), [chart, quantity, x, theme]);
  useEffect(
    () => () => {
      canvas.current?.close();
      canvas.current = null;
    },
    [],
  );

  const picture = () =>
    canvas.current
      ? buildPicture(canvas.current.canvas, { title, sentence: chart.sentence, legend: legendOf(chart) })
      : undefined;
  return (
    <figure>
      <StepByArrow
        label="Learning curves; plus and minus zoom, Shift and an arrow move, 0 shows all"
        onStep={onStep}
        onKey={(event) => zoomByKey(event, chart, address, go)}
      >
        <div class="curve-chart" role="img" aria-label={chart.sentence} style={{ height: `${height}px` }} ref={place}>
          {hovered && <Tip hovered={hovered} quantity={quantity} x={x} width={width} selected={chart.selected} />}
        </div>
      </StepByArrow>
      <figcaption>{chart.sentence}</figcaption>
      <Exports name={fileName} sheet={() => curvesSheet(chart, quantity)} picture={picture}>
        <ZoomButtons chart={chart} />
      </Exports>
      <ChartTable of={title} table={() => curvesTable(chart, quantity)} />
    </figure>
  );
}

/** How much one press narrows, and moves. */
const FACTOR = 0.6;
const SHIFT = 0.25;
const TURNS: Readonly<Record<string, number>> = { ArrowLeft: -SHIFT, ArrowRight: SHIFT };

/** @returns whether the key was one of ours */
function zoomByKey(
  { key, shiftKey }: KeyboardEvent,
  chart: CurvesChart,
  zoom: Zoom,
  go: (zoom: Zoom) => void,
): boolean {
  const turn = TURNS[key];
  if (key === '+' || key === '=') go(zoomBy(chart, FACTOR));
  else if (key === '-') go(zoomBy(chart, 1 / FACTOR));
  else if (key === '0') go(WHOLE);
  else if (shiftKey && turn !== undefined) go(panBy(chart, turn, zoom));
  else return false;
  return true;
}

/** For fingers and keyboards what a mouse drags. */
function ZoomButtons({ chart }: { readonly chart: CurvesChart }) {
  const { address, go } = usePage();
  const buttons: readonly (readonly [string, string, Zoom, boolean])[] = [
    ['+', 'Zoom in', zoomBy(chart, FACTOR), false],
    ['−', 'Zoom out', zoomBy(chart, 1 / FACTOR), !chart.isZoomed],
    ['←', 'Earlier', panBy(chart, -SHIFT, address), address.zoomX === null],
    ['→', 'Later', panBy(chart, SHIFT, address), address.zoomX === null],
  ];
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <span role="group" class="zoom" aria-label="Zoom">
      <span aria-hidden="true">Zoom</span>
      {buttons.map(([sign, words, zoom, isIdle]) => (
        <button
          key={words}
          type="button"
          class="square"
          aria-label={words}
          title={words}
          disabled={isIdle}
          onClick={() => go(zoom)}
        >
          {sign}
        </button>
      ))}
      <button type="button" disabled={!chart.isZoomed} onClick={() => go(WHOLE)}>
        Show all
      </button>
      <span class="hint inline">or drag over the chart</span>
    </span>
  );
}

interface TipProps {
  readonly hovered: Hovered;
  readonly quantity: Quantity;
  readonly x: XScale;
  readonly width: number;
  readonly selected: number | null;
}

function Tip({ hovered: { lines, at, left, top }, quantity, x, width, selected }: TipProps) {
  const [name, ...figures] = describePoint(lines, at, quantity, x);
  const colour = resolveColour(lineColour(lines, selected));
  const isRight = left > width / 2;
  return (
    <>
      <span class="tip-point" style={{ left: `${left}px`, top: `${top}px`, background: colour }} />
      <div
        class={`tip ${isRight ? 'left' : 'right'}`}
        style={{ left: `${left}px`, top: `${Math.max(0, top - 20)}px`, borderColor: colour }}
      >
        <strong>{name}</strong>
        {figures.map((figure) => (
          <span key={figure}>{figure}</span>
        ))}
      </div>
    </>
  );
}

function legendOf(chart: CurvesChart) {
  return [
    ...chart.lines
      .filter(({ isStrong }) => isStrong)
      .toReversed()
      .map((lines) => ({ colour: lineColour(lines, chart.selected), text: lines.name })),
    { colour: 'var(--ink)', text: 'validation' },
    { colour: 'var(--ink)', text: 'training', isDashed: true },
  ];
}

const X_WORDS: Record<XScale, string> = { epoch: 'Epochs', images: 'Images', time: 'Time' };

/** Loss or accuracy, over what, smoothed or not; and what the lines mean. */
export function CurveControls({ running = false }: { readonly running?: boolean }) {
  const { address, go } = usePage();
  const choices = useMemo(() => ['loss', 'accuracy'] as const, []);
  return (
    <div class="tools">
      <fieldset class="choice">
        <legend>Figure</legend>
        {choices.map((quantity) => (
          <label key={quantity}>
            <input
              type="radio"
              name="quantity"
              checked={address.quantity === quantity}
              onChange={() => go({ quantity, zoomY: null })}
            />
            {quantity === 'loss' ? 'Loss' : 'Accuracy'}
          </label>
        ))}
      </fieldset>
      <label>
        Over{' '}
        <select
          value={address.x}
          onChange={({ currentTarget }) =>
            go({ x: X_SCALES.find((x) => x === currentTarget.value) ?? 'epoch', ...WHOLE })
          }
        >
          {X_SCALES.map((x) => (
            <option key={x} value={x}>
              {X_WORDS[x]}
            </option>
          ))}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={address.smooth}
          onChange={({ currentTarget }) => go({ smooth: currentTarget.checked })}
        />
        Smooth (median of 3)
      </label>
      <p class="key">
        <span class="item">
          <span class="solid" />
          validation
        </span>
        <span class="item">
          <span class="dashed" />
          training
        </span>
        {running && address.quantity === 'loss' && (
          <span class="item">
            <span class="dotted" />
            running training loss
          </span>
        )}
        <span class="item">
          <span class="shade" />
          gap of the selected trial
        </span>
      </p>
    </div>
  );
}
