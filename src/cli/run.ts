import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checkFolder } from '../local/check-folder.ts';
import { type RunEnd, type RunEvent, runSweep, type SealedResult, WorkerRefusedError } from '../local/engine.ts';
import { openPool } from '../local/pool.ts';
import type { Environment } from '../shared/env.ts';
import { VERSION } from '../shared/package.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { InvalidConfigError, InvalidSweepError, messageOf, SweepError } from '../sweep/errors.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import { fetchDataset } from '../trainer/dataset.ts';
import { CHATTER } from '../trainer/failure.ts';
import { describeEnd, whatNext } from './describe-end.ts';
import { type Interrupts, interrupts } from './interrupts.ts';
import { LiveTable } from './live.ts';
import type { Output } from './output.ts';
import { describeEvent } from './plain.ts';
import type { RunPage, RunPageOptions } from './run-page.ts';
import { emptyView, INTERRUPTED } from './run-view.ts';
import { readSweepFile } from './sweep-file.ts';
import { systemError } from './system-error.ts';
import { type Probe, probeBackend, workerProgram } from './workers.ts';
import { writeReport } from './write-report.ts';

export interface RunOptions {
  readonly folder?: string;
  readonly parallelism?: number;
  readonly backend?: Assignment['backend'];
  readonly trials?: readonly number[];
  readonly retryFailed?: boolean;
  readonly requireModel?: boolean;
  readonly json?: boolean;
  /** Of the page; absent: the usual one, or any that is free. */
  readonly port?: number;
  /** Serve the page; a program that reads --json has no use for it. */
  readonly page?: boolean;
}

type Say = (line: string) => void;

/** Runs a sweep on this machine, going on where an earlier run of the folder ended.
 * @returns exit code: 0 finished, 1 failed, 3 no eligible model with --require-model, 130 interrupted
 */
export async function run(
  file: string,
  options: RunOptions,
  output: Output,
  environment: Environment,
): Promise<number> {
  // With --json, standard output is for the program that reads it.
  const say = options.json ? output.note : output.print;

  // 1. Everything that can be wrong is found before anything starts.
  const { sweep, notes } = await readSweepFile(file);
  for (const { path, message } of notes) say(`note: ${path}: ${message}`);
  const trials = expandTrials(sweep);
  checkTrials(options.trials, trials.length);
  const folder = options.folder ?? join('runs', sweep.metadata.name);
  if (folder === '') throw new InvalidConfigError('--folder: empty; expected a path');
  await checkFolder(folder, sweep, trials).catch((error: unknown) => explainFolder(error, folder, output));
  const versions = { 'cnn-sweep': VERSION, node: process.versions.node };
  const shown: { view?: View; page?: RunPage | undefined } = {};
  const signals = interrupts(
    () => (shown.view ? shown.view.interrupted() : output.note('interrupted')),
    () => {
      shown.view?.close();
      output.note('interrupted; the same command goes on');
    },
  );
  try {
    const probe = await prepare(sweep, options, signals, say, environment);
    if (!probe) {
      output.note('interrupted before any trial began; the same command goes on');
      return 130;
    }
    const parallelism = options.parallelism ?? sweep.spec.parallelism ?? availableParallelism();
    say(`${sweep.metadata.name}: ${describePlan(trials.length, parallelism)}, ${describeBackend(probe)}, in ${folder}`);

    shown.page = await pageOf(
      sweep,
      { folder, trials, parallelism, backend: probe.name, versions, note: output.note },
      options,
    );
    const { page } = shown;
    if (page) say(`page: ${page.url}`);

    // 2. Train, record, judge.
    const live = !options.json && process.stdout.isTTY && environment.canPlaceCursor;
    const wanted = options.trials && new Set(options.trials);
    shown.view = openView(sweep, trials, { probe, parallelism, wanted, say, live, page: page?.url });
    const end = await runSweep(sweep, {
      folder,
      pool: openPool({ ...workerProgram(probe.name), chatter: CHATTER }),
      parallelism,
      backend: probe.name,
      cacheFolder: environment.cacheFolder,
      versions,
      onEvent: showIn([shown.view, page]),
      interrupt: signals.interrupt,
      kill: signals.kill,
      trials: wanted,
      retryFailed: options.retryFailed,
    })
      .catch((error: unknown) => explainFolder(error, folder, output))
      .finally(shown.view.close);

    // 3. Say what came of it.
    await page?.end(end);
    const report = await reportOf(folder, end, signals, output);
    const { failures } = shown.view;
    const suspended = sweep.spec.suspend;
    if (options.json) {
      output.json(end.file);
      for (const line of whatNext(end, folder, suspended)) output.note(line);
    } else {
      const context = { folder, trials, failures, report: report ?? null, suspended, width: output.width };
      for (const line of describeEnd(end, context)) output.print(line);
    }
    return report === undefined ? 1 : exitCode(end, options);
  } finally {
    await shown.page?.close();
    signals.close();
  }
}

/** The page, unless nobody wants it. A mistake in it must not keep a training from going on. */
async function pageOf(
  sweep: Sweep,
  context: Omit<RunPageOptions, 'port'>,
  { page, json, port }: RunOptions,
): Promise<RunPage | undefined> {
  if (page === false || (json && port === undefined)) return undefined;
  try {
    const { openRunPage } = await import('./run-page.ts');
    return await openRunPage(sweep, { ...context, port });
  } catch (error) {
    if (error instanceof SweepError) throw error;
    context.note(`page: not served: ${messageOf(error)}`);
    return undefined;
  }
}

