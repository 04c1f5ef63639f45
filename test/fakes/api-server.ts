import { realTimers, type Timers } from '../../src/shared/timers.ts';
import type { Wire, WireRequest, WireResponse } from '../../src/shared/wire.ts';
import {
  ApiStore,
  type DeleteOptions,
  type Propagation,
  Refusal,
  type Stored,
  type StoredEvent,
  type Where,
} from './api-store.ts';
import { isObject, type Json, type JsonObject, type PatchStep } from './patches.ts';
import { PushStream } from './push-stream.ts';
import { type Fault, isWrite, type Route, routeOf, type Seen, type Write } from './route.ts';

export type { Propagation, Stored } from './api-store.ts';
export type { Fault, Seen, Write } from './route.ts';

export interface FakeApiServerOptions {
  readonly timers?: Timers;
  /** Asked for each request; undefined: nothing goes wrong. */
  readonly fault?: (request: Seen) => Fault | undefined;
  /** Of each way, there and back; absent: no time passes. */
  readonly latencyMs?: () => number;
  /** Absent: 60 s. */
  readonly bookmarkMs?: number;
  readonly wallClock?: () => Date;
  /** Called when a write was answered, in the same moment as what it changed. */
  readonly onWrite?: ((write: Write) => void) | undefined;
  /** Of the n-th object that is created; absent: all begin alike, so that names that hold a part of it collide. */
  readonly uidOf?: ((number: number) => string) | undefined;
}

type Select = (metadata: Stored['metadata']) => boolean;

const BOOKMARK_BEFORE_END_MS = 2_000;
const EPOCH = Date.UTC(2026, 0, 1);

/** The parts of the API server that we use, in memory: held to the real one by cluster.contract.ts. It speaks the wire's
 * language, so that our own requests, retries and decoding run above it. Objects are not validated, slices excepted.
 */
export class FakeApiServer {
  readonly store: ApiStore;
  /** Every write that was asked for, in order, those that never arrived included. */
  readonly writes: Write[] = [];
  fault: (request: Seen) => Fault | undefined;
  readonly #timers: Timers;
  readonly #latencyMs: () => number;
  readonly #bookmarkMs: number;
  readonly #onWrite: (write: Write) => void;
  readonly #watches = new Set<Watch>();

  constructor(options: FakeApiServerOptions = {}) {
    const { timers = realTimers, fault, latencyMs, bookmarkMs = 60_000, wallClock, onWrite, uidOf } = options;
    this.#timers = timers;
    this.#latencyMs = latencyMs ?? (() => 0);
    this.#bookmarkMs = bookmarkMs;
    this.fault = fault ?? (() => undefined);
    this.#onWrite = onWrite ?? (() => undefined);
    this.store = new ApiStore(wallClock ?? (() => new Date(EPOCH + timers.now())), uidOf);
  }

  /** Open watches, for cutting, holding and spoiling. */
  get watches(): readonly Watch[] {
    return [...this.#watches];
  }

  wire(client = 'client'): Wire {
    return {
      host: 'fake',
      exchange: (request) => this.#exchange(client, request),
      refreshCredentials: () => undefined,
      close: async () => undefined,
    };
  }

  async #exchange(client: string, request: WireRequest): Promise<WireResponse> {
    const route = { ...routeOf(request), client, at: this.#timers.now() };
    request.signal.throwIfAborted();
    request.beforeSend?.();
    const fault = this.fault(route);
    if (fault?.kind === 'late') await this.#wait(fault.ms, request.signal);
    if (fault?.kind === 'hang' && !fault.done) return never(request.signal);
    await this.#wait(this.#latencyMs(), request.signal);
    if (fault?.kind === 'lost') {
      this.#record(route, 0);
      throw new Error('socket hang up');
    }
    const response = fault?.kind === 'refuse' ? refuse(fault) : this.#answer(route, request, fault);
    this.#record(route, response.status);
    if (fault?.kind === 'hang') return never(request.signal);
    if (fault?.kind === 'slow') await this.#wait(fault.ms, request.signal);
    await this.#wait(this.#latencyMs(), request.signal);
    if (fault?.kind === 'cut') throw new Error('other side closed');
    return response;
  }

  #record(route: Route, status: number): void {
    const { query: _, ...seen } = route;
    if (!isWrite(route)) return;
    const write = { ...seen, status };
    this.writes.push(write);
    this.#onWrite(write);
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => void this.#timers.after(ms, resolve));
    signal.throwIfAborted();
  }

