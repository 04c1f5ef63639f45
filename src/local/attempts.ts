import { randomUUID } from 'node:crypto';
import type { Timers } from '../shared/timers.ts';
import { type Assignment, buildAssignment } from '../sweep/assignment.ts';
import { summarise } from '../sweep/curve.ts';
import { findingOf } from '../sweep/finding.ts';
import { type EpochFigures, figuresOf } from '../sweep/measurement.ts';
import type { Outcome, TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import { type AttemptEnd, type Pool, type Report, WorkerRefusedError } from './attempt.ts';
import type { RunEvent } from './events.ts';
import type { RunFolder } from './folder.ts';

/** Attempts at one trial before it is recorded as Failed. */
export const MAX_ATTEMPTS = 3;

export interface AttemptsOptions {
  readonly sweep: Sweep;
  readonly folder: RunFolder;
  readonly pool: Pool;
  readonly timers: Timers;
  readonly cacheFolder: string;
  /** Absent: the sweep's. */
  readonly backend?: Assignment['backend'] | undefined;
  /** Wait before the next attempt at a trial. @param attempt the one that failed, from 1 */
  readonly backoffMs?: ((attempt: number) => number) | undefined;
  readonly onEvent: (event: RunEvent) => void;
  /** A trial has ended, or may start again. */
  readonly onChange: () => void;
  /** Not a trial's fault: a worker that can train nothing here (WorkerRefusedError), a bug, or a disk that fails us elsewhere
   * than in the journal. */
  readonly onFault: (error: unknown) => void;
}

/** An attempt that is alive. */
interface Live {
  readonly trial: Trial;
  readonly attempt: number;
  readonly attemptUID: string;
  readonly startedMs: number;
  readonly abort: AbortController;
  readonly epochs: EpochFigures[];
  /** Why the plan stopped it; undefined for one that is merely killed, which leaves no record. */
  stopReason?: string | undefined;
}

/** The attempts of a run: which are alive, which trials wait for their next one, and what became of the others. A crash costs
 * one attempt; three of them are a trial that Failed.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #live = new Map<number, Live>();
  readonly #made = new Map<number, number>();
  readonly #backingOff = new Map<number, () => void>();
  #results: TrialResult[] = [];

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  get running(): ReadonlySet<number> {
    return new Set(this.#live.keys());
  }

  /** Trials whose next attempt is not due yet. */
  get backingOff(): ReadonlySet<number> {
    return new Set(this.#backingOff.keys());
  }

  /** Results of the trials that have ended since the last call; they do not run any more and have no record yet. */
  takeResults(): TrialResult[] {
    return this.#results.splice(0);
  }

  start(trials: readonly Trial[]): void {
    for (const trial of trials) this.#start(trial);
  }

  /** Ends attempts that are to be recorded as Stopped. */
  stop(trials: readonly number[], reason: string): void {
    for (const live of trials.flatMap((trial) => this.#live.get(trial) ?? [])) {
      if (live.abort.signal.aborted) continue; // killed
      live.stopReason = reason;
      live.abort.abort();
    }
  }

  /** Ends every attempt without a record: its trial runs again next time. */
  kill(): void {
    for (const live of this.#live.values()) {
      live.stopReason = undefined;
      live.abort.abort();
    }
  }

  /** Nobody waits for the next attempts any more. */
  forgetBackoffs(): void {
    for (const cancel of this.#backingOff.values()) cancel();
  }

  #start(trial: Trial): void {
    const attempt = (this.#made.get(trial.trial) ?? 0) + 1;
    const live: Live = {
      trial,
      attempt,
      attemptUID: randomUUID(),
      startedMs: this.#options.timers.now(),
      abort: new AbortController(),
      epochs: [],
    };
    this.#made.set(trial.trial, attempt);
    this.#live.set(trial.trial, live);
    this.#options.onEvent({ kind: 'started', trial: trial.trial, attempt, attemptUID: live.attemptUID });
    this.#run(live)
      .catch((error: unknown) => {
        this.#live.delete(trial.trial);
        this.#options.onFault(error);
      })
      .finally(this.#options.onChange);
  }

  async #run(live: Live): Promise<void> {
    const { sweep, folder, pool, cacheFolder, backend } = this.#options;
    const { trial, attempt, attemptUID } = live;
    const assignment = buildAssignment(sweep, trial, { attempt, attemptUID, backend });
    const name = { trial: trial.trial, attemptUID };
    const job = { assignment, cacheFolder, modelFolder: folder.modelFolder(name) };
    const end = await pool.run(job, (report) => this.#report(live, report), live.abort.signal);
    if (end.kind !== 'result') await folder.dropModel(name);
    this.#live.delete(trial.trial);
    this.#end(live, end);
  }

  #report({ trial, epochs }: Live, report: Report): void {
    const { sweep, folder, onEvent } = this.#options;
    if (report.kind === 'progress') {
      if (report.milestone) folder.keepProgress(report.progress);
      onEvent({ kind: 'progress', progress: report.progress });
      return;
    }
    folder.keepMeasurement(report.measurement);
    epochs.push(figuresOf(report.measurement));
    const finding = findingOf(trial.trial, summarise(epochs, epochs.length), sweep.spec.selection);
    onEvent({ kind: 'measurement', measurement: report.measurement, finding });
  }

  /** A worker that refuses says nothing of its trial. */
  #end(live: Live, end: AttemptEnd): void {
    switch (end.kind) {
      case 'result':
        this.#results.push(end.result);
        return;
      case 'stopped':
        if (live.stopReason !== undefined) this.#results.push(this.#resultOf(live, 'Stopped', live.stopReason));
        return;
      case 'refused':
        this.#options.onFault(new WorkerRefusedError(end.message));
        return;
      case 'crashed':
        if (live.attempt >= MAX_ATTEMPTS) this.#results.push(this.#resultOf(live, 'Failed', end.reason));
        else this.#backOff(live, end.reason);
    }
  }

  #backOff({ trial: { trial }, attempt }: Live, reason: string): void {
    const { timers, backoffMs = defaultBackoffMs, onEvent, onChange } = this.#options;
    const delayMs = backoffMs(attempt);
    onEvent({ kind: 'retrying', trial, attempt, reason, delayMs });
    const cancel = timers.after(delayMs, () => {
      this.#backingOff.delete(trial);
      onChange();
    });
    this.#backingOff.set(trial, cancel);
  }

  #resultOf({ trial, attempt, attemptUID, startedMs, epochs }: Live, outcome: Outcome, reason: string): TrialResult {
    const { sweep, timers } = this.#options;
    return {
      trial: trial.trial,
      attempt,
      attemptUID,
      outcome,
      reason,
      hyperparametersHash: trial.hyperparametersHash,
      parameterCount: trial.parameterCount,
      backend: null,
      seconds: (timers.now() - startedMs) / 1000,
      summary: outcome === 'Stopped' ? summarise(epochs, sweep.spec.training.epochs) : null,
      test: null,
    };
  }
}

function defaultBackoffMs(attempt: number): number {
  return 1_000 * 2 ** (attempt - 1);
}
