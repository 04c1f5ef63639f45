import { useEffect, useMemo, useState } from 'preact/hooks';
import { capitalised, formatCount, formatSeconds } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import { percent, points } from '../../sweep/finding.ts';
import type { TrialDetail, TrialRow } from '../api.ts';
import { Attempts, Events } from './attempts-table.tsx';
import { axisValue } from './brush.ts';
import { ApiError, sweepPath } from './client.ts';
import { usePage } from './context.ts';
import { CurveControls, CurveFigure } from './curve-figure.tsx';
import { curvesChart } from './curves.ts';
import { Link } from './link.tsx';
import type { SweepPageData } from './sweep-data.ts';
import { glyphOf, isRecorded, statusOf, statusWords } from './trial-words.ts';
import { describeNetwork, formatTime } from './words.ts';

/** One trial: its curve, the numbers of its finding, its attempts, its log, its model. */
export function TrialView({ data }: { readonly data: SweepPageData }) {
  const { address, client, go } = usePage();
  const { state, selected, order } = data;
  const path = `${sweepPath(address.sweep ?? '')}/trials/${selected}`;
  const { detail, error } = useTrial(path, selected, state.rows);
  const row = (selected === null ? undefined : state.rows.get(selected)) ?? detail?.row;
  const { quantity, x, smooth, zoomX, zoomY } = address;
  const curve = selected === null ? undefined : (state.curves.get(selected) ?? detail?.curve ?? undefined);
  const chart = useMemo(() => {
    const trial = row?.trial ?? -1;
    return curvesChart({
      detail: state.detail,
      rows: new Map(row ? [[trial, row]] : []),
      curves: new Map(curve ? [[trial, curve]] : []),
      order: [trial],
      hues: data.hues,
      selected: trial,
      quantity,
      x,
      smooth,
      running: true,
      zoom: { zoomX, zoomY },
    });
  }, [row, curve, state.detail, data.hues, quantity, x, smooth, zoomX, zoomY]);
  if (!row) {
    return (
      <section>
        <h2>Trial {selected ?? ''}</h2>
        <p class="empty">
          {error?.status === 404 ? 'This sweep has no such trial.' : (error?.message ?? 'Reading …')}{' '}
          <Link to={{ view: 'trials' }}>All trials</Link>
        </p>
      </section>
    );
  }
  const at = order.indexOf(row.trial);
  const step = (by: number) => {
    const trial = order[at + by];
    if (trial !== undefined) go({ trial });
  };
  return (
    <>
      <section aria-labelledby="trial-title">
        <p class="steps">
          <button type="button" class="square" aria-label="Previous trial" disabled={at <= 0} onClick={() => step(-1)}>
            ←
          </button>
          <button
            type="button"
            class="square"
            aria-label="Next trial"
            disabled={at < 0 || at >= order.length - 1}
            onClick={() => step(1)}
          >
            →
          </button>
          Trial {row.trial}
        </p>
        <h2 id="trial-title" class="big">
          {row.network}
          {state.verdict?.best?.trial === row.trial && (
            <span class="won">{state.verdict.isFinal ? 'winner' : 'best so far'}</span>
          )}
        </h2>
        <p class="lead small soft">{capitalised(describeNetwork(row))}.</p>
        <p class="lead small">
          <span class={`glyph ${statusOf(row)}`} aria-hidden="true">
            {glyphOf(row)}
          </span>{' '}
          {statusWords(row)}
          {row.reason !== '' && `: ${row.reason}`}
        </p>
        <CurveControls running />
        {curve && curve.epochs.length > 0 ? (
          <CurveFigure
            chart={chart}
            title={`${state.detail.name}: ${row.network}`}
            fileName={`${state.detail.name}-trial-${row.trial}-${quantity}`}
            onPick={() => {}}
            onStep={step}
          />
        ) : (
          <p class="empty">
            No curve yet.{' '}
            {row.phase === 'Running'
              ? 'Its first point comes with its first epoch.'
              : `It is ${statusWords(row).toLowerCase()}.`}
          </p>
        )}
        {!row.isCurveComplete && (
          <p class="hint">
            The curve is incomplete: {row.epochsDone} epochs were trained, and the stream holds {curve?.epochsDone ?? 0}{' '}
            of them. The finding is that of the record.
          </p>
        )}
      </section>
      <div class="two">
        <section aria-labelledby="numbers-title">
          <h2 id="numbers-title">Its numbers</h2>
          <Facts rows={numbersOf(row, detail)} />
        </section>
        <section aria-labelledby="run-title">
          <h2 id="run-title">How it ran</h2>
          <Facts rows={runOf(row)} />
          {row.hasModel && data.isServed && (
            <p class="exports">
              <a class="button strong" href={client.url(`${path}/model`)} download>
                Download the model
              </a>
            </p>
          )}
          {detail?.logCommand && <LogCommand command={detail.logCommand} />}
        </section>
      </div>
      {detail && detail.attempts.length > 0 && (
        <section aria-labelledby="attempts-title">
          <Attempts detail={detail} />
          <Events events={detail.events} />
        </section>
      )}
    </>
  );
}

