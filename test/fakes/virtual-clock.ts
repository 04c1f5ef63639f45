import type { Timers } from '../../src/shared/timers.ts';

/** Lets everything run that waits for nothing but promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock that stands still until it is moved, for code that waits for timers and promises in turn. */
export class VirtualClock implements Timers {
  #now = 0;
  #order = 0;
  readonly #waiting = new Set<{ readonly at: number; readonly order: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, callback };
    this.#waiting.add(timer);
    return () => this.#waiting.delete(timer);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Moves the clock from timer to timer; between two of them everything settles. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#waiting.delete(next);
      this.#now = next.at;
      next.callback();
      await settle();
    }
    this.#now = end;
  }

  /** Time passes and nobody notices: a process that was stopped, or an event loop that was busy. */
  freeze(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#waiting]) {
      if (timer.at >= this.#now) continue;
      this.#waiting.delete(timer);
      this.#waiting.add({ ...timer, at: this.#now });
    }
  }

  #next(end: number) {
    let first: { readonly at: number; readonly order: number; readonly callback: () => void } | undefined;
    for (const timer of this.#waiting) {
      if (timer.at > end) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }
}
