import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { plural } from '../../report/format.ts';
import type { SweepDetail } from '../api.ts';
import type { Address, View } from './address.ts';
import { usePage } from './context.ts';
import { CurvesView } from './curves-view.tsx';
import { Link } from './link.tsx';
import type { Ref } from './measure.ts';
import { isServed, type SweepPageData, sweepDataOf } from './sweep-data.ts';
import type { SweepFeed, SweepView } from './sweep-feed.ts';
import { ProgressBar } from './sweeps-view.tsx';
import { countEnded, describeEnd, describeProgress, explainVerdict, formatTime, longestHeadline } from './words.ts';

const TABS: readonly (readonly [View, string])[] = [
  ['curves', 'Curves'],
  ['trials', 'Trials'],
  ['tradeoffs', 'Trade-offs'],
  ['heatmap', 'Heat map'],
  ['parallel', 'Parallel'],
  ['timeline', 'Timeline'],
];

/** Charts of the whole sweep; the overlay and the table read what they show. */
const NEEDS_ALL: readonly View[] = ['tradeoffs', 'heatmap', 'parallel', 'timeline'];

/** One sweep: what it says above, one view of it below. */
export function SweepPage({ feed, view }: { readonly feed: SweepFeed; readonly view: SweepView }) {
  const { address } = usePage();
  const data = useSweepData(view, address);
  const needsAll = NEEDS_ALL.includes(address.view) || address.brush.size > 0;
  useEffect(() => {
    if (needsAll) feed.wantAll();
  }, [feed, needsAll]);
  const lacking = data ? lackingCurve(data) : null;
  useEffect(() => {
    if (lacking !== null) feed.wantCurves([lacking]);
  }, [feed, lacking]);
  // A headline that may still change has room for the longest one: nothing below it moves. It keeps the room when the sweep ends.
  const wasOpen: Ref<boolean> = useRef<boolean | null>(false);
  if (!data) return <Waiting view={view} />;
  const { state } = data;
  const { headline } = explainVerdict(state);
  wasOpen.current ||= !(state.verdict?.isFinal ?? false);
  return (
    <main id="main">
      <div class="headline">
        <h1
          class={address.view === 'curves' ? undefined : 'short'}
          data-longest={wasOpen.current ? longestHeadline(state) : undefined}
        >
          <span>{headline}</span>
        </h1>
        <div class="progress">
          <ProgressBar
            done={countEnded(state.detail)}
            failed={state.detail.trials.failed}
            total={state.detail.trials.total}
          />
          <p>
            {describeProgress(state.detail)} · {state.detail.dataset}, {plural(state.detail.epochsPlanned, 'epoch')}{' '}
            each
          </p>
        </div>
      </div>
      <Notes view={view} data={data} />
      <nav class="tabs" aria-label="Views of the sweep">
        {TABS.map(([name, words]) => (
          <Link
            key={name}
            to={{ view: name }}
            current={address.view === name || (name === 'trials' && address.view === 'trial')}
          >
            {words}
          </Link>
        ))}
      </nav>
      <Brushes data={data} />
      <ViewOf data={data} />
    </main>
  );
}

/** The selected trial, where its curve exists and was not read. */
function lackingCurve({ selected, state }: SweepPageData): number | null {
  if (selected === null || state.curves.has(selected)) return null;
  return (state.rows.get(selected)?.epochsDone ?? 0) > 0 ? selected : null;
}

function useSweepData(
  { state, isWhole, areCurvesRead, connection }: SweepView,
  { brush, trial }: Address,
): SweepPageData | undefined {
  const hues = useRef<ReadonlyMap<number, number>>(new Map());
  const data = useMemo(
    () => (state ? sweepDataOf(state, isWhole, { brush, trial }, hues.current) : undefined),
    [state, isWhole, brush, trial],
  );
  if (data) hues.current = data.hues;
  return data && { ...data, areCurvesRead, isServed: isServed(data.state.detail, connection) };
}

