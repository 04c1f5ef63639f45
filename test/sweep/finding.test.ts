import assert from 'node:assert/strict';
import { test } from 'node:test';
import { excessOf, type FindingName, findingOf, keptEpochOf, percent, points } from '../../src/sweep/finding.ts';
import type { EpochFigures } from '../../src/sweep/measurement.ts';
import type { CurveSummary } from '../../src/sweep/result.ts';
import type { Selection } from '../../src/sweep/schema.ts';
import { makeSelection, makeSummary } from './builders.ts';

interface Case {
  readonly losses: (number | null)[];
  readonly figures?: Partial<EpochFigures>;
  readonly planned?: number;
  readonly selection?: Partial<Selection>;
  readonly want: FindingName;
  readonly reason?: string;
}

const lastEpoch = { checkpoint: 'LastEpoch' } as const;
/** Twenty epochs that fall to 1 at epoch 10, stay there, and end at `end`. */
const turning = (end: number) => [
  ...Array.from({ length: 9 }, (_, at) => 2 - at / 10),
  ...Array<number>(9).fill(1),
  end,
  end,
];

const cases: Record<string, Case> = {
  'a validation loss that ends 25 % above its minimum is overfit': {
    losses: turning(1.25),
    selection: lastEpoch,
    want: 'Overfit',
    reason: 'validation loss ends 25 % above its minimum (epoch 10); at most 10 % is allowed',
  },
  'a rise below the limit is healthy, and the reason has its numbers': {
    losses: turning(1.036),
    selection: lastEpoch,
    want: 'Healthy',
    reason: 'validation loss ends 3.6 % above its minimum (epoch 10), within 10 %',
  },
  'a rise exactly at the limit is not above it': { losses: turning(1.1), selection: lastEpoch, want: 'Healthy' },
  'a rise just above the limit is, and its reason does not read like the limit': {
    losses: turning(1.1001),
    selection: lastEpoch,
    want: 'Overfit',
    reason: 'validation loss ends just over 10 % above its minimum (epoch 10); at most 10 % is allowed',
  },
  'with maxLossRise 0 any rise is overfit': {
    losses: turning(1.001),
    selection: { ...lastEpoch, maxLossRise: 0 },
    want: 'Overfit',
    reason: 'validation loss ends 0.1 % above its minimum (epoch 10); at most 0 % is allowed',
  },
  'with maxLossRise 0 a loss that ends at its minimum is healthy': {
    losses: turning(1),
    selection: { ...lastEpoch, maxLossRise: 0 },
    want: 'Healthy',
    reason: 'kept at epoch 20, the minimum of the smoothed validation loss',
  },
  'a minimum of 0 that is left is overfit': {
    losses: turning(1)
      .map((loss) => loss - 1)
      .with(-1, 1e-3),
    selection: { ...lastEpoch, maxLossRise: 10 },
    want: 'Overfit',
    reason: 'validation loss ends over a million % above its minimum (epoch 10); at most 1000 % is allowed',
  },
  'a loss that stays 0 is healthy': {
    losses: turning(1).map((loss) => loss - 1),
    selection: lastEpoch,
    want: 'Healthy',
  },
  'one bad last epoch counts half': { losses: turning(1).with(-1, 1.18), selection: lastEpoch, want: 'Healthy' },
  'one bad epoch in the middle is smoothed away': {
    losses: turning(1).with(12, 9),
    selection: lastEpoch,
    want: 'Healthy',
  },
  'BestEpoch keeps the turning point, so the same curve is healthy and says what would have come': {
    losses: turning(1.72),
    want: 'Healthy',
    reason: 'kept at epoch 10; trained to 20 it would overfit (rise 72 %)',
  },
  'BestEpoch says nothing of a rise within the limit': {
    losses: turning(1.1),
    want: 'Healthy',
    reason: 'kept at epoch 10, the minimum of the smoothed validation loss',
  },
  'a lucky early epoch that is lower than the kept one is no minimum of the smoothed loss': {
    losses: [1.5, 1.4, 0.5, 1.3, 1.2, 1.1, 1.0, 0.95, 0.97, 0.98],
    want: 'Healthy',
    reason: 'kept at epoch 8, the minimum of the smoothed validation loss',
  },
  'BestEpoch that keeps a neighbour of the turning point says so': {
    losses: [3, 2, 1.1, 0.9, 0.8, 0.95, 0.95, 0.95, 0.95, 0.95],
    want: 'Healthy',
    reason: 'kept at epoch 5, next to the minimum of the smoothed validation loss (epoch 4)',
  },
  'a gap above its limit is overfit': {
    losses: turning(1),
    figures: { trainAccuracy: 0.8, validationAccuracy: 0.6 },
    selection: { maxAccuracyGap: 0.15 },
    want: 'Overfit',
    reason: 'training accuracy is 20 points above validation accuracy; the limit is 15 points',
  },
  'a gap exactly at its limit is not above it, though 0.65 − 0.5 is above 0.15 in binary': {
    losses: turning(1),
    figures: { trainAccuracy: 0.65, validationAccuracy: 0.5 },
    selection: { maxAccuracyGap: 0.15 },
    want: 'Healthy',
  },
  'one example above the limit of the gap is overfit': {
    losses: turning(1),
    figures: { trainAccuracy: 0.650001, validationAccuracy: 0.5 },
    selection: { maxAccuracyGap: 0.15 },
    want: 'Overfit',
    reason: 'training accuracy is just over 15 points above validation accuracy; the limit is 15 points',
  },
  'with a gap limit of 0 a model that is better on validation is healthy': {
    losses: turning(1),
    figures: { trainAccuracy: 0.5, validationAccuracy: 0.6 },
    selection: { maxAccuracyGap: 0 },
    want: 'Healthy',
  },
  'without a limit any gap is allowed': {
    losses: turning(1),
    figures: { trainAccuracy: 1, validationAccuracy: 0.1 },
    want: 'Healthy',
  },
  'the rise is named before the gap': {
    losses: turning(1.5),
    figures: { trainAccuracy: 1, validationAccuracy: 0.5 },
    selection: { ...lastEpoch, maxAccuracyGap: 0.1 },
    want: 'Overfit',
    reason: 'validation loss ends 50 % above its minimum (epoch 10); at most 10 % is allowed',
  },
  'a curve refused for its gap that turned later says both': {
    losses: turning(1.72),
    figures: { trainAccuracy: 0.8, validationAccuracy: 0.6 },
    selection: { maxAccuracyGap: 0.15 },
    want: 'Overfit',
    reason:
      'training accuracy is 20 points above validation accuracy; the limit is 15 points; kept at epoch 10; trained to 20 it would overfit (rise 72 %)',
  },
  'a turning point in the last tenth is still improving': {
    losses: Array.from({ length: 20 }, (_, at) => 2 - at / 20),
    want: 'StillImproving',
    reason: 'its smoothed validation loss had not turned by epoch 20: more epochs may help',
  },
  'a turning point at exactly nine tenths is not': {
    losses: [...Array.from({ length: 18 }, (_, at) => 2 - at / 20), 1.15, 1.15],
    want: 'Healthy',
  },
  'a curve that overfits is never still improving': {
    losses: [...Array<number>(17).fill(2), 0.9, 2, 1],
    selection: lastEpoch,
    want: 'Overfit',
  },
  'a late turning point that the last epoch leaves far behind says what would have come': {
    losses: [...Array<number>(17).fill(2), 0.9, 2, 1],
    want: 'StillImproving',
    reason: 'kept at epoch 18; trained to 20 it would overfit (rise 50 %)',
  },
  'a kept last epoch has nothing after it, whatever its smoothed loss': {
    losses: [...Array.from({ length: 17 }, () => 2), 1, 2, 0.9],
    want: 'StillImproving',
    reason:
      'its smoothed validation loss reached its minimum only at epoch 19 of 20: more epochs may help (it ends 45 % above)',
  },
  'a late minimum that is hardly left says by how much': {
    losses: [...Array<number>(17).fill(2), 1, 1.04, 1.02],
    selection: lastEpoch,
    want: 'StillImproving',
    reason:
      'its smoothed validation loss reached its minimum only at epoch 19 of 20: more epochs may help (it ends 1 % above)',
  },
  'a measured loss that rises in the last epoch, while the smoothed one falls, is not said to fall': {
    losses: [2.2, 2.15, 2.1, 2.05, 1.9604, 1.9815],
    want: 'StillImproving',
    reason: 'its smoothed validation loss had not turned by epoch 6: more epochs may help',
  },
  'one epoch of one is still improving': { losses: [2], want: 'StillImproving' },
  'two epochs of two that rise are raw: overfit at the last': {
    losses: [1, 1.2],
    selection: lastEpoch,
    want: 'Overfit',
  },
  'two epochs of two that rise: the first is kept': {
    losses: [1, 1.2],
    want: 'Healthy',
    reason: 'kept at epoch 1; trained to 2 it would overfit (rise 20 %)',
  },
  'two epochs of two that fall are still improving': { losses: [2, 1], want: 'StillImproving' },
  'fewer epochs than asked are incomplete': { losses: [3, 2], planned: 3, want: 'Incomplete', reason: '2 of 3 epochs' },
  'none of one epoch is incomplete': { losses: [], planned: 1, want: 'Incomplete', reason: '0 of 1 epoch' },
  'an incomplete curve is never overfit': {
    losses: turning(9).slice(0, 19),
    planned: 20,
    selection: lastEpoch,
    want: 'Incomplete',
  },
  'more epochs than asked are incomplete too': {
    losses: [3, 2, 1],
    planned: 2,
    want: 'Incomplete',
    reason: 'its 3 epochs are not 1 to 2 without a hole',
  },
  'a loss of null is diverged, complete or not': {
    losses: [3, null],
    planned: 3,
    want: 'Diverged',
    reason: 'a loss is not finite (after 2 epochs)',
  },
  'a training loss of null is diverged': {
    losses: [1],
    figures: { trainLoss: null },
    want: 'Diverged',
    reason: 'a loss is not finite (after 1 epoch)',
  },
  'a null loss far before the kept epoch is diverged': { losses: [null, ...turning(1).slice(1)], want: 'Diverged' },
};

