import type { Timers } from '../shared/timers.ts';
import { toError } from '../sweep/errors.ts';

const RETRY_MS = 2_000;

export interface RoomOptions {
  /** A small write, which fails if the disk is full. */
  readonly tryWriting: () => Promise<void>;
  readonly timers: Timers;
  /** Told when the disk refuses a small write (the error), and when it takes one again (null). */
  readonly onBlocked: (error: Error | null) => void;
  readonly onChange: () => void;
}

/** Whether a disk that refused a model takes anything at all. A model without room costs the model; a disk without any would
 * next refuse the records, and the training of whatever was started meanwhile would be lost.
 */
export class Room {
  readonly #options: RoomOptions;
  #doubted: boolean = false;
  #looking: boolean = false;
  #last: boolean = false;
  #givenUp: boolean = false;
  #refusal: Error | null = null;
  #cancelRetry = () => {};

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** From a doubt until a small write succeeds: nothing new should start. */
  get doubted(): boolean {
    return this.#doubted;
  }

  /** The disk refused the last try too. */
  get givenUp(): boolean {
    return this.#givenUp;
  }

  /** What the disk said; null as long as it takes small writes. */
  get refusal(): Error | null {
    return this.#refusal;
  }

  /** The disk refused a model: a small write shall tell, again every 2 s. @param first what is to be written before that */
  doubt(first: Promise<void>): void {
    if (this.#doubted) return;
    this.#doubted = true;
    this.#looking = true;
    void first.then(() => this.#look());
  }

  /** Tries once more, now. */
  giveUp(): void {
    if (this.#last) return;
    this.#last = true;
    if (!this.#looking) void this.#look();
  }

  close(): void {
    this.#cancelRetry();
  }

  async #look(): Promise<void> {
    this.#cancelRetry();
    this.#looking = true;
    const refusal = await this.#options.tryWriting().then(
      () => null,
      (error: unknown) => toError(error),
    );
    const news = (refusal === null) !== (this.#refusal === null);
    this.#looking = false;
    this.#doubted = refusal !== null;
    this.#refusal = refusal;
    this.#givenUp = this.#last && this.#doubted;
    this.#last = false;
    if (this.#doubted && !this.#givenUp) this.#cancelRetry = this.#options.timers.after(RETRY_MS, () => this.#look());
    if (news) this.#options.onBlocked(refusal);
    this.#options.onChange();
  }
}