type LaterViews = typeof import('./later-views.ts');
let later: LaterViews | undefined;

async function loadLater(): Promise<LaterViews> {
  later ??= await import('./later-views.ts');
  return later;
}

/** Of a run on this machine nobody gives the other views any more when it is over: they are fetched before, when the page has time. */
function useAllViewsIn({ source }: SweepDetail): void {
  useEffect(() => {
    if (source !== 'folder') return;
    const timer = setTimeout(() => {
      loadLater().then(
        ({ loadPlot }) => loadPlot().catch(() => {}),
        () => {},
      );
    }, IDLE_MS);
    return () => clearTimeout(timer);
  }, [source]);
}

/** The first view is drawn by then. */
const IDLE_MS = 1500;

/** The landing view is here at once; the others come when they are needed, and stay. */
function ViewOf({ data }: { readonly data: SweepPageData }) {
  const { view } = usePage().address;
  useAllViewsIn(data.state.detail);
  const [, redraw] = useState(later);
  const [failure, setFailure] = useState('');
  useEffect(() => {
    if (view === 'curves' || later) return;
    loadLater().then(
      (loaded) => redraw(loaded),
      () => setFailure('This view could not be loaded: reload the page.'),
    );
  }, [view]);
  if (view === 'curves') return <CurvesView data={data} />;
  if (!later) return <p class="empty tall">{failure || 'Loading …'}</p>;
  const View = {
    trials: later.TrialsView,
    trial: later.TrialView,
    tradeoffs: later.TradeoffsView,
    heatmap: later.HeatMapView,
    parallel: later.ParallelView,
    timeline: later.TimelineView,
  }[view];
  return <View data={data} />;
}

function Waiting({ view: { error } }: { readonly view: SweepView }) {
  const { address } = usePage();
  const missing = error?.status === 404;
  const words = missing
    ? `There is no sweep ${address.sweep}, or you may not see it.`
    : error
      ? `The sweep could not be read: ${error.message}. The page tries again by itself.`
      : 'Reading the sweep …';
  return (
    <main id="main">
      <h1 class="plain">{address.sweep?.split('/').at(-1)}</h1>
      <p class="empty" role="status">
        {words} {missing && <Link to={{ sweep: null, view: 'curves', trial: null }}>All sweeps</Link>}
      </p>
    </main>
  );
}

/** What a person should know before reading figures: what is stale, what is incomplete, what is wrong. */
function Notes({
  view,
  data: { state, isServed: hasServer },
}: {
  readonly view: SweepView;
  readonly data: SweepPageData;
}) {
  const { address } = usePage();
  const { detail } = state;
  const wrong = detail.conditions.filter(
    ({ type, status }) => (type === 'Degraded' || type === 'Failed') && status === 'True',
  );
  const notes = [
    // On the landing view it stands beside the files, where nothing moves for it.
    ...(hasServer || address.view === 'curves' ? [] : [describeEnd(detail)]),
    ...(detail.staleSince === null
      ? []
      : [`What is shown may be old: nothing new since ${formatTime(detail.staleSince)}.`]),
    ...(view.error
      ? [`The last reading failed: ${view.error.message}. Shown is what was read at ${formatTime(view.readAt)}.`]
      : []),
    ...wrong.map(({ reason, message }) => `${reason}: ${message}`),
    ...detail.notes,
  ];
  if (notes.length === 0) return null;
  return (
    <ul class="warnings">
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}

/** Says on every view that brushes hide a part. */
function Brushes({ data }: { readonly data: SweepPageData }) {
  const { address, go } = usePage();
  if (address.brush.size === 0) return null;
  return (
    <p class="brushing" role="status">
      {data.brushed} of {plural(data.state.rows.size, 'trial')} within the brushes.{' '}
      <button type="button" onClick={() => go({ brush: new Map() })}>
        Remove the brushes
      </button>
    </p>
  );
}
