import type { Timers } from '../shared/timers.ts';

const EVERY_MS = 250;
const TOO_LATE_MS = 1_000;

/** Whether this process keeps up: a timer that is called a second late means that requests have waited as long. */
export class LoopWatch {
  readonly #timers: Timers;
  #cancel: () => void = () => undefined;
  #isLate = false;

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#watch();
  }

  get isLate(): boolean {
    return this.#isLate;
  }

  stop(): void {
    this.#cancel();
  }

  #watch(): void {
    const due = this.#timers.now() + EVERY_MS;
    this.#cancel = this.#timers.after(EVERY_MS, () => {
      this.#isLate = this.#timers.now() - due > TOO_LATE_MS;
      this.#watch();
    });
  }
}
