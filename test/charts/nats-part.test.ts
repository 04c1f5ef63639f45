import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { connect } from 'nats';
import { type NatsPart, type NatsPartOptions, startNats } from '../../src/controller/nats.ts';
import { openNatsMetrics } from '../../src/controller/nats-metrics.ts';
import { openLog } from '../../src/shared/log.ts';
import { STREAM_BYTES } from '../../src/shared/nats-streams.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';
import { realTimers } from '../../src/shared/timers.ts';
import type { Wire } from '../../src/shared/wire.ts';
import { until } from '../cluster/controller.ts';
import { type ChartNats, startChartNats } from '../cluster/nats-server.ts';
import { SKIP } from './helm.ts';

/** Nobody waits a minute here. */
const timers = {
  now: realTimers.now,
  after: (ms: number, back: () => void) => realTimers.after(Math.min(ms, 20), back),
};

/** An API server that is away. */
const nowhere: Wire = {
  host: 'nowhere',
  exchange: () => Promise.reject(new Error('connect ECONNREFUSED')),
  refreshCredentials: () => undefined,
  close: async () => undefined,
};

describe('the controller’s part in NATS', { skip: SKIP, timeout: 120_000 }, () => {
  let server: ChartNats;
  let folder: string;
  let part: NatsPart | undefined;
  let lines: { event: string; [field: string]: unknown }[];
  const telemetry = openTelemetry('controller');
  const metrics = openNatsMetrics(telemetry);

  before(async () => {
    server = await startChartNats();
  });
  after(() => server.stop());
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-nats-part-'));
    lines = [];
  });
  afterEach(async () => {
    await part?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const mounted = (name: string) => path.join(folder, name);
  const mount = async () => {
    await copyFile(server.caFile, mounted('ca.crt'));
    await copyFile(server.passwordFile('controller'), mounted('password'));
    await copyFile(server.calloutFile, mounted('callout'));
  };
  const start = (changes: Partial<NatsPartOptions> = {}, url = server.url, streamBytes = STREAM_BYTES) => {
    part = startNats({
      flags: {
        url,
        user: 'controller',
        passwordFile: mounted('password'),
        caFile: mounted('ca.crt'),
        calloutFile: mounted('callout'),
        replicas: 1,
        streamBytes,
        trainerSecret: undefined,
        purgeDelayMs: 600_000,
      },
      wire: nowhere,
      namespaces: ['team'],
      serviceAccountName: 'cnn-sweep-trainer',
      leads: () => true,
      log: openLog((line) => lines.push(JSON.parse(line))),
      metrics,
      onRequest: () => undefined,
      timers,
      ...changes,
    });
    return part;
  };
  const said = (event: string) =>
    until(async () => lines.find((line) => line.event === event), `"${event}" in ${JSON.stringify(lines)}`, 20_000, 20);

  test('a Secret that comes later is waited for; until then trials are told nothing', async () => {
    const { trainer, status } = start();
    assert.equal(trainer, undefined);
    assert.deepEqual(status, {
      connected: false,
      reason: 'Unreachable',
      message: 'its Secret is not there yet',
    });
    const { missing } = await said('nats waits for its Secret');
    assert.equal(missing, ['password', 'ca.crt', 'callout'].map(mounted).join(', '));
    await mount();
    await said('nats connected');
    assert.deepEqual(part?.trainer, {
      url: server.url,
      ca: await readFile(server.caFile, 'utf8'),
      secretName: undefined,
    });
  });

  test('who does not lead makes no stream', async () => {
    await mount();
    let leads = false;
    start({ leads: () => leads });
    await said('nats connected');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(!lines.some(({ event }) => event.startsWith('nats stream')));
    leads = true;
    await until(
      async () => ((await page()).includes('cnn_sweep_nats_stream_bytes{') ? true : undefined),
      'a look',
      10_000,
    );
    assert.match(await page(), /^cnn_sweep_nats_stream_max_bytes\{stream="CNN_SWEEP"\} 4294967296$/m);
  });

  test('who does not lead answers for trials all the same, and says so when the API server is away', async () => {
    await mount();
    start({ leads: () => false });
    await said('nats connected');
    const tls = { ca: await readFile(server.caFile, 'utf8') };
    const began = performance.now();
    await assert.rejects(connect({ servers: server.url, tls, token: 'secret', reconnect: false, timeout: 20_000 }), {
      code: 'AUTHORIZATION_VIOLATION',
    });
    assert.equal((await said('nats client refused')).reason, 'Unavailable');
    assert.ok(performance.now() - began < 5_000, 'the server waited in vain');
    assert.match(await page(), /^cnn_sweep_nats_callouts_total\{result="Unavailable"\} 1$/m);
  });

  test('while the API server is away nothing is purged', async () => {
    await mount();
    start();
    await said('nats streams');
    assert.ok(!lines.some(({ event }) => event === 'nats cleared'));
  });

  test('streams are as large as they are to be, never smaller than they are, and then that is said', async () => {
    await mount();
    const sizes = async () =>
      [...(await page()).matchAll(/^cnn_sweep_nats_stream_max_bytes\{.*\} (\d+)$/gm)].map(([, bytes]) => Number(bytes));
    const larger = STREAM_BYTES + 1e6;
    start({}, server.url, larger);
    await until(async () => `${await sizes()}` === `${[larger, larger]}` || undefined, 'larger streams', 10_000);
    await part?.stop();
    lines = [];
    start({}, server.url, 1e6);
    const { message, outcome, level } = await said('nats stream');
    assert.equal(message, `max_bytes: ${larger} is kept, since less (1000000) is never taken`);
    assert.deepEqual([outcome, level], ['Unchanged', 'info']);
    assert.deepEqual(await sizes(), [larger, larger]);
  });

  test('a server that is nowhere is named, and nothing is thrown', async () => {
    await mount();
    start({}, 'tls://localhost:1');
    const { reason } = await said('nats');
    assert.equal(reason, 'Unreachable');
    assert.match(await page(), /^cnn_sweep_nats_connected\{component="controller"\} 0$/m);
    // Trials are told where to try all the same.
    assert.equal(part?.trainer?.url, 'tls://localhost:1');
  });

  test('a wrong password is named', async () => {
    await mount();
    await copyFile(server.calloutFile, mounted('password'));
    start();
    assert.equal((await said('nats')).reason, 'Unauthorized');
  });

  test('another authority is named', async () => {
    await mount();
    await copyFile(server.wrongCaFile, mounted('ca.crt'));
    start();
    assert.equal((await said('nats')).reason, 'TlsFailed');
  });

  const page = async () => (await telemetry.expose(undefined)).body;
});
