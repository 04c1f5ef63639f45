import { FirstLabels } from '../shared/bounded-labels.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { FAILURE_REASONS, RETRY_REASONS, type RetryReason } from '../sweep/reasons.ts';
import { OUTCOMES, type Outcome } from '../sweep/result.ts';

/** Namespaces by name; the others together. */
export const MAX_NAMESPACES = 20;
/** From 10 s to 12 h. */
const TRIAL_SECONDS = [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200];

/** What happened to trials, for the counters. */
export interface TrialEvents {
  created(namespace: string): void;
  /** A trial is recorded. @param seconds that the attempt ran, as far as is known @param gpus that it held meanwhile */
  finished(namespace: string, outcome: Outcome, seconds: number, gpus: number): void;
  /** It is recorded as failed. */
  failed(reason: string): void;
  /** Another attempt began. @param gpuSeconds of the one before */
  retried(namespace: string, reason: RetryReason, gpuSeconds: number): void;
  /** @param seconds from a Job's creation to its container's start */
  started(seconds: number): void;
}

/** Counters and histograms of trials. @param onOther a namespace has no series of its own any more */
export function openTrialMetrics(telemetry: Telemetry, onOther: () => void): TrialEvents {
  const namespaces = new FirstLabels(MAX_NAMESPACES, onOther);
  const created = telemetry.counter({
    name: 'cnn_sweep_trials_created_total',
    help: 'Jobs created for trials.',
    labelNames: ['sweep_namespace'],
  });
  const finished = telemetry.counter({
    name: 'cnn_sweep_trials_finished_total',
    help: 'Trials recorded, by outcome.',
    labelNames: ['sweep_namespace', 'outcome'],
  });
  const failures = telemetry.counter({
    name: 'cnn_sweep_trial_failures_total',
    help: 'Trials recorded as failed, by reason.',
    labelNames: ['reason'],
  });
  const retries = telemetry.counter({
    name: 'cnn_sweep_trial_retries_total',
    help: 'Attempts that were followed by another, by the reason of the one before.',
    labelNames: ['reason'],
  });
  const duration = telemetry.histogram({
    name: 'cnn_sweep_trial_duration_seconds',
    help: 'How long the recorded attempt of a trial ran.',
    labelNames: ['outcome'],
    buckets: TRIAL_SECONDS,
  });
  const pending = telemetry.histogram({
    name: 'cnn_sweep_trial_pending_seconds',
    help: 'From the creation of a Job to the start of its container.',
    buckets: TRIAL_SECONDS,
  });
  const gpuSeconds = telemetry.counter({
    name: 'cnn_sweep_gpu_seconds_total',
    help: 'GPUs times seconds of attempts, as far as their ends were seen.',
    labelNames: ['sweep_namespace'],
  });
  for (const reason of FAILURE_REASONS) failures.inc({ reason }, 0);
  for (const reason of RETRY_REASONS) retries.inc({ reason }, 0);
  return {
    created: (namespace) => {
      const sweep_namespace = namespaces.of(namespace);
      created.inc({ sweep_namespace });
      for (const outcome of OUTCOMES) finished.inc({ sweep_namespace, outcome }, 0);
    },
    finished: (namespace, outcome, seconds, gpus) => {
      const sweep_namespace = namespaces.of(namespace);
      finished.inc({ sweep_namespace, outcome });
      // One that was stopped or never began has none.
      if (seconds > 0) duration.observe({ outcome }, seconds);
      gpuSeconds.inc({ sweep_namespace }, seconds * gpus);
    },
    failed: (reason) => failures.inc({ reason }),
    retried: (namespace, reason, seconds) => {
      retries.inc({ reason });
      gpuSeconds.inc({ sweep_namespace: namespaces.of(namespace) }, seconds);
    },
    started: (seconds) => pending.observe(seconds),
  };
}
