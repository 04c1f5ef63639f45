import { STATUS_WORDS } from '../charts/marks.ts';
import type { ReportData, TrialView } from '../data.ts';
import { formatCount } from '../format.ts';
import { all, element } from './dom.ts';
import type { PageState } from './state.ts';

export interface TrialsTable {
  show(state: PageState): void;
}

export interface TrialsTableOptions {
  readonly picked: (trial: number) => void;
  readonly sorted: (key: string, descending: boolean) => void;
}

interface Row {
  readonly view: TrialView;
  readonly line: HTMLTableRowElement;
  readonly text: string;
}

/** Brings the table of the page to life: sorting, filtering, choosing. Its rows are in the page already. */
export function openTrialsTable(data: ReportData, { picked, sorted }: TrialsTableOptions): TrialsTable {
  const body = element('#trials-table tbody');
  const rows = rowsOf(data);
  const firstRows = rows.findIndex(({ line }) => line.className === 'later');
  let limit = firstRows < 0 ? rows.length : firstRows;
  let order = rows;
  let arranged = '';
  let query = '';

  const arrange = () => {
    const matching = order.filter(({ text }) => text.includes(query));
    const shown = new Set(matching.slice(0, limit));
    const kept = new Set(matching);
    for (const row of rows) {
      row.line.hidden = !kept.has(row);
      row.line.classList.toggle('later', kept.has(row) && !shown.has(row));
    }
    for (const more of all('#more')) more.hidden = matching.length <= limit;
    element('#count').textContent =
      shown.size === rows.length ? '' : `${formatCount(shown.size)} of ${formatCount(rows.length)} shown`;
  };

  body.addEventListener('click', ({ target }) => {
    const line = target instanceof Element ? target.closest('tr') : null;
    if (line && getSelection()?.isCollapsed !== false) picked(Number(line.dataset.trial));
  });
  body.addEventListener('keydown', (event) => {
    const line = event.target instanceof Element ? event.target.closest('tr') : null;
    const button = line && neighbour(line, event.key)?.querySelector<HTMLElement>('.pick');
    if (!button) return;
    event.preventDefault();
    button.focus();
    button.click();
  });
  for (const button of all('[data-sort]')) {
    button.addEventListener('click', () => {
      const key = button.dataset.sort ?? '';
      sorted(key, button.closest('th')?.getAttribute('aria-sort') === 'ascending');
    });
  }
  for (const filter of all<HTMLInputElement>('#filter')) {
    filter.addEventListener('input', () => {
      query = filter.value.trim().toLowerCase();
      arrange();
    });
  }
  for (const more of all('#more')) {
    more.addEventListener('click', () => {
      limit = rows.length;
      arrange();
    });
  }

  return {
    show({ selected, sort, descending }) {
      for (const { view, line } of rows) {
        if (view.trial === selected) line.setAttribute('aria-current', 'true');
        else line.removeAttribute('aria-current');
      }
      const wanted = `${descending ? '-' : ''}${sort}`;
      if (arranged === wanted) return;
      arranged = wanted;
      order = sort === null ? rows : rows.toSorted(by(sort, descending));
      body.append(...order.map(({ line }) => line));
      markHeaders(sort, descending);
      arrange();
    },
  };
}

function rowsOf({ trials }: ReportData): Row[] {
  const views = new Map(trials.map((view) => [view.trial, view]));
  return [...all<HTMLTableRowElement>('#trials-table tbody tr')].flatMap((line) => {
    const view = views.get(Number(line.dataset.trial));
    if (!view) return [];
    return [{ view, line, text: `${view.name} ${STATUS_WORDS[view.status]} ${view.reason}`.toLowerCase() }];
  });
}

/** The next row in that direction that is shown. */
function neighbour(line: Element, key: string): Element | null {
  const next = (from: Element) =>
    key === 'ArrowDown' ? from.nextElementSibling : key === 'ArrowUp' ? from.previousElementSibling : null;
  let row = next(line);
  while (row && (row.classList.contains('later') || row.hasAttribute('hidden'))) row = next(row);
  return row;
}

function markHeaders(sort: string | null, descending: boolean): void {
  for (const button of all('[data-sort]')) {
    const header = button.closest('th');
    if (button.dataset.sort === sort) header?.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    else header?.removeAttribute('aria-sort');
  }
}

/** What is absent comes last, whichever the direction; equals stay by rank. */
function by(key: string, descending: boolean): (a: Row, b: Row) => number {
  const value = ({ view }: Row): string | number | null => {
    const found: unknown = Object.entries(view).find(([name]) => name === key)?.[1];
    return typeof found === 'string' || typeof found === 'number' ? found : null;
  };
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || a.view.rank - b.view.rank;
    const difference =
      typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), 'en', { numeric: true });
    return (descending ? -difference : difference) || a.view.rank - b.view.rank;
  };
}
