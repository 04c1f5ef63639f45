import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { MODEL_NOT_SAVED } from '../shared/worker-protocol.ts';
import { type Assignment, buildAssignment } from '../sweep/assignment.ts';
import { summarise } from '../sweep/curve.ts';
import { findingOf } from '../sweep/finding.ts';
import { type EpochFigures, figuresOf } from '../sweep/measurement.ts';
import { type Plan, planSweep } from '../sweep/plan.ts';
import type { Outcome, TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import { type AttemptEnd, type Pool, type Report, WorkerRefusedError } from './attempt.ts';
import { concludeRun, type RunEnd } from './conclude.ts';
import { type RunEvent, seal } from './events.ts';
import { openFolder, type RunFolder } from './folder.ts';
import { JournalUnwritableError } from './journal.ts';
import { KeptModels } from './kept-models.ts';
import { realTimers, type Timers } from './timers.ts';

export { type AttemptEnd, type Job, type Pool, type Report, WorkerRefusedError } from './attempt.ts';
export type { RunEnd } from './conclude.ts';
export type { RunEvent, SealedResult } from './events.ts';

/** Attempts at one trial before it is recorded as Failed. */
export const MAX_ATTEMPTS = 3;

export interface RunDeps {
  /** `runs/<name>`; made if there is none. */
  readonly folder: string;
  /** Closed when the run ends. */
  readonly pool: Pool;
  /** Trials at once; absent: the sweep's, else as many as cores. */
  readonly parallelism?: number | undefined;
  /** Absent: the sweep's. */
  readonly backend?: Assignment['backend'] | undefined;
  readonly cacheFolder: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly onEvent: (event: RunEvent) => void;
  /** No new start; running trials finish and are saved. */
  readonly interrupt?: AbortSignal | undefined;
  /** Running trials are killed and run again next time. */
  readonly kill?: AbortSignal | undefined;
  /** Only these now; the others stay for the next call. */
  readonly trials?: ReadonlySet<number> | undefined;
  /** Trials that an earlier run recorded as Failed run again. */
  readonly retryFailed?: boolean | undefined;
  readonly timers?: Timers | undefined;
  /** Wait before the next attempt at a trial. @param attempt the one that failed, from 1 */
  readonly backoffMs?: ((attempt: number) => number) | undefined;
}

/** Runs a sweep on this machine, going on where an earlier run of the folder ended.
 * @throws InvalidConfigError, InvalidSweepError for a folder that is in use, damaged or another sweep's: nothing was started
 * @throws WorkerRefusedError if no trial can be trained here any more; what had been running was finished and saved
 * @throws Error if the folder cannot be written (a full disk during the run is an outcome: `failed`)
 */
export async function runSweep(sweep: Sweep, deps: RunDeps): Promise<RunEnd> {
  const timers = deps.timers ?? realTimers;
  const trials = expandTrials(sweep);
  let run: Run | undefined;
  let folder: RunFolder | undefined;
  try {
    // 1. Open the folder: its lock, and the fold of its journal.
    const onBlocked = (error: Error | null) => run?.journalBlocked(error);
    folder = await openFolder(deps.folder, sweep, trials, { timers, onBlocked });
    run = new Run(sweep, trials, folder, timers, deps);
    await run.welcome();
    // 2. Plan, start, record, until there is nothing left to do.
    await run.untilDone();
    // 3. Judge what is recorded; write the verdict and the winner's model.
    return await run.conclude();
  } finally {
    await deps.pool.close();
    await folder?.close();
  }
}

/** An attempt that is alive. */
interface Live {
  readonly trial: Trial;
  readonly attempt: number;
  readonly attemptUID: string;
  readonly startedMs: number;
  readonly stop: AbortController;
  readonly epochs: EpochFigures[];
}

/** The state of one run. Each event changes it and wakes the plan, which looks at all of it again. */
class Run {
  readonly #sweep: Sweep;
  readonly #trials: readonly Trial[];
  readonly #folder: RunFolder;
  readonly #timers: Timers;
  readonly #deps: RunDeps;
  readonly #kept: KeptModels;
  /** Left for another run. */
  readonly #notNow: readonly number[];
  /** On disk. */
  readonly #results: Map<number, TrialResult>;
  /** On disk or on the way there: these do not start any more. */
  readonly #ended = new Map<number, Outcome>();
  readonly #running = new Map<number, Live>();
  readonly #attempts = new Map<number, number>();
  readonly #backingOff = new Map<number, () => void>();
  readonly #unsaved: number[] = [];
  #saving = 0;
  #failed: boolean = false;
  #fault: { error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #awake: boolean = false;

  constructor(sweep: Sweep, trials: readonly Trial[], folder: RunFolder, timers: Timers, deps: RunDeps) {
    this.#sweep = sweep;
    this.#trials = trials;
    this.#folder = folder;
    this.#timers = timers;
    this.#deps = deps;
    this.#kept = new KeptModels(sweep.spec.selection);
    this.#notNow = trials.map(({ trial }) => trial).filter((trial) => deps.trials && !deps.trials.has(trial));
    this.#results = new Map(folder.results);
    for (const { trial, outcome } of folder.results.values()) this.#ended.set(trial, outcome);
    for (const trial of this.#toRunAgain()) this.#ended.delete(trial);
  }

  /** Recorded trials of this run that start again: Failed ones if asked for, and Stopped ones unless too many have still failed. */
  #toRunAgain(): number[] {
    const { retryFailed } = this.#deps;
    const { maxFailedTrials = Number.POSITIVE_INFINITY } = this.#sweep.spec;
    const recorded = [...this.#ended].filter(([trial]) => !this.#notNow.includes(trial));
    const retried = recorded.filter(([, outcome]) => outcome === 'Failed' && retryFailed);
    const failures = [...this.#ended.values()].filter((outcome) => outcome === 'Failed').length - retried.length;
    const stopped = recorded.filter(([, outcome]) => outcome === 'Stopped' && failures <= maxFailedTrials);
    return [...retried, ...stopped].map(([trial]) => trial);
  }

  /** Says what was found, and takes stock of the weights on disk. */
  async welcome(): Promise<void> {
    for (const message of this.#folder.notes) this.#note(message);
    const recorded = [...this.#results.values()].filter(({ trial }) => this.#ended.has(trial)).map(seal);
    this.#emit({ kind: 'opened', trials: this.#trials, recorded });
    for (const result of this.#results.values()) await this.#keepModel(result);
    if (this.#sweep.spec.suspend) this.#note('spec.suspend is true: nothing is started');
  }

  async untilDone(): Promise<void> {
    const { interrupt, kill } = this.#deps;
    const wake = () => this.#changed();
    const killAll = () => {
      for (const { stop } of this.#running.values()) stop.abort();
      wake();
    };
    interrupt?.addEventListener('abort', wake);
    kill?.addEventListener('abort', killAll);
    try {
      for (;;) {
        const plan = this.#plan();
        for (const trial of plan.stop) this.#running.get(trial)?.stop.abort();
        for (const trial of plan.start) this.#start(trial);
        if (this.#isDone()) break;
        await this.#nextChange();
      }
    } finally {
      interrupt?.removeEventListener('abort', wake);
      kill?.removeEventListener('abort', killAll);
      for (const cancel of this.#backingOff.values()) cancel();
    }
    if (this.#fault) throw this.#fault.error;
  }

  conclude(): Promise<RunEnd> {
    const { interrupt, kill, versions, onEvent } = this.#deps;
    return concludeRun({
      sweep: this.#sweep,
      trials: this.#trials,
      folder: this.#folder,
      results: this.#results,
      unsaved: this.#unsaved,
      failed: this.#failed,
      left: this.#trials.length - [...this.#ended.values()].filter((outcome) => outcome !== 'Stopped').length,
      interrupted: Boolean(interrupt?.aborted || kill?.aborted),
      versions,
      onEvent,
    });
  }

  journalBlocked(error: Error | null): void {
    this.#note(
      error ? `journal: ${error.message}; nothing new starts, tried again every 2 s` : 'journal: written again',
    );
    this.#changed();
  }

  #plan(): Plan {
    const { parallelism } = this.#deps;
    const { maxFailedTrials } = this.#sweep.spec;
    const plan = planSweep(
      {
        trials: this.#trials.length,
        parallelism: parallelism ?? this.#sweep.spec.parallelism ?? availableParallelism(),
        maxFailedTrials,
        suspend: this.#startsNothing(),
      },
      {
        running: new Set(this.#running.keys()),
        recorded: this.#ended,
        delayed: new Set([...this.#notNow, ...this.#backingOff.keys()]),
      },
    );
    this.#failed = plan.failed;
    return plan;
  }

  #startsNothing(): boolean {
    const { interrupt, kill } = this.#deps;
    const over = interrupt?.aborted || kill?.aborted || this.#fault !== undefined;
    return over || this.#sweep.spec.suspend || this.#folder.journal.blocked || this.#unsaved.length > 0;
  }

  /** Nothing lives, nothing waits. A journal that is still refused when no trial runs gets one last try. */
  #isDone(): boolean {
    if (this.#running.size > 0) return false;
    if (this.#saving > 0) {
      if (this.#folder.journal.blocked || this.#deps.kill?.aborted) this.#folder.journal.giveUp();
      return false;
    }
    return this.#backingOff.size === 0 || this.#failed || this.#startsNothing();
  }

  #start(index: number): void {
    const trial = this.#trials[index];
    if (!trial) return;
    const attempt = (this.#attempts.get(index) ?? 0) + 1;
    const live: Live = {
      trial,
      attempt,
      attemptUID: randomUUID(),
      startedMs: this.#timers.now(),
      stop: new AbortController(),
      epochs: [],
    };
    this.#attempts.set(index, attempt);
    this.#running.set(index, live);
    this.#emit({ kind: 'started', trial: index, attempt, attemptUID: live.attemptUID });
    this.#attempt(live).catch((error: unknown) => {
      // Not the trial's fault: a bug, or a disk that fails us elsewhere than in the journal.
      this.#fault ??= { error };
      this.#running.delete(index);
      for (const { stop } of this.#running.values()) stop.abort();
      this.#changed();
    });
  }

  async #attempt(live: Live): Promise<void> {
    const { trial, attempt, attemptUID } = live;
    const assignment = buildAssignment(this.#sweep, trial, { attempt, attemptUID, backend: this.#deps.backend });
    const name = { trial: trial.trial, attemptUID };
    const job = { assignment, cacheFolder: this.#deps.cacheFolder, modelFolder: this.#folder.modelFolder(name) };
    const end = await this.#deps.pool.run(job, (report) => this.#report(live, report), live.stop.signal);
    if (end.kind !== 'result') await this.#folder.dropModel(name);
    this.#running.delete(trial.trial);
    await (end.kind === 'result' ? this.#record(end.result) : this.#withoutResult(live, end));
    this.#changed();
  }

  #report({ trial, epochs }: Live, report: Report): void {
    if (report.kind === 'progress') {
      if (report.milestone) this.#folder.keepProgress(report.progress);
      this.#emit({ kind: 'progress', progress: report.progress });
      return;
    }
    this.#folder.keepMeasurement(report.measurement);
    epochs.push(figuresOf(report.measurement));
    const finding = findingOf(trial.trial, summarise(epochs, epochs.length), this.#sweep.spec.selection);
    this.#emit({ kind: 'measurement', measurement: report.measurement, finding });
  }

  /** A crash costs one attempt; three of them are recorded as a failed trial. A worker that refuses says nothing of its trial. */
  async #withoutResult(live: Live, end: Exclude<AttemptEnd, { kind: 'result' }>): Promise<void> {
    const { trial, attempt } = live;
    if (end.kind === 'stopped') {
      const reason = `Stopped: more than ${this.#sweep.spec.maxFailedTrials} trials failed`;
      return this.#failed && !this.#deps.kill?.aborted
        ? this.#record(this.#resultOf(live, 'Stopped', reason))
        : undefined;
    }
    if (end.kind === 'refused') {
      if (!this.#fault) this.#note(`${end.message}; nothing new starts, running trials finish`);
      this.#fault ??= { error: new WorkerRefusedError(end.message) };
      return;
    }
    if (attempt >= MAX_ATTEMPTS) return this.#record(this.#resultOf(live, 'Failed', end.reason));
    const delayMs = (this.#deps.backoffMs ?? defaultBackoffMs)(attempt);
    this.#emit({ kind: 'retrying', trial: trial.trial, attempt, reason: end.reason, delayMs });
    const cancel = this.#timers.after(delayMs, () => {
      this.#backingOff.delete(trial.trial);
      this.#changed();
    });
    this.#backingOff.set(trial.trial, cancel);
  }

  #resultOf({ trial, attempt, attemptUID, startedMs, epochs }: Live, outcome: Outcome, reason: string): TrialResult {
    return {
      trial: trial.trial,
      attempt,
      attemptUID,
      outcome,
      reason,
      hyperparametersHash: trial.hyperparametersHash,
      parameterCount: trial.parameterCount,
      backend: null,
      seconds: (this.#timers.now() - startedMs) / 1000,
      summary: outcome === 'Stopped' ? summarise(epochs, this.#sweep.spec.training.epochs) : null,
      test: null,
    };
  }

  /** The slot is free at once; the trial counts when the journal has it. Its weights are on disk already. */
  async #record(result: TrialResult): Promise<void> {
    this.#ended.set(result.trial, result.outcome);
    this.#saving++;
    this.#changed();
    try {
      await this.#folder.curvesSettled();
      await this.#folder.journal.append(result);
      this.#results.set(result.trial, result);
      const finding = result.summary && findingOf(result.trial, result.summary, this.#sweep.spec.selection);
      this.#emit({ kind: 'recorded', result: seal(result), finding });
      if (result.reason.startsWith(MODEL_NOT_SAVED)) this.#note(`trial ${result.trial}: ${result.reason}`);
      await this.#keepModel(result);
    } catch (error) {
      if (!(error instanceof JournalUnwritableError)) throw error;
      this.#unsaved.push(result.trial);
    } finally {
      this.#saving--;
      this.#changed();
    }
  }

  async #keepModel(result: TrialResult): Promise<void> {
    const hasModel = await this.#folder.hasModel(result);
    for (const { trial, attemptUID } of this.#kept.add(result, hasModel)) {
      await this.#folder.dropModel({ trial, attemptUID });
    }
  }

  #emit(event: RunEvent): void {
    this.#deps.onEvent(event);
  }

  #note(message: string): void {
    this.#emit({ kind: 'note', message });
  }

  #changed(): void {
    this.#awake = true;
    this.#wake?.();
  }

  async #nextChange(): Promise<void> {
    if (!this.#awake)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    await new Promise<void>((resolve) => setImmediate(resolve)); // what happens at the same moment shares one plan
    this.#awake = false;
    this.#wake = undefined;
  }
}

function defaultBackoffMs(attempt: number): number {
  return 1_000 * 2 ** (attempt - 1);
}
