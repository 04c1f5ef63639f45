import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fold, lowestLoss, smoothLosses, summarise } from '../../src/sweep/curve.ts';
import type { Measurement } from '../../src/sweep/measurement.ts';
import { epochsOf, makeEpochs, makeFigures, makeMeasurement, makeSummary } from './builders.ts';

const m = (trial: number, attempt: number, attemptUID: string, epoch: number, validationLoss = 1): Measurement =>
  makeMeasurement({ trial, attempt, attemptUID, epoch, validationLoss });

const folds: Record<string, { log: Measurement[]; recorded?: [number, string][]; want: [number, string, number[]][] }> =
  {
    'an empty log has no curves': { log: [], want: [] },
    'epochs are put in order': {
      log: [m(0, 1, 'a', 3), m(0, 1, 'a', 1), m(0, 1, 'a', 2)],
      want: [[0, 'a', [1, 2, 3]]],
    },
    'trials are put in order, the tenth after the second': {
      log: [m(10, 1, 'b', 1), m(2, 1, 'a', 1)],
      want: [
        [2, 'a', [1]],
        [10, 'b', [1]],
      ],
    },
    'identical repeats count once': { log: [m(0, 1, 'a', 1), m(0, 1, 'a', 1)], want: [[0, 'a', [1]]] },
    'a later attempt takes the place of an earlier one, complete or not': {
      log: [m(0, 1, 'a', 1), m(0, 1, 'a', 2), m(0, 2, 'b', 1)],
      want: [[0, 'b', [1]]],
    },
    'an earlier attempt that reports late changes nothing': {
      log: [m(0, 2, 'b', 1), m(0, 1, 'a', 1), m(0, 1, 'a', 2)],
      want: [[0, 'b', [1]]],
    },
    'attempts are compared as numbers: the tenth is after the ninth': {
      log: [m(0, 10, 'b', 1), m(0, 9, 'a', 1)],
      want: [[0, 'b', [1]]],
    },
    'after an eviction, the same attempt under a new UID, the one that began last stays': {
      log: [m(0, 1, 'a', 1), m(0, 1, 'b', 1), m(0, 1, 'a', 2)],
      want: [[0, 'b', [1]]],
    },
    'epochs of two UIDs are never mixed': {
      log: [m(0, 1, 'a', 1), m(0, 1, 'a', 2), m(0, 1, 'b', 3)],
      want: [[0, 'b', [3]]],
    },
    'the recorded attempt is the curve even if another began later': {
      log: [m(0, 1, 'a', 1), m(0, 2, 'b', 1)],
      recorded: [[0, 'a']],
      want: [[0, 'a', [1]]],
    },
    'a recorded attempt that never reported has no curve, and no other stands in': {
      log: [m(0, 1, 'a', 1), m(1, 1, 'c', 1)],
      recorded: [[0, 'lost']],
      want: [[1, 'c', [1]]],
    },
  };

for (const [sentence, { log, recorded, want }] of Object.entries(folds))
  test(sentence, () => {
    const curves = fold(log, new Map(recorded));
    assert.deepEqual(
      [...curves].map(([trial, curve]) => [trial, curve.attemptUID, epochsOf(curve)]),
      want,
    );
    for (const [trial, curve] of curves) assert.equal(curve.trial, trial);
  });

test('of two that conflict the earlier in the log stays', () => {
  const curve = fold([m(0, 1, 'a', 1, 0.5), m(0, 1, 'a', 1, 0.1), m(0, 1, 'a', 2, 0.4)]).get(0);
  assert.deepEqual(
    curve?.epochs.map(({ validationLoss }) => validationLoss),
    [0.5, 0.4],
  );
});

test('a curve holds figures without an address', () => {
  assert.deepEqual(fold([makeMeasurement({ trial: 7 })]).get(7), {
    trial: 7,
    attempt: 1,
    attemptUID: 'first',
    epochs: [makeFigures()],
  });
});

