import type { Job, Pod, SliceObject } from '../shared/objects.ts';
import type { PlanState } from '../sweep/plan.ts';
import type { Counts } from '../sweep/records.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { type AttemptFacts, isJobOver } from './attempt-end.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import { backoffMs, type EndedAttempt, fateOf, type RunningAttempt } from './fate.ts';
import { isOurs, jobNameReader } from './job.ts';
import { type DamagedRecord, recordsOf, type SliceCache } from './slice.ts';
import { type SinceSeen, Waits } from './waits.ts';

/** A Job whose trial is recorded. */
export interface ReleasedJob {
  readonly job: Job;
  /** 0: now. One that is not over is deleted on sight (INV-2). */
  readonly deleteInMs: number;
}

/** A Job of a name that we would give, which is not ours. */
export interface Collision {
  readonly trial: number;
  readonly attempt: number;
  readonly job: Job;
}

/** A Job that vanished before its trial was recorded. */
export interface Loss {
  readonly jobName: string;
  readonly jobUID: string;
  /** How often this happened to the trial since the controller started, this time included. */
  readonly times: number;
}

/** A Sweep's facts in named buckets. Every trial without a record is in at most one of `running`, `toRecord`, `delayed`. */
export interface Snapshot {
  readonly records: ReadonlyMap<number, TrialRecord>;
  /** Of the records. */
  readonly counts: Counts;
  readonly damaged: readonly DamagedRecord[];
  /** Trials without a record that have a Job which is not over. */
  readonly running: ReadonlyMap<number, RunningAttempt>;
  /** Records to be written: of attempts that ended for good. Lowest trial first. */
  readonly toRecord: readonly TrialRecord[];
  /** Attempt of the next Job of a trial, where it is not the first: 1 + the highest that ended. */
  readonly nextAttempt: ReadonlyMap<number, number>;
  /** How the attempt before that one ended. */
  readonly ended: ReadonlyMap<number, EndedAttempt>;
  /** Trials that may not start yet, and in how many milliseconds they may; undefined: not as long as the facts are these. */
  readonly delayed: ReadonlyMap<number, number | undefined>;
  /** Trials whose Job vanished, until they run again; and how often that happened to each. */
  readonly lost: ReadonlyMap<number, Loss>;
  readonly losses: ReadonlyMap<number, number>;
  readonly released: readonly ReleasedJob[];
  /** Jobs of ours that are being deleted, recorded or not. */
  readonly terminating: readonly Job[];
  /** Those that stand in the way of the next attempt. */
  readonly collisions: readonly Collision[];
  /** What planSweep asks for: a trial that is about to be recorded counts as recorded, a live Job of a recorded one as running. */
  readonly planState: PlanState;
  /** When something will change although nothing happens: turn again then. */
  readonly wakeInMs: number | undefined;
  /** UIDs of the Jobs of trials without a record: what the next snapshot may find lost. */
  readonly unrecordedJobs: ReadonlyMap<string, { readonly trial: number; readonly name: string }>;
}

export interface SnapshotInput {
  readonly sweep: ClusterSweep;
  /** Of the namespace; others' are skipped. Without those that we deleted. */
  readonly jobs: Iterable<Job>;
  readonly pods: Iterable<Pod>;
  readonly slices: readonly SliceObject[];
  readonly sinceSeen: SinceSeen;
  /** From record to delete of a Job that is over. */
  readonly deleteDelayMs: number;
  /** Of the same Sweep: what was there and is gone now is lost. */
  readonly previous?: Snapshot | undefined;
  /** Pods of a Job that were ever seen, gone ones included. */
  readonly podsSeen?: (jobUID: string) => number;
  readonly cache?: SliceCache;
}

/** Attempt number of the next Job of a trial. */
export function attemptFor({ nextAttempt }: Snapshot, trial: number): number {
  return nextAttempt.get(trial) ?? 1;
}

