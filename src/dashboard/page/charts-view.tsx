import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { GLYPHS, HUES, STATUS_WORDS } from '../../report/charts/marks.ts';
import { parametersChart } from '../../report/charts/parameters.ts';
import { parametersTable } from '../../report/charts/tables.ts';
import { CELL_FIGURES, type CellFigure } from './address.ts';
import { timelineBars } from './attempt-bars.ts';
import { usePage } from './context.ts';
import { CELL_WORDS, heatMapAxes, heatMapChart, heatMapKey, heatMapTable } from './heat-map.ts';
import { Link } from './link.tsx';
import { NotBegun } from './not-begun.tsx';
import { PlotFigure } from './plot-figure.tsx';
import { reportDataOf } from './report-data.ts';
import { scoreGapChart, scoreGapTable } from './score-gap.ts';
import { type SweepPageData, stepFrom } from './sweep-data.ts';
import { timelineChart, timelineTable } from './timeline.ts';
import { TimelineKey } from './timeline-key.tsx';
import { nameOf } from './words.ts';

interface ViewProps {
  readonly data: SweepPageData;
}

/** In the report's form; made again only when what is shown changes. */
function useReportData({ state, rows, places }: SweepPageData) {
  return useMemo(() => reportDataOf(state, rows, places), [state.detail, state.verdict, rows, places]);
}

/** Chooses the trial before or behind. */
function useStep(data: SweepPageData): (by: number) => void {
  const { go } = usePage();
  return (by) => {
    const trial = stepFrom(data, by);
    if (trial !== undefined) go({ trial });
  };
}

/** Score against gap, and parameters against loss: why this one and no other. */
export function TradeoffsView({ data }: ViewProps) {
  const report = useReportData(data);
  const step = useStep(data);
  const { selected, state } = data;
  const { detail } = state;
  const shows = [report, selected];
  const isEmpty = report.trials.every(({ validationLoss }) => validationLoss === null);
  return (
    <div class="two">
      <section aria-labelledby="gap-title">
        <h2 id="gap-title">Score and gap</h2>
        <FindingKey />
        <OrEmpty isEmpty={isEmpty}>
          <PlotFigure
            onStep={step}
            title={`${detail.name}: validation loss and gap`}
            fileName={`${detail.name}-score-gap`}
            draw={(plot, width) => scoreGapChart(plot, report, detail, { width, selected })}
            shows={shows}
            table={() => scoreGapTable(report)}
            height={400}
          />
        </OrEmpty>
      </section>
      <section aria-labelledby="size-title">
        <h2 id="size-title">Size and validation loss</h2>
        <FindingKey />
        <OrEmpty isEmpty={isEmpty}>
          <PlotFigure
            onStep={step}
            title={`${detail.name}: parameters and validation loss`}
            fileName={`${detail.name}-size`}
            draw={(plot, width) => parametersChart(plot, report, { width, selected })}
            shows={shows}
            table={() => parametersTable(report)}
            height={400}
          />
        </OrEmpty>
      </section>
    </div>
  );
}

function OrEmpty({ isEmpty, children }: { readonly isEmpty: boolean; readonly children: ComponentChildren }) {
  if (!isEmpty) return <>{children}</>;
  return (
    <p class="empty">Nothing to compare yet: the first point comes with the first trial that has trained an epoch.</p>
  );
}

function FindingKey() {
  return (
    <p class="key">
      {(['Healthy', 'StillImproving', 'Overfit', 'Incomplete'] as const).map((status) => (
        <span key={status} class="item">
          <span class={`glyph ${status}`} aria-hidden="true">
            {GLYPHS[status]}
          </span>
          {STATUS_WORDS[status].toLowerCase()}
        </span>
      ))}
      <span class="item">
        <span class="band" />
        within one standard error
      </span>
    </p>
  );
}

const FIGURE_WORDS: Record<CellFigure, string> = {
  loss: 'Validation loss',
  accuracy: 'Validation accuracy',
  gap: 'Gap',
};

