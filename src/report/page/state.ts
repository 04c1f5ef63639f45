import type { Quantity } from '../charts/curves.ts';
import type { ReportData } from '../data.ts';

/** What the reader has chosen; all of it stands in the address, so that a link shows the same. */
export interface PageState {
  readonly selected: number | null;
  readonly quantity: Quantity;
  readonly across: number;
  readonly down: number | null;
  readonly fixed: ReadonlyMap<number, number>;
  readonly sort: string | null;
  readonly descending: boolean;
}

export function initialState(data: ReportData): PageState {
  const position = (name: string) => data.axes.findIndex((axis) => axis.name === name);
  const across = Math.max(0, position('widths'));
  const other = data.axes.findIndex((_, at) => at !== across);
  const pooling = position('pooling');
  const down = pooling >= 0 && pooling !== across ? pooling : other;
  return {
    selected: data.selected,
    quantity: 'loss',
    across,
    down: down >= 0 ? down : null,
    fixed: new Map(),
    sort: null,
    descending: false,
  };
}

/** `#trial=3&show=accuracy`: only what differs from the first view. */
export function encodeState(state: PageState, first: PageState): string {
  const words = new URLSearchParams();
  if (state.selected !== first.selected && state.selected !== null) words.set('trial', String(state.selected));
  if (state.quantity !== first.quantity) words.set('show', state.quantity);
  if (state.across !== first.across) words.set('across', String(state.across));
  if (state.down !== first.down && state.down !== null) words.set('down', String(state.down));
  for (const [axis, value] of state.fixed) words.set(`axis${axis}`, String(value));
  if (state.sort !== null) words.set('sort', state.descending ? `-${state.sort}` : state.sort);
  return words.toString();
}

/** Total: what the address does not say, or says wrongly, is as at first. */
export function decodeState(hash: string, data: ReportData, first: PageState): PageState {
  const words = new URLSearchParams(hash.replace(/^#/, ''));
  const index = (key: string, count: number): number | undefined => {
    const text = words.get(key);
    const value = text !== null && /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    return value < count ? value : undefined;
  };
  const trial = index('trial', 1_000_000);
  const sort = words.get('sort');
  const across = index('across', data.axes.length) ?? first.across;
  const down = index('down', data.axes.length) ?? first.down;
  const fixed = data.axes.flatMap(({ values }, axis) => {
    const value = index(`axis${axis}`, values.length);
    return value === undefined || axis === across || axis === down ? [] : [[axis, value] as const];
  });
  return {
    selected: trial !== undefined && data.trials.some((view) => view.trial === trial) ? trial : first.selected,
    quantity: words.get('show') === 'accuracy' ? 'accuracy' : 'loss',
    across,
    down: down === across ? (data.axes.length > 1 ? (across === 0 ? 1 : 0) : null) : down,
    fixed: new Map(fixed),
    sort: sort === null || sort === '' ? null : sort.replace(/^-/, ''),
    descending: sort?.startsWith('-') ?? false,
  };
}
