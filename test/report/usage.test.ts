import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { nodeCode } from '../../src/report/usage.ts';
import { toYaml } from '../../src/report/yaml.ts';
import { DATASETS } from '../../src/sweep/dataset.ts';
import { saveModel } from '../../src/trainer/save.ts';
import { loadCpu, loadTf } from '../../src/trainer/tf.ts';
import { makeStudyReport } from '../builders.ts';

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
    await saveModel(tf, model, join(folder, 'model'));
    await symlink(modules, join(folder, 'node_modules'));
    await writeFile(join(folder, 'classify.mjs'), nodeCode(DATASETS.cifar10));
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'classify.mjs')]);
    assert.equal(stdout.trim(), 'frog');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the sweep as the report writes it is YAML of the same sweep', () => {
  const { sweep } = makeStudyReport();
  assert.deepEqual(parse(toYaml(sweep)), sweep);
});

test('YAML quotes what a reader of YAML would take for something else', () => {
  const odd = {
    name: 'yes',
    list: ['null', '1.0', '', 'a: b', '- x', '#'],
    'a key': { empty: {}, none: null },
    deep: [{ a: [{ b: 1 }] }],
  };
  assert.deepEqual(parse(toYaml(odd)), odd);
});
