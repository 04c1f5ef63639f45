import { type Address, joinMessage, MAX_PAYLOAD_BYTES, MAX_PER_MESSAGE, type Message } from '../sweep/message.ts';

/** A figure that waits to be published: one Measurement, or one point of progress. */
export interface Figure {
  readonly kind: 'epoch' | 'progress';
  /** Epoch, or how many points of progress there were; grows. */
  readonly number: number;
  /** JSON. */
  readonly text: string;
}

export type FigureCounts = Readonly<Record<Figure['kind'], number>>;

/** A message with the figures that went into it. It never changes again: of two messages with the same last figure the log takes
 * the first alone, so a figure must not go into another one. */
export interface Formed {
  readonly message: Message;
  readonly kind: Figure['kind'];
  readonly figures: number;
  readonly bytes: number;
}

/** What is not stored yet, in a bounded place. */
export class Outbox {
  readonly #address: Address;
  readonly #maxBytes: number;
  readonly #waiting: Record<Figure['kind'], Figure[]> = { epoch: [], progress: [] };
  readonly #lost = { epoch: 0, progress: 0 };
  /** Formed once, to be sent again. */
  readonly #again: Formed[] = [];
  #inFlight = 0;
  #bytes = 0;

  constructor(address: Address, maxBytes = 1024 * 1024) {
    this.#address = address;
    this.#maxBytes = maxBytes;
  }

  /** Takes a figure. If there is no room the oldest goes: points of progress first, which nothing is drawn from but a detail. The
   * epochs of the longest trial all fit. */
  add(figure: Figure): void {
    this.#waiting[figure.kind].push(figure);
    this.#bytes += figure.text.length;
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#waiting.progress.shift() ?? this.#waiting.epoch.shift();
      if (!oldest) return; // the rest is on its way
      this.#bytes -= oldest.text.length;
      this.#lost[oldest.kind]++;
    }
  }

  /** The next message: one that failed before, else as many figures of one kind as fit. */
  take(): Formed | undefined {
    const next = this.#again.shift() ?? this.#form('epoch') ?? this.#form('progress');
    if (next) this.#inFlight++;
    return next;
  }

  #form(kind: Figure['kind']): Formed | undefined {
    const taken: Figure[] = [];
    let bytes = 2;
    for (const figure of this.#waiting[kind]) {
      const more = figure.text.length + 1;
      if (taken.length > 0 && (taken.length === MAX_PER_MESSAGE || bytes + more > MAX_PAYLOAD_BYTES)) break;
      taken.push(figure);
      bytes += more;
    }
    const last = taken.at(-1);
    if (!last) return undefined;
    this.#waiting[kind].splice(0, taken.length);
    const texts = taken.map(({ text }) => text);
    const message = joinMessage({ address: this.#address, kind, number: last.number }, texts);
    return { message, kind, figures: taken.length, bytes: texts.reduce((sum, { length }) => sum + length, 0) };
  }

  /** What became of a message that was taken. `Refused`: it never can be stored. */
  settle(formed: Formed, outcome: 'Stored' | 'Failed' | 'Refused'): void {
    this.#inFlight--;
    if (outcome === 'Failed') {
      this.#again.push(formed);
      return;
    }
    this.#bytes -= formed.bytes;
    if (outcome === 'Refused') this.#lost[formed.kind] += formed.figures;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Nothing waits and nothing is on its way. */
  get isEmpty(): boolean {
    return this.#inFlight === 0 && this.#bytes === 0;
  }

  /** Figures that were dropped or refused. */
  get lost(): FigureCounts {
    return { ...this.#lost };
  }

  /** Figures that are not stored, as far as one knows: lost or still here. @param inFlight messages whose answer did not come */
  unstored(inFlight: Iterable<Formed>): FigureCounts {
    const counts = { ...this.#lost };
    for (const kind of ['epoch', 'progress'] as const) counts[kind] += this.#waiting[kind].length;
    for (const { kind, figures } of [...this.#again, ...inFlight]) counts[kind] += figures;
    return counts;
  }
}
