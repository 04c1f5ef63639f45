// The only file that names the NATS client: one connection that comes back, and the words for what keeps it away.
import {
  connect,
  createInbox,
  ErrorCode,
  headers,
  type JetStreamManager,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NatsError,
  type StreamConfig,
  type StreamInfo,
  type Subscription,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import { messageOf } from '../sweep/errors.ts';
import { type Backoff, fullJitterMs, type Random } from './backoff.ts';
import { BusError, type BusReason, type BusStatus } from './bus.ts';
import { codeOf } from './durable.ts';
import { pause, realTimers, type Timers } from './timers.ts';

export type { JetStreamManager, Msg, NatsConnection, StreamConfig, StreamInfo, Subscription };

/** How one shows who one is. */
export type Credentials =
  | { readonly user: string; readonly password: string }
  | { readonly token: string }
  /** Nobody in particular. */
  | undefined;

export interface NatsOptions {
  /** `nats://host:port` */
  readonly url: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
  /** PEM, read at each connect. If there is one, only TLS with a certificate that it signed is good enough. */
  readonly ca?: string | (() => string | Promise<string>) | undefined;
  /** Read at each connect: projected tokens change. */
  readonly credentials?: () => Credentials | Promise<Credentials>;
  /** First part of the subjects of answers, for a server that allows no other. */
  readonly inboxPrefix?: string;
  /** Told at each change. */
  readonly onStatus?: (status: BusStatus) => void;
  readonly backoff?: Backoff;
  readonly timers?: Timers;
  readonly random?: Random;
}

/** The first that keeps a log's promises as this program needs them. */
const LEAST_VERSION = [2, 12] as const;
const CONNECT_TIMEOUT_MS = 5_000;
/** A peer that is silent for three of them is dead. */
const PING_INTERVAL_MS = 10_000;
const RECONNECT: Backoff = { baseMs: 250, capMs: 5_000 };
/** A server that tells why it does not want us is not asked again at once. */
const DECLINED: Backoff = { baseMs: 2_000, capMs: 30_000 };
const REQUEST_TIMEOUT_MS = 5_000;

export interface RequestOptions {
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A connection to a NATS server that is made anew, with new credentials, whenever it breaks. Nobody waits for it: what is asked
 * meanwhile fails at once with the reason.
 */
export class Nats {
  readonly #options: NatsOptions;
  readonly #stopped = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #loop: Promise<void>;
  #connection: NatsConnection | undefined;
  #status: BusStatus = { connected: false, reason: 'Unreachable', message: 'not connected yet' };
  #connects = 0;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  status(): BusStatus {
    return this.#status;
  }

  /** How often it came back. */
  get reconnects(): number {
    return Math.max(0, this.#connects - 1);
  }

  /** @throws BusError saying why there is none */
  get connection(): NatsConnection {
    if (this.#connection && !this.#connection.isClosed()) return this.#connection;
    const { reason, message } = this.#status.connected
      ? ({ reason: 'Unreachable', message: 'the connection broke' } as const)
      : this.#status;
    throw new BusError(reason, message);
  }

  /** Waits for a connection; undefined if the signal comes first, or it is closed. */
  async connected(signal: AbortSignal): Promise<NatsConnection | undefined> {
    const ended = AbortSignal.any([signal, this.#stopped.signal]);
    while (!ended.aborted) {
      if (this.#connection && !this.#connection.isClosed()) return this.#connection;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          ended.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        ended.addEventListener('abort', wake);
      });
    }
    return undefined;
  }

  /** Asks, and waits for the one answer. @throws BusError */
  async request(subject: string, payload: Uint8Array | string, options: RequestOptions = {}): Promise<Msg> {
    const { timeoutMs: timeout = REQUEST_TIMEOUT_MS, headers: fields } = options;
    const { connection } = this;
    try {
      return await connection.request(subject, payload, { timeout, ...(fields && { headers: headersOf(fields) }) });
    } catch (cause) {
      // A connection that breaks lets all that is asked time out at once.
      if (connection.isClosed()) throw new BusError('Unreachable', 'the connection broke', { cause });
      throw busErrorOf(cause, subject);
    }
  }

  /** Answers what is asked on a subject, also after it was away; of several that do so in one queue one is asked.
   * An answer of undefined, or a throw, is no answer. Ends with the signal.
   */
  async serve(
    subject: string,
    queue: string,
    answer: (payload: Uint8Array, header: (name: string) => string) => Promise<Uint8Array | string | undefined>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const connection = await this.connected(signal);
      if (!connection) return;
      const onMessage = (error: NatsError | null, message: Msg) => {
        if (error) return;
        answer(message.data, (name) => message.headers?.get(name) ?? '')
          .then((reply) => reply !== undefined && message.respond(reply))
          .catch(() => undefined);
      };
      let subscription: Subscription;
      try {
        subscription = connection.subscribe(subject, { queue, callback: onMessage });
      } catch {
        await this.#pause(RECONNECT, 0); // the connection broke a moment ago
        continue;
      }
      const end = () => subscription.unsubscribe();
      signal.addEventListener('abort', end, { once: true });
      await subscription.closed.catch(() => undefined);
      signal.removeEventListener('abort', end);
      if (!signal.aborted && !connection.isClosed()) await this.#pause(RECONNECT, 2); // refused
    }
  }

  /** A subject for answers, of this connection alone. */
  inbox(): string {
    return createInbox(this.#options.inboxPrefix);
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#connection?.close().catch(() => undefined);
    await this.#loop;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped.signal.aborted) {
      let backoff = RECONNECT;
      try {
        const connection = await this.#open();
        failures = 0;
        this.#connects++;
        this.#connection = connection;
        this.#say({ connected: true });
        const error = await connection.closed();
        this.#connection = undefined;
        if (error) throw connectErrorOf(error);
        throw new BusError('Unreachable', 'the connection broke');
      } catch (error) {
        if (this.#stopped.signal.aborted) break;
        const { reason, message } = error instanceof BusError ? error : connectErrorOf(error);
        this.#say({ connected: false, reason, message });
        if (reason !== 'Unreachable') backoff = DECLINED;
      }
      await this.#pause(this.#options.backoff ?? backoff, failures++);
    }
    this.#say({ connected: false, reason: 'Closed', message: 'closed' });
  }

  #pause(backoff: Backoff, failures: number): Promise<void> {
    const { timers = realTimers, random = Math.random } = this.#options;
    return pause(timers, 20 + fullJitterMs(backoff, failures, random), this.#stopped.signal);
  }

  async #open(): Promise<NatsConnection> {
    const { url, name, credentials, inboxPrefix } = this.#options;
    const who = await credentials?.();
    const ca = typeof this.#options.ca === 'function' ? await this.#options.ca() : this.#options.ca;
    const connection = await connect({
      servers: url,
      name,
      // Ours is the loop that connects again: it reads the token anew, and knows why it failed.
      reconnect: false,
      ignoreClusterUpdates: true,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
      ...(inboxPrefix !== undefined && { inboxPrefix }),
      ...(ca !== undefined && { tls: { ca } }),
      ...(who && {
        authenticator:
          'token' in who ? tokenAuthenticator(who.token) : usernamePasswordAuthenticator(who.user, who.password),
      }),
    });
    const unfit = this.#stopped.signal.aborted ? new BusError('Closed', 'closed') : whyUnfit(connection);
    if (!unfit) return connection;
    await connection.close();
    throw unfit;
  }

  #say(status: BusStatus): void {
    const before = this.#status;
    this.#status = status;
    if (status.connected) for (const wake of this.#waiting) wake();
    if (before.connected !== status.connected || !status.connected) this.#options.onStatus?.(status);
  }
}

/** A server that answers, and still is of no use. */
function whyUnfit({ info }: NatsConnection): BusError | undefined {
  const { version = '0', jetstream = false } = info ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const least = LEAST_VERSION.join('.');
  if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1]))
    return new BusError('ServerTooOld', `nats-server ${version}; at least ${least} is needed`);
  if (!jetstream) return new BusError('NoJetStream', `nats-server ${version} runs without JetStream`);
  return undefined;
}

