import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTelemetry } from '../../src/shared/telemetry.ts';

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0';

function open() {
  const telemetry = openTelemetry('test');
  telemetry.counter({ name: 'tries_total', help: 'Tries.' }).inc();
  return telemetry;
}

test('text for who asks for nothing, OpenMetrics for who names it', async () => {
  const telemetry = open();
  const [text, openMetrics] = [await telemetry.expose('*/*'), await telemetry.expose(OPEN_METRICS)];
  assert.match(text.contentType, /^text\/plain; version=0\.0\.4/);
  assert.match(text.body, /^# TYPE tries_total counter\ntries_total 1$/m);
  assert.match(openMetrics.contentType, /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(openMetrics.body, /^# TYPE tries counter\ntries_total 1$/m);
  assert.match(openMetrics.body, /\n# EOF\n$/);
});

test('a name is the same on every page, whoever asked before or asks meanwhile', async () => {
  const telemetry = open();
  const accepts = [OPEN_METRICS, undefined, undefined, OPEN_METRICS, undefined];
  const pages = await Promise.all(accepts.map((accept) => telemetry.expose(accept)));
  for (const [at, { body }] of pages.entries()) {
    assert.match(body, /^tries_total 1$/m, `page ${at}`);
    assert.equal(body.includes('# TYPE tries_total counter'), accepts[at] === undefined, `page ${at}`);
    assert.match(body, /^process_cpu_seconds_total /m, `page ${at}`);
  }
});

test('no gauge has the ending of a counter', async () => {
  const { body } = await open().expose(undefined);
  assert.doesNotMatch(body, /^# TYPE \w+_total gauge$/m);
});