  #answer(route: Route, request: WireRequest, fault: Fault | undefined): WireResponse {
    try {
      if (route.verb === 'watch') return this.#watch(route, request.signal);
      return this.#do(route, fault?.kind === 'stale' ? fault.version : undefined);
    } catch (error) {
      if (error instanceof Refusal) return statusAnswer(error.code, error.reason, error.message);
      throw error;
    }
  }

  #do(route: Route, staleVersion: number | undefined): WireResponse {
    const { verb, query, body } = route;
    const { store } = this;
    if (verb === 'list') return answer(200, this.#list(route, staleVersion));
    const where = whereOf(route);
    const object = body as JsonObject;
    switch (verb) {
      case 'create':
        return answer(201, store.create(where, object, { dryRun: query.get('dryRun') === 'All' }));
      case 'replace': {
        const isThere = store
          .list(where.plural)
          .some(({ metadata: { namespace, name } }) => namespace === where.namespace && name === where.name);
        return answer(isThere ? 200 : 201, store.replace(where, object));
      }
      case 'apply':
        return answer(200, store.applyStatus(where, object));
      case 'patch':
        return answer(200, Array.isArray(body) ? store.jsonPatch(where, steps(body)) : store.mergePatch(where, object));
      case 'delete':
        return answer(200, store.delete(where, deleteOptions(where.plural, object)));
      default:
        return answer(200, store.get(where));
    }
  }

  /** Pages of one version, as long as nothing is compacted. */
  #list({ plural, namespace, query, isMetadata }: Route, staleVersion: number | undefined): JsonObject {
    const [version, from] = decodeToken(query.get('continue')) ?? [staleVersion ?? this.store.version, 0];
    if (query.has('continue') && version < this.store.compacted) {
      throw new Refusal(410, 'Expired', 'The provided continue parameter is too old');
    }
    const select = selectorOf(query);
    const all = this.store
      .list(plural, version)
      .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
    const limit = Number(query.get('limit')) || all.length;
    const items: Stored[] = [];
    let to = from;
    for (; to < all.length && items.length < limit; to++) {
      const object = all[to];
      if (object && select(object.metadata)) items.push(object);
    }
    // There is a next page if there are more objects, whether they are selected or not.
    const next = to < all.length ? { continue: encodeToken(version, to) } : {};
    const metadata = { resourceVersion: `${version}`, ...next };
    if (!isMetadata) return { kind: 'List', metadata, items };
    return { kind: 'PartialObjectMetadataList', metadata, items: items.map(({ metadata }) => ({ metadata })) };
  }

  #watch({ client, plural, namespace, query }: Route, signal: AbortSignal): WireResponse {
    const from = Number(query.get('resourceVersion'));
    const watch = new Watch({ client, plural, namespace, select: selectorOf(query) }, signal);
    if (from < this.store.compacted) {
      watch.fail(410, 'Expired'); // as the real one: the answer is 200
      return { status: 200, headers: {}, body: watch.stream };
    }
    this.#watches.add(watch);
    for (const event of this.store.eventsAfter(from)) watch.offer(event);
    const stopListening = this.store.onEvent((event) => watch.offer(event));
    const bookmark = () => {
      watch.bookmark(this.store.version);
      cancelBookmark = this.#timers.after(this.#bookmarkMs, bookmark);
    };
    let cancelBookmark = this.#timers.after(this.#bookmarkMs, bookmark);
    const endMs = Number(query.get('timeoutSeconds')) * 1000;
    const cancelLast = this.#timers.after(endMs - BOOKMARK_BEFORE_END_MS, () => watch.bookmark(this.store.version));
    const cancelEnd = this.#timers.after(endMs, () => watch.end());
    watch.onClose(() => {
      this.#watches.delete(watch);
      stopListening();
      cancelBookmark();
      cancelLast();
      cancelEnd();
    });
    return { status: 200, headers: {}, body: watch.stream };
  }
}

/** One open watch, and what a test can do to it. */
export class Watch {
  readonly client: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly stream: PushStream;
  /** Changes a line on its way: none, one or several; absent: as it is. */
  spoil: (line: string) => readonly string[] = (line) => [line];
  readonly #select: Select;
  #held: string[] | undefined;