/** Any two axes, faceted by two more. */
export function HeatMapView({ data }: ViewProps) {
  const { address, go } = usePage();
  const report = useReportData(data);
  const step = useStep(data);
  const { selected, state } = data;
  const axes = heatMapAxes(report.axes, address);
  const figure = address.cell;
  if (report.axes.length === 0) {
    return (
      <section>
        <h2>Heat map</h2>
        <p class="empty">Nothing varies in this sweep: a grid with two values on an axis has a heat map.</p>
      </section>
    );
  }
  const nameAt = (axis: number | null) => (axis === null ? '' : (report.axes[axis]?.name ?? ''));
  const choices = [
    ['across', 'Across', axes.across, false],
    ['down', 'Down', axes.down, false],
    ['facetAcross', 'Columns of maps', axes.facetAcross, true],
    ['facetDown', 'Rows of maps', axes.facetDown, true],
  ] as const;
  const key = heatMapKey(report, axes, figure);
  return (
    <section aria-labelledby="heat-title">
      <h2 id="heat-title">Heat map</h2>
      <div class="tools">
        {choices.slice(0, report.axes.length).map(([name, words, axis, mayBeNone]) => (
          <label key={name}>
            {words}{' '}
            <select value={nameAt(axis)} onChange={({ currentTarget }) => go({ [name]: currentTarget.value || null })}>
              {mayBeNone && <option value="">none</option>}
              {report.axes.map((choice) => (
                <option key={choice.name} value={choice.name}>
                  {choice.label}
                </option>
              ))}
            </select>
          </label>
        ))}
        <label>
          Shows{' '}
          <select
            value={figure}
            onChange={({ currentTarget }) =>
              go({ cell: CELL_FIGURES.find((cell) => cell === currentTarget.value) ?? 'loss' })
            }
          >
            {CELL_FIGURES.map((cell) => (
              <option key={cell} value={cell}>
                {FIGURE_WORDS[cell]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <p class="legend">
        {CELL_WORDS[figure]}
        {key.map(({ colour, text }) => (
          <span key={text}>
            <span class="swatch" style={{ background: colour }} />
            {text}
          </span>
        ))}
      </p>
      <PlotFigure
        onStep={step}
        title={`${state.detail.name}: ${CELL_WORDS[figure]}`}
        fileName={`${state.detail.name}-heat-map`}
        draw={(plot, width) => heatMapChart(plot, report, axes, { figure, width, selected })}
        shows={[report, figure, selected, ...Object.values(axes)]}
        table={() => heatMapTable(report, axes, figure)}
        legend={key}
        height={190}
      />
    </section>
  );
}

const TICK_MS = 2000;

/** Who ran where and when. */
export function TimelineView({ data }: ViewProps) {
  const report = useReportData(data);
  const step = useStep(data);
  const { selected, state, rows } = data;
  const isGoingOn = rows.some(({ phase }) => phase === 'Running' || phase === 'Pending' || phase === 'Queued');
  const [nowMs, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isGoingOn) return;
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isGoingOn]);
  const bars = useMemo(() => timelineBars(rows, report, nowMs), [rows, report, nowMs]);
  return (
    <section aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      {bars.length === 0 ? (
        <p class="empty">
          {rows.some(({ epochsDone }) => epochsDone > 0) ? (
            <>
              When these trials ran was not written down. How long each took is in the{' '}
              <Link to={{ view: 'trials', sort: '-seconds' }}>table of trials</Link>.
            </>
          ) : (
            'No trial has begun yet: bars appear when the first one starts.'
          )}
        </p>
      ) : (
        <>
          <TimelineKey bars={bars} />
          <PlotFigure
            onStep={step}
            title={`${state.detail.name}: who ran where and when`}
            fileName={`${state.detail.name}-timeline`}
            draw={(plot, width) => timelineChart(plot, bars, rows, { width, selected, nowMs })}
            shows={[bars, selected]}
            table={() => timelineTable(bars)}
            legend={report.trials
              .filter(({ rank }) => rank < HUES)
              .map(({ trial, rank }) => ({ colour: `var(--hue-${rank + 1})`, text: nameOf(state.rows, trial) }))}
            height={140}
          />
        </>
      )}
      <NotBegun rows={rows} />
    </section>
  );
}
