import type { Timers } from '../../src/shared/timers.ts';

/** A clock that stands still until it is moved. */
export class FakeTimers implements Timers {
  #now = 0;
  readonly #waiting = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#waiting.add(timer);
    return () => this.#waiting.delete(timer);
  }

  /** Moves the clock; what is due is called in its order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#waiting].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  get waiting(): number {
    return this.#waiting.size;
  }
}
