import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { DATASETS } from '../../src/sweep/dataset.ts';
import { describeNetwork, type InputShape, vanishes } from '../../src/sweep/network.ts';
import type { Hyperparameters } from '../../src/sweep/schema.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { openBackend } from '../../src/trainer/backend.ts';
import { buildModel } from '../../src/trainer/model.ts';
import type { Sequential, Tf } from '../../src/trainer/tf.ts';
import { makePoint, makeStudy } from '../sweep/builders.ts';

let tf: Tf;
before(async () => {
  await openBackend('cpu', { warn: assert.fail });
  ({ tf } = await openBackend('wasm', { warn: assert.fail }));
});

function withModel<T>(point: Partial<Hyperparameters>, look: (model: Sequential) => T, input: InputShape = small): T {
  const model = buildModel(tf, makePoint({ widths: [3, 4], ...point }), input);
  try {
    return look(model);
  } finally {
    model.dispose();
  }
}

const small: InputShape = { height: 20, width: 17, channels: 2, classes: 5 };
const weightsOf = (model: Sequential) => model.trainableWeights.map((weight) => [...weight.read().dataSync()]);
const namesOf = (model: Sequential) => [model.name, ...model.layers.map(({ name }) => name)];
const shapesOf = (model: Sequential) =>
  model.layers.filter(({ name }) => name !== 'flatten').map(({ outputShape }) => outputShape.slice(1));

describe('the built network', () => {
  for (const { hyperparameters, parameterCount } of expandTrials(makeStudy())) {
    const { widths, activation, pooling, depth } = hyperparameters;
    test(`(${widths}) ${activation} ${pooling} depth ${depth} of the study has its ${parameterCount} parameters`, () => {
      const built = withModel(hyperparameters, (model) => model.countParams(), DATASETS.cifar10);
      assert.equal(built, parameterCount);
    });
  }

  test('has the shapes and parameters that network.ts describes, whatever the architecture', () => {
    const architecture = fc.record({
      widths: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }),
      activation: fc.constantFrom('relu' as const, 'none' as const),
      pooling: fc.constantFrom('max' as const, 'avg' as const, 'none' as const),
      depth: fc.integer({ min: 1, max: 3 }),
    });
    const side = fc.integer({ min: 5, max: 40 });
    const input = fc.record({
      height: side,
      width: side,
      channels: fc.integer({ min: 1, max: 4 }),
      classes: fc.integer({ min: 2, max: 12 }),
    });
    fc.assert(
      fc.property(architecture, input, (point, shape) => {
        const network = describeNetwork(point, shape);
        fc.pre(!vanishes(network));
        const [built, shapes] = withModel(point, (model) => [model.countParams(), shapesOf(model)], shape);
        assert.equal(built, network.parameterCount);
        const want = network.layers.map(({ kind, output }) => (kind === 'dense' ? [output[2]] : output));
        assert.deepEqual(shapes, want);
      }),
      { numRuns: 60 },
    );
  });

  test('ends in logits, not in probabilities', () => {
    const sum = withModel({}, (model) =>
      tf.tidy(() => tf.sum(model.apply(tf.ones([1, 20, 17, 2])) as ReturnType<typeof tf.ones>).dataSync()[0]),
    );
    assert.notEqual(Math.fround(sum ?? 1), 1);
  });

  test('is affine without activation and pooling, however deep', () => {
    withModel({ activation: 'none', pooling: 'none', depth: 2, widths: [4] }, (model) => {
      const [a, b] = [
        tf.randomNormal([1, 20, 17, 2], 0, 1, 'float32', 1),
        tf.randomNormal([1, 20, 17, 2], 0, 1, 'float32', 2),
      ];
      const out = (x: typeof a) => [...(model.apply(x) as typeof a).dataSync()];
      const [atSum, atZero, atA, atB] = [out(tf.add(a, b)), out(tf.zerosLike(a)), out(a), out(b)];
      for (const [at, value] of atSum.entries()) {
        assert.ok(Math.abs(value + (atZero[at] ?? 0) - (atA[at] ?? 0) - (atB[at] ?? 0)) < 1e-4);
      }
    });
  });

  test('is not affine with relu', () => {
    withModel({ pooling: 'none' }, (model) => {
      const x = tf.randomNormal([1, 20, 17, 2], 0, 1, 'float32', 1);
      const out = (input: typeof x) => (model.apply(input) as typeof x).dataSync()[0] ?? 0;
      assert.ok(Math.abs(out(x) + out(tf.neg(x)) - 2 * out(tf.zerosLike(x))) > 1e-3);
    });
  });

  test('averages with avg and takes the highest with max', () => {
    const layerOf = (pooling: 'avg' | 'max') =>
      withModel({ pooling }, (model) =>
        model.layers.map((layer) => layer.getClassName()).filter((name) => /Pool/.test(name)),
      );
    assert.deepEqual(layerOf('avg'), ['AveragePooling2D', 'AveragePooling2D']);
    assert.deepEqual(layerOf('max'), ['MaxPooling2D', 'MaxPooling2D']);
  });

  test('frees every tensor when it is disposed of', () => {
    const tensors = tf.memory().numTensors;
    withModel({}, () => undefined);
    assert.equal(tf.memory().numTensors, tensors);
  });
});

