import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidMessageError } from '../../src/sweep/errors.ts';
import type { Measurement } from '../../src/sweep/measurement.ts';
import {
  decodeMessage,
  encodeMeasurements,
  encodeProgress,
  joinMessage,
  modelName,
  modelSubjects,
  parseModelSubject,
  parseSubject,
  subjectOf,
  subjectsOfAttempt,
  subjectsOfSweep,
} from '../../src/sweep/message.ts';
import { makeMeasurement } from './builders.ts';

const uid = fc.stringMatching(/^[\w-]{1,63}$/);
const addresses = fc.record(
  { sweepUID: uid, trial: fc.integer({ min: 0, max: 99_999 }), attemptUID: uid },
  { noNullPrototype: true },
);
const address = { sweepUID: 'sweep', trial: 7, attemptUID: 'pod' };
const own = (measurement: Partial<Measurement> = {}) =>
  makeMeasurement({ trial: 7, attemptUID: 'pod', ...measurement });

/** Whether a server would count a subject among those of a permission. */
function covers(pattern: string, subject: string): boolean {
  const [wanted, found] = [pattern.split('.'), subject.split('.')];
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return found.length > at;
    if (token !== '*' && token !== found[at]) return false;
  }
  return wanted.length === found.length;
}

test('a subject parses to what it was made of', () => {
  fc.assert(
    fc.property(addresses, fc.constantFrom('epoch' as const, 'progress' as const), (address, kind) => {
      assert.deepEqual(parseSubject(subjectOf(address, kind)), { address, kind });
      assert.deepEqual(parseModelSubject(modelSubjects(address).meta), address);
    }),
  );
});

test('no two attempts share a subject, and what one may publish covers nothing of another', () => {
  fc.assert(
    fc.property(addresses, addresses, (a, b) => {
      fc.pre(modelName(a) !== modelName(b) && a.attemptUID !== b.attemptUID);
      const theirs = [subjectOf(b, 'epoch'), subjectOf(b, 'progress'), ...Object.values(modelSubjects(b))];
      for (const subject of theirs) {
        assert.ok(!subjectsOfAttempt(a).some((pattern) => covers(pattern, subject)));
        assert.ok(subjectsOfAttempt(b).some((pattern) => covers(pattern, subject)));
      }
      assert.equal(covers(subjectsOfSweep(a.sweepUID), subjectOf(b, 'epoch')), a.sweepUID === b.sweepUID);
    }),
  );
});

describe('a UID that would be more than one token of a subject is refused', () => {
  for (const wild of ['', '*', '>', 'a.b', 'a b', 'ä', '__proto__.x', 'a\r\nPUB x 0', 'x'.repeat(64)]) {
    test(JSON.stringify(wild).slice(0, 20), () => {
      for (const key of ['sweepUID', 'attemptUID'] as const) {
        assert.throws(() => subjectOf({ ...address, [key]: wild }, 'epoch'), InvalidMessageError);
        assert.throws(() => modelSubjects({ ...address, [key]: wild }), InvalidMessageError);
      }
      assert.throws(() => subjectsOfSweep(wild), InvalidMessageError);
    });
  }
});

test('a subject that is spelt otherwise is refused', () => {
  for (const subject of [
    '',
    'cs.v1.a.7.b',
    'cs.v2.a.7.b.epoch',
    'cs.v1.a.07.b.epoch',
    'cs.v1.a.-7.b.epoch',
    'cs.v1.a.100000.b.epoch',
    'cs.v1.a.7.b.epoch.x',
    'cs.v1.a.7.b.EPOCH',
    'cs.v1..7.b.epoch',
    'CS.v1.a.7.b.epoch',
  ]) {
    assert.throws(
      () => parseSubject(subject),
      /^InvalidMessageError: subject ".*": expected cs\.v1\.<sweepUID>/,
      subject,
    );
  }
});

test('a message has the id of its last epoch, and reads as it was written', () => {
  const measurements = [own({ epoch: 4 }), own({ epoch: 5, trainLoss: Number.NaN })];
  const message = encodeMeasurements('sweep', measurements);
  assert.deepEqual([message.subject, message.id], ['cs.v1.sweep.7.pod.epoch', 'pod/epoch/5']);
  const content = decodeMessage(message.subject, Buffer.from(message.payload));
  assert.deepEqual(content, {
    ...{ address, kind: 'epoch' },
    measurements: [own({ epoch: 4 }), own({ epoch: 5, trainLoss: null })],
  });
});

test('Measurements of two attempts are no message, and neither are none', () => {
  for (const other of [own({ trial: 8 }), own({ attemptUID: 'other' })]) {
    assert.throws(() => encodeMeasurements('sweep', [own(), other]), /1\.(trial|attemptUID): .*: the subject says/);
  }
  assert.throws(() => encodeMeasurements('sweep', []), InvalidMessageError);
  assert.throws(() => encodeMeasurements('sweep', Array(101).fill(own())), InvalidMessageError);
});

test('a running loss that is not finite is null', () => {
  const figures = { trial: 7, attempt: 1, attemptUID: 'pod', epoch: 1, step: 2000, steps: 4000, examplesPerSecond: 1 };
  const text = encodeProgress({ ...figures, runningTrainLoss: Number.NaN });
  const { subject, payload } = joinMessage({ address, kind: 'progress', number: 1 }, [text]);
  assert.deepEqual(decodeMessage(subject, payload), {
    ...{ address, kind: 'progress' },
    progress: [{ ...figures, runningTrainLoss: null }],
  });
});

test('whatever the subject and the bytes, they decode or are refused as an invalid message', () => {
  const subjects = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('cs.v1.sweep.7.pod.epoch'));
  const payloads = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }), fc.json());
  fc.assert(
    fc.property(subjects, payloads, (subject, payload) => {
      try {
        decodeMessage(subject, payload);
      } catch (error) {
        assert.ok(error instanceof InvalidMessageError, String(error));
        assert.ok(error.message.length <= 500);
      }
    }),
  );
});
