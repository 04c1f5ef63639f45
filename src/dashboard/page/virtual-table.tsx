import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TrialRow } from '../api.ts';
import { usePage } from './context.ts';
import { Link } from './link.tsx';
import type { Ref } from './measure.ts';
import type { SweepPageData } from './sweep-data.ts';
import type { Column } from './table-columns.ts';
import { glyphOf, statusOf } from './trial-words.ts';
import { PAGE } from './trials-list.ts';

export const FIRST_SORT = 'validationLoss';
/** Of one row, in pixels: rows of one height need no measuring. */
const ROW = 44;
const OVERSCAN = 12;
/** Rows are drawn again after so many: not at each frame of a scroll. */
const STRIDE = 6;

interface VirtualTableProps {
  readonly columns: readonly Column[];
  readonly rows: readonly TrialRow[];
  readonly total: number;
  readonly data: SweepPageData;
  readonly onWant: (count: number) => void;
}

/** Only the rows in sight are in the page; those that were not read yet are blank for a moment. */
export function VirtualTable({ columns, rows, total, data, onWant }: VirtualTableProps) {
  const { address, go } = usePage();
  const box: Ref<HTMLElement> = useRef<HTMLElement | null>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const frame = useRef(0);
  const sort = address.sort ?? FIRST_SORT;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / ROW) - OVERSCAN);
  const last = Math.min(total, Math.ceil((top + height) / ROW) + STRIDE + OVERSCAN);
  useEffect(() => onWant(last + PAGE / 2), [last]);
  const scrolled = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const stride = STRIDE * ROW;
      setTop(Math.floor((box.current?.scrollTop ?? 0) / stride) * stride);
    });
  };
  const moveTo = (at: number) => {
    const row = rows[Math.min(rows.length - 1, Math.max(0, at))];
    if (!row || !box.current) return;
    go({ trial: row.trial });
    const place = rows.indexOf(row) * ROW;
    if (place < box.current.scrollTop) box.current.scrollTop = place;
    else if (place + 3 * ROW > box.current.scrollTop + height) box.current.scrollTop = place + 3 * ROW - height;
  };
  const pressed = (event: KeyboardEvent) => {
    const at = rows.findIndex(({ trial }) => trial === data.selected);
    const page = Math.max(1, Math.floor(height / ROW) - 2);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === 'Enter' && event.target === box.current && data.selected !== null)
        go({ view: 'trial', trial: data.selected });
      return;
    }
    event.preventDefault();
    moveTo(to);
  };
  return (
    <section
      class="scroll trials"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      aria-label="Trials; the arrow keys choose one, Enter opens it"
      ref={box}
      onScroll={scrolled}
      onKeyDown={pressed}
    >
      <table aria-rowcount={total + 1} style={{ width: `${columns.reduce((sum, { width }) => sum + width, 0)}ch` }}>
        <colgroup>
          {columns.map(({ key, width }) => (
            <col key={key} style={{ width: `${width}ch` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <Header key={column.key} column={column} sort={sort} />
            ))}
          </tr>
        </thead>
        {first > 0 && <Spacer height={first * ROW} columns={columns.length} />}
        <tbody>
          {Array.from({ length: Math.max(0, last - first) }, (_, offset) => {
            const at = first + offset;
            const row = rows[at];
            return (
              <Row
                key={row?.trial ?? `blank-${at}`}
                row={row}
                at={at}
                columns={columns}
                isSelected={row?.trial === data.selected}
              />
            );
          })}
        </tbody>
        {last < total && <Spacer height={(total - last) * ROW} columns={columns.length} />}
      </table>
    </section>
  );
}

function Header({ column, sort }: { readonly column: Column; readonly sort: string }) {
  const { go } = usePage();
  const isSorted = sort.replace(/^-/, '') === column.key;
  const descending = sort.startsWith('-');
  return (
    <th
      scope="col"
      class={column.isNumber ? 'number' : undefined}
      aria-sort={isSorted ? (descending ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" onClick={() => go({ sort: isSorted && !descending ? `-${column.key}` : column.key })}>
        {column.title}
      </button>
    </th>
  );
}

function Spacer({ height, columns }: { readonly height: number; readonly columns: number }) {
  return (
    <tbody class="spacer" aria-hidden="true">
      <tr>
        <td colSpan={columns} style={{ height: `${height}px` }} />
      </tr>
    </tbody>
  );
}

interface RowProps {
  readonly row: TrialRow | undefined;
  readonly at: number;
  readonly columns: readonly Column[];
  readonly isSelected: boolean;
}

function Row({ row, at, columns, isSelected }: RowProps) {
  const { go } = usePage();
  // The same cells again are not compared: scrolling costs only the rows that come.
  const cells = useMemo(
    () => row && columns.map((column) => <Cell key={column.key} column={column} row={row} />),
    [row, columns],
  );
  if (!row) {
    return (
      <tr aria-rowindex={at + 2}>
        <td colSpan={columns.length} class="blank">
          …
        </td>
      </tr>
    );
  }
  return (
    <tr aria-rowindex={at + 2} aria-current={isSelected ? 'true' : undefined} onClick={() => go({ trial: row.trial })}>
      {cells}
    </tr>
  );
}

function Cell({ column, row }: { readonly column: Column; readonly row: TrialRow }) {
  const text = column.text(row);
  if (column.key === 'network') {
    return (
      <th scope="row" title={text}>
        <Link to={{ view: 'trial', trial: row.trial }}>{text}</Link>
      </th>
    );
  }
  if (column.key === 'finding') {
    const status = statusOf(row);
    return (
      <td>
        <span class={`glyph ${status}`} aria-hidden="true">
          {glyphOf(row)}
        </span>{' '}
        {text}
      </td>
    );
  }
  return (
    <td class={column.isNumber ? 'number' : undefined} title={column.key === 'reason' ? text : undefined}>
      {text}
    </td>
  );
}
