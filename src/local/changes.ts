/** Wakes the recipe of a run: whatever happens is told here, and a look at all of it follows. */
export class Changes {
  #told: boolean = false;
  #wake: (() => void) | undefined;

  tell(): void {
    this.#told = true;
    this.#wake?.();
  }

  /** Resolves after something was told since it last resolved; what happens at the same moment shares one look. */
  async next(): Promise<void> {
    if (!this.#told)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#told = false;
    this.#wake = undefined;
  }
}
