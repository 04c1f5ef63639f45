import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidMessageError } from '../../src/sweep/errors.ts';
import type { EpochFigures } from '../../src/sweep/measurement.ts';
import {
  type CurveSummary,
  decodeResult,
  encodeResult,
  MAX_RESULT_BYTES,
  type TrialResult,
} from '../../src/sweep/result.ts';
import { makeFigures, makeResult, makeSummary } from './builders.ts';

const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const loss = fc.option(finite);
const fraction = fc.double({ noNaN: true, min: 0, max: 1 });
const epoch = fc.integer({ min: 1, max: 1000 });

const figures: fc.Arbitrary<EpochFigures> = fc.record(
  {
    epoch,
    trainLoss: loss,
    trainAccuracy: fraction,
    validationLoss: loss,
    validationAccuracy: fraction,
    validationLossStandardError: fc.option(finite.map(Math.abs)),
    runningTrainLoss: loss,
    seconds: finite.map(Math.abs),
    examplesPerSecond: finite.map(Math.abs),
  },
  { noNullPrototype: true },
);

const summaries: fc.Arbitrary<CurveSummary> = fc.record(
  {
    epochsPlanned: epoch,
    epochsDone: fc.integer({ min: 0, max: 1000 }),
    complete: fc.boolean(),
    diverged: fc.boolean(),
    turningEpoch: fc.option(epoch),
    smoothedLossAtTurn: loss,
    smoothedLossAtEnd: loss,
    best: fc.option(figures),
    last: fc.option(figures),
    rawBest: fc.option(figures),
  },
  { noNullPrototype: true },
);

const results: fc.Arbitrary<TrialResult> = fc.record(
  {
    trial: fc.integer({ min: 0, max: 99_999 }),
    attempt: fc.integer({ min: 1, max: 9_999 }),
    attemptUID: fc.string({ minLength: 1, maxLength: 31, unit: 'binary' }),
    outcome: fc.constantFrom('Succeeded', 'Failed', 'Stopped'),
    reason: fc.string({ maxLength: 120, unit: 'binary' }),
    hyperparametersHash: fc.constant('0123456789abcdef'),
    parameterCount: fc.maxSafeNat(),
    backend: fc.constantFrom('gpu', 'native', 'wasm', 'cpu', null),
    seconds: finite.map(Math.abs),
    summary: fc.option(summaries),
    test: fc.option(fc.record({ loss, accuracy: fraction }, { noNullPrototype: true })),
  },
  { noNullPrototype: true },
);

test('every result decodes to what was encoded, in at most 4,096 bytes', () => {
  fc.assert(
    fc.property(results, (result) => {
      const text = encodeResult(result);
      assert.ok(Buffer.byteLength(text) <= MAX_RESULT_BYTES);
      assert.deepEqual(decodeResult(text), result);
    }),
  );
});

const longest = -1.2345678901234567e-301; // 24 characters, the most that a number takes
const longestFigures = makeFigures({
  epoch: 1000,
  trainLoss: longest,
  trainAccuracy: -longest,
  validationLoss: longest,
  validationAccuracy: -longest,
  validationLossStandardError: -longest,
  runningTrainLoss: longest,
  seconds: -longest,
  examplesPerSecond: -longest,
});
const longestSummary: CurveSummary = {
  epochsPlanned: 1000,
  epochsDone: 1000,
  complete: false,
  diverged: false,
  turningEpoch: 1000,
  smoothedLossAtTurn: longest,
  smoothedLossAtEnd: longest,
  best: longestFigures,
  last: longestFigures,
  rawBest: longestFigures,
};

for (const [what, character] of Object.entries({
  'control characters': '\u0001',
  quotes: '"',
  emoji: '🦊',
  'half surrogates': '\ud83d',
}))
  test(`the longest result with a reason of 1,000 ${what} still fits 4,096 bytes`, () => {
    const result = makeResult({
      trial: 99_999,
      attempt: 9_999,
      attemptUID: '\u0001'.repeat(63),
      reason: character.repeat(1000),
      parameterCount: Number.MAX_SAFE_INTEGER,
      seconds: -longest,
      summary: longestSummary,
      test: { loss: longest, accuracy: -longest },
    });
    const text = encodeResult(result);
    assert.ok(Buffer.byteLength(text) <= 4096, `${Buffer.byteLength(text)} bytes`);
    const decoded = decodeResult(text);
    assert.equal(decoded.reason, `${character.repeat(255)}…`);
    assert.deepEqual({ ...decoded, reason: '' }, { ...result, reason: '' });
  });

test('a reason of 256 characters is kept whole', () => {
  for (const reason of ['x'.repeat(256), '🦊'.repeat(256)])
    assert.equal(decodeResult(encodeResult(makeResult({ reason }))).reason, reason);
});

test('a failed trial has neither summary nor test figures', () => {
  const result = makeResult({ outcome: 'Failed', reason: 'OutOfMemory', backend: null, summary: null, test: null });
  assert.deepEqual(decodeResult(encodeResult(result)), result);
});

test('a curve of NaN gives a result that can be handed over', () => {
  const summary = makeSummary([1, Number.NaN, 2], { trainLoss: Number.NaN, runningTrainLoss: Number.NaN });
  assert.equal(decodeResult(encodeResult(makeResult({ summary }))).summary?.diverged, true);
});

const wrong: Record<string, { change: Record<string, unknown>; want: string | RegExp }> = {
  'an unknown outcome': {
    change: { outcome: 'Lost' },
    want: 'outcome: "Lost": must be one of Succeeded, Failed, Stopped',
  },
  'an unknown backend': {
    change: { backend: 'tpu' },
    want: 'backend: "tpu": must be one of gpu, native, wasm, cpu',
  },
  'a parameter count of 2^53 + 1': {
    change: { parameterCount: 2 ** 53 },
    want: /^parameterCount: 9007199254740992: must be <= /,
  },
  'a hash that is none': {
    change: { hyperparametersHash: 'ABC' },
    want: /^hyperparametersHash: "ABC": must match pattern/,
  },
  'a field too many, below the top': {
    change: { test: { loss: 1, accuracy: 1, f1: 1 } },
    want: 'test: unknown field "f1"',
  },
  'a field missing, below the top': { change: { test: { loss: 1 } }, want: 'test: missing accuracy' },
  'a wrong figure, two levels down': {
    change: { summary: { ...makeSummary([1]), best: makeFigures({ epoch: 1.5 }) } },
    want: 'summary.best.epoch: 1.5: must be integer',
  },
  'a turning epoch of 0': {
    change: { summary: { ...makeSummary([1]), turningEpoch: 0 } },
    want: /^summary.turningEpoch: 0: must be >= 1/,
  },
};

for (const [what, { change, want }] of Object.entries(wrong))
  test(`${what} is refused, coming and going`, () => {
    const result = { ...makeResult(), ...change } as TrialResult;
    assert.throws(() => decodeResult(JSON.stringify(result)), { name: 'InvalidMessageError', message: want });
    assert.throws(() => encodeResult(result), { message: want });
  });

test('more than 4,096 bytes are refused unread', () => {
  assert.throws(() => decodeResult(`[${' '.repeat(4096)}`), { message: '4097 bytes; at most 4096' });
});

test('sealed test figures that are not finite are refused, not sent', () => {
  assert.throws(() => encodeResult(makeResult({ test: { loss: Number.NaN, accuracy: 0.1 } })), InvalidMessageError);
});
