import type { ToWorker } from '../shared/worker-protocol.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';

/** One attempt's work, as a worker gets it. */
export type Job = Omit<ToWorker, 'kind'>;

/** What an attempt tells while it runs. */
export type Report =
  | { readonly kind: 'progress'; readonly progress: Progress; readonly milestone: boolean }
  | { readonly kind: 'measurement'; readonly measurement: Measurement };

/** How an attempt ended. `refused`: no trial can be trained here, for a reason that is not the trial's (backend, data set). */
export type AttemptEnd =
  | { readonly kind: 'result'; readonly result: TrialResult }
  | { readonly kind: 'crashed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'stopped' };

/** A worker refused to train: the run ends, its trials stay to be run. */
export class WorkerRefusedError extends InvalidConfigError {}

/** Where attempts run. `run` never rejects; aborting `signal` ends the attempt as `stopped`, at once. */
export interface Pool {
  run(job: Job, onReport: (report: Report) => void, signal: AbortSignal): Promise<AttemptEnd>;
  close(): Promise<void>;
}