// Every UID belongs to one attempt number, and every (UID, epoch) has one set of values: what a trainer can really send.
const consistentLogs = fc.array(
  fc
    .record({
      trial: fc.integer({ min: 0, max: 2 }),
      attempt: fc.integer({ min: 1, max: 3 }),
      epoch: fc.integer({ min: 1, max: 5 }),
    })
    .map(({ trial, attempt, epoch }) =>
      m(trial, attempt, `${trial}-${attempt}`, epoch, trial + attempt / 10 + epoch / 100),
    ),
  { maxLength: 40 },
);

test('order of arrival and identical repeats do not matter', () => {
  const shuffled = consistentLogs.chain((log) =>
    fc.tuple(fc.constant(log), fc.shuffledSubarray([...log, ...log], { minLength: log.length * 2 })),
  );
  fc.assert(fc.property(shuffled, ([log, other]) => assert.deepEqual([...fold(other)], [...fold(log)])));
});

const smoothings: Record<string, { losses: (number | null)[]; want: number[] }> = {
  'no epoch, no loss': { losses: [], want: [] },
  'one epoch is not smoothed': { losses: [2], want: [2] },
  'two epochs are not smoothed': { losses: [2, 1], want: [2, 1] },
  'three epochs: the mean of two at the ends, the median in the middle': { losses: [4, 1, 2], want: [2.5, 2, 1.5] },
  'one bad epoch is smoothed away': { losses: [1, 1, 9, 1, 1], want: [1, 1, 1, 1, 1] },
  'one lucky epoch is smoothed away': { losses: [3, 3, 0, 3, 3], want: [3, 3, 3, 3, 3] },
  'the median is by value, not by place': { losses: [10, 9, 2, 1], want: [9.5, 9, 2, 1.5] },
  'a loss that is not finite counts as infinite': { losses: [1, null, 2, 3], want: [Infinity, 2, 3, 2.5] },
  'NaN counts as infinite too': { losses: [1, Number.NaN, 2, 3], want: [Infinity, 2, 3, 2.5] },
  'the mean of two of the largest numbers is finite': {
    losses: [1.7e308, 1.7e308, 1.7e308],
    want: [1.7e308, 1.7e308, 1.7e308],
  },
};

for (const [sentence, { losses, want }] of Object.entries(smoothings))
  test(sentence, () => assert.deepEqual(smoothLosses(makeEpochs(losses)), want));

test('an empty curve has a summary', () => {
  assert.deepEqual(summarise([], 15), {
    epochsPlanned: 15,
    epochsDone: 0,
    complete: false,
    diverged: false,
    turningEpoch: null,
    smoothedLossAtTurn: null,
    smoothedLossAtEnd: null,
    best: null,
    last: null,
    rawBest: null,
  });
});

test('the summary of a curve that turns has its turn, its end and three epochs', () => {
  // smoothed: 1.5 1 0.8 0.7 0.9 0.95
  const epochs = makeEpochs([2, 1, 0.8, 0.7, 0.9, 1]).map((epoch) => ({ ...epoch, seconds: epoch.epoch }));
  assert.deepEqual(summarise(epochs, 6), {
    epochsPlanned: 6,
    epochsDone: 6,
    complete: true,
    diverged: false,
    turningEpoch: 3,
    smoothedLossAtTurn: 0.8,
    smoothedLossAtEnd: 0.95,
    best: epochs[3],
    last: epochs[5],
    rawBest: epochs[3],
  });
});

