import { type Backoff, fullJitterMs, type Random } from '../shared/backoff.ts';
import { type Bus, BusError, type BusReason } from '../shared/bus.ts';
import { realTimers, type Timers } from '../shared/timers.ts';
import type { Address } from '../sweep/message.ts';
import { type Figure, type FigureCounts, type Formed, Outbox } from './outbox.ts';

export interface PublisherOptions {
  readonly maxBytes?: number;
  readonly timers?: Timers;
  readonly random?: Random;
}

/** More do not make the log faster. */
const MAX_IN_FLIGHT = 64;
const BACKOFF: Backoff = { baseMs: 250, capMs: 5_000 };
const DRAIN_BACKOFF: Backoff = { baseMs: 100, capMs: 500 };

/** Publishes the figures of one attempt as they come, and again until they are stored. Nobody waits for it. */
export class Publisher {
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #outbox: Outbox;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #inFlight = new Set<Formed>();
  #backoff = BACKOFF;
  #failures = 0;
  #cancelPause: (() => void) | undefined;
  #trouble: BusError | undefined;
  #settled: () => void = () => undefined;

  constructor(
    bus: Pick<Bus, 'publish'>,
    address: Address,
    { maxBytes, timers = realTimers, random = Math.random }: PublisherOptions = {},
  ) {
    this.#bus = bus;
    this.#outbox = new Outbox(address, maxBytes);
    this.#timers = timers;
    this.#random = random;
  }

  add(figure: Figure): void {
    this.#outbox.add(figure);
    this.#pump();
  }

  /** Tries at once what waits for its turn: the bus is back. */
  wake(): void {
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#pump();
  }

  /** Waits until all is stored, at most for so long. */
  async drain(timeoutMs: number): Promise<void> {
    this.#backoff = DRAIN_BACKOFF;
    this.#failures = 0;
    this.wake();
    let isOver = false;
    const cancel = this.#timers.after(timeoutMs, () => {
      isOver = true;
      this.#settled();
    });
    while (!isOver && !this.#outbox.isEmpty) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
    cancel();
    this.#cancelPause?.();
  }

  /** Figures that are not stored, as far as one knows. */
  get unstored(): FigureCounts {
    return this.#outbox.unstored(this.#inFlight);
  }

  /** The last thing that went wrong and was not made good since. */
  get trouble(): { readonly reason: BusReason; readonly message: string } | undefined {
    return this.#trouble;
  }

  #pump(): void {
    // After a failure one message at a time asks whether all is well again.
    const most = this.#failures > 0 ? 1 : MAX_IN_FLIGHT;
    while (!this.#cancelPause && this.#outbox.inFlight < most) {
      const next = this.#outbox.take();
      if (!next) return;
      void this.#send(next);
    }
  }

  async #send(formed: Formed): Promise<void> {
    this.#inFlight.add(formed);
    try {
      await this.#bus.publish(formed.message);
      this.#outbox.settle(formed, 'Stored');
      this.#failures = 0;
      this.#trouble = undefined;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#trouble = error;
      this.#outbox.settle(formed, error.reason === 'Refused' ? 'Refused' : 'Failed');
      if (error.reason !== 'Refused') this.#pause();
    }
    this.#inFlight.delete(formed);
    this.#settled();
    this.#pump();
  }

  #pause(): void {
    if (this.#cancelPause) return; // what was under way together failed together
    const ms = 20 + fullJitterMs(this.#backoff, this.#failures++, this.#random);
    this.#cancelPause = this.#timers.after(ms, () => {
      this.#cancelPause = undefined;
      this.#pump();
    });
  }
}
