import type { Assignment } from '../sweep/assignment.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';

/** First word of the reason of a trial that succeeded, but whose kept weights the disk refused. */
export const MODEL_NOT_SAVED = 'ModelNotSaved';

/** What the main process tells a worker process, over Node's IPC channel. One trial at a time. */
export type ToWorker = {
  readonly kind: 'run';
  readonly assignment: Assignment;
  /** Where the data sets are. */
  readonly cacheFolder: string;
  /** Where the kept weights go, as a tfjs LayersModel, before the result is sent; the folder does not exist yet. */
  readonly modelFolder: string;
};

/** What a worker reports. A worker that cannot go on exits: 1 may be retried, 2 it can train nothing here (backend, data set). */
export type FromWorker =
  /** Sent once: it can take a trial; the backend is opened by the first. */
  | { readonly kind: 'ready' }
  /** Sent between steps, at least each 5 s while it lives; `steps` counts all that were ever done, evaluation included. */
  | { readonly kind: 'heartbeat'; readonly steps: number; readonly slowestStepMs: number }
  /** Within an epoch: each second for the eye; `milestone` each 2,000 minibatches, for the record. */
  | { readonly kind: 'progress'; readonly progress: Progress; readonly milestone: boolean }
  | { readonly kind: 'measurement'; readonly measurement: Measurement }
  /** The trial is done, its weights are on disk (or its reason says why not); the worker waits for the next one. */
  | { readonly kind: 'result'; readonly result: TrialResult };
