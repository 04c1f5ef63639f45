import { ProblemError } from './problems.ts';

/** What a list is sorted by; null sorts last, up or down. */
export type SortValue = string | number | boolean | null;

/** Where an item stands in the list: its value, then its identity, so that no two are equal. */
export interface Place {
  readonly value: SortValue;
  readonly id: string | number;
}

export interface PageRequest {
  readonly limit: number;
  readonly continue?: string | undefined;
  /** All that decides what is in the list and in which order. */
  readonly query: string;
  readonly descending: boolean;
  readonly boot: string;
}

export interface Page<Item> {
  readonly items: Item[];
  readonly continue?: string;
  readonly total: number;
}

/** One page of a list that may change between two pages: it begins after the place where the last one ended, so that nothing that
 * stays where it is appears twice or is left out.
 * @throws ProblemError `expired` for a token of another process, `bad-continue` for one that is not of this list
 */
export function pageOf<Item>(items: readonly Item[], placeOf: (item: Item) => Place, request: PageRequest): Page<Item> {
  const order = orderOf(request.descending);
  const placed = items.map((item) => ({ item, place: placeOf(item) })).sort((a, b) => order(a.place, b.place));
  const after = request.continue === undefined ? undefined : decodePlace(request.continue, request);
  const from = after ? firstBeyond(placed, (place) => order(place, after) > 0) : 0;
  const page = placed.slice(from, from + request.limit);
  const last = page.at(-1);
  const hasMore = from + page.length < placed.length;
  return {
    items: page.map(({ item }) => item),
    ...(last && hasMore ? { continue: encodePlace(last.place, request) } : {}),
    total: items.length,
  };
}

function orderOf(descending: boolean): (a: Place, b: Place) => number {
  return (a, b) => {
    if (a.value !== b.value) {
      if (a.value === null) return 1;
      if (b.value === null) return -1;
      const up = a.value < b.value ? -1 : 1;
      return descending ? -up : up;
    }
    return a.id === b.id ? 0 : a.id < b.id ? -1 : 1;
  };
}

function firstBeyond(placed: readonly { readonly place: Place }[], isBeyond: (place: Place) => boolean): number {
  const at = placed.findIndex(({ place }) => isBeyond(place));
  return at < 0 ? placed.length : at;
}

function encodePlace({ value, id }: Place, { boot, query }: PageRequest): string {
  return Buffer.from(JSON.stringify([boot, query, value, id])).toString('base64url');
}

function decodePlace(token: string, { boot, query }: PageRequest): Place {
  const parts = parseToken(token);
  const [tokenBoot, tokenQuery, value, id] = parts ?? [];
  if (parts?.length !== 4 || typeof tokenBoot !== 'string' || !isSortValue(value) || !isId(id)) {
    throw new ProblemError('bad-continue', 'continue: expected what the page before answered');
  }
  if (tokenBoot !== boot) throw new ProblemError('expired', 'the server has started anew; begin without continue');
  if (tokenQuery !== query) throw new ProblemError('bad-continue', 'continue: it belongs to another query');
  return { value, id };
}

function parseToken(token: string): unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isSortValue(value: unknown): value is SortValue {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isId(value: unknown): value is Place['id'] {
  return typeof value === 'string' || typeof value === 'number';
}
