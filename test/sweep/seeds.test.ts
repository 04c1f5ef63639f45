import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Finding } from '../../src/sweep/finding.ts';
import { groupBySeed } from '../../src/sweep/seeds.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { makeGrid, makeSweep } from './builders.ts';

const widths = [
  [3, 8],
  [6, 16],
];
/** Trials 0 to 2 are (3,8) with seeds 5, 6, 7; 3 to 5 are (6,16). */
const trials = expandTrials(makeSweep({ grid: [makeGrid({ widths, seed: [5, 6, 7] })] }));

type Judged = Pick<Finding, 'trial' | 'finding' | 'validationLoss' | 'validationAccuracy'>;

function judged(losses: readonly (number | null)[], finding: Finding['finding'] = 'Healthy'): Judged[] {
  return losses.map((validationLoss, trial) => ({ trial, finding, validationLoss, validationAccuracy: 0.5 }));
}

test('each network has the mean and the spread of its seeds, by the index of its first trial', () => {
  const [first, second, ...others] = groupBySeed(trials, judged([1, 1.2, 1.4, 2, 2, 2]));
  assert.deepEqual(others, []);
  assert.deepEqual([first?.network, first?.trials, first?.seeds], ['(3,8) relu max', [0, 1, 2], [5, 6, 7]]);
  assert.deepEqual([first?.compared, first?.eligible], [3, 3]);
  assert.ok(Math.abs((first?.meanValidationLoss ?? 0) - 1.2) < 1e-12);
  assert.ok(Math.abs((first?.standardDeviation ?? 0) - 0.2) < 1e-12, 'of a sample: n − 1');
  assert.deepEqual([first?.lowestValidationLoss, first?.highestValidationLoss], [1, 1.4]);
  assert.deepEqual([second?.meanValidationLoss, second?.standardDeviation], [2, 0]);
});

test('a trial that diverged or did not finish is counted, not averaged; one that overfits is averaged', () => {
  const findings = judged([1, 9, 2, 2, 2, 2]).map((one) => {
    const finding = ({ 1: 'Diverged', 3: 'Overfit', 4: 'Incomplete', 5: 'Incomplete' } as const)[one.trial];
    return finding ? { ...one, finding } : one;
  });
  const [first, second] = groupBySeed(trials, findings);
  assert.deepEqual([first?.compared, first?.eligible, first?.meanValidationLoss], [2, 2, 1.5]);
  assert.deepEqual([second?.compared, second?.eligible, second?.meanValidationLoss], [1, 0, 2]);
  assert.equal(second?.standardDeviation, null, 'one figure has no spread');
});

test('a network of which nothing is recorded has no figures', () => {
  const [first] = groupBySeed(trials, []);
  assert.deepEqual([first?.trials, first?.compared, first?.meanValidationLoss], [[0, 1, 2], 0, null]);
});

test('without seed as an axis there is nothing to compare', () => {
  const one = expandTrials(makeSweep({ grid: [makeGrid({ widths })] }));
  assert.deepEqual(groupBySeed(one, judged([1, 2])), []);
});

test('networks that differ in anything but the seed are not mixed', () => {
  const grid = [makeGrid({ seed: [0, 1], learningRate: [0.1, 0.01], momentum: [0, 0.9], batchSize: [4, 8] })];
  const groups = groupBySeed(expandTrials(makeSweep({ grid })), []);
  assert.equal(groups.length, 8);
  for (const { seeds } of groups) assert.deepEqual(seeds, [0, 1]);
  assert.equal(new Set(groups.map(({ hyperparameters }) => JSON.stringify(hyperparameters))).size, 8);
});

test('a mean lies between the lowest and the highest, in whatever order the findings come', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 6, maxLength: 6 }), (losses) => {
      const groups = groupBySeed(trials, judged(losses));
      assert.deepEqual(
        groupBySeed(trials, judged(losses).toReversed()).map(({ trials: t }) => t),
        groups.map(({ trials: t }) => t),
      );
      for (const { meanValidationLoss, lowestValidationLoss, highestValidationLoss, standardDeviation } of groups) {
        const [low, mean, high] = [
          lowestValidationLoss ?? NaN,
          meanValidationLoss ?? NaN,
          highestValidationLoss ?? NaN,
        ];
        assert.ok(low <= mean + 1e-9 && mean <= high + 1e-9);
        assert.ok((standardDeviation ?? -1) >= 0 && (standardDeviation ?? -1) <= high - low + 1e-9);
      }
    }),
  );
});
