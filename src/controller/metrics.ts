import { BoundedLabels, FirstLabels } from '../shared/bounded-labels.ts';
import type { RequestSeen } from '../shared/requester.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { FAILURE_REASONS, RETRY_REASONS, type RetryReason } from '../sweep/reasons.ts';
import { OUTCOMES, type Outcome } from '../sweep/result.ts';
import { PHASES, type SweepStatus } from '../sweep/status.ts';
import type { QueueFigures, QueueObserver } from './workqueue.ts';

const CONTROLLER = { controller: 'cnn-sweep' } as const;
const QUEUE = { ...CONTROLLER, name: 'cnn-sweep' } as const;
const MAX_NAMESPACES = 20;
const MAX_SWEEPS = 20;
const MAX_CONCURRENT = 8;
const TRIAL_PHASES = ['waiting', 'running', 'succeeded', 'failed', 'stopped'] as const;
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
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

/** What happened to turns, beside what their queue sees. */
export interface TurnEvents {
  /** A spec that nothing can be done with until somebody changes it. */
  refused(): void;
  /** A turn ended by something that is no answer of the API server: a mistake of ours. */
  panicked(): void;
}

/** A Sweep as the gauges show it. */
export interface SweepSeen {
  readonly namespace: string;
  readonly name: string;
  readonly status: SweepStatus;
  readonly gpusRequested: number;
  /** Age of the oldest trial that has a Job and does not run yet, in seconds. */
  readonly oldestPendingSeconds: number;
}

export interface ControllerMetrics {
  readonly queue: QueueObserver;
  readonly trials: TrialEvents;
  readonly turns: TurnEvents;
  onRequest(seen: RequestSeen): void;
  sweepSeen(sweep: SweepSeen): void;
  sweepGone(namespace: string, name: string): void;
}

/** The controller's metrics. Names of controller-runtime, workqueue and client-go are theirs exactly, so that the dashboards
 * and alerts people have work; the rest begins with `cnn_sweep_`. @see operations.md section 3
 * @param figures of the queue, at the moment of a scrape
 */
export function openControllerMetrics(
  telemetry: Telemetry,
  { figures, leads, leaseName }: { figures: () => QueueFigures; leads: () => boolean; leaseName: string },
): ControllerMetrics {
  const dropped = telemetry.counter({
    name: 'cnn_sweep_series_dropped_total',
    help: 'Series that were left out or removed so that their number stays bounded.',
    labelNames: ['metric'],
  });
  // A counter that begins at 1 has not increased: alerts ask for the increase.
  for (const metric of ['cnn_sweep_trials_created_total', 'cnn_sweep_trials']) dropped.inc({ metric }, 0);
  openGauges(telemetry, figures, leads, leaseName);
  return {
    queue: openQueueMetrics(telemetry),
    turns: openTurnMetrics(telemetry),
    onRequest: openRequestMetrics(telemetry),
    trials: openTrialMetrics(telemetry, () => dropped.inc({ metric: 'cnn_sweep_trials_created_total' })),
    ...openSweepMetrics(telemetry, () => dropped.inc({ metric: 'cnn_sweep_trials' })),
  };
}

function openGauges(telemetry: Telemetry, figures: () => QueueFigures, leads: () => boolean, name: string): void {
  telemetry.gauge({
    name: 'leader_election_master_status',
    help: 'Whether this process holds the lease.',
    labelNames: ['name'],
    collect() {
      this.set({ name }, leads() ? 1 : 0);
    },
  });
  const gauge = (metric: string, help: string, labels: Record<string, string>, value: () => number) =>
    telemetry.gauge({
      name: metric,
      help,
      labelNames: Object.keys(labels),
      collect() {
        this.set(labels, value());
      },
    });
  gauge('controller_runtime_active_workers', 'Turns that run.', CONTROLLER, () => figures().activeWorkers);
  gauge('controller_runtime_max_concurrent_reconciles', 'Most turns at once.', CONTROLLER, () => MAX_CONCURRENT);
  gauge('workqueue_depth', 'Sweeps that wait for a turn.', QUEUE, () => figures().depth);
  gauge(
    'workqueue_unfinished_work_seconds',
    'Seconds of the turns that run, summed.',
    QUEUE,
    () => figures().unfinishedWorkSeconds,
  );
  gauge(
    'workqueue_longest_running_processor_seconds',
    'Seconds of the turn that runs longest.',
    QUEUE,
    () => figures().longestRunningSeconds,
  );
}

function openQueueMetrics(telemetry: Telemetry): QueueObserver {
  const queueLabels = Object.keys(QUEUE);
  const adds = telemetry.counter({ name: 'workqueue_adds_total', help: 'Adds to the queue.', labelNames: queueLabels });
  const retries = telemetry.counter({
    name: 'workqueue_retries_total',
    help: 'Turns that failed and wait for another.',
    labelNames: queueLabels,
  });
  const waited = telemetry.histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a Sweep waits for its turn.',
    labelNames: queueLabels,
    buckets: SECONDS,
  });
  const worked = telemetry.histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long a turn takes.',
    labelNames: queueLabels,
    buckets: SECONDS,
  });
  const turns = telemetry.counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Turns by their end.',
    labelNames: ['controller', 'result'],
  });
  const labels = ['controller'] as const;
  const errors = telemetry.counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Turns that failed.',
    labelNames: labels,
  });
  const time = telemetry.histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'How long a turn takes.',
    labelNames: labels,
    buckets: SECONDS,
  });
  for (const result of ['success', 'error', 'requeue', 'requeue_after']) turns.inc({ ...CONTROLLER, result }, 0);
  errors.inc(CONTROLLER, 0);
  return {
    added: () => adds.inc(QUEUE),
    retried: () => retries.inc(QUEUE),
    started: (seconds) => waited.observe(QUEUE, seconds),
    ended: (result, seconds) => {
      worked.observe(QUEUE, seconds);
      time.observe(CONTROLLER, seconds);
      turns.inc({ ...CONTROLLER, result });
      if (result === 'error') errors.inc(CONTROLLER);
    },
  };
}

