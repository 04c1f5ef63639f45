/** Which items changed after a given revision, without a list for each who asks: the same log serves every client of a stream,
 * however far behind it is. Items are told once, at their last change.
 */
export class ChangeLog<Item> {
  #entries: { readonly revision: number; readonly item: Item }[] = [];
  readonly #last = new Map<Item, number>();

  /** @param revision above all earlier ones */
  touch(item: Item, revision: number): void {
    this.#last.set(item, revision);
    this.#entries.push({ revision, item });
    if (this.#entries.length > 2 * this.#last.size + 1024) this.#compact();
  }

  /** In the order of their last change. */
  since(revision: number): Item[] {
    const changed: Item[] = [];
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const entry = this.#entries[at];
      if (!entry || entry.revision <= revision) break;
      if (this.#last.get(entry.item) === entry.revision) changed.push(entry.item);
    }
    return changed.reverse();
  }

  #compact(): void {
    this.#entries = this.#entries.filter(({ item, revision }) => this.#last.get(item) === revision);
  }
}
