import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { summarise } from '../../src/sweep/curve.ts';
import type { EpochFigures } from '../../src/sweep/measurement.ts';
import type { Selection } from '../../src/sweep/schema.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { type Candidate, judge, type RuleName } from '../../src/sweep/verdict.ts';
import { makeCandidate, makeEpochs, makeSelection, makeStudy, makeSummary } from './builders.ts';
import { naiveVerdict } from './naive.ts';

const lastEpoch = makeSelection({ checkpoint: 'LastEpoch' });
const overfitting = [2, 1, 1, 1, 1, 3, 3];
const flat = [2, 1, 1, 1, 1, 1, 1];

interface Case {
  readonly candidates: Candidate[];
  readonly selection?: Partial<Selection>;
  readonly want: { best: number | null; epoch?: number; reason: string; leastOverfit?: number; message?: string };
}

const cases: Record<string, Case> = {
  'no candidate at all is an answer': {
    candidates: [],
    want: {
      best: null,
      reason: 'NoEligibleModel',
      message: 'none of 0 trials is eligible: no trial has finished its epochs',
    },
  },
  'one healthy trial wins': {
    candidates: [makeCandidate(7, flat, { validationLossStandardError: 0.01 })],
    want: {
      best: 7,
      epoch: 2,
      reason: 'LowestValidationLoss',
      message:
        'trial 7, kept at epoch 2: validation loss 1.000 ± 0.010, accuracy 60.0 %, gap 0 points, rise 0 %: the lowest loss of all that do not overfit',
    },
  },
  'one overfit trial does not win, and is named': {
    candidates: [makeCandidate(7, overfitting)],
    selection: lastEpoch,
    want: {
      best: null,
      reason: 'NoEligibleModel',
      leastOverfit: 7,
      message:
        'the only trial is not eligible; trial 7 overfits least (validation loss ends 200 % above its minimum (epoch 2); at most 10 % is allowed): try fewer epochs, smaller widths, more training images, or checkpoint BestEpoch',
    },
  },
  'one diverged trial does not win, and nothing overfits least': {
    candidates: [makeCandidate(7, [1, null])],
    want: {
      best: null,
      reason: 'NoEligibleModel',
      message: 'the only trial is not eligible: try a smaller learning rate',
    },
  },
  'all diverged: a smaller learning rate': {
    candidates: [makeCandidate(0, [null]), makeCandidate(1, [null])],
    want: {
      best: null,
      reason: 'NoEligibleModel',
      message: 'none of 2 trials is eligible: try a smaller learning rate',
    },
  },
  'all incomplete: none has finished': {
    candidates: [{ trial: 0, parameterCount: 1, summary: makeSummary([1], {}, 2) }],
    want: {
      best: null,
      reason: 'NoEligibleModel',
      message: 'the only trial is not eligible: no trial has finished its epochs',
    },
  },
  'all overfit: the least is named, before a lower loss and a lower index': {
    candidates: [
      makeCandidate(0, [...flat.slice(0, 5), 4, 4]),
      makeCandidate(1, overfitting),
      makeCandidate(2, [0.1, 0.1, 0.1, 0.6]),
    ],
    selection: lastEpoch,
    want: { best: null, reason: 'NoEligibleModel', leastOverfit: 1 },
  },
  'all overfit alike: the lower loss is named, then the lower index': {
    candidates: [
      makeCandidate(5, overfitting),
      makeCandidate(
        4,
        flat.map((_, at) => (overfitting[at] ?? 0) / 2),
      ),
      makeCandidate(
        3,
        flat.map((_, at) => (overfitting[at] ?? 0) / 2),
      ),
    ],
    selection: lastEpoch,
    want: { best: null, reason: 'NoEligibleModel', leastOverfit: 3 },
  },
  'a diverged trial never overfits least': {
    candidates: [makeCandidate(0, [null, 1]), makeCandidate(1, overfitting)],
    selection: lastEpoch,
    want: { best: null, reason: 'NoEligibleModel', leastOverfit: 1 },
  },
  'all refused for their gap under BestEpoch: the advice is not BestEpoch': {
    candidates: [makeCandidate(0, flat, { trainAccuracy: 0.9 }), makeCandidate(1, flat, { trainAccuracy: 0.8 })],
    selection: { maxAccuracyGap: 0.1 },
    want: {
      best: null,
      reason: 'NoEligibleModel',
      leastOverfit: 1,
      message:
        'none of 2 trials is eligible; trial 1 overfits least (training accuracy is 20 points above validation accuracy; the limit is 10 points): try smaller widths, more training images, or a higher maxAccuracyGap',
    },
  },
  'an overfit trial with the lowest loss does not win': {
    candidates: [
      makeCandidate(
        0,
        overfitting.map((loss) => loss / 10),
      ),
      makeCandidate(1, flat),
    ],
    selection: lastEpoch,
    want: { best: 1, epoch: 7, reason: 'LowestValidationLoss' },
  },
  'a diverged trial with the lowest loss does not win': {
    candidates: [makeCandidate(0, [null, 0.1, 0.1, 0.1]), makeCandidate(1, flat)],
    want: { best: 1, reason: 'LowestValidationLoss' },
  },
  'an incomplete trial with the lowest loss does not win': {
    candidates: [{ ...makeCandidate(0, []), summary: makeSummary([0.1, 0.1], {}, 3) }, makeCandidate(1, flat)],
    want: { best: 1, reason: 'LowestValidationLoss' },
  },
  'a model without a gap that learns nothing does not win: the gap is a filter, never the objective': {
    candidates: [
      makeCandidate(0, [2.3, 2.3, 2.3], { trainAccuracy: 0.1, validationAccuracy: 0.1 }),
      makeCandidate(1, flat, { trainAccuracy: 0.7, validationAccuracy: 0.6 }),
    ],
    selection: { maxAccuracyGap: 0.2 },
    want: { best: 1, reason: 'LowestValidationLoss' },
  },
  'a simpler model within one standard error wins, and the message has the numbers': {
    candidates: [
      makeCandidate(
        0,
        flat.map((loss) => loss + 0.015),
        { parameterCount: 18_554, validationLossStandardError: 0.5 },
      ),
      makeCandidate(1, flat, { parameterCount: 685_962, validationLossStandardError: 0.02 }),
      makeCandidate(
        2,
        flat.map((loss) => loss + 0.03),
        { parameterCount: 10 },
      ),
    ],
    want: {
      best: 0,
      reason: 'SimplestWithinOneStandardError',
      message:
        'trial 0, kept at epoch 2: validation loss 1.015 ± 0.500, accuracy 60.0 %, gap 0 points, rise 0 %: the fewest parameters (18,554) of the 2 within one standard error of the lowest loss (1.000, trial 1)',
    },
  },
  'with parsimony None the lowest loss wins whatever its size': {
    candidates: [
      makeCandidate(
        0,
        flat.map((loss) => loss + 0.015),
        { parameterCount: 10 },
      ),
      makeCandidate(1, flat, { parameterCount: 99, validationLossStandardError: 0.02 }),
    ],
    selection: { parsimony: 'None' },
    want: { best: 1, reason: 'LowestValidationLoss' },
  },
  'all equal: the lowest index wins': {
    candidates: [makeCandidate(2, flat), makeCandidate(1, flat), makeCandidate(3, flat)],
    want: { best: 1, reason: 'LowestValidationLoss' },
  },
};

