import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidMessageError } from '../../src/sweep/errors.ts';
import {
  decodeForeignMeasurement,
  decodeMeasurement,
  encodeMeasurement,
  MAX_MESSAGE_BYTES,
  type Measurement,
} from '../../src/sweep/measurement.ts';
import { makeMeasurement } from './builders.ts';

// JSON has no -0: it comes back as 0.
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const loss = fc.option(finite);
const atLeastZero = finite.map(Math.abs);
const fraction = fc.double({ noNaN: true, min: 0, max: 1 });
const uid = fc.string({ minLength: 1, maxLength: 30, unit: 'binary' });

const measurements: fc.Arbitrary<Measurement> = fc.record(
  {
    sweep: uid,
    trial: fc.integer({ min: 0, max: 99_999 }),
    attempt: fc.integer({ min: 1, max: 9_999 }),
    attemptUID: uid,
    epoch: fc.integer({ min: 1, max: 1000 }),
    trainLoss: loss,
    trainAccuracy: fraction,
    validationLoss: loss,
    validationAccuracy: fraction,
    validationLossStandardError: fc.option(atLeastZero),
    runningTrainLoss: loss,
    seconds: atLeastZero,
    examplesPerSecond: atLeastZero,
  },
  { noNullPrototype: true },
);

test('every measurement decodes to what was encoded, as one line', () => {
  fc.assert(
    fc.property(measurements, (measurement) => {
      const text = encodeMeasurement(measurement);
      assert.ok(!text.includes('\n'));
      assert.deepEqual(decodeMeasurement(text), measurement);
    }),
  );
});

test('whatever the text, it decodes or is refused as an invalid message', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.object({ withNullPrototype: true }).map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      for (const decode of [decodeMeasurement, decodeForeignMeasurement]) {
        try {
          decode(text);
        } catch (error) {
          assert.ok(error instanceof InvalidMessageError, String(error));
          assert.ok(error.message.length <= 400);
        }
      }
    }),
  );
});

const text = JSON.stringify(makeMeasurement());

/** The JSON text of a measurement in which one field is written as given. */
function written(field: keyof Measurement, value: string): string {
  assert.ok(field in makeMeasurement());
  return text.replace(new RegExp(`"${field}":("[^"]*"|[^,}]*)`), `"${field}":${value}`);
}

