/** A bounded set of label values, so that a page of metrics stays small whatever users do: the ones touched last have names
 * of their own.
 */
export class BoundedLabels {
  readonly #limit: number;
  readonly #onDropped: (value: string) => void;
  /** In the order of their last touch. */
  readonly #values = new Set<string>();

  /** @param onDropped a value lost its place: its series must go */
  constructor(limit: number, onDropped: (value: string) => void) {
    this.#limit = limit;
    this.#onDropped = onDropped;
  }

  /** Gives a value a place, taking that of the one touched longest ago. */
  touch(value: string): void {
    this.#values.delete(value);
    this.#values.add(value);
    if (this.#values.size <= this.#limit) return;
    const [oldest] = this.#values;
    if (oldest !== undefined) this.remove(oldest);
  }

  has(value: string): boolean {
    return this.#values.has(value);
  }

  remove(value: string): void {
    if (this.#values.delete(value)) this.#onDropped(value);
  }
}

/** The first values keep their names; every later one is `_other`: counters may not lose a series. */
export class FirstLabels {
  readonly #limit: number;
  readonly #onOther: () => void;
  readonly #values = new Set<string>();

  constructor(limit: number, onOther: () => void) {
    this.#limit = limit;
    this.#onOther = onOther;
  }

  of(value: string): string {
    if (this.#values.has(value)) return value;
    if (this.#values.size >= this.#limit) {
      this.#onOther();
      return '_other';
    }
    this.#values.add(value);
    return value;
  }
}
