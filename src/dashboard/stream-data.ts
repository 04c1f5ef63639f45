import type { CurvePoints, StreamData } from './api.ts';
import { buildCurvePart } from './curve-view.ts';
import type { Store } from './store.ts';
import type { SweepEntry } from './sweep-entry.ts';
import type { TrialState } from './trial-state.ts';

/** A message above this is not sent: the client reads anew what it needs. */
export const MAX_MESSAGE = 1024 * 1024;
/** Rows of more trials than this never fit. */
const MAX_TRIALS = 1_500;

/** One message of the stream as text: built once for all clients that need the same. */
export class StreamTexts {
  readonly #store: Store;
  readonly #built = new Map<string, string | undefined>();
  #revision = -1;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The whole of one sweep, but for rows and curves. */
  sweepSnapshot(entry: SweepEntry): string {
    return this.#once(`snapshot ${entry.key}`, () =>
      encode({ topic: topicOf(entry), sweep: entry.detail(), verdict: entry.verdictView() }),
    ) as string;
  }

  /** What changed of a sweep after a revision; undefined: more than a message holds. */
  sweepDelta(entry: SweepEntry, from: number): string | undefined {
    return this.#once(`delta ${entry.key} ${from}`, () => {
      const changed = entry.changes.since(from);
      if (changed.length > MAX_TRIALS) return undefined;
      const curves = changed.flatMap((state) => newPoints(entry, state, from));
      const text = encode({
        topic: topicOf(entry),
        sweep: entry.detail(),
        ...(entry.verdictRevision > from && { verdict: entry.verdictView() }),
        ...(changed.length > 0 && { trials: changed.map((state) => entry.rowOf(state)) }),
        ...(curves.length > 0 && { curves }),
      });
      return text.length > MAX_MESSAGE ? undefined : text;
    });
  }

  /** Some lines of the list of sweeps. */
  sweeps(entries: readonly SweepEntry[], gone: readonly string[]): string {
    const lines = entries.map((entry) =>
      this.#once(`summary ${entry.key} ${entry.revision}`, () => JSON.stringify(entry.summary())),
    );
    const rest = gone.length > 0 ? `,"gone":${JSON.stringify(gone)}` : '';
    return `{"topic":"sweeps","sweeps":[${lines.join()}]${rest}}`;
  }

  #once(key: string, build: () => string | undefined): string | undefined {
    if (this.#revision !== this.#store.revision) {
      this.#built.clear();
      this.#revision = this.#store.revision;
    }
    if (!this.#built.has(key)) this.#built.set(key, build());
    return this.#built.get(key);
  }
}

function topicOf({ key }: SweepEntry): string {
  return `sweep:${key}`;
}

/** Epochs that arrived after a revision; of a curve that is another attempt's since then, all. */
function newPoints(entry: SweepEntry, state: TrialState, from: number): CurvePoints[] {
  const { curve, facts } = entry.read(state);
  if (!curve) return [];
  const { trial, attemptUID } = curve;
  const added = state.shownSince > from ? undefined : state.log.epochsSince(attemptUID, from);
  if (added?.size === 0) return [];
  const points = buildCurvePart(curve, facts, (epoch) => added?.has(epoch) ?? true);
  return [{ trial, attemptUID, points }];
}

function encode(data: StreamData): string {
  return JSON.stringify(data);
}

/** One event, as an EventSource reads it. JSON has no raw newline. */
export function encodeEvent(name: string, data: string, id?: string): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}
