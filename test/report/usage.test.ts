import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browserCode, nodeCode } from '../../src/report/usage.ts';
import { DATASETS } from '../../src/sweep/dataset.ts';
import { modelFiles, saveModel } from '../../src/trainer/save.ts';
import { loadCpu, loadTf } from '../../src/trainer/tf.ts';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));

test('the code of the report loads a saved model in Node and names a class', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-usage-'));
  try {
    const tf = loadTf();
    loadCpu();
    await tf.setBackend('cpu');
    const model = tf.sequential();
    model.add(tf.layers.conv2d({ inputShape: [32, 32, 3], filters: 2, kernelSize: 5, activation: 'relu' }));
    model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
    model.add(tf.layers.flatten());
    // Of an image of zeros only the bias speaks: class 6 is frog.
    const bias = tf.tensor1d(DATASETS.cifar10.classNames.map((name) => (name === 'frog' ? 1000 : 0)));
    const dense = tf.layers.dense({ units: 10 });
    model.add(dense);
    const [kernel] = dense.getWeights();
    dense.setWeights(kernel ? [kernel, bias] : []);
    await saveModel(await modelFiles(tf, model), join(folder, 'model'));
    await symlink(modules, join(folder, 'node_modules'));
    await writeFile(join(folder, 'classify.mjs'), nodeCode(DATASETS.cifar10, 'model'));
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'classify.mjs')]);
    assert.equal(stdout.trim(), 'frog');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the code of the report names a folder that holds what a string or an address may not', () => {
  const folder = "../a 'b'/50%#/model";
  assert.match(nodeCode(DATASETS.cifar10, folder), /resolve\(import\.meta\.dirname, '\.\.\/a \\'b\\'\/50%#\/model'\)/);
  assert.match(
    browserCode(DATASETS.cifar10, folder),
    /loadLayersModel\('\.\.\/a%20\\'b\\'\/50%25%23\/model\/model\.json'\)/,
  );
});
