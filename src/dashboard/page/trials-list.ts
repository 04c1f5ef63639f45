import type { TrialRow } from '../api.ts';
import { ApiError, type Client, sweepPath } from './client.ts';
import { openVariable, type Source } from './source.ts';

/** What the server sorts and filters by; empty or null: everything. */
export interface TrialsQuery {
  readonly sort: string;
  readonly finding: string | null;
  readonly phase: string | null;
  readonly q: string;
}

export interface TrialsPage {
  /** The first ones, as far as they were read. */
  readonly rows: readonly TrialRow[];
  /** Of all that match; null until it is known. */
  readonly total: number | null;
  readonly error: ApiError | null;
}

export interface TrialsList extends Source<TrialsPage> {
  /** Reads on until so many rows are there. */
  want(count: number): void;
  /** Sorts and filters again: rows have changed meanwhile. */
  refresh(): void;
  close(): void;
}

export const PAGE = 500;

/** Reads a sweep's trials page by page, sorted and filtered by the server. */
export function openTrialsList(client: Client, sweep: string, query: TrialsQuery): TrialsList {
  const closing = new AbortController();
  const page = openVariable<TrialsPage>({ rows: [], total: null, error: null });
  let next: string | undefined;
  let wanted = PAGE;
  let reading = false;
  let stale = false;

  async function readPage(from: string | undefined): Promise<void> {
    const words = new URLSearchParams({ sort: query.sort, limit: String(PAGE) });
    if (query.finding !== null) words.set('finding', query.finding);
    if (query.phase !== null) words.set('phase', query.phase);
    if (query.q !== '') words.set('q', query.q);
    if (from !== undefined) words.set('continue', from);
    const answer = await client.get<{ items: TrialRow[]; continue?: string; total: number }>(
      'trials',
      `${sweepPath(sweep)}/trials?${words}`,
      closing.signal,
    );
    next = answer.continue;
    const before = from === undefined ? [] : page.get().rows;
    page.set({ rows: [...before, ...answer.items], total: answer.total, error: null });
  }

  async function readOn(): Promise<void> {
    if (reading) return;
    reading = true;
    try {
      do {
        const from = stale ? undefined : next;
        stale = false;
        await readPage(from);
      } while (stale || (next !== undefined && page.get().rows.length < wanted));
    } catch (error) {
      if (closing.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      // After a restart the server does not know where a page began: from the first one again.
      if (error.status === 410) next = undefined;
      page.set({ ...page.get(), error });
    } finally {
      reading = false;
    }
  }
  readOn();

  return {
    get: page.get,
    subscribe: page.subscribe,
    want(count) {
      wanted = Math.max(wanted, count);
      if (next !== undefined && page.get().rows.length < wanted) readOn();
    },
    refresh() {
      stale = true;
      readOn();
    },
    close: () => closing.abort(),
  };
}
