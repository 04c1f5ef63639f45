// Prints the images per second at which one backend trains one network, in this process: backend, widths, batch size, seconds.
import { readEnvironment } from '../../src/shared/env.ts';
import { DATASETS } from '../../src/sweep/dataset.ts';
import { type BackendName, nativeBindingFile, openBackend } from '../../src/trainer/backend.ts';
import { emptyImageSet } from '../../src/trainer/data.ts';
import { buildModel } from '../../src/trainer/model.ts';
import { createRandom } from '../../src/trainer/random.ts';
import { train } from '../../src/trainer/train.ts';

const [backend = 'wasm', widths = '12,32', batch = '32', seconds = '3'] = process.argv.slice(2);
const WARM_UP_STEPS = backend === 'cpu' ? 1 : 20;
const LEAST_STEPS = 3; // plain JavaScript takes seconds for one

const { tf } = await openBackend(backend as BackendName, {
  nativeBinding: nativeBindingFile(readEnvironment().cacheFolder),
  warn: () => undefined,
});
const set = emptyImageSet(4096, DATASETS.cifar10);
const random = createRandom(0, 1);
for (const pixels of [set.images, set.labels]) for (let at = 0; at < pixels.length; at++) pixels[at] = random() % 10;

const architecture = {
  widths: widths.split(',').map(Number),
  activation: 'relu',
  pooling: 'max',
  depth: 1,
  seed: 0,
} as const;
const model = buildModel(tf, architecture, DATASETS.cifar10);
// One epoch that does not end within the time, so that no evaluation comes between the steps.
const training = { set, indices: Uint32Array.from({ length: 300_000 }, (_, index) => index % set.count) };
const few = { set, indices: training.indices.subarray(0, 100) };
const data = { training, trainingSubset: few, validation: few, classes: DATASETS.cifar10.classes };
const batchSize = Number(batch);

let steps = 0;
let began = 0;
const done = new Error('measured');
const pulse = () => {
  steps++;
  const now = performance.now();
  if (steps === WARM_UP_STEPS) began = now;
  const elapsed = (now - began) / 1000;
  if (steps >= WARM_UP_STEPS + LEAST_STEPS && elapsed >= Number(seconds)) {
    process.stdout.write(`${(batchSize * (steps - WARM_UP_STEPS)) / elapsed}\n`);
    throw done;
  }
  return undefined;
};
try {
  const plan = { batchSize, learningRate: 0.001, momentum: 0.9, seed: 0, epochs: 1 };
  for await (const _ of train(tf, model, data, plan, pulse, () => performance.now()));
} catch (error) {
  if (error !== done) throw error;
}
