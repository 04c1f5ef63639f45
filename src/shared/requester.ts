import { messageOf } from '../sweep/errors.ts';
import { ApiError, type StatusDetails } from './api-error.ts';
import { fullJitterMs, type Random, REQUEST_BACKOFF, retryAfterMs } from './backoff.ts';
import { pause, realTimers, type Timers } from './timers.ts';
import type { Method, Wire, WireResponse } from './wire.ts';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ApiRequest {
  readonly method: Method;
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` unless said. */
  readonly contentType?: string;
  /** What to answer with; JSON unless said, and JSON of some form always. */
  readonly accept?: string | undefined;
  /** Ends the request, and any wait for another try, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Of each try, to the end of the answer. */
  readonly timeoutMs?: number | undefined;
  /** At most so many; 1 for who has a retry of their own. */
  readonly tries?: number | undefined;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: unknown;
}

/** One try at a request, as the metrics see it. */
export interface RequestSeen {
  readonly method: Method;
  readonly host: string;
  /** HTTP status, or `<error>` without an answer. */
  readonly code: string;
  readonly seconds: number;
  /** Another try follows. */
  readonly retried: boolean;
}

export interface RequesterOptions {
  /** Called just before each write goes out; what it throws is the caller's, and nothing is sent. Lease.ts has the one that matters. */
  readonly beforeWrite?: (() => void) | undefined;
  readonly onRequest?: ((seen: RequestSeen) => void) | undefined;
  /** Once aborted no other try is begun; those in flight go on. */
  readonly stopping?: AbortSignal | undefined;
  readonly timers?: Timers | undefined;
  readonly random?: Random | undefined;
  readonly maxInFlight?: number | undefined;
}

export interface Requester {
  /** Sends a request, again while it may succeed later.
   * @throws ApiError for an answer of 400 and above, or without any; what `beforeWrite` throws; the signal's reason
   */
  request(request: ApiRequest): Promise<ApiResponse>;
  /** Sends once and answers with the open stream: for a watch, which is none of the requests in flight. @throws ApiError */
  stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** Requests that were sent and have no full answer yet. */
  readonly inFlight: number;
}

const TRIES = 10;
const TIMEOUT_MS = 10_000;
const MAX_IN_FLIGHT = 16;

/** Sends requests with bounded retries. Every write of ours may be repeated: it names its object, its version or its UID. */
export function openRequester(wire: Wire, options: RequesterOptions = {}): Requester {
  const { timers = realTimers, random = Math.random, maxInFlight = MAX_IN_FLIGHT, stopping } = options;
  const places = new Places(maxInFlight);

  /** One try: a whole answer, or an error. */
  async function attempt(request: ApiRequest): Promise<ApiResponse> {
    const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
    const limit = new AbortController();
    const cancel = timers.after(timeoutMs, () => limit.abort(timedOut(request, timeoutMs)));
    const signal = request.signal ? AbortSignal.any([limit.signal, request.signal]) : limit.signal;
    try {
      const response = await send(request, signal);
      const text = await readText(response);
      if (response.status >= 300) throw refusalOf(request, response, text, random);
      return { status: response.status, headers: response.headers, body: parseJson(text) };
    } catch (error) {
      request.signal?.throwIfAborted();
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      cancel();
    }
  }

  async function send(request: ApiRequest, signal: AbortSignal): Promise<WireResponse> {
    const { method, path, query, body, contentType = 'application/json', accept } = request;
    return wire.exchange({
      method,
      path: `${path}${encodeQuery(query)}`,
      ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }),
      accept,
      signal,
      beforeSend: method === 'GET' ? undefined : options.beforeWrite && guarded(options.beforeWrite),
    });
  }

  /** A try with its place among those in flight; the metrics learn how it ended. */
  async function attemptInPlace(request: ApiRequest, mayRepeat: (error: ApiError) => boolean): Promise<Outcome> {
    const leave = await places.take(request.signal);
    const begun = timers.now();
    const seen = (code: string, retried: boolean) =>
      options.onRequest?.({
        method: request.method,
        host: wire.host,
        code,
        seconds: (timers.now() - begun) / 1000,
        retried,
      });
    try {
      const answer = await attempt(request);
      seen(`${answer.status}`, false);
      return { answer };
    } catch (thrown) {
      if (thrown instanceof Refused) throw thrown.cause;
      request.signal?.throwIfAborted();
      const error = asApiError(request, thrown);
      const again = mayRepeat(error);
      seen(error.code === 0 ? '<error>' : `${error.code}`, again);
      if (!again) throw error;
      return { error };
    } finally {
      leave();
    }
  }

  async function request(request: ApiRequest): Promise<ApiResponse> {
    const tries = request.tries ?? TRIES;
    let renewed = false;
    for (let failures = 0; ; failures++) {
      request.signal?.throwIfAborted();
      const last = failures + 1 >= tries || stopping?.aborted === true;
      const outcome = await attemptInPlace(request, (error) => {
        if (error.code === 401) wire.refreshCredentials();
        return !last && (error.passes || (error.code === 401 && !renewed));
      });
      if ('answer' in outcome) return outcome.answer;
      const { error } = outcome;
      if (error.code === 401) {
        renewed = true; // the token was read again: a second refusal is meant
        continue;
      }
      await pauseUnlessStopping(error.retryAfterMs ?? fullJitterMs(REQUEST_BACKOFF, failures, random), request.signal);
      if (stopping?.aborted) throw error;
    }
  }

  async function pauseUnlessStopping(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const signals = [signal, stopping].filter((one) => one !== undefined);
    await pause(timers, ms, signals.length === 0 ? undefined : AbortSignal.any(signals));
  }

  async function stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>> {
    const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
    const limit = new AbortController();
    const cancel = timers.after(timeoutMs, () => limit.abort(timedOut(request, timeoutMs)));
    const begun = timers.now();
    const seen = (code: string) =>
      options.onRequest?.({
        method: request.method,
        host: wire.host,
        code,
        seconds: (timers.now() - begun) / 1000,
        retried: false,
      });
    try {
      const response = await send(request, AbortSignal.any([limit.signal, request.signal]));
      if (response.status >= 300) throw refusalOf(request, response, await readText(response), random);
      seen(`${response.status}`);
      return response.body;
    } catch (thrown) {
      request.signal.throwIfAborted();
      const error = asApiError(request, limit.signal.aborted ? limit.signal.reason : thrown);
      if (error.code === 401) wire.refreshCredentials();
      seen(error.code === 0 ? '<error>' : `${error.code}`);
      throw error;
    } finally {
      cancel();
    }
  }

  return {
    request,
    stream,
    get inFlight() {
      return places.taken;
    },
  };
}

type Outcome = { readonly answer: ApiResponse } | { readonly error: ApiError };

/** Carries what `beforeWrite` threw past the retries: it is no failure of the request. */
class Refused extends Error {}

function guarded(beforeWrite: () => void): () => void {
  return () => {
    try {
      beforeWrite();
    } catch (cause) {
      throw new Refused('not sent', { cause });
    }
  };
}

/** A fixed number of places, given in the order in which they were asked for. */
class Places {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  taken = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a place; the answer gives it back. @throws the signal's reason */
  async take(signal: AbortSignal | undefined): Promise<() => void> {
    if (this.taken < this.#limit) this.taken++;
    else await this.#wait(signal); // whoever leaves hands the place over
    return () => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.taken--;
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal?.removeEventListener('abort', abandon);
        resolve();
      };
      const abandon = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abandon, { once: true });
      this.#waiting.push(enter);
    });
  }
}

export function encodeQuery(query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, `${value}`]))}`;
}

