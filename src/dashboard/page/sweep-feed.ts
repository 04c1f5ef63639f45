import type { CurveView, StreamData, SweepDetail, TrialRow, VerdictView } from '../api.ts';
import { ApiError, askWhy, type Client, sweepPath } from './client.ts';
import { rankRows } from './ranks.ts';
import { openVariable, type Source } from './source.ts';
import { type Connection, openStream } from './stream.ts';
import { applyStream, encodeTrials, MAX_CURVES, type SweepState } from './sweep-state.ts';

/** What the page knows of the open sweep, and how sure it is. */
export interface SweepView {
  readonly state: SweepState | null;
  /** Every trial's row was read; else the first ones by loss. */
  readonly isWhole: boolean;
  /** The curves that there are have been read once. */
  readonly areCurvesRead: boolean;
  readonly connection: Connection;
  /** Why there is nothing, or nothing newer. */
  readonly error: ApiError | null;
  /** When the state last changed or was confirmed, in milliseconds since 1970. */
  readonly readAt: number;
}

export interface SweepFeed extends Source<SweepView> {
  /** Reads the rows of all trials: charts of the whole sweep need them. */
  wantAll(): void;
  /** Reads curves that the overlay does not have. */
  wantCurves(trials: readonly number[]): void;
  close(): void;
}

const FIRST_ROWS = 200;
const PAGE_ROWS = 1000;
/** Two points a pixel of a wide screen. */
const POINTS = 1600;
const RETRY_MS = 5000;

/** Reads a sweep and follows it: rows and curves by GET, what changes by the stream. */
export function openSweepFeed(client: Client, sweep: string): SweepFeed {
  const path = sweepPath(sweep);
  const closing = new AbortController();
  const { signal } = closing;
  const view = openVariable<SweepView>({
    state: null,
    isWhole: false,
    areCurvesRead: false,
    connection: { status: 'connecting' },
    error: null,
    readAt: Date.now(),
  });
  const change = (part: Partial<SweepView>) => view.set({ ...view.get(), ...part });
  /** What the stream said while rows or curves were on their way: it may be newer than they are. */
  let meanwhile: StreamData[] = [];
  let reading: Promise<void> | undefined;
  let again = false;
  let all = false;

  const apply = (data: StreamData, { areCurvesComing = false } = {}) => {
    const { state } = view.get();
    if (!state) return;
    const changed = applyStream(state, data);
    change({ state: changed.state, readAt: Date.now(), error: null });
    if (changed.wanted.length > 0 && !areCurvesComing) readCurves(changed.wanted).catch(failed);
  };
  const failed = (error: unknown) => {
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    change({ error });
    if (error.status === 404 || error.status === 401) return;
    setTimeout(() => !signal.aborted && read(), RETRY_MS);
  };

  async function readRows(): Promise<Map<number, TrialRow>> {
    const rows = new Map<number, TrialRow>();
    let next: string | undefined;
    do {
      const query = new URLSearchParams({ sort: 'validationLoss', limit: String(all ? PAGE_ROWS : FIRST_ROWS) });
      if (next !== undefined) query.set('continue', next);
      const page = await client.get<{ items: TrialRow[]; continue?: string }>(
        'trials',
        `${path}/trials?${query}`,
        signal,
      );
      for (const row of page.items) rows.set(row.trial, row);
      next = page.continue;
    } while (all && next !== undefined);
    return rows;
  }

  async function readCurves(trials: readonly number[]): Promise<void> {
    if (trials.length === 0) return;
    const { items } = await client.get<{ items: CurveView[] }>(
      'curves',
      `${path}/curves?trials=${encodeTrials(trials)}&points=${POINTS}`,
      signal,
    );
    const { state } = view.get();
    if (!state) return;
    const curves = new Map(state.curves);
    for (const curve of items) curves.set(curve.trial, curve);
    change({ state: { ...state, curves } });
  }

  async function readWhole(): Promise<void> {
    meanwhile = [];
    const [detail, verdict, rows] = await Promise.all([
      client.get<SweepDetail>('sweep', path, signal),
      client.get<VerdictView>('verdict', `${path}/verdict`, signal),
      readRows(),
    ]);
    const known = view.get().state;
    const merged = known ? new Map([...known.rows, ...rows]) : rows;
    const state = { detail, verdict, rows: merged, curves: known?.curves ?? new Map() };
    change({ state, isWhole: merged.size >= detail.trials.total, error: null, readAt: Date.now() });
    // Now and after each answer, even if it is the last one ever: it may be older than what the stream said, which is told once.
    for (const data of meanwhile) apply(data, { areCurvesComing: true });
    const order = rankRows(merged.values(), verdict).filter((trial) => (merged.get(trial)?.epochsDone ?? 0) > 0);
    await readCurves([...new Set([...order.slice(0, MAX_CURVES), ...state.curves.keys()])].slice(0, 2 * MAX_CURVES));
    change({ areCurvesRead: true });
    for (const data of meanwhile) apply(data);
  }

  /** One reading at a time; asked for meanwhile, it is repeated once. */
  function read(): void {
    if (reading) {
      again = true;
      return;
    }
    reading = readWhole()
      .catch(failed)
      .finally(() => {
        reading = undefined;
        if (again && !signal.aborted) {
          again = false;
          read();
        }
      });
  }

  read();
  const closeStream = openStream(client.url(`events?topics=sweep:${sweep}`), {
    snapshot(data) {
      if (reading) meanwhile.push(data);
      apply(data);
      read();
    },
    delta(data) {
      if (reading) meanwhile.push(data);
      apply(data);
    },
    connection: (connection) => change({ connection }),
    refused: () => askWhy(client),
  });

  return {
    get: view.get,
    subscribe: view.subscribe,
    wantAll() {
      if (all) return;
      all = true;
      if (!view.get().isWhole) read();
    },
    wantCurves(trials) {
      const known = view.get().state?.curves;
      readCurves(trials.filter((trial) => !known?.has(trial))).catch(failed);
    },
    close() {
      closing.abort();
      closeStream();
    },
  };
}
