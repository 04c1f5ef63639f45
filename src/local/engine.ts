import { availableParallelism } from 'node:os';
import { realTimers, type Timers } from '../shared/timers.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { type Plan, planSweep } from '../sweep/plan.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import { type Pool, WorkerRefusedError } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { Changes } from './changes.ts';
import { concludeRun, type RunEnd } from './conclude.ts';
import type { RunEvent } from './events.ts';
import { openFolder, type RunFolder } from './folder.ts';
import { lacksItsModel, Records, trialsToRunAgain } from './records.ts';
import { Room } from './room.ts';

export { type AttemptEnd, type Job, type Pool, type Report, WorkerRefusedError } from './attempt.ts';
export type { RunEnd } from './conclude.ts';
export type { RunEvent, SealedResult } from './events.ts';

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
  const changes = new Changes();
  const timers = deps.timers ?? realTimers;
  const trials = expandTrials(sweep);
  let folder: RunFolder | undefined;
  let run: Run | undefined;
  try {
    // 1. Open the folder: its lock, and the fold of its journal.
    const onBlocked = (error: Error | null) => {
      deps.onEvent({ kind: 'note', message: describeBlocked('journal', error) });
      changes.tell();
    };
    folder = await openFolder(deps.folder, sweep, trials, { timers, onBlocked });
    run = new Run(sweep, trials, folder, timers, changes, deps);
    await run.welcome();
    for (;;) {
      // 2. Plan: what starts and what stops, from all that is known now.
      const plan = run.plan();
      // 3. Start: attempts, each in a worker; whatever happens to them wakes us.
      run.carryOut(plan);
      if (run.isDone(plan)) break;
      await changes.next();
      // 4. Record: the trials that have ended. Each counts when the journal has it.
      run.record();
    }
    // 5. Judge: what is recorded; write the verdict and the winner's model.
    return await run.conclude();
  } finally {
    run?.close();
    await deps.pool.close();
    await folder?.close();
  }
}

/** The state of one run: its attempts, its records, and what holds it back. */
class Run {
  readonly #sweep: Sweep;
  readonly #trials: readonly Trial[];
  readonly #folder: RunFolder;
  readonly #deps: RunDeps;
  readonly #changes: Changes;
  readonly #attempts: Attempts;
  readonly #records: Records;
  readonly #room: Room;
  /** Left for another run. */
  readonly #notNow: readonly number[];
  readonly #listening = new AbortController();
  #failed: boolean = false;
  #fault: { error: unknown } | undefined;

  constructor(
    sweep: Sweep,
    trials: readonly Trial[],
    folder: RunFolder,
    timers: Timers,
    changes: Changes,
    deps: RunDeps,
  ) {
    this.#sweep = sweep;
    this.#trials = trials;
    this.#folder = folder;
    this.#deps = deps;
    this.#changes = changes;
    const { pool, cacheFolder, backend, backoffMs, retryFailed, onEvent } = deps;
    const { selection, maxFailedTrials } = sweep.spec;
    const isMeant = (trial: number) => !deps.trials || deps.trials.has(trial);
    this.#notNow = trials.map(({ trial }) => trial).filter((trial) => !isMeant(trial));
    const onChange = () => changes.tell();
    const onFault = (error: unknown) => this.#fail(error);
    const again = trialsToRunAgain(folder.results.values(), isMeant, { retryFailed, maxFailedTrials });
    this.#records = new Records({ folder, selection, again, onEvent, onChange, onFault });
    const doing = { sweep, folder, pool, timers, cacheFolder, backend, backoffMs };
    this.#attempts = new Attempts({ ...doing, onEvent, onChange, onFault });
    const onBlocked = (error: Error | null) => this.#note(describeBlocked('disk', error));
    this.#room = new Room({ tryWriting: () => folder.tryWriting(), timers, onBlocked, onChange });
  }

