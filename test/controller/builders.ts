import { type ClusterSweep, isValid, readSweep } from '../../src/controller/cluster-sweep.ts';
import { buildJob } from '../../src/controller/job.ts';
import { buildSlice } from '../../src/controller/slice.ts';
import { buildSnapshot, type Snapshot, type SnapshotInput } from '../../src/controller/snapshot.ts';
import type { SinceSeen } from '../../src/controller/waits.ts';
import type { ContainerStatus, Job, ObjectCondition, Pod, SliceObject, SweepObject } from '../../src/shared/objects.ts';
import { encodeResult, type Outcome, type TrialResult } from '../../src/sweep/result.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import { makeCurve, makeResultOf } from '../builders.ts';
import { makeGrid, makeSweep } from '../sweep/builders.ts';

export const SWEEP_UID = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';
export const OTHER_UID = 'ffffffff-4b5a-6978-8796-a5b4c3d2e1f0';
export const NOW = '2026-07-01T12:00:00Z';
export const OPTIONS = {
  image: 'cnn-sweep-trainer:1',
  pullPolicy: 'IfNotPresent',
  serviceAccountName: 'cnn-sweep-trainer',
} as const;

type Spec = Partial<Omit<Sweep['spec'], 'trainer' | 'training'>> & {
  readonly trainer?: Partial<Sweep['spec']['trainer']>;
  readonly epochs?: number;
};

/** A Sweep object of that many trials, which differ in their seeds. @param trials beyond 4,096 a multiple of 2,500 */
export function makeSweepObject(trials = 5, { trainer, epochs = 5, ...spec }: Spec = {}): SweepObject {
  const numbers = (length: number, from = 0) => Array.from({ length }, (_, at) => from + at);
  // A grid has at most 64 values an axis and a sweep at most 64 grids: beyond, other axes multiply.
  const large = {
    seed: numbers(50),
    batchSize: numbers(50, 1),
    learningRate: numbers(trials / 2500, 1).map((n) => n / 1000),
  };
  const rows = numbers(Math.ceil(trials / 64)).map((row) =>
    makeGrid({ seed: numbers(Math.min(64, trials - 64 * row), 64 * row) }),
  );
  const grid = rows.length <= 64 ? rows : [makeGrid(large)];
  const base = makeSweep({ grid });
  return {
    metadata: {
      name: 'study',
      namespace: 'team',
      uid: SWEEP_UID,
      resourceVersion: '7',
      generation: 1,
      creationTimestamp: NOW,
    },
    spec: {
      ...base.spec,
      training: { ...base.spec.training, epochs },
      ...spec,
      trainer: { ...base.spec.trainer, ...trainer },
    },
  };
}

export function makeClusterSweep(trials = 5, spec: Spec = {}): ClusterSweep {
  const read = readSweep(makeSweepObject(trials, spec));
  if (!isValid(read)) throw new Error(read.violations.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  return read;
}

/** What a Job is doing, told by its condition. */
export type JobEnd = 'Complete' | 'BackoffLimitExceeded' | 'PodFailurePolicy' | 'DeadlineExceeded';

export interface JobChanges {
  readonly attempt?: number;
  readonly end?: JobEnd;
  readonly message?: string;
  readonly suspend?: boolean;
  readonly deleting?: boolean;
  readonly finalizers?: readonly string[];
  readonly owner?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly uid?: string;
}

/** As the API server would show the Job that we create. */
export function makeJob(sweep: ClusterSweep, trial: number, changes: JobChanges = {}): Job {
  const { attempt = 1, end, message, suspend = false, deleting = false, owner = sweep.uid } = changes;
  const { metadata } = buildJob(sweep, trialOf(sweep, trial), attempt, OPTIONS);
  const condition = {
    type: end === 'Complete' ? 'Complete' : 'Failed',
    status: 'True',
    reason: end ?? '',
    ...(message !== undefined && { message }),
  };
  return {
    metadata: {
      ...metadata,
      uid: changes.uid ?? `job-${trial}-${attempt}`,
      resourceVersion: '1',
      creationTimestamp: NOW,
      labels: { ...metadata.labels, ...changes.labels },
      annotations: { ...metadata.annotations, ...changes.annotations },
      ownerReferences: metadata.ownerReferences.map((reference) => ({ ...reference, uid: owner })),
      ...(deleting && { deletionTimestamp: NOW }),
      ...(changes.finalizers && { finalizers: changes.finalizers }),
    },
    spec: { suspend },
    status: end === undefined ? { active: 1 } : { conditions: [condition] },
  };
}

export function trialOf(sweep: ClusterSweep, trial: number) {
  const found = sweep.trials[trial];
  if (!found) throw new Error(`no trial ${trial}`);
  return found;
}

export interface PodChanges {
  readonly name?: string;
  readonly uid?: string;
  readonly state?: ContainerStatus['state'];
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  /** Conditions beside PodScheduled. */
  readonly conditions?: readonly ObjectCondition[];
  /** The scheduler's words of a Pod without a node. */
  readonly unschedulable?: string;
  readonly unseen?: boolean;
  readonly deleting?: boolean;
}

export const DISRUPTED: ObjectCondition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' };

/** A Pod of a Job. */
export function makePod(job: Job, changes: PodChanges = {}): Pod {
  const { name: jobName, uid: jobUID } = job.metadata;
  const { uid = `pod-${jobUID}`, state, unschedulable, unseen = false, conditions = [] } = changes;
  const scheduled: ObjectCondition =
    unschedulable === undefined
      ? { type: 'PodScheduled', status: 'True' }
      : { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unschedulable };
  const phase = changes.phase ?? phaseOf(state);
  return {
    metadata: {
      name: changes.name ?? `${jobName}-abcde`,
      namespace: job.metadata.namespace,
      uid,
      resourceVersion: '1',
      creationTimestamp: NOW,
      ...(job.metadata.labels && { labels: job.metadata.labels }), // as its Job's template has them
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: jobName, uid: jobUID, controller: true }],
      ...(changes.deleting && { deletionTimestamp: NOW }),
    },
    spec: unschedulable === undefined && !unseen ? { nodeName: 'n1' } : {},
    status: {
      phase,
      ...(changes.reason !== undefined && { reason: changes.reason }),
      ...(changes.message !== undefined && { message: changes.message }),
      conditions: [...(unseen ? [] : [scheduled]), ...conditions],
      ...(state && { containerStatuses: [{ name: 'trainer', state }] }),
    },
  };
}

