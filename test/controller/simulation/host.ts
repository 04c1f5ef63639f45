import type { Timers } from '../../../src/shared/timers.ts';
import type { Wire, WireRequest, WireResponse } from '../../../src/shared/wire.ts';
import type { SimulatedClock } from './clock.ts';

/** Where a process is when it dies: its write was not sent, was done and not answered, or was answered. */
export type CrashPoint = 'before' | 'committed' | 'answered';

/** A process that can be killed or frozen at any moment. What it waits for then never comes, or comes later. */
export class Host {
  readonly name: string;
  readonly timers: Timers;
  readonly wire: Wire;
  /** Asked for each write: whether the process dies of it, and where. */
  crashAt: (request: WireRequest) => CrashPoint | undefined = () => undefined;
  onDeath: () => void = () => {};
  readonly #clock: SimulatedClock;
  readonly #gone = new AbortController();
  #frozen: (() => void)[] | undefined;

  constructor(name: string, clock: SimulatedClock, server: Wire) {
    this.name = name;
    this.#clock = clock;
    this.timers = {
      now: () => clock.now(),
      after: (ms, callback) => clock.after(ms, () => this.#wake(callback)),
    };
    this.wire = { ...server, exchange: (request) => this.#exchange(server, request) };
  }

  get isDead(): boolean {
    return this.#gone.signal.aborted;
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  kill(): void {
    if (this.isDead) return;
    this.#gone.abort();
    this.#frozen = undefined;
    this.onDeath();
  }

  /** SIGSTOP: the clock goes on, the process does not. */
  freeze(): void {
    if (!this.isDead) this.#frozen ??= [];
  }

  /** SIGCONT. */
  thaw(): void {
    const waiting = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const callback of waiting) this.#clock.after(0, () => this.#wake(callback));
  }

  #wake(callback: () => void): void {
    if (this.isDead) return;
    if (this.#frozen) this.#frozen.push(callback);
    else callback();
  }

  /** Resolves when the process runs; for a dead one never. */
  async #running(): Promise<void> {
    if (this.isDead) return new Promise(() => {});
    if (this.#frozen) await new Promise<void>((resolve) => this.#frozen?.push(resolve));
  }

  async #exchange(server: Wire, request: WireRequest): Promise<WireResponse> {
    const isWrite = request.method !== 'GET';
    const crash = isWrite ? this.crashAt(request) : undefined;
    if (crash === 'before') {
      request.beforeSend?.();
      this.kill();
    }
    await this.#running();
    // A write that is under way arrives, whatever becomes of who sent it.
    const signal = isWrite ? request.signal : AbortSignal.any([request.signal, this.#gone.signal]);
    try {
      const response = await server.exchange({ ...request, signal });
      if (crash === 'committed') this.kill();
      if (crash === 'answered') this.#clock.after(0, () => this.kill());
      await this.#running();
      return isWrite ? response : { ...response, body: this.#read(response.body) };
    } catch (error) {
      if (crash) this.kill();
      await this.#running();
      throw error;
    }
  }

  async *#read(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) {
        await this.#running();
        yield chunk;
      }
    } catch (error) {
      await this.#running();
      throw error;
    }
  }
}