const refused: Record<string, { text: string; want: string | RegExp }> = {
  nothing: { text: '', want: 'not JSON' },
  'a text cut in the middle': { text: text.slice(0, 50), want: 'not JSON' },
  'a bare NaN, with the way to write it': { text: written('trainLoss', 'NaN'), want: 'NaN is not JSON; write null' },
  'a bare -Infinity': { text: written('trainLoss', '-Infinity'), want: /^-?Infinity is not JSON; write null$/ },
  'UTF-16 read as bytes': { text: Buffer.from(text, 'utf16le').toString('latin1'), want: 'not JSON' },
  'a list': { text: '[]', want: 'a list: must be object' },
  null: { text: 'null', want: 'null: must be object' },
  'missing fields, all of them named': {
    text: JSON.stringify({ ...makeMeasurement(), trainLoss: undefined, trainAccuracy: undefined }),
    want: 'missing trainLoss, trainAccuracy',
  },
  'an unknown field': { text: text.replace('{', '{"loss":1,'), want: 'unknown field "loss"' },
  'a field named __proto__': {
    text: text.replace('{', '{"__proto__":{"epoch":1},'),
    want: 'unknown field "__proto__"',
  },
  'a field named constructor': { text: text.replace('{', '{"constructor":1,'), want: 'unknown field "constructor"' },
  'a field name of 10,000 characters, shortened': {
    text: text.replace('{', `{"${'x'.repeat(10_000)}":1,`),
    want: /^unknown field "x{100,200}$/,
  },
  'half an epoch': { text: written('epoch', '1.5'), want: 'epoch: 1.5: must be integer' },
  'epoch 0': { text: written('epoch', '0'), want: 'epoch: 0: must be >= 1' },
  'epoch -0': { text: written('epoch', '-0'), want: 'epoch: 0: must be >= 1' },
  'epoch -1': { text: written('epoch', '-1'), want: 'epoch: -1: must be >= 1' },
  'epoch 1001': { text: written('epoch', '1001'), want: 'epoch: 1001: must be <= 1000' },
  'epoch 2^31': { text: written('epoch', '2147483648'), want: 'epoch: 2147483648: must be <= 1000' },
  'epoch 2^53 + 1': { text: written('epoch', '9007199254740993'), want: /^epoch: 9007199254740992: must be <= 1000$/ },
  'an epoch in quotes': { text: written('epoch', '"1"'), want: 'epoch: "1": must be integer' },
  'trial -1': { text: written('trial', '-1'), want: 'trial: -1: must be >= 0' },
  'trial 100,000': { text: written('trial', '100000'), want: 'trial: 100000: must be <= 99999' },
  'attempt 0': { text: written('attempt', '0'), want: 'attempt: 0: must be >= 1' },
  'a loss beyond every number': {
    text: written('trainLoss', '1e400'),
    want: 'trainLoss: Infinity: must be number or null',
  },
  'a time beyond every number': { text: written('seconds', '1e400'), want: 'seconds: Infinity: must be number' },
  'a loss in quotes': { text: written('trainLoss', '"NaN"'), want: 'trainLoss: "NaN": must be number or null' },
  'an accuracy in per cent': { text: written('trainAccuracy', '65'), want: 'trainAccuracy: 65: must be <= 1' },
  'a negative accuracy': {
    text: written('validationAccuracy', '-0.1'),
    want: 'validationAccuracy: -0.1: must be >= 0',
  },
  'an accuracy of null': {
    text: written('validationAccuracy', 'null'),
    want: 'validationAccuracy: null: must be number',
  },
  'a negative standard error': {
    text: written('validationLossStandardError', '-1'),
    want: /^validationLossStandardError: -1: must be >= 0/,
  },
  'a time that runs backwards': { text: written('seconds', '-1'), want: 'seconds: -1: must be >= 0' },
  'a sweep without a name': { text: written('sweep', '""'), want: /^sweep: "": / },
  'a UID of 64 characters': {
    text: written('attemptUID', JSON.stringify('x'.repeat(64))),
    want: /^attemptUID: "x{64}": /,
  },
  'a value nested 10,000 deep': {
    text: written('epoch', `${'['.repeat(10_000)}${']'.repeat(10_000)}`),
    want: 'epoch: a list: must be integer',
  },
  'an object nested 10,000 deep': {
    text: written('trainLoss', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`),
    want: 'trainLoss: a mapping: must be number or null',
  },
  'one byte more than 64 KiB': {
    text: `${text}${' '.repeat(65_537 - text.length)}`,
    want: '65537 bytes; at most 65536',
  },
  '64 KiB in bytes though not in characters': { text: `"${'€'.repeat(30_000)}"`, want: '90002 bytes; at most 65536' },
};

for (const [what, { text, want }] of Object.entries(refused))
  test(`${what} is refused`, () => {
    for (const decode of what.startsWith('missing')
      ? [decodeMeasurement]
      : [decodeMeasurement, decodeForeignMeasurement])
      assert.throws(() => decode(text), { name: 'InvalidMessageError', reason: 'InvalidMessage', message: want });
  });

test('no message touches a prototype', () => {
  assert.throws(() => decodeForeignMeasurement('{"__proto__":{"polluted":1}}'), InvalidMessageError);
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
});

test('64 KiB to the byte decode', () => {
  const padded = text + ' '.repeat(MAX_MESSAGE_BYTES - text.length);
  assert.deepEqual(decodeMeasurement(padded), makeMeasurement());
});

test('a loss of null decodes, and so does a loss of -0', () => {
  assert.equal(decodeMeasurement(written('validationLoss', 'null')).validationLoss, null);
  assert.ok(decodeMeasurement(written('validationLoss', '-0')).validationLoss === 0);
});

test('a loss that is not finite is encoded as null', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const lost = {
      trainLoss: value,
      validationLoss: value,
      validationLossStandardError: value,
      runningTrainLoss: value,
    };
    const nulls = { trainLoss: null, validationLoss: null, validationLossStandardError: null, runningTrainLoss: null };
    assert.deepEqual(decodeMeasurement(encodeMeasurement(makeMeasurement(lost))), makeMeasurement(nulls));
  }
});

test('encoding refuses what a decoder would refuse', () => {
  for (const wrong of [
    { epoch: 0 },
    { trainAccuracy: Number.NaN },
    { seconds: Number.POSITIVE_INFINITY },
    { sweep: '' },
  ])
    assert.throws(() => encodeMeasurement(makeMeasurement(wrong)), InvalidMessageError);
});

test('a curve from elsewhere may leave out who reported, the standard error and the speed', () => {
  const foreign = { trial: 3, epoch: 1, trainLoss: 1, trainAccuracy: 0.5, validationLoss: 1, validationAccuracy: 0.5 };
  assert.deepEqual(decodeForeignMeasurement(JSON.stringify(foreign)), {
    ...foreign,
    sweep: 'judged',
    attempt: 1,
    attemptUID: 'judged',
    validationLossStandardError: null,
    runningTrainLoss: null,
    seconds: 0,
    examplesPerSecond: 0,
  });
  assert.throws(() => decodeForeignMeasurement('{"trial":1}'), {
    message: /^missing epoch, trainLoss, trainAccuracy, validationLoss, validationAccuracy$/,
  });
  assert.deepEqual(decodeForeignMeasurement(text), makeMeasurement());
});

test('a dashboard that starts decodes at least 200,000 measurements a second', () => {
  decodeMeasurement(text); // compiles the schema
  // By processor time, the best of ten rounds: other tests run beside this one.
  const rounds = Array.from({ length: 10 }, () => {
    const before = process.cpuUsage();
    for (let count = 0; count < 5_000; count++) decodeMeasurement(text);
    return 5e9 / process.cpuUsage(before).user;
  });
  assert.ok(Math.max(...rounds) > 200_000, `${Math.round(Math.max(...rounds))} a second`);
});
