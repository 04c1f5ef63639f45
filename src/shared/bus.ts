import { InvalidMessageError, SweepError } from '../sweep/errors.ts';
import { decodeMessage, type Message, type MessageContent } from '../sweep/message.ts';

/** Where Measurements go and are read from: a log that grows at its end. What it shows decides nothing: without it every trial
 * succeeds and every verdict is the same. Within a process: openBus; over NATS JetStream: nats-bus.ts.
 */
export interface Bus {
  /** Resolves once the log has it for good. The same id again within two minutes is taken once.
   * @throws BusError: the log does not have it, or nobody knows; it may be published again
   */
  publish(message: Message): Promise<'stored' | 'duplicate'>;
  /** Everything from the first message on, and what comes later: replay and live are one stream. Never ends of itself and never
   * throws: while the log is out of reach it waits, and says why in `status`. An abort ends it.
   * Who reads more slowly than others write is waited for.
   * @param from what is known already
   */
  read(signal: AbortSignal, from?: LogPosition): AsyncIterable<LogEntry>;
  status(): BusStatus;
  /** What is under way fails. */
  close(): Promise<void>;
}

/** A place in a log. */
export interface LogPosition {
  /** Which log: one that was deleted and made again is another one, whose positions begin anew. */
  readonly log: string;
  /** Of the last message; 0 before the first. */
  readonly position: number;
}

export type LogEntry = {
  readonly position: number;
  /** Messages behind this one when it was read; 0: live. */
  readonly pending: number;
  /** When the log took it, by its own clock, in milliseconds since 1970. */
  readonly publishedMs?: number;
} & (
  | MessageContent
  /** A message that does not decode: to be counted. */
  | { readonly kind: 'rejected'; readonly subject: string; readonly error: InvalidMessageError }
  /** Said at first, and whenever reading begins anew. `isAnother`: not the log that was read before; what is known stays true. */
  | { readonly kind: 'opened'; readonly log: string; readonly isAnother: boolean }
);

/** Why there is no telemetry, or what it suffers from. */
export type BusReason =
  /** No server answers. */
  | 'Unreachable'
  /** Server before 2.12. */
  | 'ServerTooOld'
  /** The server keeps no logs. */
  | 'NoJetStream'
  /** Stream or bucket were not made yet, or are gone. */
  | 'NoStream'
  /** The log has no room. */
  | 'StorageFull'
  /** The server knows us not. */
  | 'Unauthorized'
  /** The server knows us, and does not allow this. */
  | 'Forbidden'
  /** No TLS, or a certificate that our CA did not sign. */
  | 'TlsFailed'
  /** The log will never take this message. */
  | 'Refused'
  | 'TimedOut'
  | 'Closed';

export type BusStatus =
  | { readonly connected: true }
  | { readonly connected: false; readonly reason: BusReason; readonly message: string };

/** The log did not take a message, as far as one knows. */
export class BusError extends SweepError {
  override readonly reason: BusReason;

  constructor(reason: BusReason, message: string, options?: ErrorOptions) {
    super(reason, message, options);
    this.reason = reason;
  }
}

/** One message of a log as an entry for its reader. */
export function entryOf(
  { subject, payload }: { readonly subject: string; readonly payload: Uint8Array | string },
  place: Pick<LogEntry, 'position' | 'pending' | 'publishedMs'>,
): LogEntry {
  try {
    return { ...place, ...decodeMessage(subject, payload) };
  } catch (error) {
    if (error instanceof InvalidMessageError) return { ...place, kind: 'rejected', subject, error };
    throw error;
  }
}

/** The bus within a process. It forgets nothing while the process lives. */
export class InProcessBus implements Bus {
  readonly #log: { readonly subject: string; readonly payload: Uint8Array | string; readonly publishedMs: number }[] =
    [];
  readonly #ids = new Set<string>();
  readonly #readers = new Set<() => void>();
  #isClosed: boolean = false;

  async publish({ subject, id, payload }: Message): Promise<'stored' | 'duplicate'> {
    if (this.#isClosed) throw new BusError('Closed', 'the bus is closed');
    if (this.#ids.has(id)) return 'duplicate';
    this.#ids.add(id);
    this.append(subject, payload);
    return 'stored';
  }

  /** As it comes: whoever reads must stand it. */
  append(subject: string, payload: Uint8Array | string): void {
    this.#log.push({ subject, payload, publishedMs: Date.now() });
    for (const wake of this.#readers) wake();
  }

  async *read(signal: AbortSignal, from?: LogPosition): AsyncGenerator<LogEntry, void, void> {
    let position = from?.log === LOG ? from.position : 0;
    const isAnother = from !== undefined && from.log !== LOG;
    yield { position, pending: this.#log.length - position, kind: 'opened', log: LOG, isAnother };
    while (!signal.aborted) {
      const message = this.#log[position];
      if (!message) await this.#news(signal);
      else {
        const { publishedMs } = message;
        yield entryOf(message, { position: ++position, pending: this.#log.length - position, publishedMs });
      }
    }
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#readers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#readers.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  status(): BusStatus {
    return this.#isClosed ? { connected: false, reason: 'Closed', message: 'closed' } : { connected: true };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}

const LOG = 'process';
