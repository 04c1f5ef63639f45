import {
  BaseTransport,
  EVENT_ROUTE_CHANGE,
  type ExceptionStackFrame,
  type Faro,
  getTransportBody,
  InternalLoggerLevel,
  initializeFaro,
  type TransportItem,
} from '@grafana/faro-core';
import { onCLS, onINP, onLCP, onTTFB } from 'web-vitals';

// What the page tells of itself: errors, vitals, routes and how long the API took. No names of sweeps, no query strings, no cookies.

const MAX_BYTES = 60_000;
const MAX_WAITING = 30;
const PAUSE_MS = 5000;
const MAX_TEXT = 1000;

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Sends batches to our own server, one after the other; whatever fails, fails silently and is not told of. */
export class CollectTransport extends BaseTransport {
  readonly name = 'collect';
  readonly version = '1';
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #now: () => number;
  #waiting: string[] = [];
  #isSending: boolean = false;
  #pausedUntil = 0;
  #isOff: boolean = false;

  constructor(url: string, send: Fetch = (to, init) => fetch(to, init), now: () => number = () => Date.now()) {
    super();
    this.#url = url;
    this.#fetch = send;
    this.#now = now;
  }

  override isBatched(): boolean {
    return true;
  }

  override getIgnoreUrls(): string[] {
    return [this.#url];
  }

  override async send(items: TransportItem | TransportItem[]): Promise<void> {
    if (this.#isOff || this.#now() < this.#pausedUntil) return;
    this.#waiting.push(...bodiesOf(Array.isArray(items) ? items : [items]));
    this.#waiting = this.#waiting.slice(-MAX_WAITING);
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      for (let body = this.#waiting.shift(); body !== undefined; body = this.#waiting.shift()) await this.#post(body);
    } finally {
      this.#isSending = false;
    }
  }

  async #post(body: string): Promise<void> {
    const request = (keepalive: boolean) =>
      this.#fetch(this.#url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, keepalive });
    // A browser refuses keepalive beyond 64 KiB in flight.
    const answer = await request(true).catch(() => request(false).catch(() => undefined));
    if (!answer) return;
    if (answer.status === 404 || answer.status === 405) this.#stop();
    if (answer.status === 429) this.#pause(answer.headers.get('retry-after'));
  }

  /** Switched off on the server. */
  #stop(): void {
    this.#isOff = true;
    this.#waiting = [];
  }

  #pause(retryAfter: string | null): void {
    const seconds = Number(retryAfter ?? Number.NaN);
    this.#pausedUntil = this.#now() + (seconds > 0 ? 1000 * seconds : PAUSE_MS);
    this.#waiting = [];
  }
}

/** Bodies of at most 60,000 bytes: halved until they fit; an item that is too large alone is dropped. */
function bodiesOf(items: TransportItem[]): string[] {
  if (items.length === 0) return [];
  const body = JSON.stringify(getTransportBody(items));
  if (new TextEncoder().encode(body).byteLength <= MAX_BYTES) return [body];
  if (items.length === 1) return [];
  const half = Math.ceil(items.length / 2);
  return [...bodiesOf(items.slice(0, half)), ...bodiesOf(items.slice(half))];
}

export interface Telemetry {
  /** Something was thrown that nobody caught. */
  failed(reason: unknown): void;
  /** @param route without names */
  routeChanged(from: string, to: string): void;
  answered(route: string, milliseconds: number, status: number): void;
}

export interface TelemetryOptions {
  /** Of `/collect`. */
  readonly url: string;
  readonly version: string;
  readonly route: () => string;
}

/** Begins to tell our server. */
export function startTelemetry({ url, version, route }: TelemetryOptions): Telemetry {
  const { api } = initializeFaro({
    app: { name: 'cnn-sweep', version },
    batching: { enabled: true, sendTimeout: 1000, itemLimit: 50 },
    dedupe: true,
    globalObjectKey: 'faro',
    instrumentations: [],
    internalLoggerLevel: InternalLoggerLevel.OFF,
    isolate: true,
    metas: [
      () => ({ page: { url: `${location.origin}/`, id: route() }, view: { name: route() } }),
      { session: { id: crypto.getRandomValues(new Uint32Array(2)).join('-') }, browser: browserOf() },
    ],
    parseStacktrace: (error) => ({ frames: framesOf(error) }),
    paused: false,
    preventGlobalExposure: true,
    transports: [new CollectTransport(url)],
    unpatchedConsole: { ...console },
  });
  watchVitals(api);
  return {
    failed: (reason) => api.pushError(cleaned(reason)),
    routeChanged: (fromRoute, toRoute) => api.pushEvent(EVENT_ROUTE_CHANGE, { fromRoute, toRoute }),
    answered: (name, milliseconds, status) =>
      api.pushMeasurement(
        { type: 'api', values: { milliseconds: Math.round(milliseconds), status } },
        { skipDedupe: true, context: { route: name } },
      ),
  };
}

function watchVitals(api: Faro['api']): void {
  const told = (name: string) => (metric: { readonly value: number }) =>
    api.pushMeasurement({ type: 'web-vitals', values: { [name]: metric.value } }, { skipDedupe: true });
  onLCP(told('lcp'));
  onINP(told('inp'));
  onCLS(told('cls'));
  onTTFB(told('ttfb'));
}

/** Without what an address may hold. */
function cleaned(reason: unknown): Error {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  const clean = new Error(withoutQuery(error.message).slice(0, MAX_TEXT));
  clean.name = error.name;
  clean.stack = error.stack ?? '';
  return clean;
}

const withoutQuery = (text: string) => text.replaceAll(/\?[^\s:)]*/g, '');

/** `at f (https://host/assets/main-1f2e.js:12:34)` of Chromium, `f@https://…:12:34` of Firefox and Safari. */
export function framesOf({ stack = '' }: Pick<Error, 'stack'>): ExceptionStackFrame[] {
  return stack.split('\n').flatMap((line) => {
    const [, name = '', file = '', lineno, colno] =
      /^\s*(?:at\s+)?(?:(.*?)[\s(@]+)?(\w+:\/\/[^\s)]+?):(\d+):(\d+)\)?$/.exec(line) ?? [];
    if (file === '') return [];
    return [{ function: name, filename: withoutQuery(file), lineno: Number(lineno), colno: Number(colno) }];
  });
}

function browserOf() {
  const { userAgent, language } = navigator;
  return { userAgent: userAgent.slice(0, 300), language, mobile: /Mobi/.test(userAgent) };
}