/** Sorts what was read into buckets. Total: no label or name that anybody can write makes it throw. */
export function buildSnapshot(input: SnapshotInput): Snapshot {
  const { sweep, slices, cache, deleteDelayMs, previous } = input;
  const waits = new Waits(input.sinceSeen);
  const { records, damaged, counts } = recordsOf(slices, sweep, cache);
  const { own, foreign } = sortJobs(input);

  const running = new Map<number, RunningAttempt>();
  const toRecord: TrialRecord[] = [];
  const nextAttempt = new Map<number, number>();
  const ended = new Map<number, EndedAttempt>();
  const delayed = new Map<number, number | undefined>();
  const released: ReleasedJob[] = [];
  const alive = new Set<number>();
  const ending = new Set<number>();
  const unrecordedJobs = new Map<string, { trial: number; name: string }>();
  for (const { trial } of damaged) if (trial !== undefined) delayed.set(trial, undefined);

  for (const [trial, attempts] of own) {
    if (attempts.some(({ job }) => !isJobOver(job))) alive.add(trial);
    if (records.has(trial)) {
      released.push(...releaseAll(trial, attempts, waits, deleteDelayMs));
      continue;
    }
    for (const { job } of attempts) unrecordedJobs.set(job.metadata.uid, { trial, name: job.metadata.name });
    if (delayed.has(trial)) continue;
    const fate = fateOf(attempts, sweep, waits);
    if (fate.kind === 'record') {
      toRecord.push(fate.record);
      ending.add(trial);
    } else if (fate.kind === 'running') {
      running.set(trial, fate.attempt);
      alive.add(trial);
    } else {
      nextAttempt.set(trial, fate.attempt);
      if (fate.after) ended.set(trial, fate.after);
      if (fate.inMs > 0) delayed.set(trial, fate.inMs);
    }
  }

  const recorded = {
    size: records.size + ending.size,
    has: (trial: number) => records.has(trial) || ending.has(trial),
  };
  const failures = counts.failed + toRecord.filter(({ outcome }) => outcome === 'Failed').length;
  const occupied = (trial: number) => recorded.has(trial) || running.has(trial);
  const present = new Set([...unrecordedJobs.keys(), ...foreign.map(({ job }) => job.metadata.uid)]);
  const { lost, losses } = lossesOf(previous, present, occupied);
  for (const [trial, { jobUID, times }] of lost) {
    const inMs = waits.leftMs(`lost/${jobUID}`, backoffMs(times));
    if (inMs > 0 && !delayed.has(trial)) delayed.set(trial, inMs);
  }
  const collisions = foreign.filter(
    ({ trial, attempt }) => !occupied(trial) && attempt === (nextAttempt.get(trial) ?? 1),
  );
  for (const { trial } of collisions) delayed.set(trial, undefined);

  return {
    records,
    counts,
    damaged,
    running,
    toRecord: toRecord.sort((a, b) => a.trial - b.trial),
    nextAttempt,
    ended,
    delayed,
    lost,
    losses,
    released,
    terminating: jobsOf(own).filter(({ metadata }) => metadata.deletionTimestamp !== undefined),
    collisions: collisions.sort((a, b) => a.trial - b.trial),
    planState: { running: alive, recorded, failures, delayed: new Set(delayed.keys()) },
    wakeInMs: waits.soonestMs,
    unrecordedJobs,
  };
}

/** Jobs by the trial that their names stand for, ours apart from others'. A name that is not ours at all is nobody's business. */
function sortJobs({ sweep, jobs, pods, podsSeen }: SnapshotInput) {
  const podsOf = groupPods(pods);
  const read = jobNameReader(sweep);
  const own = new Map<number, AttemptFacts[]>();
  const foreign: Collision[] = [];
  for (const job of jobs) {
    const { name, namespace, uid } = job.metadata;
    if (namespace !== sweep.namespace) continue;
    const named = read(name);
    const trial = named && sweep.trials[named.trial];
    if (!named || !trial) continue;
    if (!isOurs(job, sweep.uid, trial)) {
      foreign.push({ ...named, job });
      continue;
    }
    const its = podsOf.get(uid) ?? [];
    const facts = {
      trial,
      attempt: named.attempt,
      job,
      pods: its,
      podsSeen: Math.max(its.length, podsSeen?.(uid) ?? 0),
    };
    const others = own.get(named.trial);
    if (others) others.push(facts);
    else own.set(named.trial, [facts]);
  }
  for (const attempts of own.values()) attempts.sort((a, b) => a.attempt - b.attempt);
  return { own, foreign };
}

function jobsOf(own: ReadonlyMap<number, readonly AttemptFacts[]>): Job[] {
  return [...own].sort(([a], [b]) => a - b).flatMap(([, attempts]) => attempts.map(({ job }) => job));
}

/** By the UID of the Job that controls them, in the order of their names: the same whichever was seen first. */
function groupPods(pods: Iterable<Pod>): Map<string, Pod[]> {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === 'Job');
    if (!owner) continue;
    const group = groups.get(owner.uid);
    if (group) group.push(pod);
    else groups.set(owner.uid, [pod]);
  }
  for (const group of groups.values()) group.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return groups;
}

function releaseAll(trial: number, attempts: readonly AttemptFacts[], waits: Waits, delayMs: number): ReleasedJob[] {
  return attempts
    .filter(({ job }) => job.metadata.deletionTimestamp === undefined)
    .map(({ job }) => ({ job, deleteInMs: isJobOver(job) ? waits.leftMs(`recorded/${trial}`, delayMs) : 0 }));
}

/** Jobs of the previous snapshot that are gone although their trials have no record; a loss stays until its trial runs again.
 * @param present UIDs of all Jobs of our names
 */
function lossesOf(
  previous: Snapshot | undefined,
  present: ReadonlySet<string>,
  occupied: (trial: number) => boolean,
): Pick<Snapshot, 'lost' | 'losses'> {
  const lost = new Map<number, Loss>();
  if (!previous) return { lost, losses: new Map() };
  const losses = new Map(previous.losses);
  for (const [trial, loss] of previous.lost) if (!occupied(trial)) lost.set(trial, loss);
  for (const [jobUID, { trial, name: jobName }] of previous.unrecordedJobs) {
    if (present.has(jobUID) || occupied(trial)) continue;
    const times = (losses.get(trial) ?? 0) + 1;
    losses.set(trial, times);
    lost.set(trial, { jobName, jobUID, times });
  }
  return { lost, losses };
}
