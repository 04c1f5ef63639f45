/** Bytes that are pushed in at one end and read at the other; an abort breaks it. */
export class PushStream implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  readonly #onClose: (() => void)[] = [];
  #error: { readonly reason: unknown } | undefined;
  #ended: boolean = false;
  #wake = () => {};

  constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => this.fail(signal.reason), { once: true });
  }

  push(text: string): void {
    if (this.#ended) return;
    this.#chunks.push(Buffer.from(text));
    this.#wake();
  }

  /** What was pushed is still read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const callback of this.#onClose) callback();
    this.#wake();
  }

  /** What was not read yet is lost. */
  fail(reason: unknown): void {
    if (this.#error) return;
    this.#error = { reason };
    this.end();
    this.#wake();
  }

  onClose(callback: () => void): void {
    if (this.#ended) callback();
    else this.#onClose.push(callback);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#error) throw this.#error.reason;
        const chunk = this.#chunks.shift();
        if (chunk) yield chunk;
        else if (this.#ended) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.end();
    }
  }
}
