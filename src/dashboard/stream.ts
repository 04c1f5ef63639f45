import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Random } from '../shared/backoff.ts';
import { pause, type Timers } from '../shared/timers.ts';
import type { Access, User } from './access.ts';
import { whoAsks } from './gate.ts';
import { notFound, ProblemError } from './problems.ts';
import type { Store } from './store.ts';
import { type Followed, StreamClient } from './stream-client.ts';
import { StreamTexts } from './stream-data.ts';
import { readUnanswered } from './unanswered.ts';

// By hand and not by @fastify/sse: that one serialises each message for each client, where most of ours need the same text, and its
// heartbeats are written on timers of its own whether the connection drains or not.

export interface StreamsOptions {
  readonly store: Store;
  readonly access: Access;
  readonly timers: Timers;
  readonly random?: Random;
  /** A client could not be told what changed, and reads anew. */
  readonly onResync?: () => void;
}

const MAX_CLIENTS = 2_000;
const MAX_OF_USER = 20;
const MAX_TOPICS = 10;
/** Between two messages to a client. */
const FLUSH_MS = 500;
/** For changes that come together. */
const GATHER_MS = 20;
const BEAT_MS = 1_000;
const KEEP_ALIVE_MS = 10_000;
/** Between two looks at what the kernel sends again and again; so often, and the client is gone: 13 s or a little more. */
const LOOK_MS = 10_000;
const GIVEN_UP = 6;
const RIGHTS_MS = 60_000;
const BYE_MS = 5_000;

const NAME = '[a-z0-9][-a-z0-9.]{0,252}';
const EventsQuery = Type.Object(
  {
    topics: Type.String({
      pattern: `^(sweeps|sweep:${NAME}/${NAME})(,(sweeps|sweep:${NAME}/${NAME}))*$`,
      maxLength: 3_000,
      description: 'What to follow: sweeps, sweep:{namespace}/{name}, with commas between them.',
    }),
  },
  { additionalProperties: false },
);
type EventsRequest = FastifyRequest<{ Querystring: Static<typeof EventsQuery> }>;

interface Open {
  readonly client: StreamClient;
  readonly request: EventsRequest;
  readonly user: User;
  rightsAt: number;
}