for (const [sentence, { candidates, selection, want }] of Object.entries(cases))
  test(sentence, () => {
    const verdict = judge(candidates, makeSelection(selection));
    assert.deepEqual([verdict.best?.trial ?? null, verdict.reason], [want.best, want.reason]);
    assert.equal(verdict.leastOverfit, want.leastOverfit ?? null);
    if (want.epoch !== undefined) assert.equal(verdict.best?.epoch, want.epoch);
    if (want.message !== undefined) assert.equal(verdict.message, want.message);
  });

test('the best model carries the figures of its kept epoch', () => {
  const figures = {
    trainLoss: 0.5,
    trainAccuracy: 0.75,
    validationAccuracy: 0.5,
    validationLossStandardError: null,
    parameterCount: 42,
  };
  assert.deepEqual(judge([makeCandidate(3, [2, 1, 1, 1, 1, 1.05, 1.05], figures)], lastEpoch).best, {
    trial: 3,
    epoch: 7,
    parameterCount: 42,
    validationLoss: 1.05,
    validationLossStandardError: 0,
    validationAccuracy: 0.5,
    trainLoss: 0.5,
    trainAccuracy: 0.75,
    gap: 0.25,
    rise: 1.05 / 1 - 1,
    finding: 'Healthy',
  });
});

