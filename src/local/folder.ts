import { randomBytes, randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { codeOf, exists, makeFolder, sync, TEMPORARY, writeDurably, writeWhole } from '../shared/durable.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { decodeMeasurement, encodeMeasurement, type Measurement, type Progress } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import { AppendLog, readLines } from './append-log.ts';
import { isJournal, type Journal, type JournalOptions, openJournal, readJournal } from './journal.ts';
import { lockFolder } from './lock.ts';
import { encodeVerdictFile, type VerdictFile } from './verdict.ts';

/** Names in `runs/<name>/`; all but the two growing .ndjson files and the journal are written whole. */
export const FILES = {
  sweep: 'sweep.yaml',
  journal: 'journal',
  curves: 'curves.ndjson',
  progress: 'progress.ndjson',
  verdict: 'verdict.json',
  model: 'model',
  models: 'models',
} as const;

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const named = (pattern: string) => new RegExp(`^(?:${pattern})$`);
/** What a crash may leave before there is a journal. */
const BEGINNING = named(`lock-\\d+-${UUID}(?:\\.${UUID}\\.tmp)?|journal\\.${UUID}\\.tmp`);
/** What a crash may leave of the files that are written whole; cli/write-report.ts writes the report. */
const HALF_WRITTEN = named(`(?:sweep\\.yaml|journal|verdict\\.json|model|report\\.html|probe)\\.${UUID}\\.tmp`);
/** Weights of an attempt, and what a worker that died left of them (trainer/install.ts). */
const WEIGHTS = named(`\\d+-${UUID}|\\.installing-.*`);

/** A run's folder, locked for this process. */
export interface RunFolder {
  readonly path: string;
  readonly journal: Journal;
  /** What was recorded before this run. */
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly notes: readonly string[];
  /** Keeps a Measurement. What the disk refuses is lost and counted: curves show, the journal decides. */
  keepMeasurement(measurement: Measurement): void;
  keepProgress(progress: Progress): void;
  /** Resolves when the Measurements so far are on disk. */
  curvesSettled(): Promise<void>;
  /** Writes a little and removes it. @throws an error of the file system, if the disk is full */
  tryWriting(): Promise<void>;
  /** Measurements that the disk refused. */
  readonly lostMeasurements: number;
  modelFolder(attempt: AttemptName): string;
  hasModel(attempt: AttemptName): Promise<boolean>;
  /** Removes an attempt's weights, whole or half-written. */
  dropModel(attempt: AttemptName): Promise<void>;
  /** Copies the winner's weights to `model/`, with the card. */
  publishModel(attempt: AttemptName, card: string): Promise<void>;
  /** Writes verdict.json; a `model/` that it does not speak of is removed. */
  writeVerdict(file: VerdictFile): Promise<void>;
  close(): Promise<void>;
}

/** Room for the records and curves of many trials; random, lest a file system that compresses finds room for it. */
const PROBE_BYTES = 64 * 1024;

export type AttemptName = Pick<TrialResult, 'trial' | 'attemptUID'>;

/** Opens or begins the folder of a run and takes its lock. Nothing in it changes unless all of it is in order; only names that
 * are ours are ever removed.
 * @throws InvalidConfigError if it is in use, damaged, of a newer format, or holds what no run wrote; InvalidSweepError if it
 * is another sweep's
 */
export async function openFolder(
  path: string,
  sweep: Sweep,
  trials: readonly Trial[],
  options: JournalOptions,
): Promise<RunFolder> {
  await makeFolder(path);
  await checkOurs(path);
  const closers = [await lockFolder(path)];
  const close = async () => {
    for (const undo of closers.splice(0).reverse()) await undo();
  };
  try {
    const { journal, results, notes } = await openJournal(join(path, FILES.journal), sweep, options);
    closers.push(() => journal.close());
    checkRecords(results, trials);
    await removeLeftovers(path);
    await writeIfChanged(join(path, FILES.sweep), stringify(sweep));
    await mkdir(join(path, FILES.models), { recursive: true });
    await removeForeignModels(join(path, FILES.models), results);
    const curves = await openLines(join(path, FILES.curves));
    closers.push(() => curves.close());
    const progress = await openLines(join(path, FILES.progress));
    closers.push(() => progress.close());
    return buildFolder({ path, journal, results, notes, curves, progress, close });
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly path: string;
  readonly journal: Journal;
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly notes: readonly string[];
  readonly curves: AppendLog;
  readonly progress: AppendLog;
  readonly close: () => Promise<void>;
}

function buildFolder({ path, journal, results, notes, curves, progress, close }: Parts): RunFolder {
  const models = join(path, FILES.models);
  const modelFolder = ({ trial, attemptUID }: AttemptName) => join(models, `${trial}-${attemptUID}`);
  let lost = 0;
  return {
    path,
    journal,
    results,
    notes,
    modelFolder,
    keepMeasurement(measurement) {
      curves.append(encodeMeasurement(measurement)).catch(() => lost++);
    },
    keepProgress(milestone) {
      progress.append(JSON.stringify(milestone)).catch(() => undefined); // for the eye only
    },
    curvesSettled: () => curves.settled(),
    async tryWriting() {
      const probe = temporaryOf(join(path, 'probe'));
      try {
        await writeDurably(probe, randomBytes(PROBE_BYTES));
      } finally {
        await rm(probe, { force: true });
      }
    },
    get lostMeasurements() {
      return lost;
    },
    hasModel: (attempt) => exists(modelFolder(attempt)),
    async dropModel({ trial, attemptUID }) {
      const leftovers = (await readdir(models)).filter((name) => name.startsWith(`${trial}-${attemptUID}`));
      for (const name of leftovers) await rm(join(models, name), { recursive: true, force: true });
    },
    async publishModel(attempt, card) {
      await replaceFolder(modelFolder(attempt), join(path, FILES.model), card);
    },
    async writeVerdict(file) {
      await writeIfChanged(join(path, FILES.verdict), encodeVerdictFile(file));
      if (file.model !== 'model') await removeWhole(join(path, FILES.model));
    },
    close,
  };
}

/** What a folder says, without its lock and without a change: for the commands that only look.
 * @returns `sweep` as sweep.yaml holds it, to be parsed; results by trial; curves of all attempts as they came
 */
export async function readFolder(path: string): Promise<{
  readonly sweepText: string;
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly measurements: readonly Measurement[];
  readonly notes: readonly string[];
}> {
  const { results, notes } = await readJournal(join(path, FILES.journal));
  const { measurements, damaged } = await readCurves(join(path, FILES.curves));
  const said = damaged > 0 ? [`${FILES.curves}: ${damaged} damaged lines left out`] : [];
  return {
    sweepText: await readFile(join(path, FILES.sweep), 'utf8'),
    results,
    measurements,
    notes: [...notes, ...said],
  };
}

/** Reads Measurements, a line each. A torn last line is no news; other lines that do not decode are counted. */
export async function readCurves(path: string): Promise<{ measurements: Measurement[]; damaged: number }> {
  const measurements: Measurement[] = [];
  let damaged = 0;
  if (!(await exists(path))) return { measurements, damaged };
  for await (const { bytes, complete } of readLines(path)) {
    if (!complete) break;
    try {
      measurements.push(decodeMeasurement(bytes.toString('utf8')));
    } catch {
      damaged++;
    }
  }
  return { measurements, damaged };
}

/** A folder that no run has begun must be empty: what a person keeps there is theirs. */
export async function checkOurs(path: string): Promise<void> {
  const names = await readdir(path); // before the look at the journal, which comes before all the other files
  const begun = await isJournal(join(path, FILES.journal)).catch((error: unknown) => {
    if (codeOf(error) === 'EISDIR') return false;
    throw error;
  });
  if (begun || names.every((name) => BEGINNING.test(name))) return;
  throw new InvalidConfigError('not empty and not a run folder; choose another --folder');
}

/** Records are of the trials that the sweep has. */
export function checkRecords(results: ReadonlyMap<number, TrialResult>, trials: readonly Trial[]): void {
  for (const { trial, hyperparametersHash } of results.values()) {
    if (trials[trial]?.hyperparametersHash === hyperparametersHash) continue;
    throw new InvalidConfigError(
      `journal: trial ${trial} was recorded with other hyperparameters than the sweep gives it`,
    );
  }
}

/** Opens a file of lines for appending; a torn last line is cut off. */
async function openLines(path: string): Promise<AppendLog> {
  let size = 0;
  if (await exists(path)) for await (const line of readLines(path)) if (line.complete) size = line.end;
  return AppendLog.open(path, size);
}

async function removeLeftovers(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (HALF_WRITTEN.test(name)) await rm(join(path, name), { recursive: true, force: true });
  }
}

/** Weights of attempts that have no record can never be anybody's: their trials run again. */
async function removeForeignModels(models: string, results: ReadonlyMap<number, TrialResult>): Promise<void> {
  const recorded = new Set([...results.values()].map(({ trial, attemptUID }) => `${trial}-${attemptUID}`));
  for (const name of await readdir(models)) {
    if (WEIGHTS.test(name) && !recorded.has(name)) await rm(join(models, name), { recursive: true, force: true });
  }
}

async function replaceFolder(source: string, target: string, card: string): Promise<void> {
  const temporary = temporaryOf(target);
  await cp(source, temporary, { recursive: true });
  await writeWhole(join(temporary, 'README.md'), card);
  for (const name of await readdir(temporary)) await sync(join(temporary, name));
  await sync(temporary);
  const old = temporaryOf(target);
  if (await exists(target)) await rename(target, old);
  await rename(temporary, target);
  await sync(join(target, '..'));
  await rm(old, { recursive: true, force: true });
}

/** Removes a folder whole or not at all; what a kill leaves behind is removed at the next opening. */
async function removeWhole(target: string): Promise<void> {
  if (!(await exists(target))) return;
  const old = temporaryOf(target);
  await rename(target, old);
  await sync(join(target, '..'));
  await rm(old, { recursive: true, force: true });
}

function temporaryOf(path: string): string {
  return `${path}.${randomUUID()}${TEMPORARY}`;
}

async function writeIfChanged(path: string, content: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before !== content) await writeWhole(path, content);
}
