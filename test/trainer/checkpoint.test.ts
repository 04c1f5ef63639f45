import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { summarise } from '../../src/sweep/curve.ts';
import { keptEpochOf } from '../../src/sweep/finding.ts';
import { openBackend } from '../../src/trainer/backend.ts';
import { Checkpoint } from '../../src/trainer/checkpoint.ts';
import { buildModel } from '../../src/trainer/model.ts';
import type { Sequential, Tf } from '../../src/trainer/tf.ts';
import { makeEpochs, makePoint } from '../sweep/builders.ts';

const RULES = ['BestEpoch', 'LastEpoch'] as const;

let tf: Tf;
let model: Sequential;
before(async () => {
  ({ tf } = await openBackend('cpu', { warn: assert.fail }));
  model = buildModel(tf, makePoint({ widths: [2], pooling: 'none' }), { height: 5, width: 5, channels: 1, classes: 2 });
});
after(() => model.dispose());

/** Weights that say of which epoch they are: no two alike in a model. */
function train(epoch: number): void {
  for (const [at, weight] of model.trainableWeights.entries()) {
    const values = Float32Array.from({ length: weight.read().size }, (_, place) => 1000 * epoch + 100 * at + place);
    tf.tidy(() => void weight.write(tf.tensor(values, weight.shape as number[])));
  }
}

const weights = () => model.trainableWeights.map((weight) => Float32Array.from(weight.read().dataSync()));

/** Offers every epoch, and asks after each whether the run could end there. */
function offerAll(
  rule: (typeof RULES)[number],
  losses: readonly (number | null)[],
  check: (checkpoint: Checkpoint, done: number) => void,
) {
  const checkpoint = new Checkpoint(rule);
  for (const figures of makeEpochs(losses)) {
    train(figures.epoch);
    checkpoint.offer(figures, model);
    check(checkpoint, figures.epoch);
  }
  return checkpoint;
}

const anyLosses = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(0.5, 1, 1.5, 2) },
    { weight: 3, arbitrary: fc.double({ min: 0, max: 5, noNaN: true }) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  { minLength: 1, maxLength: 30 },
);

for (const rule of RULES) {
  test(`${rule}: wherever a run ends, the epoch that its summary names is held, whatever its losses`, () => {
    fc.assert(
      fc.property(anyLosses, (losses) => {
        offerAll(rule, losses, (checkpoint, done) => {
          const kept = keptEpochOf(summarise(makeEpochs(losses.slice(0, done)), losses.length), { checkpoint: rule });
          if (kept) assert.ok(checkpoint.held.includes(kept.epoch), `epoch ${kept.epoch} of ${checkpoint.held}`);
        });
      }),
      { numRuns: 400 },
    );
  });
}

test('BestEpoch never holds more than four epochs', () => {
  fc.assert(
    fc.property(anyLosses, (losses) => {
      offerAll('BestEpoch', losses, ({ held }) => assert.ok(held.length <= 4, `${held}`));
    }),
  );
});

test('LastEpoch holds the last epoch alone', () => {
  offerAll('LastEpoch', [3, 1, 2, null, 5], ({ held }, done) => assert.deepEqual(held, [done]));
});

describe('the weights of BestEpoch', () => {
  const cases: Record<string, { losses: (number | null)[]; want: number[] }> = {
    'are those of the last three epochs while the loss falls': { losses: [5, 4, 3, 2, 1], want: [3, 4, 5] },
    'are the best and the last three long after the turn': { losses: [3, 1, 2, 3, 4, 5, 6, 7], want: [2, 6, 7, 8] },
    'are not those of a lucky epoch that smoothing does not trust': {
      losses: [5, 4, 0, 6, 5, 3, 2, 3, 4, 5],
      want: [7, 8, 9, 10],
    },
    'are of the earlier of equals': { losses: [2, 1, 1, 1, 2, 2, 2, 2], want: [2, 6, 7, 8] },
  };
  for (const [sentence, { losses, want }] of Object.entries(cases)) {
    test(sentence, () => assert.deepEqual(offerAll('BestEpoch', losses, () => undefined).held, want));
  }
});

describe('restoring', () => {
  test('puts back every value as it was, though training went on', () => {
    const checkpoint = new Checkpoint('BestEpoch');
    const [first = assert.fail(), second = assert.fail()] = makeEpochs([1, 2]);
    train(1);
    checkpoint.offer(first, model);
    const before = weights();
    train(2);
    checkpoint.offer(second, model);
    assert.notDeepEqual(weights(), before);
    checkpoint.restore(tf, model, 1);
    assert.deepEqual(weights(), before);
  });

  test('keeps what is held apart from the model: it can be done again', () => {
    const checkpoint = offerAll('BestEpoch', [1, 2], () => undefined);
    checkpoint.restore(tf, model, 1);
    const before = weights();
    train(9);
    checkpoint.restore(tf, model, 1);
    assert.deepEqual(weights(), before);
  });

  test('leaves no tensor behind', () => {
    const checkpoint = offerAll('LastEpoch', [1, 2], () => undefined);
    const tensors = tf.memory().numTensors;
    checkpoint.restore(tf, model, 2);
    assert.equal(tf.memory().numTensors, tensors);
  });

  test('an epoch that is not held is refused, and the model stays as it was', () => {
    const checkpoint = offerAll('LastEpoch', [1, 2], () => undefined);
    const before = weights();
    assert.throws(
      () => checkpoint.restore(tf, model, 1),
      new RangeError('the weights of epoch 1 are not held, only 2'),
    );
    assert.deepEqual(weights(), before);
  });
});