test('the verdict says whose loss draws the line of one standard error, and who stands within it', () => {
  const low = [2, 0.7, 0.7, 0.7];
  const candidates = [
    makeCandidate(4, low, { parameterCount: 100, validationLossStandardError: 9 }),
    makeCandidate(5, low, { parameterCount: 50, validationLossStandardError: 0.1 }), // as low, smaller: its error counts
    makeCandidate(2, [2, 0.8, 0.8, 0.8], { parameterCount: 10 }), // 0.7 + 0.1 is below 0.8 in binary
    makeCandidate(1, [2, 0.9, 0.9, 0.9], { parameterCount: 1 }),
    makeCandidate(3, overfitting, { parameterCount: 1 }),
  ];
  const { best, lowest, withinOneStandardError, withinOneStandardErrorTrials } = judge(candidates, lastEpoch);
  assert.equal(best?.trial, 2);
  assert.deepEqual(lowest, { trial: 5, validationLoss: 0.7, validationLossStandardError: 0.1 });
  assert.deepEqual([withinOneStandardError, withinOneStandardErrorTrials], [3, [2, 4, 5]]);
  const none = judge([makeCandidate(3, overfitting)], lastEpoch);
  assert.deepEqual([none.lowest, none.withinOneStandardError, none.withinOneStandardErrorTrials], [null, 0, []]);
});

test('every candidate has its finding, by trial index', () => {
  const { findings } = judge(
    [makeCandidate(10, flat), makeCandidate(2, [null]), makeCandidate(3, overfitting)],
    lastEpoch,
  );
  assert.deepEqual(
    findings.map(({ trial, finding }) => [trial, finding]),
    [
      [2, 'Diverged'],
      [3, 'Overfit'],
      [10, 'Healthy'],
    ],
  );
});

test('a verdict has no test figures, whatever a candidate carries', () => {
  const carried = { ...makeCandidate(0, flat), test: { loss: 0.123456, accuracy: 0.654321 } };
  assert.deepEqual(judge([carried], lastEpoch), judge([makeCandidate(0, flat)], lastEpoch));
});

// The calibration of architecture.md section 5: real CIFAR-10 curves of the study, by their turning epoch, their lowest loss,
// the rise and the gap at epoch 15, and the validation accuracy at the turn and at epoch 15.
const study: { turn: number; lowest: number; rise: number; gap: number; accuracy: [atTurn: number, atEnd: number] }[] =
  [
    { turn: 12, lowest: 1.45, rise: 0.015, gap: 0.03, accuracy: [0.48, 0.48] },
    { turn: 12, lowest: 1.2, rise: 0.036, gap: 0.03, accuracy: [0.58, 0.57] },
    { turn: 12, lowest: 1.0, rise: 0.042, gap: 0.1, accuracy: [0.655, 0.653] },
    { turn: 7, lowest: 0.92, rise: 0.246, gap: 0.17, accuracy: [0.69, 0.68] },
    { turn: 5, lowest: 0.87, rise: 0.716, gap: 0.22, accuracy: [0.71, 0.69] },
    { turn: 4, lowest: 0.82, rise: 0.86, gap: 0.26, accuracy: [0.723, 0.7] },
    { turn: 10, lowest: 1.72, rise: 0.06, gap: 0.08, accuracy: [0.4, 0.39] },
    { turn: 10, lowest: 1.7, rise: 0.02, gap: 0.02, accuracy: [0.4, 0.4] },
    { turn: 10, lowest: 1.73, rise: 0.05, gap: 0.06, accuracy: [0.39, 0.39] },
    { turn: 4, lowest: 1.35, rise: 0.42, gap: 0.29, accuracy: [0.53, 0.5] },
  ];