function openTurnMetrics(telemetry: Telemetry): TurnEvents {
  const labelNames = ['controller'];
  const refused = telemetry.counter({
    name: 'controller_runtime_terminal_reconcile_errors_total',
    help: 'Specs found invalid: nothing is tried again until somebody changes them. No part of the errors.',
    labelNames,
  });
  const panicked = telemetry.counter({
    name: 'controller_runtime_reconcile_panics_total',
    help: 'Turns that ended by a mistake of ours; a part of the errors.',
    labelNames,
  });
  for (const counter of [refused, panicked]) counter.inc(CONTROLLER, 0);
  return { refused: () => refused.inc(CONTROLLER), panicked: () => panicked.inc(CONTROLLER) };
}

function openRequestMetrics(telemetry: Telemetry): (seen: RequestSeen) => void {
  const requests = telemetry.counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the API server.',
    labelNames: ['code', 'method', 'host'],
  });
  const duration = telemetry.histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long the API server takes.',
    labelNames: ['verb', 'host'],
    buckets: SECONDS,
  });
  const retries = telemetry.counter({
    name: 'rest_client_request_retries_total',
    help: 'Requests to the API server that are tried again.',
    labelNames: ['code', 'verb', 'host'],
  });
  return ({ method, host, code, seconds, retried }) => {
    requests.inc({ code, method, host });
    duration.observe({ verb: method, host }, seconds);
    if (retried) retries.inc({ code, verb: method, host });
  };
}

function openTrialMetrics(telemetry: Telemetry, onOther: () => void): TrialEvents {
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

function openSweepMetrics(
  telemetry: Telemetry,
  onDropped: () => void,
): Pick<ControllerMetrics, 'sweepSeen' | 'sweepGone'> {
  const known = new Map<string, SweepSeen>();
  const trials = telemetry.gauge({
    name: 'cnn_sweep_trials',
    help: 'Trials of a Sweep, by where they stand; the Sweeps that changed last.',
    labelNames: ['sweep_namespace', 'sweep', 'phase'],
  });
  const shown = new BoundedLabels(MAX_SWEEPS, (key) => {
    const [sweep_namespace = '', sweep = ''] = key.split('/');
    for (const phase of TRIAL_PHASES) trials.remove({ sweep_namespace, sweep, phase });
    // One that is finished, or gone, is missed by nobody.
    const phase = known.get(key)?.status.phase;
    if (phase !== undefined && phase !== 'Complete' && phase !== 'Failed') onDropped();
  });
  // Namespaces of the Sweeps there are now, at a scrape: gauges may lose a series.
  const namespaced = (name: string, help: string, value: (sweeps: readonly SweepSeen[]) => number) =>
    telemetry.gauge({
      name,
      help,
      labelNames: ['sweep_namespace'],
      collect() {
        this.reset();
        for (const [namespace, sweeps] of byNamespace(known.values())) {
          this.set({ sweep_namespace: namespace }, value(sweeps));
        }
      },
    });
  telemetry.gauge({
    name: 'cnn_sweep_sweeps',
    help: 'Sweeps by phase.',
    labelNames: ['sweep_namespace', 'phase'],
    collect() {
      this.reset();
      for (const [namespace, sweeps] of byNamespace(known.values())) {
        for (const phase of PHASES) {
          this.set({ sweep_namespace: namespace, phase }, sweeps.filter(({ status }) => status.phase === phase).length);
        }
      }
    },
  });
  namespaced(
    'cnn_sweep_trial_pending_oldest_seconds',
    'Age of the oldest Job whose container does not run yet.',
    (all) => Math.max(0, ...all.map(({ oldestPendingSeconds }) => oldestPendingSeconds)),
  );
  namespaced('cnn_sweep_gpu_requested', 'GPUs that live Jobs ask for.', (all) =>
    all.reduce((sum, { gpusRequested }) => sum + gpusRequested, 0),
  );
  return {
    sweepSeen(seen) {
      const key = `${seen.namespace}/${seen.name}`;
      const before = known.get(key);
      known.set(key, seen);
      // A turn alone is no change: the ones that changed last keep their names.
      if (before && !shown.has(key) && isSame(before.status, seen.status)) return;
      if (!before || !isSame(before.status, seen.status)) shown.touch(key);
      for (const phase of TRIAL_PHASES) {
        trials.set({ sweep_namespace: seen.namespace, sweep: seen.name, phase }, seen.status.trials[phase]);
      }
    },
    sweepGone(namespace, name) {
      const key = `${namespace}/${name}`;
      known.delete(key);
      shown.remove(key);
    },
  };
}

function isSame(a: SweepStatus, b: SweepStatus): boolean {
  return a.phase === b.phase && TRIAL_PHASES.every((phase) => a.trials[phase] === b.trials[phase]);
}

/** At most 20 namespaces by name, the rest together. */
function byNamespace(sweeps: Iterable<SweepSeen>): Map<string, SweepSeen[]> {
  const groups = new Map<string, SweepSeen[]>();
  for (const sweep of sweeps) {
    const name = groups.has(sweep.namespace) || groups.size < MAX_NAMESPACES ? sweep.namespace : '_other';
    const group = groups.get(name);
    if (group) group.push(sweep);
    else groups.set(name, [sweep]);
  }
  return groups;
}
