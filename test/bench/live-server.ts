// What the dashboard's server takes: the event stream to many clients, the page of metrics, curves, and folding.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openDashboardMetrics } from '../../src/dashboard/metrics.ts';
import { Store } from '../../src/dashboard/store.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';
import { local, makeApp, makeInput, makeLarge, tell, UID } from '../dashboard/builders.ts';
import { type Figure, figure, report } from './figure.ts';
import type { ServerTold } from './live-server-process.ts';

const READING = 950;
const NEVER_READING = 50;
const WARM_UP_MS = 5_000;
const MEASURED_MS = 45_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** 1,000 clients of the event stream of which 50 never read. The others must not wait for those, the server's memory must not grow with
 * what is not read, and who takes nothing for 30 s is cut off.
 */
export async function measureStreams(): Promise<Figure[]> {
  const server = fork(fileURLToPath(new URL('live-server-process.ts', import.meta.url)), { stdio: 'inherit' });
  const told: ServerTold[] = [];
  server.on('message', (message) => told.push(message as ServerTold));
  const sockets: Socket[] = [];
  try {
    await once(server, 'message');
    const port = told.at(-1)?.port ?? 0;
    const delays: number[] = [];
    let isMeasuring: boolean = false;
    for (let at = 0; at < READING; at++) {
      sockets.push(follow(port, 'quiet', (delayMs) => isMeasuring && delays.push(delayMs)));
      if (at % 50 === 49) await pause(20);
    }
    const silent = Array.from({ length: NEVER_READING }, () => follow(port, 'noisy'));
    sockets.push(...silent);
    await pause(WARM_UP_MS);
    const before = told.at(-1);
    isMeasuring = true;
    await pause(MEASURED_MS);
    isMeasuring = false;
    const after = told.at(-1);
    const most = Math.max(...told.map(({ rssMiB }) => rssMiB));
    delays.sort((a, b) => a - b);
    const share = (part: number) => delays[Math.floor(part * (delays.length - 1))] ?? Number.NaN;
    return [
      report('stream: clients that read, of 1,000', before?.clients ?? 0, ''),
      report('stream: epochs received by all of them', delays.length, ''),
      report('stream: from a measurement to a client, median', share(0.5), 'ms'),
      figure('stream: from a measurement to a client, 99 of 100, while 50 never read', share(0.99), 'ms', '<=', 1_000),
      figure(
        'stream: clients left of 950 that read and 50 that never do, after 50 s',
        after?.clients ?? 0,
        '',
        '<=',
        READING,
      ),
      figure('stream: clients that read and are still there', after?.clients ?? 0, '', '>=', READING),
      figure('stream: memory of the server, most', most, 'MiB', '<=', 512),
    ];
  } finally {
    for (const socket of sockets) socket.destroy();
    server.kill('SIGKILL');
  }
}

/** A client as bytes: parsing would take longer than what is measured. @param onDelay absent: it never reads */
function follow(port: number, sweep: string, onDelay?: (delayMs: number) => void): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  socket.write(
    `GET /api/v1/events?topics=sweep:local/${sweep} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n`,
  );
  if (!onDelay) return socket.pause();
  socket.on('data', (chunk) => {
    const at = Date.now();
    for (const [, times = ''] of chunk.toString('latin1').matchAll(/"runningTrainLoss":\[(\d{13}(?:,\d{13})*)\]/g)) {
      const newest = Number(times.split(',').at(-1));
      onDelay(at - newest);
    }
  });
  return socket;
}

/** The page of metrics with 10,000 trials. */
export async function measureMetricsPage(): Promise<Figure[]> {
  const store = new Store();
  tell(store, makeLarge(10_000, 15));
  for (const entry of store.sweeps) store.judge(entry);
  const telemetry = openTelemetry('dashboard');
  openDashboardMetrics(telemetry, { store, streamClients: () => 0, nats: undefined });
  await telemetry.expose(undefined);
  const times: number[] = [];
  for (let time = 0; time < 20; time++) {
    const began = performance.now();
    await telemetry.expose(undefined);
    times.push(performance.now() - began);
  }
  return [figure('metrics: the page with 10,000 trials, slowest of 20', Math.max(...times), 'ms', '<=', 200)];
}

/** 200 curves of 200 epochs, all of their points, asked for the first time and again. */
export async function measureCurves(): Promise<Figure[]> {
  const store = new Store();
  tell(store, makeLarge(200, 200));
  const app = await makeApp(store);
  await app.ready();
  const ask = async () => {
    const began = performance.now();
    const { body, statusCode } = await app.inject(local('/api/v1/sweeps/local/study/curves?trials=0-199&points=800'));
    if (statusCode !== 200) throw new Error(body);
    return { ms: performance.now() - began, megabytes: body.length / 1e6 };
  };
  const [first, again] = [await ask(), await ask()];
  await app.close();
  return [
    figure('curves: 200 of 200 epochs, first answer', first.ms, 'ms', '<=', 1_000),
    report('curves: the same again', again.ms, 'ms'),
    report('curves: the answer', first.megabytes, 'MB'),
  ];
}

/** 10,000 trials that report one after the other while somebody looks: rows and curves of what changed are made each 5,000. */
export async function measureFolding(): Promise<Figure[]> {
  const store = new Store();
  const { sweep, measurements, results } = makeLarge(10_000, 15);
  const ordered = measurements.toSorted((a, b) => a.epoch - b.epoch || a.trial - b.trial);
  store.putSweep(makeInput({ sweep }));
  const [entry] = store.sweeps;
  if (!entry) throw new Error('no sweep');
  const began = performance.now();
  let seen = store.revision;
  for (const [at, measurement] of ordered.entries()) {
    store.measure(UID, measurement, at);
    if (at % 5_000 !== 4_999) continue;
    for (const state of entry.changes.since(seen)) entry.rowOf(state);
    entry.summary();
    seen = store.revision;
  }
  const perSecond = (1_000 * ordered.length) / (performance.now() - began);
  for (const result of results) store.record(UID, result);
  const judging = performance.now();
  store.judge(entry);
  return [
    figure('store: measurements folded while a client follows, 10,000 trials', perSecond, '1/s', '>=', 10_000),
    report('store: judging 10,000 records', performance.now() - judging, 'ms'),
  ];
}
