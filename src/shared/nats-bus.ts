import type { Message } from '../sweep/message.ts';
import { type Bus, BusError, type BusStatus, entryOf, type LogEntry, type LogPosition } from './bus.ts';
import { type ApiError, apiErrorOf, busErrorOf, Nats, type NatsOptions } from './nats.ts';
import { readStream } from './nats-reader.ts';
import { MEASUREMENTS_STREAM } from './nats-streams.ts';

/** The bus over NATS JetStream. Opening it never fails: `status` says why nothing comes. */
export function openNatsBus(options: NatsOptions): NatsBus {
  return new NatsBus(new Nats(options));
}

export class NatsBus implements Bus {
  readonly nats: Nats;
  /** Of this program's last publish, and of its readers: a connection is not all that is needed. */
  readonly #troubles = new Map<object, BusError>();

  constructor(nats: Nats) {
    this.nats = nats;
  }

  async publish({ subject, id, payload }: Message): Promise<'stored' | 'duplicate'> {
    try {
      const answer = await this.nats.request(subject, payload, { headers: { 'Nats-Msg-Id': id } });
      const reply = answer.json<Acknowledgement>();
      if (reply.error) throw apiErrorOf(reply.error, subject);
      this.#note(this, undefined);
      return reply.duplicate ? 'duplicate' : 'stored';
    } catch (error) {
      // Something else at that address may answer anything.
      const trouble = error instanceof BusError ? error : busErrorOf(error, subject);
      this.#note(this, trouble);
      throw trouble;
    }
  }

  async *read(signal: AbortSignal, from?: LogPosition): AsyncGenerator<LogEntry, void, void> {
    const reader = {};
    const onTrouble = (error: BusError | undefined) => this.#note(reader, error);
    try {
      for await (const entry of readStream(this.nats, { stream: MEASUREMENTS_STREAM, signal, from, onTrouble })) {
        if (entry.kind === 'opened') yield entry;
        else {
          const { position, pending, publishedMs } = entry;
          yield entryOf(entry, { position, pending, publishedMs });
        }
      }
    } finally {
      this.#note(reader, undefined);
    }
  }

  status(): BusStatus {
    const status = this.nats.status();
    if (!status.connected) return status;
    for (const { reason, message } of this.#troubles.values()) return { connected: false, reason, message };
    return status;
  }

  close(): Promise<void> {
    return this.nats.close();
  }

  #note(whose: object, trouble: BusError | undefined): void {
    if (trouble) this.#troubles.set(whose, trouble);
    else this.#troubles.delete(whose);
  }
}

/** @see "Publishing to a stream" of the JetStream API */
interface Acknowledgement {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: ApiError;
}