for (const [sentence, { losses, figures, planned, selection, want, reason }] of Object.entries(cases))
  test(sentence, () => {
    const found = findingOf(4, makeSummary(losses, figures, planned), makeSelection(selection));
    assert.deepEqual([found.trial, found.finding, reason && found.reason], [4, want, reason]);
  });

test('a finding carries its numbers, at the kept epoch', () => {
  const summary = makeSummary(turning(1.25), {
    trainLoss: 0.5,
    trainAccuracy: 0.75,
    validationAccuracy: 0.5,
    validationLossStandardError: 0.25,
  });
  const numbers = {
    trial: 1,
    riseAtEnd: 0.25,
    gap: 0.25,
    turningEpoch: 10,
    bestEpoch: 10,
    rawBestEpoch: 10,
    epochsDone: 20,
    trainLoss: 0.5,
    trainAccuracy: 0.75,
    validationAccuracy: 0.5,
    validationLossStandardError: 0.25,
  };
  const best = findingOf(1, summary, makeSelection());
  assert.deepEqual(best, {
    ...numbers,
    finding: 'Healthy',
    reason: best.reason,
    rise: 0,
    keptEpoch: 10,
    validationLoss: 1,
  });
  const last = findingOf(1, summary, makeSelection(lastEpoch));
  assert.deepEqual(last, {
    ...numbers,
    finding: 'Overfit',
    reason: last.reason,
    rise: 0.25,
    keptEpoch: 20,
    validationLoss: 1.25,
  });
});

