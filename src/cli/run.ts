import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type RunEnd, type RunEvent, runSweep } from '../local/engine.ts';
import { openPool } from '../local/pool.ts';
import type { Environment } from '../shared/env.ts';
import { VERSION } from '../shared/package.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { InvalidConfigError, SweepError } from '../sweep/errors.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import { fetchDataset } from '../trainer/dataset.ts';
import { describeVerdict } from './describe-verdict.ts';
import { interrupts } from './interrupts.ts';
import { LiveTable } from './live.ts';
import { type Output, printJson } from './output.ts';
import { describeEvent } from './plain.ts';
import { emptyView } from './run-view.ts';
import { readSweepFile } from './sweep-file.ts';
import { type Probe, probeBackend, workerProgram } from './workers.ts';
import { writeReport } from './write-report.ts';

export interface RunOptions {
  readonly folder?: string;
  readonly parallelism?: number;
  readonly backend?: Assignment['backend'];
  readonly trials?: readonly number[];
  readonly requireModel?: boolean;
  readonly json?: boolean;
}

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
  const probe = await probeBackend(options.backend ?? sweep.spec.trainer.backend);
  for (const warning of probe.warnings) say(`warning: ${warning}`);
  const parallelism = options.parallelism ?? sweep.spec.parallelism ?? availableParallelism();
  const folder = options.folder ?? join('runs', sweep.metadata.name);

  // 2. The images, once.
  const view = openView(sweep, trials, { probe, parallelism, say, live: !options.json && process.stdout.isTTY });
  const signals = interrupts((message) => view.show({ kind: 'note', message }));
  try {
    await fetchDataset(sweep.spec.training.dataset, {
      cacheFolder: environment.cacheFolder,
      log: say,
      signal: signals.interrupt,
    });
    if (signals.interrupt.aborted) return 130;
    say(
      `${sweep.metadata.name}: ${trials.length} trials, ${parallelism} at once, ${probe.name} (${probe.description}), in ${folder}`,
    );

    // 3. Train, record, judge.
    const end = await runSweep(sweep, {
      folder,
      pool: openPool(workerProgram(probe.name)),
      parallelism,
      backend: probe.name,
      cacheFolder: environment.cacheFolder,
      versions: { 'cnn-sweep': VERSION, node: process.versions.node },
      onEvent: view.show,
      interrupt: signals.interrupt,
      kill: signals.kill,
      trials: options.trials && new Set(options.trials),
    }).finally(view.close);

    // 4. Say what came of it.
    const report = await writeReport(folder, {});
    if (options.json) printJson(output, end.file);
    else for (const line of describeEnd(end, trials, report, output.width)) output.print(line);
    return exitCode(end, options);
  } catch (error) {
    if (signals.interrupt.aborted && error instanceof SweepError && !(error instanceof InvalidConfigError)) {
      output.note(`interrupted: ${error.message}`);
      return 130;
    }
    throw error;
  } finally {
    signals.close();
  }
}

function checkTrials(wanted: readonly number[] | undefined, count: number): void {
  const beyond = wanted?.find((trial) => trial >= count);
  if (beyond !== undefined) throw new InvalidConfigError(`--trials: ${beyond}: the sweep has trials 0 to ${count - 1}`);
}

interface View {
  readonly show: (event: RunEvent) => void;
  readonly close: () => void;
}

interface ViewOptions {
  readonly probe: Probe;
  readonly parallelism: number;
  readonly say: (line: string) => void;
  readonly live: boolean;
}

/** A live table on a terminal, plain lines elsewhere. */
function openView(sweep: Sweep, trials: readonly Trial[], { probe, parallelism, say, live }: ViewOptions): View {
  const { epochs } = sweep.spec.training;
  const shown: { table?: LiveTable } = {};
  const title = { name: sweep.metadata.name, backend: probe.name, parallelism };
  return {
    show(event) {
      if (event.kind === 'opened') warnOfOtherBackends(event.recorded, probe, say);
      // The screen is taken only when the folder is open: what is wrong with it is said in the usual place.
      if (live && event.kind === 'opened')
        shown.table = new LiveTable(emptyView(trials, epochs), title, process.stdout);
      if (shown.table) shown.table.show(event);
      else for (const line of describeEvent(event, trials, epochs)) say(line);
    },
    close: () => shown.table?.close(),
  };
}

function warnOfOtherBackends(
  recorded: readonly { backend: string | null }[],
  probe: Probe,
  say: (line: string) => void,
): void {
  const others = new Set(recorded.map(({ backend }) => backend).filter((backend) => backend && backend !== probe.name));
  if (others.size > 0) {
    say(
      `note: recorded trials were trained with ${[...others].join(', ')}, new ones are with ${probe.name}: their last digits differ`,
    );
  }
}

function describeEnd(end: RunEnd, trials: readonly Trial[], report: string, width: number): string[] {
  const { test } = end.file;
  const tested = test ? [`test accuracy of the kept weights: ${(100 * test.accuracy).toFixed(1)} %`] : [];
  const lines = [
    ...(end.verdict.findings.length > 0 ? ['', ...describeVerdict(end.verdict, trials, width), ''] : []),
    ...tested,
  ];
  const model = end.file.model === 'model' ? [`model:  ${join(report, '..', 'model')}`] : [];
  return [...lines, ...model, `report: ${report}`, ...(end.message ? [end.message] : [])];
}

function exitCode(end: RunEnd, { requireModel }: RunOptions): number {
  if (end.outcome === 'failed') return 1;
  if (end.outcome === 'interrupted') return 130;
  return requireModel && !end.verdict.best ? 3 : 0;
}
