/** What the plan must respect: from the sweep file, with `parallelism` settled by whoever runs it. */
export interface PlanLimits {
  readonly trials: number;
  readonly parallelism: number;
  readonly maxFailedTrials?: number | undefined;
  readonly suspend: boolean;
}

export interface PlanState {
  /** Trials with a live attempt. */
  readonly running: ReadonlySet<number>;
  /** Trials with a record, which never run again. */
  readonly recorded: { readonly size: number; has(trial: number): boolean };
  /** How many of those failed. */
  readonly failures: number;
  /** Trials that must not start yet: an attempt failed and its backoff is not over. */
  readonly delayed?: ReadonlySet<number>;
}

export interface Plan {
  /** Trials to start now, lowest index first. */
  readonly start: readonly number[];
  /** Running trials to stop and record as Stopped, lowest index first; none that has a record. */
  readonly stop: readonly number[];
  /** No trial runs and none will be started, unless the sweep is resumed. */
  readonly done: boolean;
  /** More trials failed than allowed. */
  readonly failed: boolean;
}

/** Whether so many failures end a sweep. */
export function isOverLimit({ maxFailedTrials }: Pick<PlanLimits, 'maxFailedTrials'>, failures: number): boolean {
  return maxFailedTrials !== undefined && failures > maxFailedTrials;
}

/** Plans the next starts and stops. Pure: the same input, the same plan, however often it is asked.
 * Starts always take the lowest unstarted indexes, so that two planners with an old view ask for the same trials (INV-7).
 */
export function planSweep(limits: PlanLimits, { running, recorded, failures, delayed }: PlanState): Plan {
  if (isOverLimit(limits, failures)) {
    const stop = [...running].filter((trial) => !recorded.has(trial)).sort((a, b) => a - b);
    return { start: [], stop, done: running.size === 0, failed: true };
  }

  const room = limits.suspend ? 0 : limits.parallelism - running.size;
  const start: number[] = [];
  for (let trial = 0; trial < limits.trials && start.length < room; trial++) {
    if (!recorded.has(trial) && !running.has(trial) && !delayed?.has(trial)) start.push(trial);
  }
  const finished = recorded.size >= limits.trials;
  return { start, stop: [], done: running.size === 0 && (finished || limits.suspend), failed: false };
}
