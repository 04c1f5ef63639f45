import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { epochOrder, splitTrainingSet } from '../../src/trainer/split.ts';

const labelLists = fc.uint8Array({ max: 9, minLength: 1, maxLength: 400 });
const fractions = fc.double({ min: 0, max: 0.95, noNaN: true });
const cases = fc.record({ labels: labelLists, seed: fc.maxSafeInteger(), validationFraction: fractions });
const cifarLabels = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 7) % 10);

function countByClass(labels: Uint8Array, indices: Iterable<number>): number[] {
  const counts: number[] = Array(10).fill(0);
  for (const index of indices) {
    const label = labels[index] ?? -1;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts;
}

function assertStratified(labels: Uint8Array, whole: Iterable<number>, part: Uint32Array): void {
  const sizes = countByClass(labels, whole);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  for (const [label, found] of countByClass(labels, part).entries()) {
    const fair = total === 0 ? 0 : (part.length * (sizes[label] ?? 0)) / total;
    assert.ok(Math.abs(found - fair) < 1, `class ${label}: ${found} of a fair share of ${fair}`);
  }
}

test('training and validation sets have no example in common and together are the whole training set', () =>
  fc.assert(
    fc.property(cases, ({ labels, ...options }) => {
      const { training, validation } = splitTrainingSet(labels, options);
      const all = [...training, ...validation].sort((a, b) => a - b);
      assert.deepEqual(all, [...labels.keys()]);
    }),
  ));

test('the validation set has exactly the rounded fraction of the examples', () =>
  fc.assert(
    fc.property(cases, ({ labels, ...options }) => {
      const { validation } = splitTrainingSet(labels, options);
      assert.equal(validation.length, Math.round(options.validationFraction * labels.length));
    }),
  ));

test('a limited training set has exactly as many examples as asked, or all if there are fewer', () =>
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 500 }), ({ labels, ...options }, trainingExamples) => {
      const { training, validation } = splitTrainingSet(labels, { ...options, trainingExamples });
      assert.equal(training.length, Math.min(trainingExamples, labels.length - validation.length));
    }),
  ));

test('each class has its share of the validation set, the limited training set and the training subset, to within one', () =>
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 500 }), ({ labels, ...options }, trainingExamples) => {
      const unlimited = splitTrainingSet(labels, options);
      const limited = splitTrainingSet(labels, { ...options, trainingExamples });
      assertStratified(labels, labels.keys(), unlimited.validation);
      assertStratified(labels, unlimited.training, limited.training);
      assertStratified(labels, limited.training, limited.trainingSubset);
    }),
  ));

test('a limit takes examples away from the training set and leaves the validation set as it was', () =>
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 500 }), ({ labels, ...options }, trainingExamples) => {
      const unlimited = splitTrainingSet(labels, options);
      const limited = splitTrainingSet(labels, { ...options, trainingExamples });
      const all = new Set(unlimited.training);
      assert.deepEqual(limited.validation, unlimited.validation);
      assert.ok(limited.training.every((index) => all.has(index)));
    }),
  ));

test('the training subset is part of the training set and as large as the validation set where possible', () =>
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 500 }), ({ labels, ...options }, trainingExamples) => {
      const split = splitTrainingSet(labels, { ...options, trainingExamples });
      const training = new Set(split.training);
      assert.equal(split.trainingSubset.length, Math.min(split.validation.length, split.training.length));
      assert.ok(split.trainingSubset.every((index) => training.has(index)));
      assert.equal(new Set(split.trainingSubset).size, split.trainingSubset.length);
    }),
  ));

test('the same seed gives the same split, in ascending order', () =>
  fc.assert(
    fc.property(cases, ({ labels, ...options }) => {
      const split = splitTrainingSet(labels, options);
      assert.deepEqual(splitTrainingSet(labels, options), split);
      for (const part of Object.values(split)) assert.deepEqual(part, part.slice().sort());
    }),
  ));

test('another seed gives another split', () =>
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (seed, other) => {
      fc.pre(seed !== other);
      const labels = cifarLabels.subarray(0, 1000);
      const split = splitTrainingSet(labels, { seed, validationFraction: 0.1 });
      assert.notDeepEqual(splitTrainingSet(labels, { seed: other, validationFraction: 0.1 }), split);
    }),
  ));

test('a tenth of CIFAR-10 leaves 4,500 of each class for training and 500 for validation', () => {
  const split = splitTrainingSet(cifarLabels, { seed: 0, validationFraction: 0.1, trainingExamples: 45_000 });
  assert.deepEqual(countByClass(cifarLabels, split.training), Array(10).fill(4500));
  assert.deepEqual(countByClass(cifarLabels, split.validation), Array(10).fill(500));
  assert.deepEqual(countByClass(cifarLabels, split.trainingSubset), Array(10).fill(500));
});

test('the split and the epochs of seed 0 stay what they were when the first sweeps were recorded', () => {
  const { validation, trainingSubset } = splitTrainingSet(cifarLabels, { seed: 0, validationFraction: 0.1 });
  const md5 = (indices: Uint32Array) => createHash('md5').update(indices).digest('hex');
  assert.deepEqual([...validation.subarray(0, 6)], [7, 10, 12, 15, 24, 30]);
  assert.equal(md5(validation), '4d486e11146dc841a76dfcb0b8acb906');
  assert.equal(md5(trainingSubset), '920ca2ea9b176c5a3b81c56db74e649f');
  assert.equal(md5(epochOrder(45_000, 0, 1)), '2ce6b300b9a4bd7c29fe3991f71c0366');
});

test('a fraction of 1 or a limit of 0 is refused with its value', () => {
  const labels = cifarLabels.subarray(0, 10);
  for (const validationFraction of [1, -0.1, Number.NaN])
    assert.throws(() => splitTrainingSet(labels, { seed: 0, validationFraction }), /validationFraction .* got/);
  for (const trainingExamples of [0, -1, Number.NaN])
    assert.throws(
      () => splitTrainingSet(labels, { seed: 0, validationFraction: 0.1, trainingExamples }),
      /trainingExamples .* got/,
    );
});

test('an epoch visits every position once, in an order that depends on seed and epoch alone', () => {
  const third = epochOrder(1000, 5, 3);
  epochOrder(1000, 5, 4);
  assert.deepEqual(epochOrder(1000, 5, 3), third);
  assert.deepEqual(
    [...third].sort((a, b) => a - b),
    [...Array(1000).keys()],
  );
  for (const [seed, epoch] of [
    [5, 4],
    [6, 3],
  ] as const)
    assert.notDeepEqual(epochOrder(1000, seed, epoch), third);
});

test('epoch 0 is refused, since its order would be the one that made the split', () =>
  assert.throws(() => epochOrder(10, 0, 0), /epoch must be at least 1, got 0/));
