import type { Gone, Store } from './store.ts';
import { encodeEvent, type StreamTexts } from './stream-data.ts';

/** A sweep that a client follows. */
export interface Followed {
  readonly namespace: string;
  readonly name: string;
}

/** What carries a client's bytes; an HTTP response fits. */
export interface Outlet {
  /** @returns false: it is full until it drains */
  write(text: string): boolean;
  end(): void;
  destroy(): void;
}

const AFTER_LAG_MS = 2_000;
const HEARTBEAT_MS = 25_000;
const STALLED_MS = 30_000;

/** One client: which changes it has. What it does not have is never kept for it, only looked up when it can take more, so that one that
 * does not read costs as much as any other.
 */
export class StreamClient {
  readonly #store: Store;
  readonly #texts: StreamTexts;
  readonly #outlet: Outlet;
  readonly followed: readonly Followed[];
  /** Namespaces whose sweeps the list may show; undefined: it does not follow the list. */
  readonly listed: Map<string, boolean> | undefined;
  /** All changes up to this one are sent, or do not concern it. */
  #sent: number | undefined;
  #fullSince: number | undefined;
  #notBefore = 0;
  #wroteAt: number;
  /** Times that it could not be told what changed. */
  resyncs = 0;

  constructor(options: {
    readonly store: Store;
    readonly texts: StreamTexts;
    readonly outlet: Outlet;
    readonly followed: readonly Followed[];
    readonly listed: Map<string, boolean> | undefined;
    readonly now: number;
  }) {
    this.#store = options.store;
    this.#texts = options.texts;
    this.#outlet = options.outlet;
    this.followed = options.followed;
    this.listed = options.listed;
    this.#wroteAt = options.now;
  }

  /** Goes on after the last event that the client had, if it is of this process and not too old. */
  resume(lastEventId: string | undefined): void {
    if (lastEventId === undefined || lastEventId === '') return;
    const [, boot, revision] = /^([0-9a-z]+)-(\d{1,15})$/.exec(lastEventId) ?? [];
    const from = Number(revision);
    const isKnown =
      boot === this.#store.boot && from <= this.#store.revision && this.#store.goneSince(from) !== undefined;
    if (isKnown) this.#sent = from;
    else this.resyncs++;
  }

  /** The next flush tells all. */
  forget(): void {
    this.#sent = undefined;
  }

  get isFull(): boolean {
    return this.#fullSince !== undefined;
  }

  drained(): void {
    this.#fullSince = undefined;
  }

  isDue(now: number): boolean {
    return !this.isFull && now >= this.#notBefore && this.#sent !== this.#store.revision;
  }

  /** Sends what changed, or a snapshot. */
  flush(now: number): void {
    if (!this.isDue(now)) return;
    const from = this.#sent;
    const gone = from === undefined ? undefined : this.#store.goneSince(from);
    const messages = from === undefined || gone === undefined ? this.#snapshot() : this.#changes(from, gone);
    if (messages) {
      this.#send(messages, now);
      return;
    }
    this.resyncs++;
    this.#write(encodeEvent('lagged', ''), now);
    this.#notBefore = now + AFTER_LAG_MS;
    this.#send(this.#snapshot(), now);
  }

  /** A comment, so that whatever stands between knows that the connection lives. @returns false: it takes nothing any more */
  beat(now: number): boolean {
    if (this.#fullSince !== undefined) return now - this.#fullSince < STALLED_MS;
    if (now - this.#wroteAt >= HEARTBEAT_MS) this.#write(':\n\n', now);
    return true;
  }

  begin(retryMs: number, now: number): void {
    this.#write(`retry: ${retryMs}\n\n`, now);
  }

  sayBye(now: number): void {
    if (!this.isFull) this.#write(encodeEvent('bye', ''), now);
    this.#outlet.end();
  }

  destroy(): void {
    this.#outlet.destroy();
  }

  #snapshot(): Message[] {
    const messages: Message[] = [];
    if (this.listed) {
      const shown = this.#store.sweeps.filter(({ namespace }) => this.listed?.get(namespace) === true);
      messages.push({ name: 'snapshot', data: this.#texts.sweeps(shown, []) });
    }
    for (const one of this.followed) messages.push(this.#snapshotOf(one));
    return messages;
  }

  #snapshotOf(followed: Followed): Message {
    const entry = this.#store.sweep(followed.namespace, followed.name);
    if (!entry) return { name: 'delta', data: goneOf(followed) };
    return { name: 'snapshot', data: this.#texts.sweepSnapshot(entry) };
  }

  /** Undefined: more than a message holds. */
  #changes(from: number, gone: readonly Gone[]): Message[] | undefined {
    const messages: Message[] = [];
    const { listed } = this;
    if (listed) {
      const changed = this.#store.sweeps.filter(
        ({ namespace, revision }) => revision > from && listed.get(namespace) === true,
      );
      const lost = gone.filter(({ namespace }) => listed.get(namespace) === true);
      const keys = lost.map(({ namespace, name }) => `${namespace}/${name}`);
      if (changed.length + keys.length > 0) messages.push({ name: 'delta', data: this.#texts.sweeps(changed, keys) });
    }
    for (const one of this.followed) {
      const entry = this.#store.sweep(one.namespace, one.name);
      const isGone = gone.some(({ namespace, name }) => namespace === one.namespace && name === one.name);
      if (isGone || (entry && entry.bornAt > from)) messages.push(this.#snapshotOf(one));
      else if (entry && entry.revision > from) {
        const data = this.#texts.sweepDelta(entry, from);
        if (data === undefined) return undefined;
        messages.push({ name: 'delta', data });
      }
    }
    return messages;
  }

  /** Only the last message bears the number: a client that is cut off between two has none of the flush. */
  #send(messages: readonly Message[], now: number): void {
    this.#sent = this.#store.revision;
    if (messages.length === 0) return;
    const id = `${this.#store.boot}-${this.#store.revision}`;
    const text = messages.map(({ name, data }, at) =>
      encodeEvent(name, data, at === messages.length - 1 ? id : undefined),
    );
    this.#write(text.join(''), now);
  }

  #write(text: string, now: number): void {
    this.#wroteAt = now;
    if (!this.#outlet.write(text)) this.#fullSince ??= now;
  }
}

interface Message {
  readonly name: 'snapshot' | 'delta';
  readonly data: string;
}

function goneOf({ namespace, name }: Followed): string {
  return JSON.stringify({ topic: `sweep:${namespace}/${name}`, gone: [`${namespace}/${name}`] });
}
