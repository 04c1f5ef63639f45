import { KeptModels } from '../sweep/kept-models.ts';
import type { Address } from '../sweep/message.ts';
import type { Selection } from '../sweep/schema.ts';
import type { TrialRecord } from '../sweep/slice.ts';

/** What is recorded of one Sweep, and by which thresholds it is judged. */
export interface Recorded {
  readonly selection: Selection;
  readonly records: ReadonlyMap<number, TrialRecord>;
}

/** Which models go: those of attempts that did not become the record, and of trials that cannot win any more; at most ten of a Sweep
 * stay. A trial without a record may still get one, and of a Sweep that we do not know we say nothing. Pure.
 */
export function modelsToDrop(models: readonly Address[], sweeps: ReadonlyMap<string, Recorded>): Address[] {
  const bySweep = Map.groupBy(models, ({ sweepUID }) => sweepUID);
  return [...bySweep].flatMap(([uid, own]) => {
    const recorded = sweeps.get(uid);
    return recorded ? losersOf(own, recorded) : [];
  });
}

function losersOf(models: readonly Address[], { selection, records }: Recorded): Address[] {
  const isRecorded = ({ trial, attemptUID }: Address) => records.get(trial)?.attemptUID === attemptUID;
  const others = models.filter((model) => records.has(model.trial) && !isRecorded(model));
  const own = new Map(models.filter(isRecorded).map((model) => [model.trial, model]));
  const kept = new KeptModels(selection);
  const lost = [...records.values()].flatMap((record) => kept.add(record, own.has(record.trial)));
  return [...others, ...lost.flatMap(({ trial }) => own.get(trial) ?? [])];
}

/** What was not there when one looked, and still is not a while later: what one look alone says may be a mistake. */
export class Absences {
  readonly #delayMs: number;
  readonly #since = new Map<string, number>();

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** @param absent all that are absent now @returns those that have been since a look so long ago */
  note(absent: Iterable<string>, nowMs: number): string[] {
    const now = new Set(absent);
    for (const one of this.#since.keys()) if (!now.has(one)) this.#since.delete(one);
    const due: string[] = [];
    for (const one of now) {
      const since = this.#since.get(one);
      if (since === undefined) this.#since.set(one, nowMs);
      else if (nowMs - since >= this.#delayMs) due.push(one);
    }
    return due;
  }
}
