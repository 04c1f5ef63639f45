import type { RequestSeen } from '../shared/requester.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { openSweepMetrics, type SweepMetrics } from './sweep-metrics.ts';
import { openTrialMetrics, type TrialEvents } from './trial-metrics.ts';
import type { QueueFigures, QueueObserver } from './workqueue.ts';

const CONTROLLER = { controller: 'cnn-sweep' } as const;
const QUEUE = { ...CONTROLLER, name: 'cnn-sweep' } as const;
const MAX_CONCURRENT = 8;
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What happened to turns, beside what their queue sees. */
export interface TurnEvents {
  /** A spec that nothing can be done with until somebody changes it. */
  refused(): void;
  /** A turn ended by something that is no answer of the API server: a mistake of ours. */
  panicked(): void;
}

export interface ControllerMetrics extends SweepMetrics {
  readonly queue: QueueObserver;
  readonly trials: TrialEvents;
  readonly turns: TurnEvents;
  onRequest(seen: RequestSeen): void;
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