  /** Says what was found, takes stock of the weights on disk, and listens to whoever ends the run. */
  async welcome(): Promise<void> {
    const { interrupt, kill, onEvent } = this.#deps;
    for (const message of this.#folder.notes) this.#note(message);
    onEvent({ kind: 'opened', trials: this.#trials, recorded: this.#records.found });
    await this.#records.takeStock();
    if (this.#sweep.spec.suspend) this.#note('spec.suspend is true: nothing is started');
    const { signal } = this.#listening;
    interrupt?.addEventListener('abort', () => this.#changes.tell(), { signal });
    kill?.addEventListener('abort', () => this.#kill(), { signal });
  }

  plan(): Plan {
    const { parallelism } = this.#deps;
    const { maxFailedTrials } = this.#sweep.spec;
    const { ended } = this.#records;
    const plan = planSweep(
      {
        trials: this.#trials.length,
        parallelism: parallelism ?? this.#sweep.spec.parallelism ?? availableParallelism(),
        maxFailedTrials,
        suspend: this.#isOver() || this.#room.doubted,
      },
      {
        running: this.#attempts.running,
        recorded: ended,
        failures: [...ended.values()].filter((outcome) => outcome === 'Failed').length,
        delayed: new Set([...this.#notNow, ...this.#attempts.backingOff]),
      },
    );
    this.#failed = plan.failed;
    return plan;
  }

  carryOut({ start, stop }: Plan): void {
    this.#attempts.stop(stop, `Stopped: more than ${this.#sweep.spec.maxFailedTrials} trials failed`);
    this.#attempts.start(start.flatMap((trial) => this.#trials[trial] ?? []));
  }

  record(): void {
    const results = this.#attempts.takeResults();
    const recorded = this.#records.add(results);
    if (results.some(lacksItsModel)) this.#room.doubt(recorded);
  }

  /** Nothing lives, nothing waits. A journal or a disk that still refuses when no trial runs gets one last try. */
  isDone({ failed }: Plan): boolean {
    if (this.#attempts.running.size > 0) return false;
    if (this.#records.saving) {
      if (this.#folder.journal.blocked || this.#deps.kill?.aborted) this.#folder.journal.giveUp();
      return false;
    }
    if (failed || this.#isOver()) return true;
    if (this.#attempts.backingOff.size > 0) return false;
    if (!this.#isHeldBack() || this.#room.givenUp) return true;
    this.#room.giveUp();
    return false;
  }

  /** @throws whatever had ended the run before its trials did */
  conclude(): Promise<RunEnd> {
    if (this.#fault) throw this.#fault.error;
    const { interrupt, kill, versions, onEvent } = this.#deps;
    const { results, ended, unsaved } = this.#records;
    return concludeRun({
      sweep: this.#sweep,
      trials: this.#trials,
      folder: this.#folder,
      results,
      unsaved,
      failed: this.#failed,
      noRoom: this.#isHeldBack() ? this.#room.refusal : null,
      left: this.#trials.length - [...ended.values()].filter((outcome) => outcome !== 'Stopped').length,
      interrupted: Boolean(interrupt?.aborted || kill?.aborted),
      versions,
      onEvent,
    });
  }

  close(): void {
    this.#listening.abort();
    this.#attempts.forgetBackoffs();
    this.#room.close();
  }

  /** Trials of this run would start if the disk had room. */
  #isHeldBack(): boolean {
    const { ended } = this.#records;
    if (this.#failed || !this.#room.doubted) return false;
    return this.#trials.some(({ trial }) => !ended.has(trial) && !this.#notNow.includes(trial));
  }

  /** Nothing new starts any more, whatever the disk says. */
  #isOver(): boolean {
    const { interrupt, kill } = this.#deps;
    const over = interrupt?.aborted || kill?.aborted || this.#fault !== undefined;
    return over || this.#sweep.spec.suspend || this.#folder.journal.blocked || this.#records.unsaved.length > 0;
  }

  /** The first fault ends the run. A worker that refused lets the others finish. */
  #fail(error: unknown): void {
    if (!(error instanceof WorkerRefusedError)) this.#attempts.kill();
    else if (!this.#fault) this.#note(`${error.message}; nothing new starts, running trials finish`);
    this.#fault ??= { error };
    this.#changes.tell();
  }

  #kill(): void {
    this.#attempts.kill();
    this.#changes.tell();
  }

  #note(message: string): void {
    this.#deps.onEvent({ kind: 'note', message });
  }
}

function describeBlocked(what: string, error: Error | null): string {
  return error ? `${what}: ${error.message}; nothing new starts, tried again every 2 s` : `${what}: written again`;
}