const picks: Record<string, { losses: number[]; turn: number; best: number; rawBest: number }> = {
  'the first of equal minima is the turning epoch': { losses: [2, 1, 1, 1, 1, 2], turn: 2, best: 2, rawBest: 2 },
  'the earlier of equal raw losses is kept': { losses: [2, 0.5, 0.9, 0.5, 2], turn: 3, best: 2, rawBest: 2 },
  'the kept epoch may be the one before the turn': { losses: [3, 0.4, 0.6, 0.8, 3], turn: 2, best: 2, rawBest: 2 },
  'the kept epoch may be the one after the turn': {
    losses: [5, 1.2, 1.1, 0.9, 1.1, 1.3],
    turn: 3,
    best: 4,
    rawBest: 4,
  },
  'a lucky epoch far from the turn is the raw best only': {
    losses: [0.1, 3, 2, 1, 0.9, 0.8],
    turn: 6,
    best: 6,
    rawBest: 1,
  },
  'one epoch turns and is kept there': { losses: [2], turn: 1, best: 1, rawBest: 1 },
  'of two epochs the lower is all three': { losses: [1, 2], turn: 1, best: 1, rawBest: 1 },
};

for (const [sentence, { losses, turn, best, rawBest }] of Object.entries(picks))
  test(sentence, () => {
    const summary = makeSummary(losses);
    assert.deepEqual([summary.turningEpoch, summary.best?.epoch, summary.rawBest?.epoch], [turn, best, rawBest]);
    assert.equal(summary.last?.epoch, losses.length);
  });

const epochLists: Record<string, { epochs: number[]; planned: number; want: boolean }> = {
  'epochs 1, 2, 3 of 3 are complete': { epochs: [1, 2, 3], planned: 3, want: true },
  'a missing last epoch is not complete': { epochs: [1, 2], planned: 3, want: false },
  'a hole is not complete': { epochs: [1, 3, 4], planned: 4, want: false },
  'a hole made up for by an extra epoch is not complete': { epochs: [1, 3, 4], planned: 3, want: false },
  'an extra epoch is not complete': { epochs: [1, 2, 3, 4], planned: 3, want: false },
  'no epoch is not complete': { epochs: [], planned: 1, want: false },
};

for (const [sentence, { epochs, planned, want }] of Object.entries(epochLists))
  test(sentence, () => {
    const summary = summarise(
      epochs.map((epoch) => makeFigures({ epoch })),
      planned,
    );
    assert.deepEqual([summary.complete, summary.epochsDone], [want, epochs.length]);
  });

for (const loss of [null, Number.NaN, Number.POSITIVE_INFINITY])
  for (const name of ['trainLoss', 'validationLoss'] as const)
    test(`a ${name} of ${loss} at any epoch makes the curve diverged, and its summary has null there`, () => {
      for (const at of [0, 1, 2]) {
        const epochs = makeEpochs([3, 2, 1]).map((epoch, index) => (index === at ? { ...epoch, [name]: loss } : epoch));
        const summary = summarise(epochs, 3);
        assert.equal(summary.diverged, true);
        assert.doesNotMatch(JSON.stringify(Object.values(summary), showNonFinite), /NaN|Infinity/);
      }
    });

const showNonFinite = (_: string, value: unknown) => (typeof value === 'number' ? String(value) : value);

test('a running loss or a standard error of null does not make a curve diverged', () => {
  assert.equal(makeSummary([1], { runningTrainLoss: null, validationLossStandardError: null }).diverged, false);
});

test('all losses null: a summary without turn and best, but with its last epoch', () => {
  const summary = makeSummary([null, null, null]);
  assert.deepEqual(
    [summary.diverged, summary.turningEpoch, summary.best, summary.rawBest, summary.last?.epoch],
    [true, null, null, null, 3],
  );
});

test('the lowest loss of no epochs is null', () => assert.equal(lowestLoss([]), null));

test('a million measurements fold in a few seconds', { timeout: 20_000 }, () => {
  const curves = fold(
    (function* () {
      for (let epoch = 1; epoch <= 10; epoch++)
        for (let trial = 0; trial < 100_000; trial++) yield m(trial, 1, 'a', epoch);
    })(),
  );
  assert.equal(curves.size, 100_000);
});