/** The event stream: every client gets a snapshot, then what changes, as fast as it reads and at most each half second.
 * @see operations.md section 6, "Live"
 */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #texts: StreamTexts;
  readonly #open = new Set<Open>();
  readonly #unsubscribe: () => void;
  #cancelBeat: () => void = () => undefined;
  #isFlushing: boolean = false;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #lookedAt = 0;
  #isClosing: boolean = false;
  readonly #emptied = new AbortController();

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#texts = new StreamTexts(options.store);
    this.#unsubscribe = options.store.onChange(() => this.#flushSoon());
    this.#beat();
  }

  get size(): number {
    return this.#open.size;
  }

  addTo(app: FastifyInstance): void {
    const schema = {
      summary: 'What changes, as server-sent events: snapshot, delta, lagged, bye',
      querystring: EventsQuery,
    };
    const answer = { description: 'The stream', content: { 'text/event-stream': { schema: Type.String() } } };
    app.get<{ Querystring: Static<typeof EventsQuery> }>(
      '/events',
      { schema: { ...schema, response: { 200: answer } } },
      (request, reply) => this.#accept(request, reply),
    );
    app.addHook('preClose', () => this.close());
  }

  /** Tells what is not told yet, as how a run ended, and says goodbye; whoever has not taken it in time is cut off. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#unsubscribe();
    this.#cancelBeat();
    const { timers } = this.#options;
    for (const { client } of this.#open) {
      this.#flush(client, timers.now());
      client.sayBye(timers.now());
    }
    if (this.#open.size > 0) await pause(timers, BYE_MS, this.#emptied.signal);
    for (const { client } of this.#open) client.destroy();
  }

  async #accept(request: EventsRequest, reply: FastifyReply): Promise<void> {
    const { user } = request;
    if (!user) throw notFound();
    this.#checkRoom(user);
    const { followed, listed } = await this.#topicsOf(request, user);
    this.#checkRoom(user);
    reply.hijack();
    const { raw } = reply;
    // Gone while it was asked what it may read: its end was told before anybody listened, and its place would be taken for ever.
    if (request.raw.socket.destroyed) return;
    // A stream may be silent for longer than a request.
    request.raw.socket.setTimeout(0);
    // A client that is gone without a word is noticed by the kernel, before the next heartbeat is on its way.
    request.raw.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      connection: 'keep-alive',
    });
    const { store, timers, random = Math.random } = this.#options;
    const now = timers.now();
    const client = new StreamClient({ store, texts: this.#texts, outlet: raw, followed, listed, now });
    const open: Open = { client, request, user, rightsAt: now };
    this.#open.add(open);
    raw.on('drain', () => {
      client.drained();
      this.#flushSoon();
    });
    raw.on('close', () => {
      this.#open.delete(open);
      if (this.#isClosing && this.#open.size === 0) this.#emptied.abort();
    });
    raw.on('error', () => raw.destroy());
    client.begin(1_000 + Math.floor(random() * 4_000), now);
    client.resume(request.headers['last-event-id']?.toString());
    this.#flush(client, now);
  }

  #checkRoom({ name }: User): void {
    const retry = { retryAfterSeconds: 5 };
    if (this.#isClosing) throw new ProblemError('overloaded', 'the server is stopping', retry);
    if (this.#open.size >= MAX_CLIENTS) throw new ProblemError('too-many-streams', `at most ${MAX_CLIENTS}`, retry);
    if (this.#options.access.mode === 'loopback') return;
    let own = 0;
    for (const { user } of this.#open) if (user.name === name) own++;
    if (own >= MAX_OF_USER) throw new ProblemError('too-many-streams', `at most ${MAX_OF_USER} of one user`, retry);
  }

  /** @throws ProblemError for a sweep that is not there, or may not be read */
  async #topicsOf({ query }: EventsRequest, user: User) {
    const topics = [...new Set(query.topics.split(','))];
    if (topics.length > MAX_TOPICS) throw new ProblemError('bad-request', `topics: at most ${MAX_TOPICS}`);
    const { access, store } = this.#options;
    const followed: Followed[] = [];
    for (const topic of topics) {
      const [, namespace, name] = /^sweep:([^/]+)\/(.+)$/.exec(topic) ?? [];
      if (namespace === undefined || name === undefined) continue;
      const mayRead = await access.mayRead(user, namespace);
      if (!mayRead || !store.sweep(namespace, name)) throw notFound();
      followed.push({ namespace, name });
    }
    const listed = topics.includes('sweeps') ? await this.#readable(user) : undefined;
    return { followed, listed };
  }

  async #readable(user: User): Promise<Map<string, boolean>> {
    const { access, store } = this.#options;
    const namespaces = [...new Set(store.sweeps.map(({ namespace }) => namespace))];
    const answers = await Promise.all(namespaces.map((namespace) => access.mayRead(user, namespace)));
    return new Map(namespaces.map((namespace, at) => [namespace, answers[at] ?? false]));
  }

  /** All clients that can take more are told together: most need the same text. */
  #flushSoon(): void {
    if (this.#isFlushing || this.#isClosing || this.#open.size === 0) return;
    this.#isFlushing = true;
    const { timers } = this.#options;
    const wait = Math.max(GATHER_MS, this.#flushedAt + FLUSH_MS - timers.now());
    timers.after(wait, () => {
      this.#isFlushing = false;
      this.#flushAll();
    });
  }

  #flushAll(): void {
    if (this.#isClosing) return;
    const now = this.#options.timers.now();
    this.#flushedAt = now;
    this.#askForNewNamespaces();
    for (const { client } of this.#open) this.#flush(client, now);
  }

  #flush(client: StreamClient, now: number): void {
    const before = client.resyncs;
    client.flush(now);
    if (client.resyncs > before) this.#options.onResync?.();
  }

  /** A namespace that nobody has asked about yet is not shown until the answer is there. */
  #askForNewNamespaces(): void {
    const namespaces = new Set(this.#options.store.sweeps.map(({ namespace }) => namespace));
    for (const { client, user } of this.#open) {
      const { listed } = client;
      if (!listed) continue;
      for (const namespace of namespaces) {
        if (listed.has(namespace)) continue;
        const isOpen = this.#options.access.mode === 'loopback';
        listed.set(namespace, isOpen);
        if (!isOpen) void this.#learn(client, listed, user, namespace);
      }
    }
  }

  async #learn(client: StreamClient, listed: Map<string, boolean>, user: User, namespace: string): Promise<void> {
    // Who cannot be asked now is asked again with all the others.
    const mayRead = await this.#options.access.mayRead(user, namespace).catch(() => false);
    if (!mayRead) return;
    listed.set(namespace, true);
    client.forget();
    this.#flushSoon();
  }

  /** Each second: heartbeats, who takes nothing any more, rights that are a minute old, and those that had to wait after a lag. */
  #beat(): void {
    const { timers } = this.#options;
    this.#cancelBeat = timers.after(BEAT_MS, () => {
      const now = timers.now();
      for (const open of this.#open) {
        if (!open.client.beat(now)) open.client.destroy();
        if (now - open.rightsAt >= RIGHTS_MS) void this.#checkRights(open, now);
      }
      if (now - this.#lookedAt >= LOOK_MS) void this.#dropGone(now);
      this.#flushSoon();
      this.#beat();
    });
  }

  /** Clients that are gone without a word, while something was on its way to them. */
  async #dropGone(now: number): Promise<void> {
    this.#lookedAt = now;
    if (this.#open.size === 0) return;
    const unanswered = await readUnanswered();
    for (const { client, request } of this.#open) {
      if (unanswered(request.raw.socket) >= GIVEN_UP) client.destroy();
    }
  }

  /** A right that is lost, a token that is no longer good: the stream ends, and the client learns why when it asks again. */
  async #checkRights(open: Open, now: number): Promise<void> {
    const { access } = this.#options;
    if (access.mode === 'loopback') return;
    open.rightsAt = now;
    const isGood = await this.#hasRights(open).catch(() => false);
    if (!isGood) open.client.sayBye(now);
  }

  async #hasRights({ client, request, user }: Open): Promise<boolean> {
    const { access } = this.#options;
    const who = await whoAsks(request, access);
    if (who?.name !== user.name) return false;
    for (const { namespace } of client.followed) if (!(await access.mayRead(who, namespace))) return false;
    if (!client.listed) return true;
    let isSame = true;
    for (const [namespace, mayRead] of await this.#readable(who)) {
      if (client.listed.get(namespace) !== mayRead) isSame = false;
      client.listed.set(namespace, mayRead);
    }
    if (!isSame) client.forget();
    return true;
  }
}
