import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildOps } from '../../src/shared/ops.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';

const READY = { caches: true } as const;

function build({ ready = READY, unhealthy }: { ready?: Record<string, true | string>; unhealthy?: string } = {}) {
  const telemetry = openTelemetry('controller', 'abc');
  const hits = telemetry.histogram({ name: 'hits_seconds', help: 'h', enableExemplars: true, buckets: [1] });
  hits.observe({ value: 0.5, exemplarLabels: { trial: 'study/7' } });
  return buildOps({ telemetry, ready: () => ready, unhealthy: () => unhealthy });
}

test('a scraper that does not ask for OpenMetrics gets the plain form, without exemplars', async () => {
  const { headers, body } = await build().inject({ url: '/metrics', headers: { accept: 'text/plain' } });
  assert.match(`${headers['content-type']}`, /^text\/plain; version=0\.0\.4/);
  assert.match(body, /^hits_seconds_bucket\{le="1"\} 1$/m);
  assert.match(body, /^cnn_sweep_build_info\{component="controller",version="[\d.]+",commit="abc"\} 1$/m);
  assert.match(body, /^process_resident_memory_bytes \d+$/m);
});

test('who names OpenMetrics gets it, with the trial as an exemplar', async () => {
  const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
  const { headers, body } = await build().inject({ url: '/metrics', headers: { accept } });
  assert.match(`${headers['content-type']}`, /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(body, /^hits_seconds_bucket\{le="1"\} 1 # \{trial="study\/7"\} 0\.5/m);
  assert.match(body, /# EOF\n$/);
});

test('it is ready when every part is, and says which is not', async () => {
  const ready = await build().inject('/readyz');
  assert.deepEqual([ready.statusCode, ready.json()], [200, { caches: true }]);
  const not = await build({ ready: { caches: 'not listed yet' } }).inject('/readyz');
  assert.deepEqual([not.statusCode, not.json()], [503, { caches: 'not listed yet' }]);
});

test('it is alive unless something is wrong for good', async () => {
  const alive = await build({ ready: { caches: 'not listed yet' } }).inject('/healthz');
  assert.deepEqual([alive.statusCode, alive.body], [200, 'ok']);
  const dead = await build({ unhealthy: 'no word from the API server' }).inject('/healthz');
  assert.deepEqual([dead.statusCode, dead.body], [503, 'no word from the API server']);
});