/** A curve of 15 epochs that falls to `lowest` at `turn`, stays there one epoch more, and climbs to its rise at 14 and 15. */
function studyCurve({ turn, lowest, rise, gap, accuracy: [atTurn, atEnd] }: (typeof study)[number]): EpochFigures[] {
  const losses = Array.from({ length: 15 }, (_, at) => {
    const epoch = at + 1;
    if (epoch <= turn) return lowest + ((turn - epoch) * (2.2 - lowest)) / turn;
    if (epoch === turn + 1) return lowest;
    return lowest * (1 + rise * Math.min(1, (epoch - turn - 1) / (13 - turn)));
  });
  return makeEpochs(losses).map((figures) => {
    const validationAccuracy = figures.epoch <= turn + 1 ? atTurn : atEnd;
    const trainAccuracy = validationAccuracy + (gap * figures.epoch) / 15;
    return { ...figures, validationAccuracy, trainAccuracy, validationLossStandardError: 0.015 };
  });
}

const studied: Candidate[] = expandTrials(makeStudy()).map(({ trial, parameterCount }) => {
  const row = study[trial];
  assert.ok(row);
  return { trial, parameterCount, summary: summarise(studyCurve(row), 15) };
});

test('calibration: LastEpoch names (12,32) of the study, the wider ones and the single layer overfit', () => {
  const { best, findings, leastOverfit } = judge(studied, lastEpoch);
  assert.deepEqual([best?.trial, best?.epoch, best?.validationAccuracy], [2, 15, 0.653]);
  assert.equal(leastOverfit, null);
  assert.deepEqual(
    findings.filter(({ finding }) => finding === 'Overfit').map(({ trial }) => trial),
    [3, 4, 5, 9],
  );
  assert.deepEqual(
    findings.map(({ rise }) => Number(rise?.toFixed(6))),
    study.map(({ rise }) => rise),
  );
  assert.deepEqual(
    findings.map(({ gap }) => Number(gap?.toFixed(6))),
    study.map(({ gap }) => gap),
  );
});

test('calibration: BestEpoch names (96,256) at epoch 4', () => {
  const { best, findings } = judge(studied, makeSelection());
  assert.deepEqual([best?.trial, best?.epoch, best?.validationAccuracy], [5, 4, 0.723]);
  assert.match(findings[5]?.reason ?? '', /^kept at epoch 4; trained to 15 it would overfit \(rise 86 %\)$/);
  assert.deepEqual(
    findings.filter(({ finding }) => finding === 'Overfit'),
    [],
  );
});

test('alternatives: what each other rule would have picked from the study, with its price', () => {
  const { alternatives, best } = judge(studied, lastEpoch);
  assert.ok(best);
  const rounded = (value: number | null) => value && Number(value.toFixed(6));
  assert.deepEqual(
    alternatives.map((a) => [
      a.rule,
      a.trial,
      a.epoch,
      rounded(a.validationLossDifference),
      rounded(a.validationAccuracyDifference),
    ]),
    [
      ['BestEpoch', 5, 4, -0.222, 0.07],
      ['LastEpoch', 2, 15, 0, 0],
      ['RawBest', 5, 4, -0.222, 0.07],
      ['NoFilter', 2, 15, 0, 0],
      ['NoParsimony', 2, 15, 0, 0],
    ],
  );
});

