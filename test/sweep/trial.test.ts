import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandTrials, hashHyperparameters } from '../../src/sweep/trial.ts';
import { makeGrid, makePoint, makeStudy, makeSweep } from './builders.ts';

// Jobs and records in clusters carry these: a change here makes every one of them foreign.
const pinned: Record<string, { point: Parameters<typeof makePoint>[0]; want: string }> = {
  'the hash of (12,32) relu max is what it always was': { point: {}, want: '5672833f5e192736' },
  'the hash of a linear, deeper point is what it always was': {
    point: { widths: [12, 32], activation: 'none', pooling: 'none', depth: 2, learningRate: 1e-7, seed: 4_294_967_295 },
    want: 'ca981eb321e9a863',
  },
  'a hash keeps its leading zeros': { point: { seed: 600 }, want: '002597b7a4c360a4' },
};

for (const [sentence, { point, want }] of Object.entries(pinned))
  test(sentence, () => assert.equal(hashHyperparameters(makePoint(point)), want));

test('the hash does not depend on the order of keys', () => {
  const reversed = Object.fromEntries(Object.entries(makePoint()).reverse()) as unknown as ReturnType<typeof makePoint>;
  assert.equal(hashHyperparameters(reversed), hashHyperparameters(makePoint()));
});

test('every hyperparameter changes the hash', () => {
  const changes = [
    { widths: [12, 33] },
    { widths: [12] },
    { activation: 'none' },
    { pooling: 'avg' },
    { depth: 2 },
    { batchSize: 5 },
    { learningRate: 0.002 },
    { momentum: 0.8 },
    { seed: 1 },
  ] as const;
  const hashes = [{}, ...changes].map((change) => hashHyperparameters(makePoint(change)));
  assert.equal(new Set(hashes).size, hashes.length);
});

test('trials are numbered by their place in the grid, whatever the seed of the sweep', () => {
  const trials = expandTrials(makeStudy());
  assert.deepEqual(
    trials.map(({ trial }) => trial),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.equal(trials[2]?.hyperparametersHash, hashHyperparameters(makePoint()));
});

test('a point whose map vanishes is refused: parseSweep lets none through', () => {
  assert.throws(() => expandTrials(makeSweep({ grid: [makeGrid({ widths: [[3, 8, 16, 32]] })] })), RangeError);
});
