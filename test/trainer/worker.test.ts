import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readEnvironment } from '../../src/shared/env.ts';
import type { FromWorker } from '../../src/shared/worker-protocol.ts';
import type { Assignment } from '../../src/sweep/assignment.ts';
import { encodeMeasurement, type Measurement } from '../../src/sweep/measurement.ts';
import { encodeResult } from '../../src/sweep/result.ts';
import { fetchDataset } from '../../src/trainer/dataset.ts';
import { makeAssignment, start } from './builders.ts';

const { cacheFolder } = readEnvironment();
let folder: string;
before(async () => {
  await fetchDataset('cifar10', { cacheFolder, log: () => undefined });
  folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-worker-'));
});
after(() => rm(folder, { recursive: true }));

/** A real worker, and what it has said so far. */
function startWorker() {
  const { child, ended } = start('worker.ts', [], { ipc: true });
  const heard: FromWorker[] = [];
  child.on('message', (message) => heard.push(message as FromWorker));
  async function hear<Kind extends FromWorker['kind']>(kind: Kind): Promise<Extract<FromWorker, { kind: Kind }>> {
    for (;;) {
      const at = heard.findIndex((message) => message.kind === kind);
      if (at >= 0) return heard.splice(0, at + 1)[at] as Extract<FromWorker, { kind: Kind }>;
      await Promise.race([
        once(child, 'message'),
        ended.then(({ stderr }) => assert.fail(`the worker ended: ${stderr}`)),
      ]);
    }
  }
  const run = (assignment: Assignment, model: string, cache = cacheFolder) =>
    child.send({ kind: 'run', assignment, cacheFolder: cache, modelFolder: join(folder, model) });
  return { child, ended, hear, run };
}

async function train(worker: ReturnType<typeof startWorker>, assignment: Assignment, model: string) {
  worker.run(assignment, model);
  const curve: Measurement[] = [];
  for (let epoch = 1; epoch <= assignment.training.epochs; epoch++)
    curve.push((await worker.hear('measurement')).measurement);
  const { result } = await worker.hear('result');
  const timeless = curve.map((measurement) => ({ ...measurement, seconds: 0, examplesPerSecond: 0 }));
  return { curve: timeless, result };
}

const small = { training: { trainingExamples: 200 } };
const endless = makeAssignment({ training: { epochs: 1000 } });

test('a second trial in a warm worker has the curve and the model of one in a fresh worker', {
  timeout: 240_000,
}, async () => {
  const [warm, fresh] = [startWorker(), startWorker()];
  await train(warm, makeAssignment({ hyperparameters: { widths: [5], seed: 4 }, ...small }), 'first');
  const second = await train(warm, makeAssignment(small), 'second');
  const alone = await train(fresh, makeAssignment(small), 'alone');
  assert.deepEqual(second.curve, alone.curve);
  assert.deepEqual(second.result.test, alone.result.test);
  for (const file of ['model.json', 'weights.bin']) {
    const [a, b] = [await readFile(join(folder, 'second', file)), await readFile(join(folder, 'alone', file))];
    assert.deepEqual(a, b, file);
  }
  for (const measurement of second.curve) encodeMeasurement(measurement);
  encodeResult(second.result);

  const again = makeAssignment({ ...small, backend: 'cpu' });
  fresh.run(again, 'another-backend');
  await assert.rejects(fresh.hear('result'), /the worker ended: backend cpu: this process computes on wasm already\n$/);
  assert.equal((await fresh.ended).code, 2);
  warm.child.disconnect();
  await warm.ended;
});

test('a worker at work shows signs of life, is deaf to Ctrl-C, and ends within 5 s of losing its main process', {
  timeout: 240_000,
}, async () => {
  const { child, ended, hear, run } = startWorker();
  await hear('ready');
  run(endless, 'endless');
  const { progress, milestone } = await hear('progress');
  assert.deepEqual([progress.trial, progress.epoch, milestone], [7, 1, false]);
  child.kill('SIGINT');
  const [one, two] = [await hear('heartbeat'), await hear('heartbeat')];
  assert.ok(two.steps > one.steps && one.slowestStepMs > 0);
  const lost = performance.now();
  child.disconnect();
  assert.deepEqual(await ended, { code: 1, signal: null, stdout: '', stderr: '' });
  assert.ok(performance.now() - lost <= 5_000, `${performance.now() - lost} ms`);
});

test('a worker without work ends when it loses its main process', { timeout: 60_000 }, async () => {
  const { child, ended, hear } = startWorker();
  await hear('ready');
  child.disconnect();
  assert.equal((await ended).code, 1);
});

const faults: Record<string, { assignment: Assignment; want: RegExp }> = {
  'a backend that does not work here': {
    assignment: makeAssignment({ backend: 'native' }),
    want: /^backend native: no compiled TensorFlow binding at \/nowhere\/native\/.*; run `make native`\n$/,
  },
  'a data set that is not there': {
    assignment: makeAssignment(),
    want: /^\/nowhere\/datasets\/cifar10\/data_batch_1\.bin: expected 30730000 bytes, found no file; repair with: cnn-sweep data cifar10\n$/,
  },
};
for (const [sentence, { assignment, want }] of Object.entries(faults)) {
  test(`a worker that is told ${sentence} exits 2 and says what to do`, { timeout: 60_000 }, async () => {
    const { ended, run } = startWorker();
    run(assignment, 'never', '/nowhere');
    const { code, stderr } = await ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, want);
  });
}
