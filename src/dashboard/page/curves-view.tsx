import { useMemo } from 'preact/hooks';
import { STRONG } from '../../report/charts/marks.ts';
import { capitalised, plural } from '../../report/format.ts';
import { formatLoss } from '../../sweep/figures.ts';
import { usePage } from './context.ts';
import { CurveControls, CurveFigure } from './curve-figure.tsx';
import { curvesChart, lineColour } from './curves.ts';
import { type SweepPageData, stepFrom } from './sweep-data.ts';
import { glyphOf, statusOf, statusWords } from './trial-words.ts';
import { Alternatives, VerdictPanel } from './verdict-panel.tsx';

/** The landing view of a sweep: all learning curves beside the verdict. */
export function CurvesView({ data }: { readonly data: SweepPageData }) {
  const { address, go } = usePage();
  const { state, order, hues, selected } = data;
  const { quantity, x, smooth, zoomX, zoomY } = address;
  const chart = useMemo(
    () => curvesChart({ ...state, order, hues, selected, quantity, x, smooth, zoom: { zoomX, zoomY } }),
    [state, order, hues, selected, quantity, x, smooth, zoomX, zoomY],
  );
  const step = (by: number) => {
    const trial = stepFrom(data, by);
    if (trial !== undefined) go({ trial });
  };
  return (
    <>
      <div class="landing">
        <section aria-labelledby="curves-title">
          <h2 id="curves-title">Learning curves</h2>
          <CurveControls />
          {chart.lines.length > 0 ? (
            <CurveFigure
              chart={chart}
              title={`${state.detail.name}: ${quantity} of ${plural(chart.lines.length, 'trial')}`}
              fileName={`${state.detail.name}-${quantity}`}
              onPick={(trial) => go({ trial })}
              onStep={step}
            />
          ) : (
            <NoCurves data={data} />
          )}
          <Incomplete data={data} />
          <TopTrials data={data} onStep={step} />
        </section>
        <VerdictPanel state={state} isServed={data.isServed} />
      </div>
      <Alternatives state={state} />
    </>
  );
}

/** The stream may hold fewer epochs than were trained; who reads the curves should know. */
function Incomplete({ data: { rows } }: { readonly data: SweepPageData }) {
  const count = rows.filter(({ isCurveComplete }) => !isCurveComplete).length;
  if (count === 0) return null;
  return (
    <p class="hint">
      {count === 1 ? 'One curve is' : `${count} curves are`} incomplete: fewer epochs have reached the dashboard than
      were trained. Findings and verdict come from the records, which are whole.
    </p>
  );
}

/** The next step, where there is nothing to see. */
function NoCurves({ data: { state, areCurvesRead } }: { readonly data: SweepPageData }) {
  const { detail } = state;
  if (!areCurvesRead) return <div class="reading" />;
  const waits =
    detail.trials.running > 0
      ? 'The first point appears when a trial has trained its first epoch.'
      : detail.phase === 'Complete' || detail.phase === 'Failed'
        ? 'No measurement of this sweep has reached the dashboard.'
        : capitalised(detail.message) || 'No trial has started yet.';
  return (
    <div class="empty reading">
      <p>
        <strong>No curve yet.</strong> {waits}
      </p>
      {detail.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </div>
  );
}

/** The first ten with their colours: the legend, and a way to choose without a pointer. */
function TopTrials({ data, onStep }: { readonly data: SweepPageData; readonly onStep: (by: number) => void }) {
  const { go } = usePage();
  const { state, order, hues, selected, brushed } = data;
  const shown = order.slice(0, STRONG);
  const also = selected !== null && !shown.includes(selected) && state.rows.has(selected) ? [selected] : [];
  if (shown.length === 0) return null;
  return (
    <div class="top">
      <p class="top-title">
        <button type="button" class="square" aria-label="Previous trial" onClick={() => onStep(-1)}>
          ←
        </button>
        <button type="button" class="square" aria-label="Next trial" onClick={() => onStep(1)}>
          →
        </button>
        <span>
          {brushed < state.rows.size
            ? `First of ${plural(brushed, 'trial')} within the brushes`
            : 'The first by verdict and loss'}
        </span>
      </p>
      <ul>
        {[...shown, ...also].map((trial) => {
          const row = state.rows.get(trial);
          if (!row) return null;
          const status = statusOf(row);
          return (
            <li key={trial}>
              <button type="button" aria-pressed={trial === selected} title={row.reason} onClick={() => go({ trial })}>
                <span
                  class="line"
                  style={{ borderColor: lineColour({ hue: hues.get(trial) ?? null, trial }, selected) }}
                />
                <span class="name">{row.network}</span>
                <span class="loss">{formatLoss(row.validationLoss)}</span>
                <span class="state">
                  <span class={`glyph ${status}`} aria-hidden="true">
                    {glyphOf(row)}
                  </span>{' '}
                  {row.phase === 'Running' && row.epochsDone > 0
                    ? `epoch ${row.epochsDone} of ${row.epochsPlanned}`
                    : statusWords(row)}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
