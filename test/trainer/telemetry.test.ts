import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { strFromU8, unzipSync } from 'fflate';
import { readEnvironment } from '../../src/shared/env.ts';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { readModel } from '../../src/shared/nats-models.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { encodeAssignment } from '../../src/sweep/assignment.ts';
import { decodeMeasurement } from '../../src/sweep/measurement.ts';
import { decodeResult } from '../../src/sweep/result.ts';
import { openBackend } from '../../src/trainer/backend.ts';
import { fetchDataset, loadDataset } from '../../src/trainer/dataset.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import type { Sequential } from '../../src/trainer/tf.ts';
import { isEpoch, readUntil } from '../shared/bus.contract.ts';
import { makeCertificate, NatsServer, needsNats, type ServerOptions } from '../shared/nats-server.ts';
import { type Changes, makeAssignment, makeExamples, start } from './builders.ts';

let folder: string;
let server: NatsServer;
let nats: Nats;
let pods = 0;
let uid = '';

/** Starts the trainer as a Pod does. */
async function startTrial(changes: Changes, args: readonly string[], env: Record<string, string> = {}) {
  const [uidFile, result] = [join(folder, `${uid}.uid`), join(folder, `${uid}.result`)];
  await writeFile(uidFile, uid);
  await rm(result, { force: true });
  const assignment = encodeAssignment(makeAssignment(changes));
  const own = ['--assignment-json', assignment, '--result', result, '--attempt-uid-file', uidFile];
  const began = performance.now();
  const trial = start('main.ts', [...own, ...args], { env });
  return {
    ...trial,
    result,
    ended: trial.ended.then((how) => ({ ...how, seconds: (performance.now() - began) / 1000 })),
    readResult: async () => decodeResult(await readFile(result, 'utf8')),
  };
}

const to = (url: string) => ['--nats-url', url, '--sweep-uid', 'sweep-uid'];
const few: Changes = { training: { trainingExamples: 20 } };

async function withServer<Value>(options: ServerOptions, use: (url: NatsServer) => Promise<Value>): Promise<Value> {
  const other = await NatsServer.start(options);
  try {
    return await use(other);
  } finally {
    await other.stop();
  }
}

