import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FindingName, findingOf } from '../../src/sweep/finding.ts';
import { type Contender, choose, isEligible } from '../../src/sweep/selection.ts';
import { makeSelection, makeSummary } from './builders.ts';

const finding = findingOf(0, makeSummary([1]), makeSelection());
type Row = [trial: number, validationLoss: number, parameterCount: number, standardError?: number];
const contender = ([trial, validationLoss, parameterCount, standardError = 0]: Row): Contender => ({
  trial,
  validationLoss,
  parameterCount,
  standardError,
  finding,
});

const cases: Record<string, { rows: Row[]; parsimony: [best: number, within: number]; none: number }> = {
  'a lone contender wins': { rows: [[3, 1, 10]], parsimony: [3, 1], none: 3 },
  'the lowest loss wins': {
    rows: [
      [0, 2, 1],
      [1, 1, 9],
    ],
    parsimony: [1, 1],
    none: 1,
  },
  'within one standard error of the best the fewest parameters win': {
    rows: [
      [0, 1, 100, 0.1],
      [1, 1.05, 10],
      [2, 1.2, 1],
    ],
    parsimony: [1, 2],
    none: 0,
  },
  'exactly one standard error away is within, though 0.7 + 0.1 is below 0.8 in binary': {
    rows: [
      [0, 0.7, 100, 0.1],
      [1, 0.8, 10],
    ],
    parsimony: [1, 2],
    none: 0,
  },
  'just beyond one standard error is not': {
    rows: [
      [0, 0.7, 100, 0.1],
      [1, 0.80001, 10],
    ],
    parsimony: [0, 1],
    none: 0,
  },
  'the standard error is the best trial’s, not the other’s': {
    rows: [
      [0, 1, 100, 0.01],
      [1, 1.05, 10, 9],
    ],
    parsimony: [0, 1],
    none: 0,
  },
  'of two equal in size within the error the lower loss wins': {
    rows: [
      [0, 1.05, 10],
      [1, 1.02, 10],
      [2, 1, 99, 0.1],
    ],
    parsimony: [1, 3],
    none: 2,
  },
  'of two equal in size and loss the lower index wins': {
    rows: [
      [4, 1, 10],
      [2, 1, 10],
    ],
    parsimony: [2, 2],
    none: 2,
  },
  'without a standard error only equals are within, and the smaller wins': {
    rows: [
      [0, 1, 100],
      [1, 1, 10],
    ],
    parsimony: [1, 2],
    none: 1,
  },
  'of equal losses the best trial, whose error counts, is the smaller one': {
    rows: [
      [0, 1, 100, 9],
      [1, 1, 50, 0.1],
      [2, 1.5, 1],
    ],
    parsimony: [1, 2],
    none: 1,
  },
  'of equal losses and sizes the error of the lower index counts': {
    rows: [
      [1, 1, 50, 9],
      [0, 1, 50, 0.1],
      [2, 1.5, 1],
    ],
    parsimony: [0, 2],
    none: 0,
  },
  'an error beyond every number lets all in': {
    rows: [
      [0, 1e308, 9, 1.7e308],
      [1, 1.1e308, 1],
    ],
    parsimony: [1, 2],
    none: 0,
  },
};

for (const [sentence, { rows, parsimony, none }] of Object.entries(cases))
  test(sentence, () => {
    for (const contenders of [rows.map(contender), rows.toReversed().map(contender)]) {
      const choice = choose(contenders, 'OneStandardError');
      assert.deepEqual([choice?.best.trial, choice?.withinOneStandardError.length], parsimony);
      assert.equal(choice?.lowest.trial, none);
      assert.equal(choose(contenders, 'None')?.best.trial, none);
    }
  });

test('nobody of none', () => assert.equal(choose([], 'OneStandardError'), undefined));

test('whatever the contenders, their order does not matter', () => {
  const rows = fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 2 }),
    ),
    { selector: ([trial]) => trial, maxLength: 8 },
  );
  const shuffled = rows.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(shuffled, fc.constantFrom('OneStandardError', 'None'), ([list, other], parsimony) => {
      assert.deepEqual(choose(other.map(contender), parsimony), choose(list.map(contender), parsimony));
    }),
  );
});

test('only healthy and still improving trials are eligible', () => {
  const names: FindingName[] = ['Healthy', 'StillImproving', 'Overfit', 'Diverged', 'Incomplete'];
  assert.deepEqual(
    names.filter((name) => isEligible({ ...finding, finding: name })),
    ['Healthy', 'StillImproving'],
  );
});