test('alternatives: each rule differs from ours where it should', () => {
  const candidates = [
    makeCandidate(0, [0.1, 3, 1.6, 1.5, 1.5, 1.5], { parameterCount: 60 }), // a lucky first epoch
    makeCandidate(1, [2, 1, 1, 1, 3, 3], { parameterCount: 50 }), // turns: the lowest at its turning point
    makeCandidate(2, [2, 1.3, 1.3, 1.3, 1.3, 1.3], { parameterCount: 10 }), // small, within one standard error
    makeCandidate(3, [2, 1.2, 1.2, 1.2, 1.2, 1.2], { parameterCount: 40, validationLossStandardError: 0.125 }),
    makeCandidate(4, [2, 0.5, 0.5, 0.5, 1.1, 1.1], { parameterCount: 30, trainAccuracy: 0.9 }), // overfit, and yet lower
  ];
  const verdict = judge(candidates, lastEpoch);
  const picks = Object.fromEntries(verdict.alternatives.map(({ rule, trial, epoch }) => [rule, [trial, epoch]]));
  assert.equal(verdict.best?.trial, 2);
  assert.deepEqual(picks, {
    BestEpoch: [4, 2],
    LastEpoch: [2, 6],
    RawBest: [0, 1],
    NoFilter: [4, 6],
    NoParsimony: [3, 6],
  });
  const noFilter = verdict.alternatives.find(({ rule }) => rule === 'NoFilter');
  assert.deepEqual(noFilter && { ...noFilter }, {
    rule: 'NoFilter',
    trial: 4,
    epoch: 6,
    finding: 'Overfit',
    parameterCount: 30,
    validationLoss: 1.1,
    validationAccuracy: 0.6,
    validationLossDifference: 1.1 - 1.3,
    validationAccuracyDifference: 0,
  });
});

test('alternatives without a pick of ours have no price, and without one of theirs no figures', () => {
  const priced = judge([makeCandidate(0, overfitting)], lastEpoch).alternatives;
  const prices = priced.map(({ trial, validationLossDifference }) => [trial, validationLossDifference]);
  assert.deepEqual(prices, [
    [0, null],
    [null, null],
    [0, null],
    [0, null],
    [null, null],
  ]);
  const none = judge([], lastEpoch).alternatives;
  for (const { rule: _, ...figures } of none) assert.deepEqual(new Set(Object.values(figures)), new Set([null]));
});

const losses = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0.25, 0.5, 0.75, 1, 1.25, 1.5, 2) },
  { weight: 4, arbitrary: fc.integer({ min: 500_000, max: 2_000_000 }).map((millionths) => millionths / 1e6) },
  { weight: 1, arbitrary: fc.constantFrom(0, null) },
);
const eighths = fc.integer({ min: 0, max: 8 }).map((count) => count / 8);

const curves = fc.integer({ min: 1, max: 7 }).chain((planned) => {
  const figures = fc.record({
    validationLoss: losses,
    trainLoss: fc.oneof({ weight: 30, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(null) }),
    trainAccuracy: eighths,
    validationAccuracy: eighths,
    validationLossStandardError: fc.constantFrom(null, 0, 0.125, 0.5),
  });
  const epochs = fc.array(figures, { minLength: planned, maxLength: planned });
  const damage = fc.constantFrom('none', 'none', 'none', 'none', 'last missing', 'hole', 'shifted', 'one too many');
  return fc.record({ planned: fc.constant(planned), epochs, damage });
});

const sweeps = fc
  .array(fc.record({ curve: curves, parameterCount: fc.integer({ min: 1, max: 4 }) }), { maxLength: 6 })
  .map((list) =>
    list.map(({ curve: { planned, epochs, damage }, parameterCount }, trial) => {
      const numbered = epochs.map(
        (figures, at) => ({ ...makeEpochs([1])[0], ...figures, epoch: at + 1 }) as EpochFigures,
      );
      const damaged = {
        none: numbered,
        'last missing': numbered.slice(0, -1),
        hole: numbered.filter(({ epoch }) => epoch !== 2),
        shifted: numbered.map((each) => ({ ...each, epoch: each.epoch + 1 })),
        'one too many': [...numbered, ...numbered.slice(-1).map((each) => ({ ...each, epoch: planned + 1 }))],
      }[damage];
      return { trial, parameterCount, planned, epochs: damaged };
    }),
  );

