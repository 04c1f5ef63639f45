import { arch, cpus, platform } from 'node:os';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';
import type { RunEvent } from './events.ts';
import type { RunFolder } from './folder.ts';
import { buildVerdictFile, type Counts, judgeResults, type Machine, modelCard, type VerdictFile } from './verdict.ts';

/** `finished`: all that was asked for is recorded; `complete` says whether that is every trial. */
export interface RunEnd {
  readonly outcome: 'finished' | 'failed' | 'interrupted';
  readonly complete: boolean;
  readonly message: string;
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
  /** More trials failed than allowed. */
  readonly failed: boolean;
  readonly interrupted: boolean;
  readonly versions: Readonly<Record<string, string>>;
  readonly onEvent: (event: RunEvent) => void;
}

/** Judges what is recorded, writes the verdict and the winner's model, and says how the run ended. */
export async function concludeRun(ran: Ran): Promise<RunEnd> {
  const { sweep, trials, folder, results, versions } = ran;
  const note = (message: string) => ran.onEvent({ kind: 'note', message });
  const verdict = judgeResults(sweep, results.values());
  const winner = verdict.best && results.get(verdict.best.trial);
  const hasModel = winner ? await folder.hasModel(winner) : false;
  const context = { hasModel, machine: describeMachine(), versions };
  const file = buildVerdictFile(sweep, results, trials.length, verdict, context);
  const trial = winner && trials[winner.trial];
  if (ran.unsaved.length === 0) {
    if (file.complete && winner && hasModel && trial) await folder.publishModel(winner, modelCard(file, trial));
    await folder.writeVerdict(file);
  }
  if (file.model === 'none kept') note(`model: none kept of trial ${verdict.best?.trial}`);
  const lost = folder.lostMeasurements;
  if (lost > 0) note(`curves.ndjson: ${lost} measurements could not be written; the verdict does not need them`);
  ran.onEvent({ kind: 'verdict', verdict });
  return { ...outcomeOf(ran, file), complete: file.complete, verdict, counts: file.trials, file };
}

function outcomeOf(
  { sweep: { spec }, unsaved, failed: tooMany, interrupted }: Ran,
  { trials: { waiting, failed }, complete, verdict }: VerdictFile,
): Pick<RunEnd, 'outcome' | 'message'> {
  if (unsaved.length > 0) {
    const names = unsaved.toSorted((a, b) => a - b).join(', ');
    return { outcome: 'failed', message: `journal: could not be written; results not saved: trial ${names}` };
  }
  if (tooMany) {
    return {
      outcome: 'failed',
      message: `${failed} trials failed; spec.maxFailedTrials allows ${spec.maxFailedTrials}`,
    };
  }
  if (complete) return { outcome: 'finished', message: verdict.message };
  if (interrupted) {
    return { outcome: 'interrupted', message: `interrupted: ${waiting} trials are left; the same command goes on` };
  }
  const why = spec.suspend ? 'spec.suspend is true' : 'those asked for are done';
  return { outcome: 'finished', message: `${why}: ${waiting} trials are left for the next run` };
}

function describeMachine(): Machine {
  return { os: platform(), arch: arch(), cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
}