describe('telemetry of a real trial', { ...needsNats, timeout: 300_000 }, () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-telemetry-'));
    await fetchDataset('cifar10', { cacheFolder: readEnvironment().cacheFolder, log: () => undefined });
    server = await NatsServer.start();
    nats = new Nats({ url: server.url, name: 'test' });
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats, { maxBytes: 1e8 });
  });
  after(async () => {
    await nats.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    uid = `pod-${pods++}`;
  });

  test('every epoch is in the log as it was written to standard output, every 2,000 minibatches have their progress', async () => {
    const changes = { hyperparameters: { batchSize: 1 }, training: { trainingExamples: 1100 } };
    const { ended, readResult } = await startTrial(changes, to(server.url));
    const { code, stdout, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal((await readResult()).outcome, 'Succeeded');
    const entries = (await readUntil(new NatsBus(nats), isEpoch, { count: 2 })).slice(1);
    const measurements = entries.flatMap((entry) => (entry.kind === 'epoch' ? entry.measurements : []));
    assert.deepEqual(measurements, stdout.trimEnd().split('\n').map(decodeMeasurement)); // biome-ignore format: one line
    const [{ step = 0, epoch = 0, runningTrainLoss = null } = {}, ...more] = entries.flatMap((entry) =>
      entry.kind === 'progress' ? entry.progress : [],
    );
    assert.deepEqual([epoch, step, more.length], [2, 900, 0]);
    assert.ok(runningTrainLoss !== null && runningTrainLoss > 1 && runningTrainLoss < 3);
  });

  test('the model in the store predicts what the trial measured on the test set', async () => {
    const { ended, readResult } = await startTrial(few, to(server.url));
    assert.deepEqual([(await ended).code, (await ended).stderr], [0, '']);
    const bytes = await readModel(
      nats,
      { sweepUID: 'sweep-uid', trial: 7, attemptUID: uid },
      AbortSignal.timeout(9000),
    );
    assert.ok(bytes !== 'missing');
    const nothing = new Uint8Array();
    const { 'model.json': json = nothing, 'weights.bin': weights = nothing } = unzipSync(bytes);
    const { modelTopology, weightsManifest } = JSON.parse(strFromU8(json));
    const [{ weights: weightSpecs }] = weightsManifest;
    const weightData = Uint8Array.from(weights).buffer;
    const backend = await openBackend('wasm', { warn: assert.fail });
    const load = async () => ({ modelTopology, weightSpecs, weightData });
    const model = (await backend.tf.loadLayersModel({ load })) as Sequential;
    const { test } = await loadDataset('cifar10', readEnvironment().cacheFolder);
    const { loss, accuracy } = await evaluate(backend.tf, model, makeExamples(test), () => undefined);
    assert.deepEqual({ loss, accuracy }, (await readResult()).test);
  });

  test('without a server the trial succeeds with the same figures, and one line says what is missing and why', async () => {
    const alone = await startTrial(few, []);
    const figures = (stdout: string) =>
      stdout.trimEnd().split('\n').map((line) => ({ ...decodeMeasurement(line), seconds: 0, examplesPerSecond: 0 })); // biome-ignore format: one line
    const want = figures((await alone.ended).stdout);
    const wanted = await alone.readResult();
    const { ended, readResult } = await startTrial(few, to('nats://localhost:1'));
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^telemetry of pod-\d+: 2 of 2 measurements and 0 of 0 points of progress are not stored: Unreachable: .*ECONNREFUSED.*; the model is not stored: Unreachable: .*; the result is not affected\n$/,
    );
    assert.deepEqual(figures(stdout), want);
    const { summary, test } = await readResult();
    assert.deepEqual([test, summary?.epochsDone, summary?.last?.validationLoss], [wanted.test, wanted.summary?.epochsDone, wanted.summary?.last?.validationLoss]); // biome-ignore format: one line
  });

  const poor: Record<string, { open: (use: (server: NatsServer) => Promise<void>) => Promise<void>; want: RegExp }> = {
    'a server without JetStream': { open: (use) => withServer({ jetstream: false }, use), want: /NoJetStream: nats-server 2\.\d+\.\d+ runs without JetStream/ },
    'a server without our stream': { open: (use) => withServer({}, use), want: /NoStream: cs\.v1\.sweep-uid\.7\.pod-\d+\.epoch: nobody listens/ },
    'a server before 2.12': { open: oldServer, want: /ServerTooOld: nats-server 2\.9\.10; at least 2\.12 is needed/ },
    'a server that wants to know who it is': { open: (use) => withServer({ config: 'authorization { user: a, password: b }' }, use), want: /Unauthorized: / },
  }; // biome-ignore format: one line each
  for (const [what, { open, want }] of Object.entries(poor)) {
    test(`with ${what} the trial succeeds and says so`, async () => {
      await open(async ({ url }) => {
        const { ended, readResult } = await startTrial(few, to(url));
        const { code, stderr } = await ended;
        assert.equal(code, 0);
        assert.match(stderr, want);
        assert.equal((await readResult()).outcome, 'Succeeded');
      });
    });
  }

  test('over TLS with a token that is read from its file; with another CA, or in plain text, nothing is said to the server', async () => {
    const { certFile, keyFile, cert } = await makeCertificate(folder);
    const config = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }\nauthorization { token: s3cret }`;
    await withServer({ config }, async ({ url }) => {
      const [caFile, tokenFile] = [join(folder, 'ca.crt'), join(folder, 'token')];
      await writeFile(caFile, cert);
      await writeFile(tokenFile, 's3cret\n');
      const maker = new Nats({ url, name: 'test', ca: cert, credentials: () => ({ token: 's3cret' }) });
      await maker.connected(AbortSignal.timeout(5000));
      await ensureStreams(maker, { maxBytes: 1e8 });
      await maker.close();
      const args = [...to(url), '--nats-token-file', tokenFile];
      const { stderr } = await (await startTrial(few, [...args, '--nats-ca-file', caFile])).ended;
      assert.equal(stderr, '');
      const otherFolder = await mkdtemp(join(folder, 'other-'));
      const other = await makeCertificate(otherFolder);
      for (const wrong of [['--nats-ca-file', other.certFile], []]) {
        const { code, stderr } = await (await startTrial(few, [...args, ...wrong])).ended;
        assert.equal(code, 0);
        assert.match(stderr, /TlsFailed: self-signed certificate/);
        assert.doesNotMatch(stderr, /s3cret/);
      }
    });
  });

  test('told to stop, it stores what it has not stored yet, says 143 and hands over no result', {
    timeout: 40_000,
  }, async () => {
    const changes = { training: { trainingExamples: 500, epochs: 1000 } };
    // A server that answers only when the trial has long been told to stop: what it then has was waited for.
    await server.freeze();
    const { child, ended, result } = await startTrial(changes, to(server.url));
    child.stdout?.once('data', () => {
      child.kill('SIGTERM');
      setTimeout(() => server.thaw(), 1500);
    });
    const { code, stdout, stderr } = await ended;
    server.thaw();
    assert.deepEqual([code, stderr, existsSync(result)], [143, '', false]);
    const done = stdout.trimEnd().split('\n').length;
    await readUntil(
      new NatsBus(nats),
      (entry) =>
        entry.kind === 'epoch' && entry.address.attemptUID === uid && entry.measurements.at(-1)?.epoch === done,
    );
  });

  test('told to stop while the server does not answer, it is gone within 20 s', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, resolve));
    const address = silent.address();
    assert.ok(address !== null && typeof address === 'object');
    const changes = { training: { trainingExamples: 500, epochs: 1000 } };
    const { child, ended } = await startTrial(changes, to(`nats://localhost:${address.port}`));
    let told = 0;
    child.stdout?.once('data', () => {
      told = performance.now();
      child.kill('SIGTERM');
    });
    const { code, stderr } = await ended;
    silent.close();
    assert.equal(code, 143);
    assert.match(stderr, /measurements and 0 of 0 points of progress are not stored/);
    assert.ok(performance.now() - told < 20_000);
  });

  test('a store that takes the model too slowly costs the model, and nothing else is said to be missing', {
    timeout: 60_000,
  }, async () => {
    const slow = await slowDown(server.port, (data) => (data.includes('$O.CNN_SWEEP_MODELS.C.') ? 4_500 : 0));
    const { ended, readResult } = await startTrial(
      { ...few, hyperparameters: { widths: [16], depth: 1, pooling: 'none' } },
      to(slow.url),
    );
    const { code, stderr } = await ended;
    slow.close();
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^telemetry of pod-\d+: the model is not stored: the store did not take it within 15 s; the result is not affected\n$/,
    );
    assert.equal((await readResult()).reason, '');
  });

  test('a mistake at the end of the telemetry changes no exit code', async () => {
    const preload = join(folder, 'break.mjs');
    await writeFile(
      preload,
      `import threads from 'node:worker_threads';
       import { syncBuiltinESMExports } from 'node:module';
       threads.receiveMessageOnPort = () => { throw new Error('c4nary'); };
       syncBuiltinESMExports();`,
    );
    const { ended, readResult } = await startTrial(few, to(server.url), { NODE_OPTIONS: `--import ${preload}` });
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, 'telemetry: c4nary; the result is not affected\n']);
    assert.equal((await readResult()).outcome, 'Succeeded');
  });

  test('whose telemetry it is must be said, and be a UID', async () => {
    const nobody = await (await startTrial(few, ['--nats-url', server.url])).ended;
    assert.equal(nobody.code, 2);
    assert.match(nobody.stderr, /^--nats-url without --sweep-uid; usage: /);
    const wild = await (await startTrial(few, ['--nats-url', server.url, '--sweep-uid', 'a.>'])).ended;
    assert.equal(wild.code, 2);
    assert.match(wild.stderr, /^telemetry: UID "a\.>": expected 1 to 63 of A-Z a-z 0-9 _ -\n$/);
  });
});