function headersOf(fields: Readonly<Record<string, string>>): MsgHdrs {
  const all = headers();
  for (const [name, value] of Object.entries(fields)) all.set(name, value);
  return all;
}

/** Why a connect failed, or a connection ended. */
function connectErrorOf(error: unknown): BusError {
  const cause = error instanceof NatsError && error.chainedError ? error.chainedError : error;
  const words = messageOf(cause);
  const code = error instanceof NatsError ? error.code : (codeOf(error) ?? '');
  if (code === ErrorCode.ServerOptionNotAvailable)
    return new BusError('TlsFailed', 'the server speaks plain text', { cause });
  if (code === ErrorCode.Tls || /CERT|SSL|SELF_SIGNED|UNABLE_TO|DEPTH_ZERO/.test(code))
    return new BusError('TlsFailed', words, { cause });
  if (UNAUTHORIZED.has(code)) return new BusError('Unauthorized', words, { cause });
  return new BusError('Unreachable', words, { cause });
}

const UNAUTHORIZED = new Set<string>([
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AuthenticationTimeout,
  ErrorCode.AccountExpired,
  ErrorCode.BadAuthentication,
]);

const BY_CODE: Readonly<Record<string, BusReason>> = {
  [ErrorCode.NoResponders]: 'NoStream',
  [ErrorCode.Timeout]: 'TimedOut',
  [ErrorCode.PermissionsViolation]: 'Forbidden',
  [ErrorCode.MaxPayloadExceeded]: 'Refused',
  [ErrorCode.BadSubject]: 'Refused',
};

/** Numbers of the server's own list of errors. */
const BY_API_CODE: Readonly<Record<number, BusReason>> = {
  10039: 'NoJetStream', // not enabled for the account
  10047: 'StorageFull', // of the server
  10054: 'Refused', // larger than max_msg_size
  10059: 'NoStream',
  10076: 'NoJetStream', // not enabled
  10077: 'StorageFull', // max_bytes, max_msgs: the description says which
};

/** Why a request failed, or what the answer of JetStream says. */
export function busErrorOf(cause: unknown, subject: string): BusError {
  if (cause instanceof BusError) return cause;
  const api = cause instanceof NatsError ? cause.api_error : undefined;
  if (api) return apiErrorOf(api, subject);
  const code = cause instanceof NatsError ? cause.code : (codeOf(cause) ?? '');
  const words = code === ErrorCode.NoResponders ? 'nobody listens' : messageOf(cause);
  return new BusError(BY_CODE[code] ?? 'Unreachable', `${subject}: ${words}`, { cause });
}

/** As JetStream writes it into an answer. */
export interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description: string;
}

export function apiErrorOf({ code, err_code = 0, description }: ApiError, subject: string): BusError {
  const reason = BY_API_CODE[err_code] ?? (code === 503 ? 'NoStream' : 'Refused');
  return new BusError(reason, `${subject}: ${description}`);
}
