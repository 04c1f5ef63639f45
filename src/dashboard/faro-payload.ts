import { InvalidMessageError } from '../sweep/errors.ts';

export type FaroKind = 'log' | 'exception' | 'measurement' | 'event';

/** A number of a page: `lcp`, `inp` and `ttfb` in milliseconds, `cls` without a unit. */
export type VitalName = 'lcp' | 'inp' | 'cls' | 'ttfb';

type Scalar = string | number;
type Texts = Readonly<Record<string, string>>;

/** One thing that the page told, with nothing in it that we did not ask for. */
export interface FaroItem {
  readonly kind: FaroKind;
  readonly item: Readonly<Record<string, unknown>>;
  readonly vitals: readonly (readonly [VitalName, number])[];
}

export interface CleanPayload {
  readonly meta: Readonly<Record<string, Texts>>;
  readonly items: readonly FaroItem[];
  /** Items of each kind that were left out. */
  readonly rejected: Readonly<Record<FaroKind, number>>;
}

const MAX_ITEMS = 100;
const MAX_TEXT = 1024;
const MAX_FRAMES = 20;

/** What is kept of who sent it. No user, no e-mail. */
const META: Readonly<Record<string, readonly string[]>> = {
  sdk: ['name', 'version'],
  app: ['name', 'version', 'environment'],
  session: ['id'],
  page: ['id'],
  browser: ['name', 'version', 'os', 'mobile', 'language', 'userAgent'],
  view: ['name'],
};
const VITALS: readonly VitalName[] = ['lcp', 'inp', 'cls', 'ttfb'];
const MEASUREMENTS: Readonly<Record<string, readonly string[]>> = {
  'web-vitals': VITALS,
  api: ['milliseconds', 'status'],
};
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  route_change: ['fromRoute', 'toRoute', 'from_route', 'to_route'],
  view_changed: ['fromView', 'toView'],
  session_start: [],
  session_resume: [],
};
const LEVELS = ['trace', 'debug', 'info', 'log', 'warn', 'error'];
const ERRORS = /^[A-Z][A-Za-z]{0,40}(?:Error|Exception|Rejection)$|^Error$/;

/** Takes from a Faro payload what is on our lists, and nothing else: names and types before they are counted, numbers that are finite,
 * texts of 1,024 characters without control characters. What is left out is counted.
 * @param payload as parsed from JSON
 * @throws InvalidMessageError if it is no payload at all
 */
export function cleanPayload(payload: unknown): CleanPayload {
  if (!isRecord(payload)) throw new InvalidMessageError('a payload is an object');
  const rejected = { log: 0, exception: 0, measurement: 0, event: 0 };
  const items: FaroItem[] = [];
  for (const [kind, list, clean] of KINDS) {
    const given = own(payload, list);
    if (given === undefined) continue;
    if (!Array.isArray(given)) throw new InvalidMessageError(`${list}: expected a list`);
    for (const one of given) {
      const item = items.length < MAX_ITEMS && isRecord(one) ? clean(one) : undefined;
      if (item) items.push({ kind, vitals: [], ...item });
      else rejected[kind]++;
    }
  }
  return { meta: cleanMeta(own(payload, 'meta')), items, rejected };
}

/** The cleaned payload as a receiver of Faro reads it. */
export function encodePayload({ meta, items }: CleanPayload): string {
  const lists = KINDS.map(([kind, list]) => [list, items.filter((one) => one.kind === kind).map(({ item }) => item)]);
  return JSON.stringify({ meta, ...Object.fromEntries(lists) });
}

type Cleaned = Pick<FaroItem, 'item'> & Partial<Pick<FaroItem, 'vitals'>>;
type Clean = (item: Record<string, unknown>) => Cleaned | undefined;

const KINDS: readonly (readonly [FaroKind, string, Clean])[] = [
  ['log', 'logs', cleanLog],
  ['exception', 'exceptions', cleanException],
  ['measurement', 'measurements', cleanMeasurement],
  ['event', 'events', cleanEvent],
];

function cleanMeta(meta: unknown): CleanPayload['meta'] {
  if (!isRecord(meta)) return {};
  return Object.fromEntries(Object.entries(META).map(([part, names]) => [part, textsOf(own(meta, part), names)]));
}

function cleanLog(item: Record<string, unknown>): Cleaned | undefined {
  const level = own(item, 'level');
  const message = textOf(own(item, 'message'));
  if (!isOneOf(level, LEVELS) || message === undefined) return undefined;
  return { item: { message, level, ...timestampOf(item) } };
}

function cleanException(item: Record<string, unknown>): Cleaned | undefined {
  const type = own(item, 'type');
  const value = textOf(own(item, 'value'));
  if (typeof type !== 'string' || !ERRORS.test(type) || value === undefined) return undefined;
  const stack = own(item, 'stacktrace');
  const frames = isRecord(stack) ? own(stack, 'frames') : undefined;
  const cleaned = (Array.isArray(frames) ? frames : []).slice(0, MAX_FRAMES).map(cleanFrame);
  return { item: { type, value, stacktrace: { frames: cleaned }, ...timestampOf(item) } };
}

function cleanFrame(frame: unknown): Record<string, Scalar> {
  return { ...textsOf(frame, ['filename', 'function']), ...numbersOf(frame, ['lineno', 'colno']) };
}

function cleanMeasurement(item: Record<string, unknown>): Cleaned | undefined {
  const type = own(item, 'type');
  const names = typeof type === 'string' && Object.hasOwn(MEASUREMENTS, type) ? MEASUREMENTS[type] : undefined;
  const values = names && numbersOf(own(item, 'values'), names);
  if (!values || Object.keys(values).length === 0) return undefined;
  const context = textsOf(own(item, 'context'), ['route']);
  const vitals = VITALS.flatMap((name) =>
    type === 'web-vitals' && name in values ? [[name, values[name] ?? 0] as const] : [],
  );
  return { item: { type, values, context, ...timestampOf(item) }, vitals };
}

function cleanEvent(item: Record<string, unknown>): Cleaned | undefined {
  const name = own(item, 'name');
  if (typeof name !== 'string' || !Object.hasOwn(EVENTS, name)) return undefined;
  const attributes = textsOf(own(item, 'attributes'), EVENTS[name] ?? []);
  return { item: { name, domain: 'browser', attributes, ...timestampOf(item) } };
}

function timestampOf(item: Record<string, unknown>): { timestamp?: string } {
  const timestamp = own(item, 'timestamp');
  if (typeof timestamp !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(timestamp)) return {};
  return { timestamp };
}

function textsOf(value: unknown, names: readonly string[]): Record<string, string> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = textOf(own(value, name));
      return text === undefined ? [] : [[name, text]];
    }),
  );
}

function numbersOf(value: unknown, names: readonly string[]): Record<string, number> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    names.flatMap((name) => {
      const number = own(value, name);
      return typeof number === 'number' && Number.isFinite(number) ? [[name, number]] : [];
    }),
  );
}

/** Shortened, and without what would break a line of a log or colour a terminal. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? value.slice(0, MAX_TEXT).replaceAll(/\p{C}/gu, ' ') : undefined;
}

/** What an object inherits is not what was sent. */
function own(value: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

function isOneOf(value: unknown, list: readonly string[]): value is string {
  return typeof value === 'string' && list.includes(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
