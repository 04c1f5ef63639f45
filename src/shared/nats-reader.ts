// Reads a stream from its first message on and never stops: an ordered pull consumer that begins anew whenever anything is odd.
import { randomUUID } from 'node:crypto';
import { type Backoff, fullJitterMs } from './backoff.ts';
import { BusError, type LogPosition } from './bus.ts';
import {
  type ApiError,
  apiErrorOf,
  busErrorOf,
  type Msg,
  type Nats,
  type NatsConnection,
  type Subscription,
} from './nats.ts';
import { pause, realTimers, type Timers } from './timers.ts';

/** One message of a stream, or that reading (again) begins. */
export type StreamEntry = { readonly position: number; readonly pending: number } & (
  | {
      readonly kind: 'message';
      readonly subject: string;
      readonly payload: Uint8Array;
      /** By the server's clock, since 1970. */
      readonly publishedMs: number;
    }
  | { readonly kind: 'opened'; readonly log: string; readonly isAnother: boolean }
);

export interface ReadOptions {
  readonly stream: string;
  readonly signal: AbortSignal;
  /** Only these subjects. */
  readonly filter?: string;
  /** What is known already. */
  readonly from?: LogPosition | undefined;
  /** Told why reading cannot begin, each time it is tried, and with undefined once it has begun. */
  readonly onTrouble?: (error: BusError | undefined) => void;
  readonly timers?: Timers;
}

/** Asked for at once; the next are asked for when the reader takes what has come, so that a slow one is not flooded. */
const BATCH = 2000;
const BATCH_BYTES = 2 * 1024 * 1024;
const EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** A consumer that nobody asks for so long is the server's to delete. */
const INACTIVE_MS = 120_000;
const BACKOFF: Backoff = { baseMs: 250, capMs: 5_000 };

/** Every message once, in the order of the stream. Never throws: what keeps it from reading is told to `onTrouble`. */
export async function* readStream(nats: Nats, options: ReadOptions): AsyncGenerator<StreamEntry, void, void> {
  const { signal, onTrouble, timers = realTimers } = options;
  let known = options.from;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const connection = await nats.connected(signal);
      if (!connection) return;
      const { consumer, start, pending, isAnother } = await createConsumer(nats, options, known);
      known = start;
      failures = 0;
      onTrouble?.(undefined);
      yield { kind: 'opened', ...start, pending, isAnother };
      for await (const messages of new Pull(nats, connection, options.stream, consumer, signal, timers)) {
        for (const message of messages) {
          if (signal.aborted) return;
          yield message;
        }
        known = { ...start, position: messages.at(-1)?.position ?? start.position };
      }
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      onTrouble?.(error);
    }
    await pause(timers, fullJitterMs(BACKOFF, failures++, Math.random), signal);
  }
}

interface Opened {
  readonly consumer: string;
  readonly start: LogPosition;
  readonly pending: number;
  readonly isAnother: boolean;
}

/** A consumer of our own from the first message that is not known. @throws BusError */
async function createConsumer(nats: Nats, options: ReadOptions, known: LogPosition | undefined): Promise<Opened> {
  const { stream, filter } = options;
  const { created, state } = await call<StreamReply>(nats, `STREAM.INFO.${stream}`, {});
  // One that was made again counts anew; one that lost its end would count what it lost a second time.
  const isSame = known !== undefined && known.log === created && known.position <= state.last_seq;
  const start = isSame ? known : { log: created, position: 0 };
  const consumer = `r${randomUUID().replaceAll('-', '').slice(0, 22)}`;
  const config = {
    name: consumer,
    ...(start.position === 0
      ? { deliver_policy: 'all' }
      : { deliver_policy: 'by_start_sequence', opt_start_seq: start.position + 1 }),
    ...{ ack_policy: 'none', replay_policy: 'instant', mem_storage: true, num_replicas: 1 },
    inactive_threshold: nanoseconds(INACTIVE_MS),
    ...(filter !== undefined && { filter_subject: filter }),
  };
  const subject = `CONSUMER.CREATE.${stream}.${consumer}${filter === undefined ? '' : `.${filter}`}`;
  const { num_pending: pending } = await call<ConsumerReply>(nats, subject, { stream_name: stream, config });
  return { consumer, start, pending, isAnother: known !== undefined && !isSame };
}

interface StreamReply {
  readonly created: string;
  readonly state: { readonly last_seq: number };
}

interface ConsumerReply {
  readonly num_pending: number;
}

/** @throws BusError */
async function call<Reply>(nats: Nats, subject: string, body: object): Promise<Reply> {
  const answer = await nats.request(`$JS.API.${subject}`, JSON.stringify(body));
  const reply = answer.json<Reply & { readonly error?: ApiError }>();
  if (reply.error) throw apiErrorOf(reply.error, subject);
  return reply;
}

function nanoseconds(ms: number): number {
  return ms * 1_000_000;
}

type Read = Extract<StreamEntry, { kind: 'message' }>;

