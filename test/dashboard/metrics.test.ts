import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDashboardMetrics } from '../../src/dashboard/metrics.ts';
import type { Store } from '../../src/dashboard/store.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';
import { makeMeasurement, makeResult } from '../sweep/builders.ts';
import { local, makeApp, makeInput, makeLarge, makeStore, STUDY, tell, UID } from './builders.ts';

function open(store: Store) {
  const telemetry = openTelemetry('dashboard');
  const nats = () => ({ connected: true, reconnects: 2 });
  const metrics = openDashboardMetrics(telemetry, { store, streamClients: () => 3, nats });
  const page = async (accept?: string) => (await telemetry.expose(accept)).body.split('\n');
  const series = async () => (await page()).filter((line) => /^[a-z]/.test(line));
  return { metrics, page, series };
}

test('what the design names is there, with its labels', async (t) => {
  const store = makeStore();
  tell(store, STUDY);
  const [entry] = store.sweeps;
  assert.ok(entry);
  store.judge(entry);
  const { metrics, series, page } = open(store);
  const app = await makeApp(store, { observer: metrics });
  t.after(() => app.close());
  await app.inject(local('/api/v1/sweeps/local/study/trials'));
  await app.inject(local('/nowhere/at/all'));
  metrics.ingested('stored');
  metrics.pending(7);
  metrics.lagged(0.2, 'study/3');
  metrics.pageItem('event', 'accepted');
  metrics.vital('lcp', 1_200);
  metrics.vital('ttfb', 1);
  const lines = await series();
  const best = entry.verdict.best;
  for (const want of [
    `cnn_sweep_best_validation_accuracy_ratio{sweep_namespace="local",sweep="study"} ${best?.validationAccuracy}`,
    `cnn_sweep_best_accuracy_gap_ratio{sweep_namespace="local",sweep="study"} ${best?.gap}`,
    `cnn_sweep_sweep_last_progress_timestamp_seconds{sweep_namespace="local",sweep="study"} ${Date.parse('2026-11-25T12:00:00Z') / 1_000}`,
    'cnn_sweep_ingest_measurements_total{result="stored"} 1',
    'cnn_sweep_ingest_measurements_total{result="rejected"} 0',
    'cnn_sweep_ingest_pending_messages 7',
    'cnn_sweep_ingest_lag_seconds_bucket{le="0.25"} 1',
    'cnn_sweep_nats_connected{component="dashboard"} 1',
    'cnn_sweep_nats_reconnects_total{component="dashboard"} 2',
    'cnn_sweep_http_requests_total{route="/api/v1/sweeps/:namespace/:name/trials",method="GET",status_class="2xx"} 1',
    'cnn_sweep_http_requests_total{route="other",method="GET",status_class="4xx"} 1',
    'cnn_sweep_http_request_duration_seconds_count{route="/api/v1/sweeps/:namespace/:name/trials"} 1',
    'cnn_sweep_stream_clients 3',
    'cnn_sweep_stream_resyncs_total 0',
    'cnn_sweep_faro_items_total{kind="event",result="accepted"} 1',
    'cnn_sweep_web_vital_lcp_seconds_bucket{le="1.5"} 1',
  ]) {
    assert.ok(lines.includes(want), want);
  }
  assert.ok(
    (await page('application/openmetrics-text')).some((line) =>
      /ingest_lag_seconds_bucket.* # \{trial="study\/3"\}/.test(line),
    ),
  );
});

test('300 sweeps in 100 namespaces, every route and every kind of answer make no more than 1,000 series', async (t) => {
  const store = makeStore();
  for (let at = 0; at < 300; at++) {
    const uid = `u${at}`;
    store.putSweep(makeInput({ namespace: `ns-${at % 100}`, name: `study-${at}`, uid }));
    store.record(uid, makeResult());
  }
  for (const entry of store.sweeps) store.judge(entry);
  const { metrics, series } = open(store);
  const app = await makeApp(store, { observer: metrics });
  t.after(() => app.close());
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'BREW']) {
    for (let route = 0; route < 30; route++) {
      for (const status of [200, 304, 404, 503])
        metrics.answered({ route: `/r${route}`, method, status, seconds: 0.1 });
    }
  }
  for (const kind of ['log', 'exception', 'measurement', 'event'] as const) {
    for (const result of ['accepted', 'rejected', 'forwarded', 'failed'] as const) metrics.pageItem(kind, result);
  }
  const before = await series();
  assert.ok(before.length <= 1_000, `${before.length} series`);
  assert.equal(before.filter((line) => line.startsWith('cnn_sweep_best_validation_accuracy_ratio{')).length, 20);
  assert.ok(before.filter((line) => line.startsWith('cnn_sweep_http_requests_total{')).length <= 64);
  // The sweeps that changed last are shown; who loses its place is counted.
  store.measure('u0', makeMeasurement());
  const after = await series();
  assert.ok(
    after.some((line) =>
      line.startsWith('cnn_sweep_best_validation_accuracy_ratio{sweep_namespace="ns-0",sweep="study-0"}'),
    ),
  );
  const next = await series();
  assert.ok(next.includes('cnn_sweep_series_dropped_total{metric="cnn_sweep_best_validation_accuracy_ratio"} 1'));
});

test('a sweep that is gone takes its series with it', async () => {
  const store = makeStore();
  tell(store, STUDY);
  const { series } = open(store);
  assert.ok((await series()).some((line) => line.includes('sweep="study"')));
  store.removeSweep(UID);
  assert.ok(!(await series()).some((line) => line.includes('sweep="study"')));
});

test('10,000 trials: the page of metrics takes less than 200 ms', async () => {
  const store = makeStore();
  tell(store, makeLarge(10_000, 3));
  const { series } = open(store);
  await series();
  const began = performance.now();
  await series();
  const took = performance.now() - began;
  assert.ok(took < 200, `${took} ms`);
});
