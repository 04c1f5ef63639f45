import type { Random } from '../../../src/shared/backoff.ts';

/** Randomness that a seed decides: the same seed, the same numbers (mulberry32). */
export class Dice {
  #state: number;
  readonly random: Random = () => {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 0;
    for (let round = 0; round < 4; round++) this.random();
  }

  /** Numbers of its own: who asks this one more often changes nothing for who asks that one. */
  fork(): Dice {
    return new Dice(Math.floor(this.random() * 2 ** 31));
  }

  /** From `low` to below `high`. */
  between(low: number, high: number): number {
    return low + this.random() * (high - low);
  }

  /** A whole number, both ends included. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.whole(0, items.length - 1)] ?? items[0];
  }

  /** One of what is there; undefined of nothing. */
  any<T>(items: readonly T[]): T | undefined {
    return items[this.whole(0, items.length - 1)];
  }
}