describe('initial weights', () => {
  test('are the same for the same seed', () => {
    assert.deepEqual(withModel({ seed: 5 }, weightsOf), withModel({ seed: 5 }, weightsOf));
  });

  test('are others for another seed, in every layer', () => {
    const [a, b] = [withModel({ seed: 5 }, weightsOf), withModel({ seed: 6 }, weightsOf)];
    for (const layer of [0, 2, 4]) assert.notDeepEqual(a[layer], b[layer]);
  });

  test('differ from layer to layer', () => {
    const [first, , second] = withModel({ widths: [2, 2], depth: 1 }, weightsOf);
    assert.notDeepEqual(first?.slice(0, 20), second?.slice(0, 20));
  });

  test('are the same to the last bit on plain JavaScript and on WebAssembly', async () => {
    const onWasm = withModel({ seed: 3 }, weightsOf);
    await tf.setBackend('cpu');
    const onCpu = withModel({ seed: 3 }, weightsOf);
    await tf.setBackend('wasm');
    assert.deepEqual(onWasm, onCpu);
  });

  test('are uniform within 1/√(inputs of the unit) and nearly as far, biases too, as in PyTorch', () => {
    const weights = withModel({ widths: [24, 40], depth: 1 }, weightsOf);
    const features = (weights[4]?.length ?? 0) / small.classes;
    for (const [layer, inputs] of [25 * 2, 25 * 24, features].entries()) {
      const limit = 1 / Math.sqrt(inputs);
      const [kernel = [], bias = []] = weights.slice(2 * layer, 2 * layer + 2);
      const furthest = Math.max(...kernel.map(Math.abs));
      assert.ok(furthest <= limit && furthest > 0.98 * limit, `layer ${layer}: ${furthest} of ${limit}`);
      assert.ok(
        bias.every((value) => value !== 0 && Math.abs(value) <= limit),
        `layer ${layer}: ${bias}`,
      );
      assert.ok(Math.abs(kernel.reduce((sum, value) => sum + value, 0) / kernel.length) < limit / 10);
    }
  });
});

test('layers have names of their own place, the same for every model of a process', () => {
  const want = [
    'cnn',
    'stage1_convolution1',
    'stage1_convolution2',
    'stage1_pool',
    'stage2_convolution1',
    'stage2_convolution2',
    'stage2_pool',
    'flatten',
    'classes',
  ];
  const input = { height: 32, width: 32, channels: 3, classes: 10 };
  for (const time of ['first', 'second']) assert.deepEqual(withModel({ depth: 2 }, namesOf, input), want, time);
});
