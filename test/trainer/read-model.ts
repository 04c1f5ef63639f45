import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readEnvironment } from '../../src/shared/env.ts';
import { type BackendName, nativeBindingFile, openBackend } from '../../src/trainer/backend.ts';
import { loadDataset } from '../../src/trainer/dataset.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import type { Sequential } from '../../src/trainer/tf.ts';

/** Loads a model from a folder as anybody would (`tf.loadLayersModel`) and tries it on all test images of CIFAR-10. */
export async function testModel(folder: string, backend: BackendName) {
  const { cacheFolder } = readEnvironment();
  const nativeBinding = nativeBindingFile(cacheFolder);
  const { tf } = await openBackend(backend, { nativeBinding, warn: () => undefined });
  const [artifacts, weights] = await Promise.all([
    readFile(join(folder, 'model.json'), 'utf8').then(JSON.parse),
    readFile(join(folder, 'weights.bin')),
  ]);
  const model = await tf.loadLayersModel({
    load: async () => ({
      modelTopology: artifacts.modelTopology,
      weightSpecs: artifacts.weightsManifest[0].weights,
      weightData: new Uint8Array(weights).buffer,
    }),
  });
  const { test: images } = await loadDataset('cifar10', cacheFolder);
  const indices = Uint32Array.from({ length: images.count }, (_, index) => index);
  const { loss, accuracy } = await evaluate(tf, model as Sequential, { set: images, indices }, () => undefined);
  const parameterCount = model.countParams();
  model.dispose();
  return { images: images.count, parameterCount, test: { loss, accuracy } };
}
