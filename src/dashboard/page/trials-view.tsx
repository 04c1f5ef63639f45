import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatCount, plural } from '../../report/format.ts';
import type { TrialRow } from '../api.ts';
import { usePage } from './context.ts';
import { Exports } from './figure.tsx';
import { openVariable, useSource } from './source.ts';
import type { SweepPageData } from './sweep-data.ts';
import { type Column, columnsOf, compareBy, trialsSheet } from './table-columns.ts';
import { FINDING_CHOICES, PHASE_CHOICES } from './trial-words.ts';
import { openTrialsList, PAGE, type TrialsPage } from './trials-list.ts';
import { FIRST_SORT, VirtualTable } from './virtual-table.tsx';

const REFRESH_MS = 3000;
const NOTHING: TrialsPage = { rows: [], total: null, error: null };

/** The table of trials: the server sorts and filters; with a brush, which only the page knows, or without a server, the page does. */
export function TrialsView({ data }: { readonly data: SweepPageData }) {
  const { address, go } = usePage();
  const { state, brushed } = data;
  const columns = useMemo(() => columnsOf(state.detail), [state.detail.axes]);
  const isBrushed = address.brush.size > 0;
  const isHere = isBrushed || !data.isServed;
  const listed = useListed(data, isHere);
  const local = useMemo(
    () => (isHere ? filterHere(data, address, columns) : null),
    [isHere, data.rows, address, columns],
  );
  const rows = local ?? listed.page.rows.map((row) => state.rows.get(row.trial) ?? row);
  const total = local?.length ?? listed.page.total;
  const isFiltered = address.finding !== null || address.phase !== null || address.q !== '';
  return (
    <section aria-labelledby="trials-title">
      <h2 id="trials-title">Trials</h2>
      <Filters />
      <p class="count" role="status">
        {total === null ? 'Reading …' : plural(total, 'trial')}
        {isBrushed ? ` within the brushes (${formatCount(brushed)} without the filters)` : isFiltered ? ' match' : ''}
        {listed.isOld && !isHere && (
          <button type="button" onClick={listed.refresh}>
            Rows have changed: sort again
          </button>
        )}
        {listed.page.error && <span class="problem"> {listed.page.error.message}</span>}
      </p>
      {total === 0 ? (
        <p class="empty">
          No trial matches.{' '}
          <button type="button" onClick={() => go({ finding: null, phase: null, q: '', brush: new Map() })}>
            Show all
          </button>
        </p>
      ) : (
        <VirtualTable columns={columns} rows={rows} total={total ?? 0} data={data} onWant={listed.want} />
      )}
      <Exports name={`${state.detail.name}-trials`} sheet={() => trialsSheet(columns, rows)} />
    </section>
  );
}

const IDLE = openVariable(NOTHING);

/** The server's list for the address, read again when rows change: by itself as long as it is one page. */
function useListed({ state }: SweepPageData, isHere: boolean) {
  const { address, client } = usePage();
  const { sweep, finding, phase, q } = address;
  const sort = address.sort ?? FIRST_SORT;
  const list = useMemo(
    () => (sweep === null || isHere ? null : openTrialsList(client, sweep, { sort, finding, phase, q })),
    [client, sweep, sort, finding, phase, q, isHere],
  );
  useEffect(() => () => list?.close(), [list]);
  const page = useSource<TrialsPage>(list ?? IDLE);
  const [isOld, setOld] = useState(false);
  const seen = useRef(state.rows);
  useEffect(() => {
    if (seen.current === state.rows) return;
    seen.current = state.rows;
    if (page.total === null) return;
    if (page.total > PAGE) return setOld(true);
    const timer = setTimeout(() => list?.refresh(), REFRESH_MS);
    return () => clearTimeout(timer);
  }, [state.rows, list]);
  return {
    page,
    isOld,
    want: (count: number) => list?.want(count),
    refresh: () => {
      setOld(false);
      list?.refresh();
    },
  };
}

function filterHere(
  { rows }: SweepPageData,
  {
    sort,
    finding,
    phase,
    q,
  }: {
    readonly sort: string | null;
    readonly finding: string | null;
    readonly phase: string | null;
    readonly q: string;
  },
  columns: readonly Column[],
): TrialRow[] {
  const query = q.toLowerCase();
  return rows
    .filter((row) => finding === null || row.finding === finding)
    .filter((row) => phase === null || row.phase === phase)
    .filter((row) => query === '' || `${row.network} ${row.reason}`.toLowerCase().includes(query))
    .toSorted(compareBy(columns, sort ?? FIRST_SORT));
}

const TYPING_MS = 250;

function Filters() {
  const { address, go } = usePage();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  return (
    <div class="tools">
      <label>
        Find{' '}
        <input
          type="search"
          value={address.q}
          placeholder="network or reason"
          onInput={({ currentTarget: { value } }) => {
            clearTimeout(timer.current);
            timer.current = setTimeout(() => go({ q: value.trim() }), TYPING_MS);
          }}
        />
      </label>
      <label>
        Finding{' '}
        <select
          value={address.finding ?? ''}
          onChange={({ currentTarget }) => go({ finding: currentTarget.value || null })}
        >
          <option value="">all</option>
          {FINDING_CHOICES.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label>
        Phase{' '}
        <select
          value={address.phase ?? ''}
          onChange={({ currentTarget }) => go({ phase: currentTarget.value || null })}
        >
          <option value="">all</option>
          {PHASE_CHOICES.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