function phaseOf(state: ContainerStatus['state']): string {
  if (state?.terminated) return state.terminated.exitCode === 0 ? 'Succeeded' : 'Failed';
  return state?.running ? 'Running' : 'Pending';
}

export const RUNNING = { running: { startedAt: NOW } } as const;

/** The state of a container that ended after a minute. */
export function exited(exitCode: number, terminated: { reason?: string; message?: string; signal?: number } = {}) {
  return { terminated: { exitCode, startedAt: NOW, finishedAt: '2026-07-01T12:01:00Z', ...terminated } };
}

/** What the trainer of that Pod leaves. */
export function makeResult(sweep: ClusterSweep, trial: number, changes: Partial<TrialResult> = {}): TrialResult {
  const { epochs } = sweep.sweep.spec.training;
  const curve = makeCurve(trial, { epochs, lowest: 1 + trial / 100, turn: epochs, rise: 0, accuracy: 0.6, gap: 0.05 });
  return { ...makeResultOf(trialOf(sweep, trial), curve, epochs), attemptUID: `pod-job-${trial}-1`, ...changes };
}

/** A Job that ended with a result, and its Pod. */
export function makeSucceeded(sweep: ClusterSweep, trial: number, attempt = 1): { job: Job; pod: Pod } {
  const job = makeJob(sweep, trial, { attempt, end: 'Complete' });
  const uid = `pod-${job.metadata.uid}`;
  const message = encodeResult(makeResult(sweep, trial, { attempt, attemptUID: uid }));
  return { job, pod: makePod(job, { uid, state: exited(0, { message }) }) };
}

/** A Job that failed with that exit code, and its Pod. */
export function makeCrashed(sweep: ClusterSweep, trial: number, attempt = 1, exitCode = 1): { job: Job; pod: Pod } {
  const job = makeJob(sweep, trial, { attempt, end: 'BackoffLimitExceeded' });
  return { job, pod: makePod(job, { state: exited(exitCode) }) };
}

export function makeRecord(
  sweep: ClusterSweep,
  trial: number,
  outcome: Outcome = 'Succeeded',
  changes: Partial<TrialRecord> = {},
): TrialRecord {
  const { hyperparameters } = trialOf(sweep, trial);
  const failed =
    outcome === 'Succeeded'
      ? {}
      : {
          summary: null,
          test: null,
          backend: null,
          reason: outcome === 'Failed' ? 'OutOfMemory: the kernel killed it' : 'MaxFailedTrialsExceeded: stopped',
        };
  return {
    ...makeResult(sweep, trial, { outcome, ...failed }),
    hyperparameters: { ...hyperparameters, widths: [...hyperparameters.widths] },
    ...changes,
  };
}

export function makeSlice(sweep: ClusterSweep, slice: number, records: readonly unknown[], version = '1'): SliceObject {
  const built = buildSlice(sweep, slice, []);
  const metadata = { ...built.metadata, uid: `slice-${slice}`, resourceVersion: version, creationTimestamp: NOW };
  return { metadata, slice, sweep: sweep.name, records };
}

/** A controller's monotonic clock, moved by hand, and what it saw when. */
export class Facts {
  #nowMs = 0;
  readonly #seen = new Map<string, number>();

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  readonly sinceSeen: SinceSeen = (key) => {
    const seen = this.#seen.get(key);
    if (seen === undefined) this.#seen.set(key, this.#nowMs);
    return this.#nowMs - (seen ?? this.#nowMs);
  };
}

export function makeSnapshot(sweep: ClusterSweep, input: Partial<SnapshotInput> = {}): Snapshot {
  const { sinceSeen } = new Facts();
  return buildSnapshot({ sweep, jobs: [], pods: [], slices: [], sinceSeen, deleteDelayMs: 30_000, ...input });
}