test('an empty curve has a finding of nulls', () => {
  const { trial, finding, reason, epochsDone, ...numbers } = findingOf(0, makeSummary([], {}, 15), makeSelection());
  assert.deepEqual([trial, finding, reason, epochsDone], [0, 'Incomplete', '0 of 15 epochs', 0]);
  assert.deepEqual(new Set(Object.values(numbers)), new Set([null]));
});

test('a rise is a finite number, whatever the losses', () => {
  for (const [minimum, end] of [
    [0, 1e308],
    [1e-300, 1e300],
    [5e-324, 1],
    [1.7e308, 1.79e308],
  ] as const) {
    const losses = [minimum, minimum, minimum, end, end];
    assert.ok(
      Number.isFinite(findingOf(0, makeSummary(losses), makeSelection(lastEpoch)).rise),
      `${minimum} to ${end}`,
    );
  }
});

test('a summary that contradicts itself never gets an eligible finding', () => {
  const summary = makeSummary(turning(1));
  const contradictions: Partial<CurveSummary>[] = [
    { best: null, last: null },
    { best: summary.best && { ...summary.best, validationLoss: null } },
    { best: summary.best && { ...summary.best, validationLoss: Number.NaN } },
  ];
  for (const contradiction of contradictions)
    assert.equal(findingOf(0, { ...summary, ...contradiction }, makeSelection()).finding, 'Incomplete');
});