/** A way to a server on which what a client says may take its time. @param delayMs for each piece that a client sends */
async function slowDown(port: number, delayMs: (data: Buffer) => number) {
  const proxy = createServer((client) => {
    const server = connect(port, 'localhost');
    for (const socket of [client, server]) socket.on('error', () => undefined);
    server.pipe(client);
    let said: Promise<void> = Promise.resolve();
    client.on('data', (data) => {
      said = said.then(async () => {
        await delay(delayMs(data));
        server.write(data);
      });
    });
    client.on('close', () => server.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, resolve));
  const address = proxy.address();
  assert.ok(address !== null && typeof address === 'object');
  return { url: `nats://localhost:${address.port}`, close: () => proxy.close() };
}

/** What a server of Debian 12 says of itself; nobody gets further. */
async function oldServer(use: (server: NatsServer) => Promise<void>): Promise<void> {
  const info = { server_id: 'OLD', version: '2.9.10', proto: 1, host: '0.0.0.0', port: 4222, headers: true, max_payload: 1048576, jetstream: true }; // biome-ignore format: one line
  const old = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'));
  });
  await new Promise<void>((resolve) => old.listen(0, resolve));
  const address = old.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    await use({ url: `nats://localhost:${address.port}` } as NatsServer);
  } finally {
    old.close();
  }
}
