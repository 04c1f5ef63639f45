import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { stringify } from 'yaml';
import { readReportAssets } from '../dashboard/report-assets.ts';
import { FILES, readFolder } from '../local/folder.ts';
import type { VerdictFile } from '../local/verdict.ts';
import { buildReport } from '../report/report.ts';
import { exists, writeWhole } from '../shared/durable.ts';
import { fold } from '../sweep/curve.ts';
import { InvalidConfigError, InvalidSweepError } from '../sweep/errors.ts';
import { countOutcomes, isComplete, judgeResults } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Selection, Sweep } from '../sweep/schema.ts';
import { expandTrials } from '../sweep/trial.ts';
import { parseSweepText } from './sweep-file.ts';

export interface ReportOptions {
  /** Thresholds to judge by instead of the folder's own. */
  readonly selection?: Selection | undefined;
  /** Where the report goes; absent: report.html in the folder. */
  readonly output?: string | undefined;
}

export interface WrittenReport {
  readonly path: string;
  readonly notes: readonly string[];
}

/** Judges what a run folder has recorded and writes its report. The folder may be in use: nothing else is changed.
 * @returns the path of the report, and what was left out of it
 * @throws InvalidConfigError if it is no run folder, or a damaged one
 */
export async function writeReport(folder: string, { selection, output }: ReportOptions): Promise<WrittenReport> {
  const { sweep: recorded, sweepText, results, measurements, notes } = await readRunFolder(folder);
  const sweep = selection ? withSelection(recorded, selection) : recorded;
  const trials = expandTrials(sweep);
  const verdict = judgeResults(sweep, results.values());
  const attempts = new Map([...results.values()].map(({ trial, attemptUID }) => [trial, attemptUID]));
  const file = await readVerdictFile(folder);
  // The test set is opened when nothing is left to choose from, and for the winner only.
  const best = verdict.best ? results.get(verdict.best.trial) : undefined;
  const winner = isComplete(countOutcomes(results.values(), trials.length)) ? best : undefined;
  const model = best ? await findModel(folder, best, file) : null;
  const path = output ?? join(folder, 'report.html');
  const html = buildReport(
    {
      sweep,
      sweepText: selection ? stringify(sweep) : sweepText,
      trials,
      curves: fold(measurements, attempts),
      verdict,
      results: [...results.values()].map(({ test: _, ...sealed }) => sealed),
      winnerTest: winner?.test ?? null,
      modelFolder: model && (relative(dirname(path), model) || '.'),
      machine: describeMachine(file),
    },
    await readReportAssets(),
  );
  await writeWhole(path, html);
  return { path, notes };
}

/** What a run folder says, its sweep parsed, without a change.
 * @throws InvalidConfigError if it is no run folder, or a damaged one
 */
export async function readRunFolder(folder: string) {
  await checkFolder(folder);
  const found = await readFolder(folder);
  return { ...found, sweep: parseSweepText(found.sweepText, join(folder, FILES.sweep)).sweep };
}

/** Where the weights of the best lie: published at the end if it is the folder's own winner, else among those of trials that can still win. */
async function findModel(
  folder: string,
  { trial, attemptUID }: TrialResult,
  file: VerdictFile | undefined,
): Promise<string | null> {
  const published = join(folder, FILES.model);
  if (file?.model === 'model' && file.verdict.best?.trial === trial && (await exists(published))) return published;
  const kept = join(folder, FILES.models, `${trial}-${attemptUID}`);
  return (await exists(kept)) ? kept : null;
}

/** The weights on disk are those of the folder's own checkpoint rule; the thresholds may be any. */
function withSelection(sweep: Sweep, selection: Selection): Sweep {
  const { checkpoint } = sweep.spec.selection;
  if (selection.checkpoint !== checkpoint) {
    const message = `"${selection.checkpoint}": this folder was started with "${checkpoint}"`;
    throw new InvalidSweepError([{ path: 'spec.selection.checkpoint', message }]);
  }
  return { ...sweep, spec: { ...sweep.spec, selection } };
}

async function checkFolder(folder: string): Promise<void> {
  if (!(await exists(folder))) throw new InvalidConfigError(`${folder}: no such folder`);
  if (!(await exists(join(folder, FILES.journal)))) {
    throw new InvalidConfigError(`${folder}: not a run folder; it has no ${FILES.journal}`);
  }
}

/** What the last run concluded; absent as long as none has. */
async function readVerdictFile(folder: string): Promise<VerdictFile | undefined> {
  const path = join(folder, FILES.verdict);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (cause) {
    throw new InvalidConfigError(`${path}: damaged; delete it, and the next run of the sweep writes it again`, {
      cause,
    });
  }
}

/** What trained, in words; undefined: no run has concluded yet. */
export function describeMachine(file: Pick<VerdictFile, 'machine' | 'versions'> | undefined): string {
  if (!file) return 'not recorded yet';
  const { machine, versions } = file;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [machine.cpu, `${machine.cores} cores`, `${machine.os} ${machine.arch}`, ...programs].join(', ');
}
