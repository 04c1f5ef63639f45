/** Each asks the API server up to four times. */
export const TURNS_AT_ONCE = 32;
/** Behind them; at 50 ms each the last has its turn within half a second. */
const IN_LINE = 256;
/** Of the five seconds that the server waits for an answer: whoever has its turn later has been given up, or would be. */
const PATIENCE_MS = 2_500;

export interface TurnOptions {
  readonly atOnce?: number;
  readonly inLine?: number;
  readonly patienceMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Lets a few work at once and some wait for their turn, first come, first served; all others are sent away at once. */
export class Turns {
  readonly #atOnce: number;
  readonly #inLine: number;
  readonly #patienceMs: number;
  readonly #now: () => number;
  readonly #line: (() => void)[] = [];
  #working = 0;

  constructor(options: TurnOptions = {}) {
    const {
      atOnce = TURNS_AT_ONCE,
      inLine = IN_LINE,
      patienceMs = PATIENCE_MS,
      now = () => performance.now(),
    } = options;
    this.#atOnce = atOnce;
    this.#inLine = inLine;
    this.#patienceMs = patienceMs;
    this.#now = now;
  }

  /** @returns what the work does; `crowded`: it was not begun, since too many are before it. @throws what the work throws */
  async take<Result>(work: () => Promise<Result>): Promise<Result | 'crowded'> {
    const came = this.#now();
    if (this.#working < this.#atOnce) this.#working++;
    else if (this.#line.length < this.#inLine) await new Promise<void>((resolve) => this.#line.push(resolve));
    else return 'crowded';
    try {
      return this.#now() - came > this.#patienceMs ? 'crowded' : await work();
    } finally {
      // Whoever is next takes this place: nobody who comes meanwhile gets before it.
      const next = this.#line.shift();
      if (next) next();
      else this.#working--;
    }
  }
}