/** The messages of one consumer, those at once that have come, until it or the connection is gone, or one message is missing. */
class Pull implements AsyncIterable<readonly Read[]> {
  readonly #nats: Nats;
  readonly #connection: NatsConnection;
  readonly #next: string;
  readonly #deleted: string;
  readonly #signal: AbortSignal;
  readonly #timers: Timers;
  /** Come, not yet read. */
  #queue: Read[] = [];
  /** Asked for, not yet come. */
  #outstanding = 0;
  /** Of the last message, as the consumer counts. */
  #delivered = 0;
  #heardMs: number;
  #isBroken: boolean = false;
  #wake: () => void = () => undefined;

  constructor(
    nats: Nats,
    connection: NatsConnection,
    stream: string,
    consumer: string,
    signal: AbortSignal,
    timers: Timers,
  ) {
    this.#nats = nats;
    this.#connection = connection;
    this.#next = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#deleted = `$JS.API.CONSUMER.DELETE.${stream}.${consumer}`;
    this.#signal = signal;
    this.#timers = timers;
    this.#heardMs = timers.now();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Read[], void, void> {
    const inbox = this.#nats.inbox();
    const subscription = this.#subscribe(inbox);
    const end = () => this.#break();
    this.#signal.addEventListener('abort', end);
    // Also closed by the end of the connection, which for its part would hold every reader that it ever had.
    void subscription.closed.then(end, end);
    const stopWatching = this.#watch();
    try {
      while (!this.#signal.aborted) {
        const come = this.#queue;
        this.#queue = [];
        if (come.length === 0 && this.#isBroken) return;
        // The next are on their way while these are read.
        this.#ask(inbox);
        if (come.length > 0) yield come;
        else await this.#news();
      }
    } finally {
      stopWatching();
      this.#signal.removeEventListener('abort', end);
      subscription.unsubscribe();
      if (!this.#connection.isClosed()) this.#connection.publish(this.#deleted);
    }
  }

  /** @throws BusError: the connection broke a moment ago */
  #subscribe(inbox: string): Subscription {
    try {
      return this.#connection.subscribe(inbox, {
        callback: (error, message) => (error ? this.#break() : this.#take(message)),
      });
    } catch (cause) {
      throw busErrorOf(cause, this.#next);
    }
  }

  #ask(reply: string): void {
    if (this.#isBroken || this.#connection.isClosed() || this.#outstanding > BATCH / 2) return;
    if (this.#outstanding === 0) this.#heardMs = this.#timers.now();
    this.#outstanding += BATCH;
    const body = { batch: BATCH, max_bytes: BATCH_BYTES, expires: nanoseconds(EXPIRES_MS) };
    const text = JSON.stringify({ ...body, idle_heartbeat: nanoseconds(HEARTBEAT_MS) });
    this.#connection.publish(this.#next, text, { reply });
  }

  #take(message: Msg): void {
    this.#heardMs = this.#timers.now();
    // Headers are decoded when they are asked for: of a million messages nobody does.
    const code = message.reply?.startsWith('$JS.ACK') ? 0 : (message.headers?.code ?? 0);
    if (code >= 100) {
      this.#note(message, code);
      return;
    }
    const { delivered, ...place } = placeOf(message.reply ?? '');
    // Something was lost on the way: begin anew behind what came.
    if (delivered !== this.#delivered + 1) {
      this.#break();
      return;
    }
    this.#delivered = delivered;
    this.#outstanding--;
    this.#queue.push({ kind: 'message', subject: message.subject, payload: message.data, ...place });
    this.#wake();
  }

  /** What the server says of a request: that it is still there, that it has ended, that there is no such consumer. */
  #note({ headers }: Msg, code: number): void {
    if (code === 100) {
      const last = headers?.get('Nats-Last-Consumer') ?? '';
      if (last !== '' && Number(last) !== this.#delivered) this.#break();
      return;
    }
    const isOver = code === 404 || code === 408 || /MaxBytes|Batch Completed/i.test(headers?.description ?? '');
    if (isOver) {
      this.#outstanding = Math.max(0, this.#outstanding - Number(headers?.get('Nats-Pending-Messages') || BATCH));
      this.#wake();
    } else this.#break();
  }

  /** A server that is silent though it promised a sign of life is gone. */
  #watch(): () => void {
    let cancel: () => void = () => undefined;
    const look = () => {
      if (this.#outstanding > 0 && this.#timers.now() - this.#heardMs > 3 * HEARTBEAT_MS) return this.#break();
      cancel = this.#timers.after(HEARTBEAT_MS, look);
    };
    cancel = this.#timers.after(HEARTBEAT_MS, look);
    return () => cancel();
  }

  #break(): void {
    this.#isBroken = true;
    this.#wake();
  }

  #news(): Promise<void> {
    if (this.#isBroken || this.#signal.aborted || this.#queue.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** `$JS.ACK.<stream>.<consumer>.<times>.<position>.<delivered>.<time>.<pending>`, newer ones with domain and account before the stream. */
function placeOf(reply: string) {
  const tokens = reply.split('.');
  const at = tokens.length > 9 ? 7 : 5;
  return {
    position: Number(tokens[at]),
    delivered: Number(tokens[at + 1]),
    publishedMs: Number(tokens[at + 2]) / 1e6,
    pending: Number(tokens[at + 3]),
  };
}