/** Everybody who shows the run sees every event. */
function showIn(views: readonly ({ show(event: RunEvent): void } | undefined)[]): (event: RunEvent) => void {
  return (event) => {
    for (const view of views) view?.show(event);
  };
}

/** The backend, tried, and the images, once. @returns undefined if interrupted */
async function prepare(
  sweep: Sweep,
  options: RunOptions,
  { interrupt }: Interrupts,
  say: Say,
  { cacheFolder }: Environment,
): Promise<Probe | undefined> {
  try {
    const probe = await probeBackend(options.backend ?? sweep.spec.trainer.backend, interrupt);
    for (const warning of probe.warnings) say(`warning: ${warning}`);
    await fetchDataset(sweep.spec.training.dataset, { cacheFolder, log: say, signal: interrupt });
    return interrupt.aborted ? undefined : probe;
  } catch (error) {
    if (interrupt.aborted) return undefined;
    throw error;
  }
}

function checkTrials(wanted: readonly number[] | undefined, count: number): void {
  const beyond = wanted?.find((trial) => trial >= count);
  if (beyond === undefined) return;
  const there = count === 1 ? 'only trial 0' : `trials 0 to ${count - 1}`;
  throw new InvalidConfigError(`--trials: ${beyond}: the sweep has ${there}`);
}

function describePlan(trials: number, parallelism: number): string {
  return `${trials} ${trials === 1 ? 'trial' : 'trials'}, ${parallelism} at once`;
}

function describeBackend({ name, description }: Probe): string {
  return `${name} (${description})`;
}

/** Says which folder an error is about, and what to do. */
function explainFolder(error: unknown, folder: string, output: Output): never {
  if (error instanceof WorkerRefusedError) throw error; // not the folder's fault
  if (error instanceof InvalidSweepError) {
    output.note(`${folder} holds another sweep: choose another --folder, or another metadata.name, or undo this:`);
    throw error;
  }
  if (error instanceof InvalidConfigError) {
    throw new InvalidConfigError(`${folder}: ${error.message}`, { cause: error });
  }
  const told = systemError(error, folder);
  if (told instanceof InvalidConfigError) {
    throw new InvalidConfigError(`${told.message}; choose another --folder`, { cause: error });
  }
  throw told ?? error;
}

/** @returns the report's path; null if there is nothing to report or no time for it; undefined if it could not be written */
async function reportOf(
  folder: string,
  end: RunEnd,
  { kill }: Interrupts,
  output: Output,
): Promise<string | null | undefined> {
  if (kill.aborted || end.verdict.findings.length === 0) return null;
  try {
    return (await writeReport(folder, {})).path;
  } catch (error) {
    // Even a mistake in the report must not keep the verdict of hours of training from being said.
    const told = error instanceof SweepError ? error : systemError(error);
    const words = told?.message ?? (error instanceof Error ? error.stack : error);
    output.note(`report: not written: ${words}; try again with: cnn-sweep report ${folder}`);
    return undefined;
  }
}

interface View {
  readonly show: (event: RunEvent) => void;
  readonly interrupted: () => void;
  readonly failures: readonly SealedResult[];
  readonly close: () => void;
}

interface ViewOptions {
  readonly probe: Probe;
  readonly parallelism: number;
  readonly wanted: ReadonlySet<number> | undefined;
  readonly say: Say;
  readonly live: boolean;
  readonly page: string | undefined;
}

/** A live table on a terminal, plain lines elsewhere. Remembers what must be said when the table is gone. */
function openView(sweep: Sweep, trials: readonly Trial[], options: ViewOptions): View {
  const { probe, parallelism, wanted, say, live, page } = options;
  const shown: { table?: LiveTable } = {};
  const notes: string[] = [];
  const failures: SealedResult[] = [];
  const title = { name: sweep.metadata.name, backend: probe.name, parallelism, page };
  return {
    failures,
    show(event) {
      if (event.kind === 'opened') {
        warnOfOtherBackends(event.recorded, probe, say);
        failures.push(...event.recorded.filter(hasFailed));
        // The screen is taken only when the folder is open: what is wrong with it is said in the usual place.
        if (live) shown.table = new LiveTable(emptyView(sweep, trials, wanted), title, process.stdout);
      }
      if (event.kind === 'recorded' && hasFailed(event.result)) failures.push(event.result);
      const lines = describeEvent(event, trials, sweep.spec.training.epochs);
      if (!shown.table) return lines.forEach(say);
      shown.table.show(event);
      if (event.kind === 'note' || event.kind === 'retrying') notes.push(...lines);
    },
    interrupted() {
      if (shown.table) shown.table.show({ kind: 'interrupted' });
      else say(INTERRUPTED);
    },
    close() {
      shown.table?.close();
      for (const line of notes.splice(0)) say(line);
    },
  };
}

const hasFailed = ({ outcome }: SealedResult) => outcome === 'Failed';

function warnOfOtherBackends(recorded: readonly SealedResult[], probe: Probe, say: Say): void {
  const others = new Set(recorded.map(({ backend }) => backend).filter((backend) => backend && backend !== probe.name));
  if (others.size === 0) return;
  say(
    `note: recorded trials were trained with ${[...others].join(', ')}, new ones are with ${probe.name}: their last digits differ`,
  );
}

function exitCode(end: RunEnd, { requireModel }: RunOptions): number {
  if (end.outcome === 'failed') return 1;
  if (end.outcome === 'interrupted') return 130;
  return requireModel && !end.verdict.best ? 3 : 0;
}