  constructor(
    { client, plural, namespace, select }: Pick<Route, 'client' | 'plural' | 'namespace'> & { readonly select: Select },
    signal: AbortSignal,
  ) {
    this.client = client;
    this.plural = plural;
    this.namespace = namespace;
    this.#select = select;
    this.stream = new PushStream(signal);
  }

  onClose(callback: () => void): void {
    this.stream.onClose(callback);
  }

  offer({ plural, type, object, before }: StoredEvent): void {
    if (plural !== this.plural) return;
    if (this.namespace !== undefined && object.metadata.namespace !== this.namespace) return;
    // An object that enters or leaves the selection is added or deleted, for who looks through it.
    const now = type !== 'DELETED' && this.#select(object.metadata);
    const was = before !== undefined && this.#select(before.metadata);
    if (now) this.#send(was ? 'MODIFIED' : 'ADDED', object);
    else if (was) this.#send('DELETED', type === 'DELETED' ? object : lastSeen(before, object));
  }

  bookmark(version: number): void {
    this.#send('BOOKMARK', { metadata: { resourceVersion: `${version}`, creationTimestamp: null } });
  }

  /** An error in the stream, such as 410, as the server sends it. */
  fail(code: number, reason: string): void {
    this.#send('ERROR', statusOf(code, reason, reason));
    this.end();
  }

  /** Nothing goes out any more, and nothing says so: a half-open connection, or events that are late. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held) this.write(line);
  }

  /** The normal end. */
  end(): void {
    this.stream.end();
  }

  /** The connection breaks; what is underway is lost. */
  cut(): void {
    this.stream.fail(new Error('other side closed'));
  }

  /** Any text, a newline at its end or not. */
  write(text: string): void {
    if (this.#held) this.#held.push(text);
    else this.stream.push(text);
  }

  #send(type: string, object: Json): void {
    for (const line of this.spoil(JSON.stringify({ type, object }))) this.write(`${line}\n`);
  }
}

/** What somebody sees of an object that left the selection: as it was in it, at the version at which it left. */
function lastSeen(before: Stored, { metadata: { resourceVersion } }: Stored): Stored {
  return { ...before, metadata: { ...before.metadata, resourceVersion } };
}

/** Of a create the name stands in the body. */
function whereOf({ plural, namespace, name, body }: Route): Where {
  const metadata = isObject(body) && isObject(body.metadata) ? body.metadata : {};
  return { plural, namespace: namespace ?? '', name: name ?? `${metadata.name}` };
}

function selectorOf(query: URLSearchParams): Select {
  const pairs = (query.get('labelSelector') ?? '').split(',').filter((pair) => pair !== '');
  return ({ labels }) =>
    pairs.every((pair) => {
      const [key = '', value] = pair.split('=');
      return value === undefined ? labels?.[key] !== undefined : labels?.[key] === value;
    });
}

function steps(body: readonly Json[]): PatchStep[] {
  return body as unknown as PatchStep[];
}

/** Who does not say what becomes of the Pods of a Job leaves them: so it was in its first days, and so it stays. */
function deleteOptions(plural: string, body: JsonObject | undefined): DeleteOptions {
  const { uid, resourceVersion } = isObject(body?.preconditions) ? body.preconditions : {};
  return {
    usual: plural === 'jobs' ? 'Orphan' : 'Background',
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    ...(body?.propagationPolicy ? { propagation: body.propagationPolicy as Propagation } : {}),
  };
}

function encodeToken(version: number, from: number): string {
  return `${version}.${from}`;
}

function decodeToken(token: string | null): [number, number] | undefined {
  if (token === null) return undefined;
  const [version = 0, from = 0] = token.split('.').map(Number);
  return [version, from];
}

function statusOf(code: number, reason: string, message: string): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

function refuse({ status, reason, retryAfter }: Extract<Fault, { kind: 'refuse' }>): WireResponse {
  const { body } = statusAnswer(status, reason ?? '', 'refused by the test');
  return { status, headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter }, body };
}

function statusAnswer(code: number, reason: string, message: string): WireResponse {
  return answer(code, statusOf(code, reason, message));
}

function answer(status: number, body: Json): WireResponse {
  return { status, headers: {}, body: once(JSON.stringify(body)) };
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** No answer until the client gives up. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
