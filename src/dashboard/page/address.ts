import type { Quantity } from '../../report/charts/curves.ts';

export const VIEWS = ['curves', 'trials', 'tradeoffs', 'heatmap', 'parallel', 'timeline', 'trial'] as const;
export type View = (typeof VIEWS)[number];
export const X_SCALES = ['epoch', 'images', 'time'] as const;
export type XScale = (typeof X_SCALES)[number];
export const CELL_FIGURES = ['loss', 'accuracy', 'gap'] as const;
export type CellFigure = (typeof CELL_FIGURES)[number];

/** From the position of one value on its axis, or of a figure, to another. */
export type Range = readonly [number, number];

/** All that the page shows depends on; all of it stands in the address, so that a link shows the same. */
export interface Address {
  /** `namespace/name`; null: the list of sweeps. */
  readonly sweep: string | null;
  readonly view: View;
  /** The selected trial; null: the winner. */
  readonly trial: number | null;
  readonly quantity: Quantity;
  readonly x: XScale;
  readonly smooth: boolean;
  /** The part of the curves that is shown, in the units of each axis; null: all that there is. */
  readonly zoomX: Range | null;
  readonly zoomY: Range | null;
  /** Of the table of trials, as the API has it: `-validationLoss` descends. */
  readonly sort: string | null;
  readonly finding: string | null;
  readonly phase: string | null;
  readonly q: string;
  /** Names of axes of the heat map; null: chosen for the reader. */
  readonly across: string | null;
  readonly down: string | null;
  readonly facetAcross: string | null;
  readonly facetDown: string | null;
  readonly cell: CellFigure;
  /** What is kept of each axis or figure in all charts, by its name. */
  readonly brush: ReadonlyMap<string, Range>;
  /** Filters of the list of sweeps. */
  readonly namespace: string | null;
  readonly sweepPhase: string | null;
}

export const HOME: Address = {
  sweep: null,
  view: 'curves',
  trial: null,
  quantity: 'loss',
  x: 'epoch',
  smooth: false,
  zoomX: null,
  zoomY: null,
  sort: null,
  finding: null,
  phase: null,
  q: '',
  across: null,
  down: null,
  facetAcross: null,
  facetDown: null,
  cell: 'loss',
  brush: new Map(),
  namespace: null,
  sweepPhase: null,
};

const TEXTS = [
  'sort',
  'finding',
  'phase',
  'across',
  'down',
  'facetAcross',
  'facetDown',
  'namespace',
  'sweepPhase',
] as const;

const ZOOMS = ['zoomX', 'zoomY'] as const;

/** `?sweep=local/study&view=trials&trial=3`: only what differs from the first view. Everything stands in the query, so that the
 * page works under any path that a proxy gives it.
 */
export function encodeAddress(address: Address): string {
  const words: string[] = [];
  const add = (key: string, value: string) => words.push(`${key}=${encodeValue(value)}`);
  if (address.sweep !== null) add('sweep', address.sweep);
  if (address.view !== HOME.view) add('view', address.view);
  if (address.trial !== null) add('trial', String(address.trial));
  if (address.quantity !== HOME.quantity) add('show', address.quantity);
  if (address.x !== HOME.x) add('x', address.x);
  if (address.smooth) add('smooth', '1');
  for (const key of ZOOMS) if (address[key]) add(key, encodeRange(address[key]));
  if (address.q !== '') add('q', address.q);
  if (address.cell !== HOME.cell) add('cell', address.cell);
  for (const key of TEXTS) if (address[key] !== null) add(key, address[key]);
  if (address.brush.size > 0) {
    add('brush', [...address.brush].map(([name, range]) => `${name}:${encodeRange(range)}`).join(';'));
  }
  return words.length > 0 ? `?${words.join('&')}` : '';
}

/** Readable where a query allows it; half a character, as a careless paste may hold, is none. */
function encodeValue(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replaceAll('%2F', '/').replaceAll('%3A', ':').replaceAll('%3B', ';');
}

/** Total: what the address does not say, or says wrongly, is as at first. */
export function decodeAddress(query: string): Address {
  const words = new URLSearchParams(query);
  const oneOf = <Word extends string>(key: string, allowed: readonly Word[], otherwise: Word): Word =>
    allowed.find((word) => word === words.get(key)) ?? otherwise;
  const texts = Object.fromEntries(TEXTS.map((key) => [key, bounded(words.get(key))])) as Pick<
    Address,
    (typeof TEXTS)[number]
  >;
  const sweep = words.get('sweep');
  const trial = words.get('trial') ?? '';
  return {
    ...texts,
    sweep: sweep !== null && SWEEP.test(sweep) ? sweep : null,
    view: oneOf('view', VIEWS, HOME.view),
    trial: /^\d{1,6}$/.test(trial) ? Number(trial) : null,
    quantity: oneOf('show', ['loss', 'accuracy'], HOME.quantity),
    x: oneOf('x', X_SCALES, HOME.x),
    smooth: words.get('smooth') === '1',
    zoomX: zoomOf(words.get('zoomX')),
    zoomY: zoomOf(words.get('zoomY')),
    q: bounded(words.get('q')) ?? '',
    cell: oneOf('cell', CELL_FIGURES, HOME.cell),
    brush: decodeBrush(words.get('brush') ?? ''),
  };
}

/** A namespace and a name, as Kubernetes has them; the names of local folders may hold more. */
const SWEEP = /^[^/?#]{1,253}\/[^/?#]{1,253}$/;
const LONGEST = 200;

function bounded(text: string | null): string | null {
  return text === null || text === '' ? null : text.slice(0, LONGEST);
}

function decodeBrush(text: string): ReadonlyMap<string, Range> {
  const ranges = text.split(';').flatMap((word): [string, Range][] => {
    const [, name, rest = ''] = /^(\w{1,40}):(.*)$/.exec(word) ?? [];
    const range = decodeRange(rest);
    return name !== undefined && range ? [[name, range]] : [];
  });
  return new Map(ranges);
}

const encodeRange = ([from, to]: Range) => `${from}~${to}`;

function decodeRange(text: string): Range | null {
  const [, from, to] = /^(-?[\d.e+-]{1,24})~(-?[\d.e+-]{1,24})$/.exec(text) ?? [];
  const range: Range = [Number(from), Number(to)];
  return range.every(Number.isFinite) && range[0] <= range[1] ? range : null;
}

/** A part without width shows nothing. */
function zoomOf(text: string | null): Range | null {
  const range = decodeRange(text ?? '');
  return range && range[1] > range[0] ? range : null;
}

/** `/sweeps/local/study` and the like, without names: what Faro may be told of a route. */
export function routeOf({ sweep, view }: Address): string {
  return sweep === null ? 'sweeps' : `sweep/${view}`;
}