/** The details by GET, again when the row has changed. */
function useTrial(path: string, trial: number | null, rows: ReadonlyMap<number, TrialRow>) {
  const { client } = usePage();
  const [answer, setAnswer] = useState<{ path: string; detail?: TrialDetail; error?: ApiError }>({ path: '' });
  const row = trial === null ? undefined : rows.get(trial);
  const { phase, attempt, hasModel, currentAttempt, node, createdAt, startedAt, endedAt, earlierAttempts } = row ?? {};
  const wanted = [
    phase,
    attempt,
    hasModel,
    currentAttempt,
    node,
    createdAt,
    startedAt,
    endedAt,
    earlierAttempts?.length,
  ];
  useEffect(() => {
    if (trial === null) return;
    const closing = new AbortController();
    client.get<TrialDetail>('trial', path, closing.signal).then(
      (detail) => setAnswer({ path, detail }),
      (error: unknown) => {
        if (closing.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        setAnswer({ path, error });
      },
    );
    return () => closing.abort();
  }, [client, path, trial, ...wanted]);
  return answer.path === path ? answer : { path };
}

type Fact = readonly [string, string];

function Facts({ rows }: { readonly rows: readonly Fact[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function numbersOf(row: TrialRow, detail: TrialDetail | undefined): Fact[] {
  const epoch = (value: number | null) => (value === null ? '–' : `epoch ${value}`);
  return [
    ['Kept', epoch(row.keptEpoch)],
    ['Turning point', epoch(row.turningEpoch)],
    [
      'Validation',
      `loss ${formatLoss(row.validationLoss)} ± ${formatLoss(row.validationLossStandardError)}, accuracy ${formatAccuracy(row.validationAccuracy)}`,
    ],
    ['Training', `loss ${formatLoss(row.trainLoss)}, accuracy ${formatAccuracy(row.trainAccuracy)}`],
    ['Gap', row.gap === null ? '–' : points(row.gap)],
    ['Rise', row.rise === null ? '–' : percent(row.rise)],
    ...(detail?.test
      ? ([['Test', `loss ${formatLoss(detail.test.loss)}, accuracy ${formatAccuracy(detail.test.accuracy)}`]] as const)
      : []),
    ['Parameters', formatCount(row.parameterCount)],
  ];
}

const AXES: readonly Fact[] = [
  ['widths', 'Widths'],
  ['activation', 'Activation'],
  ['pooling', 'Pooling'],
  ['depth', 'Depth'],
  ['batchSize', 'Batch size'],
  ['learningRate', 'Learning rate'],
  ['momentum', 'Momentum'],
  ['seed', 'Seed'],
];

function runOf(row: TrialRow): Fact[] {
  const speed = row.examplesPerSecond === null ? '' : `, ${formatCount(Math.round(row.examplesPerSecond))} images/s`;
  return [
    ...AXES.map(([name, label]): Fact => [label, axisValue(row, name)]),
    ['Backend', row.backend ?? '–'],
    ...(row.node === null ? [] : ([['Node', row.node]] as const)),
    ['Time', `${formatSeconds(row.seconds)}${speed}`],
    ['Epochs', `${row.epochsDone} of ${row.epochsPlanned}`],
    ...(row.startedAt === null ? [] : ([['Began', formatTime(row.startedAt)]] as const)),
    ...(row.endedAt === null ? [] : ([[isRecorded(row) ? 'Recorded' : 'Ended', formatTime(row.endedAt)]] as const)),
  ];
}

function LogCommand({ command }: { readonly command: string }) {
  const [copied, setCopied] = useState('');
  return (
    <>
      <h3>Its log</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0}>
        <code>{command}</code>
      </pre>
      <p class="exports">
        <button
          type="button"
          onClick={() => {
            navigator.clipboard.writeText(command).then(
              () => setCopied('Copied.'),
              () => setCopied('This browser does not let the page copy: select the text.'),
            );
          }}
        >
          Copy
        </button>
        <span role="status">{copied}</span>
      </p>
    </>
  );
}
