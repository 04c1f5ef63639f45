import { type Counts, judgeResults } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';
import type { RunEvent } from './events.ts';
import type { RunFolder } from './folder.ts';
import { thisMachine } from './machine.ts';
import { buildVerdictFile, modelCard, type VerdictFile } from './verdict.ts';

/** `finished`: all that was asked for is recorded; `complete` says whether that is every trial. `failed`: results could not be
 * saved, or the disk is full, or more trials failed than allowed, or all that ended.
 */
export interface RunEnd {
  readonly outcome: 'finished' | 'failed' | 'interrupted';
  readonly complete: boolean;
  /** Trials that are still to be trained: without a record, Stopped, or Failed and to be run again. */
  readonly left: number;
  /** Trials whose results the disk refused, by index. */
  readonly unsaved: readonly number[];
  /** What the disk said that refuses even small files, while trials still waited to start; else null. */
  readonly noRoom: Error | null;
  readonly verdict: Verdict;
  readonly counts: Counts;
  /** As written to verdict.json. */
  readonly file: VerdictFile;
}

/** What a run leaves to be judged. */
export interface Ran {
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  readonly folder: RunFolder;
  /** On disk. */
  readonly results: ReadonlyMap<number, TrialResult>;
  /** Trials whose results the disk refused. */
  readonly unsaved: readonly number[];
  /** Trials wait for a disk that refuses even small files. */
  readonly noRoom: Error | null;
  /** More trials failed than allowed. */
  readonly failed: boolean;
  readonly left: number;
  readonly interrupted: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly onEvent: (event: RunEvent) => void;
}

/** Judges what is recorded and writes the verdict and the winner's model. */
export async function concludeRun(ran: Ran): Promise<RunEnd> {
  const { sweep, trials, folder, results, versions } = ran;
  const note = (message: string) => ran.onEvent({ kind: 'note', message });
  const verdict = judgeResults(sweep, results.values());
  const winner = verdict.best && results.get(verdict.best.trial);
  const hasModel = winner ? await folder.hasModel(winner) : false;
  const context = { hasModel, machine: thisMachine(), versions };
  const file = buildVerdictFile(sweep, results, trials.length, verdict, context);
  const trial = winner && trials[winner.trial];
  if (ran.unsaved.length === 0 && !ran.noRoom) {
    if (file.model === 'model' && winner && trial) await folder.publishModel(winner, modelCard(file, trial));
    await folder.writeVerdict(file);
  }
  if (file.model === 'none kept') note(`model: none kept of trial ${verdict.best?.trial}`);
  const lost = folder.lostMeasurements;
  if (lost > 0) note(`curves.ndjson: ${lost} measurements could not be written; the verdict does not need them`);
  ran.onEvent({ kind: 'verdict', verdict });
  const unsaved = ran.unsaved.toSorted((a, b) => a - b);
  const { left, noRoom } = ran;
  const outcome = outcomeOf(ran, file);
  return { outcome, complete: file.complete, left, unsaved, noRoom, verdict, counts: file.trials, file };
}

function outcomeOf(
  { unsaved, failed: tooMany, left, interrupted, noRoom }: Ran,
  { trials }: VerdictFile,
): RunEnd['outcome'] {
  if (unsaved.length > 0 || tooMany) return 'failed';
  if (interrupted && left > 0) return 'interrupted';
  if (noRoom) return 'failed';
  return trials.succeeded === 0 && trials.failed > 0 ? 'failed' : 'finished';
}