const selections: fc.Arbitrary<Selection> = fc
  .record({
    checkpoint: fc.constantFrom('BestEpoch', 'LastEpoch'),
    // Limits that binary holds exactly, or that no quotient of eighths meets: a naive comparison is then right at the limit too.
    maxLossRise: fc.constantFrom(0, 0.11, 0.25, 1),
    parsimony: fc.constantFrom('OneStandardError', 'None'),
    maxAccuracyGap: fc.option(fc.constantFrom(0, 0.125, 0.3), { nil: undefined }),
  })
  .map(({ maxAccuracyGap, ...selection }) => ({
    ...selection,
    ...(maxAccuracyGap !== undefined && { maxAccuracyGap }),
  }));

const candidatesOf = (
  list: { trial: number; parameterCount: number; planned: number; epochs: EpochFigures[] }[],
): Candidate[] =>
  list.map(({ trial, parameterCount, planned, epochs }) => ({
    trial,
    parameterCount,
    summary: summarise(epochs, planned),
  }));

test('the verdict agrees with a naive reading of the specification on thousands of random sweeps', () => {
  fc.assert(
    fc.property(sweeps, selections, (list, selection) => {
      const verdict = judge(candidatesOf(list), selection);
      const rules = Object.fromEntries(
        verdict.alternatives.map((a) => [
          a.rule,
          a.trial === null ? null : [a.trial, a.epoch, a.validationLossDifference, a.validationAccuracyDifference],
        ]),
      ) as Record<RuleName, unknown>;
      assert.deepEqual(
        {
          best: verdict.best && [verdict.best.trial, verdict.best.epoch],
          leastOverfit: verdict.leastOverfit,
          findings: verdict.findings.map(({ trial, finding, rise, gap, turningEpoch, keptEpoch }) => [
            trial,
            finding,
            rise,
            gap,
            turningEpoch,
            keptEpoch,
          ]),
          rules,
        },
        naiveVerdict(list, selection),
      );
    }),
    { numRuns: 5000 },
  );
});

test('whatever the order of candidates, the verdict is the same', () => {
  const shuffled = sweeps.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  );
  fc.assert(
    fc.property(shuffled, selections, ([list, other], selection) =>
      assert.deepEqual(judge(candidatesOf(other), selection), judge(candidatesOf(list), selection)),
    ),
  );
});

test('overfit, diverged and incomplete trials never win, nor does a loss that is not a number', () => {
  fc.assert(
    fc.property(
      sweeps,
      selections,
      fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY),
      (list, selection, loss) => {
        const poisoned = list.map((each, at) =>
          at === 0 ? { ...each, epochs: each.epochs.map((epoch) => ({ ...epoch, validationLoss: loss })) } : each,
        );
        const { best, findings, reason } = judge(candidatesOf(poisoned), selection);
        assert.equal(best === null, reason === 'NoEligibleModel');
        if (!best) return;
        assert.notEqual(best.trial, 0);
        assert.ok(Number.isFinite(best.validationLoss));
        assert.match(findings[best.trial]?.finding ?? '', /^(Healthy|StillImproving)$/);
        assert.equal(best.finding, findings[best.trial]?.finding);
      },
    ),
  );
});

test('a summary with NaN in it, which no decoder lets through, does not win either', () => {
  const candidate = makeCandidate(0, flat);
  const { best: figures } = candidate.summary;
  assert.ok(figures);
  const hostile = { ...candidate, summary: { ...candidate.summary, best: { ...figures, validationLoss: Number.NaN } } };
  assert.equal(
    judge(
      [
        hostile,
        makeCandidate(
          1,
          flat.map((loss) => loss * 9),
        ),
      ],
      makeSelection(),
    ).best?.trial,
    1,
  );
});

test('a verdict survives JSON', () => {
  fc.assert(
    fc.property(sweeps, selections, (list, selection) => {
      const verdict = judge(candidatesOf(list), selection);
      assert.deepEqual(
        JSON.parse(JSON.stringify(verdict), (_, value) => (Object.is(value, -0) ? 0 : value)),
        verdict,
      );
    }),
  );
});
