import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openControllerMetrics } from '../../src/controller/metrics.ts';
import { openNatsMetrics } from '../../src/controller/nats-metrics.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';
import { FAILURE_REASONS, RETRY_REASONS } from '../../src/sweep/reasons.ts';
import type { SweepStatus } from '../../src/sweep/status.ts';

const figures = () => ({ depth: 3, activeWorkers: 2, unfinishedWorkSeconds: 1.5, longestRunningSeconds: 1 });
const options = { figures, leads: () => true, leaseName: 'cnn-sweep-controller' };

function open() {
  const telemetry = openTelemetry('controller');
  const metrics = openControllerMetrics(telemetry, options);
  openNatsMetrics(telemetry);
  const page = async () => (await telemetry.expose(undefined)).body.split('\n').filter((line) => /^[a-z]/.test(line));
  return { metrics, page };
}

function makeStatus(running: number): SweepStatus {
  const trials = { total: 10_000, waiting: 10_000 - running, running, succeeded: 0, failed: 0, stopped: 0 };
  return { phase: 'Running', observedGeneration: 1, trials, message: '', conditions: [] };
}

function seeSweeps(metrics: ReturnType<typeof open>['metrics'], count: number, namespaces: number): void {
  for (let at = 0; at < count; at++) {
    const seen = { namespace: `ns-${at % namespaces}`, name: `study-${at}`, status: makeStatus(at) };
    metrics.sweepSeen({ ...seen, gpusRequested: 2, oldestPendingSeconds: at });
    metrics.trials.created(seen.namespace);
    for (const outcome of ['Succeeded', 'Failed', 'Stopped'] as const) {
      metrics.trials.finished(seen.namespace, outcome, 100, 1);
    }
  }
}

/** Whatever the API server answers, and however attempts end. */
function seeTroubles({ trials, turns, queue, onRequest }: ReturnType<typeof open>['metrics']): void {
  for (const reason of FAILURE_REASONS) trials.failed(reason);
  for (const reason of RETRY_REASONS) for (let at = 0; at < 100; at++) trials.retried(`ns-${at}`, reason, 1);
  trials.started(10);
  turns.refused();
  turns.panicked();
  queue.retried?.();
  for (const result of ['success', 'error', 'requeue_after'] as const) queue.ended?.(result, 1);
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    for (const code of [
      '200',
      '201',
      '403',
      '404',
      '409',
      '410',
      '422',
      '429',
      '500',
      '502',
      '503',
      '504',
      '<error>',
    ]) {
      onRequest({ method, host: '10.0.0.1:443', code, seconds: 1, retried: true });
    }
  }
}

test('the names that dashboards for other controllers know are spelt as those spell them', async () => {
  const { metrics, page } = open();
  metrics.queue.added?.();
  metrics.queue.started?.(0.1);
  metrics.queue.ended?.('success', 0.2);
  metrics.onRequest({ method: 'GET', host: '10.0.0.1:443', code: '200', seconds: 0.01, retried: false });
  const lines = await page();
  for (const want of [
    'controller_runtime_reconcile_total{controller="cnn-sweep",result="success"} 1',
    'controller_runtime_max_concurrent_reconciles{controller="cnn-sweep"} 8',
    'workqueue_depth{controller="cnn-sweep",name="cnn-sweep"} 3',
    'workqueue_adds_total{controller="cnn-sweep",name="cnn-sweep"} 1',
    'workqueue_longest_running_processor_seconds{controller="cnn-sweep",name="cnn-sweep"} 1',
    'leader_election_master_status{name="cnn-sweep-controller"} 1',
    'rest_client_requests_total{code="200",method="GET",host="10.0.0.1:443"} 1',
  ]) {
    assert.ok(lines.includes(want), want);
  }
});

test('300 sweeps of 10,000 trials in 100 namespaces make no more than 1,000 series', async () => {
  const { metrics, page } = open();
  seeSweeps(metrics, 300, 100);
  seeTroubles(metrics);
  const lines = await page();
  assert.ok(lines.length <= 1000, `${lines.length} series`);
  assert.ok(lines.some((line) => line.startsWith('cnn_sweep_trials_created_total{sweep_namespace="_other"}')));
});

test('the trials of the 20 sweeps that changed last are shown, and what was left out is counted', async () => {
  const { metrics, page } = open();
  seeSweeps(metrics, 21, 1);
  const shown = (await page()).filter(
    (line) => line.startsWith('cnn_sweep_trials{') && line.includes('phase="running"'),
  );
  assert.equal(shown.length, 20);
  assert.ok(shown.includes('cnn_sweep_trials{sweep_namespace="ns-0",sweep="study-20",phase="running"} 20'));
  assert.ok(!shown.some((line) => line.includes('"study-0"')));
  assert.ok((await page()).includes('cnn_sweep_series_dropped_total{metric="cnn_sweep_trials"} 1'));
});

test('a sweep that is gone leaves no gauge', async () => {
  const { metrics, page } = open();
  seeSweeps(metrics, 1, 1);
  metrics.sweepGone('ns-0', 'study-0');
  const gauges = (await page()).filter((line) =>
    /^cnn_sweep_(trials|sweeps|gpu_requested|trial_pending_oldest\w+)\{/.test(line),
  );
  assert.deepEqual(gauges, []);
});

test('the gauges of a namespace sum or bound those of its sweeps', async () => {
  const { metrics, page } = open();
  seeSweeps(metrics, 3, 1);
  const lines = await page();
  assert.ok(lines.includes('cnn_sweep_gpu_requested{sweep_namespace="ns-0"} 6'));
  assert.ok(lines.includes('cnn_sweep_trial_pending_oldest_seconds{sweep_namespace="ns-0"} 2'));
  assert.ok(lines.includes('cnn_sweep_sweeps{sweep_namespace="ns-0",phase="Running"} 3'));
  assert.ok(lines.includes('cnn_sweep_gpu_seconds_total{sweep_namespace="ns-0"} 900'));
});