async function readText({ body }: WireResponse): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** An answer that does not decode was cut or garbled on its way: the request may be repeated, as after a broken connection. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SyntaxError(`an answer of ${text.length} characters is not JSON`, { cause });
  }
}

function describe({ method, path }: ApiRequest): string {
  return `${method} ${path}`;
}

function timedOut(request: ApiRequest, timeoutMs: number): ApiError {
  const message = `${describe(request)}: no answer in ${timeoutMs / 1000} s`;
  return new ApiError({ code: 0, reason: 'Timeout', message });
}

function asApiError(request: ApiRequest, thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const said = messageOf(thrown);
  const message = `${describe(request)}: ${said}`;
  return new ApiError({ code: 0, reason: 'Unreachable', message }, { cause: thrown });
}

/** Words for answers that are no Kubernetes Status: of a proxy, or of a server that is starting. */
const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function refusalOf(request: ApiRequest, { status, headers }: WireResponse, text: string, random: Random): ApiError {
  const said = statusOf(text);
  const waits = status === 429 || status === 503 ? retryAfterMs(headers['retry-after'], random) : undefined;
  return new ApiError({
    code: status,
    reason: said?.reason || REASONS[status] || 'Unknown',
    message: `${describe(request)}: ${said?.message ?? `${status} ${text.slice(0, 200)}`}`,
    retryAfterMs: waits,
    details: said?.details,
  });
}

interface Status {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: StatusDetails;
}

/** A Kubernetes Status, if it is one. */
function statusOf(text: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isStatus(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status';
}

/** The error that an `ERROR` event of a watch carries. */
export function errorOfStatus(value: unknown): ApiError {
  if (!isStatus(value))
    return new ApiError({ code: 0, reason: 'Unreachable', message: 'an ERROR event without Status' });
  const { code = 0, reason = REASONS[code] ?? 'Unknown', message = reason, details } = value;
  return new ApiError({ code, reason, message: `watch: ${message}`, details });
}