test('LastEpoch keeps the last epoch, BestEpoch the best', () => {
  const summary = makeSummary(turning(2));
  assert.equal(keptEpochOf(summary, lastEpoch)?.epoch, 20);
  assert.equal(keptEpochOf(summary, { checkpoint: 'BestEpoch' })?.epoch, 10);
});

const excesses: Record<string, { rise: number; gap: number; selection: Partial<Selection>; want: number }> = {
  'the excess is the rise in limits': { rise: 0.5, gap: 0.9, selection: { maxLossRise: 0.25 }, want: 2 },
  'or the gap in limits, where one is set and it is larger': {
    rise: 0.5,
    gap: 0.75,
    selection: { maxLossRise: 0.25, maxAccuracyGap: 0.25 },
    want: 3,
  },
  'the larger of the two': { rise: 1, gap: 0.25, selection: { maxLossRise: 0.25, maxAccuracyGap: 0.25 }, want: 4 },
  'no rise under a limit of 0 is no excess': { rise: 0, gap: 0, selection: { maxLossRise: 0 }, want: 0 },
  'a rise under a limit of 0 is as large as can be': {
    rise: 1e-6,
    gap: 0,
    selection: { maxLossRise: 0 },
    want: Number.MAX_VALUE,
  },
  'never infinite': { rise: Number.MAX_VALUE, gap: 0, selection: { maxLossRise: 0.1 }, want: Number.MAX_VALUE },
};

for (const [sentence, { rise, gap, selection, want }] of Object.entries(excesses))
  test(`excess: ${sentence}`, () => {
    const finding = { ...findingOf(0, makeSummary([1]), makeSelection()), rise, gap };
    assert.equal(excessOf(finding, makeSelection(selection)), want);
  });

test('per cent have a decimal below ten', () => {
  assert.deepEqual([0, 0.002, 0.036, 0.04, 0.0999, 0.104, 0.246, 1.5, 9999, 10_000].map(percent), [
    '0 %',
    '0.2 %',
    '3.6 %',
    '4 %',
    '10 %',
    '10 %',
    '25 %',
    '150 %',
    '999900 %',
    'over a million %',
  ]);
});

test('points have a decimal below ten', () => {
  assert.deepEqual([0, 0.01, 0.1, 0.034, -0.0001, -0.02, 0.295].map(points), [
    '0 points',
    '1 point',
    '10 points',
    '3.4 points',
    '0 points',
    '-2 points',
    '30 points',
  ]);
});
