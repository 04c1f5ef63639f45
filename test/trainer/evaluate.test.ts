import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { openBackend } from '../../src/trainer/backend.ts';
import { crossEntropy, evaluate } from '../../src/trainer/evaluate.ts';
import { imagesAt, labelsAt } from '../../src/trainer/minibatch.ts';
import { buildModel } from '../../src/trainer/model.ts';
import type { Sequential, Tf } from '../../src/trainer/tf.ts';
import { makePoint } from '../sweep/builders.ts';
import { makeExamples, makeImages } from './builders.ts';

let tf: Tf;
before(async () => {
  ({ tf } = await openBackend('wasm', { warn: assert.fail }));
});

const close = (a: number, b: number, within: number) => assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`);

describe('the cross-entropy of one example', () => {
  test('is the naive formula, where that does not overflow', () => {
    const logits = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(logits, fc.nat(), (scores, some) => {
        const label = some % scores.length;
        const naive = -Math.log(Math.exp(scores[label] ?? 0) / scores.reduce((sum, score) => sum + Math.exp(score), 0));
        close(crossEntropy(scores, label), naive, 1e-9);
      }),
    );
  });

  test('is never below 0', () => {
    const logits = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 12 });
    fc.assert(fc.property(logits, fc.nat(), (scores, some) => crossEntropy(scores, some % scores.length) >= 0));
  });

  const cases: Record<string, { logits: number[]; label: number; want: number }> = {
    'of equal logits is the logarithm of the classes': { logits: [0, 0, 0, 0], label: 2, want: Math.log(4) },
    'of logits beyond exp is their distance': { logits: [5000, -5000], label: 1, want: 10_000 },
    'of a sure and right answer is 0': { logits: [1e30, 0], label: 0, want: 0 },
    'with a NaN anywhere is NaN': { logits: [1, Number.NaN, 2], label: 0, want: Number.NaN },
    'with a NaN at the front is NaN': { logits: [Number.NaN, 1, 2], label: 2, want: Number.NaN },
    'with a positive infinity is NaN': { logits: [1, Number.POSITIVE_INFINITY], label: 0, want: Number.NaN },
    'of a class at minus infinity is infinite': { logits: [Number.NEGATIVE_INFINITY, 1], label: 0, want: Infinity },
    'of a label beyond the logits is NaN': { logits: [1, 2], label: 2, want: Number.NaN },
  };
  for (const [sentence, { logits, label, want }] of Object.entries(cases)) {
    test(sentence, () => assert.equal(crossEntropy(logits, label), want));
  }
});

describe('an evaluation', () => {
  const set = makeImages({ count: 37, side: 8 });
  let model: Sequential;
  before(() => {
    model = buildModel(tf, makePoint({ widths: [3], pooling: 'avg', seed: 4 }), {
      height: 8,
      width: 8,
      channels: 1,
      classes: 10,
    });
  });
  after(() => model.dispose());

  /** What a naive reader would do: each image by itself. */
  function oneByOne() {
    const losses: number[] = [];
    let right = 0;
    for (let index = 0; index < set.count; index++) {
      const at = Uint32Array.of(index);
      const logits = tf.tidy(() => [...(model.apply(imagesAt(tf, set, at)) as ReturnType<Tf['tensor']>).dataSync()]);
      losses.push(crossEntropy(logits, set.labels[index] ?? 0));
      if (logits.indexOf(Math.max(...logits)) === set.labels[index]) right++;
    }
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (losses.length - 1);
    return { loss: mean, lossStandardError: Math.sqrt(variance / losses.length), accuracy: right / losses.length };
  }

  test('is the mean of the examples, its standard error by the textbook, and the share that is right', async () => {
    const [evaluation, want] = [await evaluate(tf, model, makeExamples(set)), oneByOne()];
    close(evaluation.loss, want.loss, 1e-6);
    close(evaluation.lossStandardError, want.lossStandardError, 1e-6);
    assert.equal(evaluation.accuracy, want.accuracy);
    assert.ok(want.lossStandardError > 1e-3 && want.accuracy > 0, 'the example is too plain to prove it');
  });

  test('of several batches is that of one by one: 700 images, at most 500 at once', async () => {
    const indices = Uint32Array.from({ length: 700 }, (_, at) => (at * 5) % 37);
    let batches = 0;
    const evaluation = await evaluate(tf, model, { set, indices }, () => {
      batches++;
      return undefined;
    });
    const ones = await Promise.all(
      Array.from({ length: 37 }, (_, at) => evaluate(tf, model, { set, indices: Uint32Array.of(at) })),
    );
    const sum = (figure: 'loss' | 'accuracy') =>
      indices.reduce((total, index) => total + (ones[index]?.[figure] ?? 0), 0);
    assert.equal(batches, 2);
    close(evaluation.loss, sum('loss') / 700, 1e-6);
    close(evaluation.accuracy, sum('accuracy') / 700, 1e-12);
  });

  test('holds a feature map of at most 32 MiB: a wide network takes fewer images at once', async () => {
    const wide = buildModel(tf, makePoint({ widths: [700], pooling: 'max' }), {
      height: 24,
      width: 24,
      channels: 1,
      classes: 10,
    });
    const images = makeImages({ count: 30, side: 24 });
    let batches = 0;
    await evaluate(tf, wide, makeExamples(images), () => {
      batches++;
      return undefined;
    });
    wide.dispose();
    assert.equal(batches, 2); // 20 × 20 × 700 floats: 29 images
  });

  test('looks at the images that the indices name, in any order, repeats included', async () => {
    const some = await evaluate(tf, model, { set, indices: Uint32Array.of(5, 36, 5) });
    const [five, last] = [
      await evaluate(tf, model, { set, indices: Uint32Array.of(5) }),
      await evaluate(tf, model, { set, indices: Uint32Array.of(36) }),
    ];
    close(some.loss, (2 * five.loss + last.loss) / 3, 1e-6);
  });

  test('of one example has no standard error to speak of', async () => {
    assert.equal((await evaluate(tf, model, { set, indices: Uint32Array.of(5) })).lossStandardError, 0);
  });

  test('of examples that all have the same loss has a standard error of 0, rounding or not', async () => {
    const { lossStandardError } = await evaluate(tf, model, { set, indices: new Uint32Array(37).fill(3) });
    close(lossStandardError, 0, 1e-8);
  });

  test('repeats to the last digit', async () => {
    assert.deepEqual(await evaluate(tf, model, makeExamples(set)), await evaluate(tf, model, makeExamples(set)));
  });

  test('waits for the pause after each batch', async () => {
    let rested = false;
    await evaluate(tf, model, makeExamples(set), async () => {
      await new Promise((resolve) => setImmediate(resolve));
      rested = true;
    });
    assert.ok(rested);
  });

  test('ends when the pause rejects', async () => {
    await assert.rejects(
      evaluate(tf, model, makeExamples(set), () => Promise.reject(new Error('stopped'))),
      /stopped/,
    );
  });

  test('takes the first of equal classes', async () => {
    const blank = buildModel(tf, makePoint({ widths: [3] }), { height: 8, width: 8, channels: 1, classes: 10 });
    for (const weight of blank.trainableWeights) weight.write(tf.zeros(weight.shape as number[]));
    const { loss, accuracy } = await evaluate(tf, blank, makeExamples(set));
    blank.dispose();
    close(loss, Math.log(10), 1e-6);
    assert.equal(accuracy, 4 / 37); // images 0, 10, 20 and 30 are of class 0
  });

  test('leaves no tensor behind', async () => {
    const tensors = tf.memory().numTensors;
    await evaluate(tf, model, makeExamples(set));
    assert.equal(tf.memory().numTensors, tensors);
  });

  test('of a model that has become NaN is NaN and never right', async () => {
    const broken = buildModel(tf, makePoint({ widths: [3] }), { height: 8, width: 8, channels: 1, classes: 10 });
    for (const weight of broken.trainableWeights) weight.write(tf.fill(weight.shape as number[], Number.NaN));
    const { loss, lossStandardError, accuracy } = await evaluate(tf, broken, makeExamples(set));
    broken.dispose();
    assert.deepEqual([loss, lossStandardError, accuracy], [Number.NaN, Number.NaN, 0]);
  });
});

describe('a minibatch', () => {
  test('scales bytes to -1 … 1, in the order of the indices', () => {
    const images = Uint8Array.of(0, 51, 102, 255);
    const set = { images, labels: Uint8Array.of(9, 8), count: 2, height: 1, width: 2, channels: 1 };
    const tensor = imagesAt(tf, set, Uint32Array.of(1, 0, 1));
    assert.deepEqual(tensor.shape, [3, 1, 2, 1]);
    const scaled = (bytes: number[]) => bytes.map((byte) => Math.fround(byte / 127.5 - 1));
    assert.deepEqual([...tensor.dataSync()], scaled([102, 255, 0, 51, 102, 255]));
    tensor.dispose();
    assert.deepEqual(labelsAt(set, Uint32Array.of(1, 0, 1)), Int32Array.of(8, 9, 8));
  });
});
