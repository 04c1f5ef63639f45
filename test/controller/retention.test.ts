import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Absences, modelsToDrop, type Recorded } from '../../src/controller/retention.ts';
import type { Address } from '../../src/sweep/message.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import { makePoint, makeResult, makeSelection, makeSummary } from '../sweep/builders.ts';
import { SWEEP_UID } from './builders.ts';

const model = (trial: number, attemptUID = `pod-${trial}`): Address => ({ sweepUID: SWEEP_UID, trial, attemptUID });
const dropped = (models: readonly Address[], recorded: Recorded | undefined) =>
  modelsToDrop(models, new Map(recorded ? [[SWEEP_UID, recorded]] : [])).map(({ trial, attemptUID }) => [
    trial,
    attemptUID,
  ]);

/** The model of a recorded attempt is the Pod's of that number. */
const makeRecord = (trial: number, losses: readonly (number | null)[]): TrialRecord => ({
  ...makeResult({ trial, attemptUID: `pod-${trial}`, summary: makeSummary(losses) }),
  hyperparameters: { ...makePoint(), widths: [3, 8] },
});

/** Of so many trials, each better than the one before by more than a standard error. */
function makeRecorded(count: number): Recorded {
  const records = Array.from({ length: count }, (_, trial) => makeRecord(trial, [2 - trial / 10]));
  return { selection: makeSelection(), records: new Map(records.map((record) => [record.trial, record])) };
}

test('of twelve trials with models the two that are furthest from winning lose theirs', () => {
  const models = Array.from({ length: 12 }, (_, trial) => model(trial));
  const lost = dropped(models, makeRecorded(12)).toSorted(([a], [b]) => Number(a) - Number(b));
  assert.deepEqual(lost, [
    [0, 'pod-0'],
    [1, 'pod-1'],
  ]);
});

test('ten models stay, whatever else is recorded', () => {
  const models = Array.from({ length: 10 }, (_, trial) => model(trial));
  assert.deepEqual(dropped(models, makeRecorded(12)), []);
});

test('a model of an attempt that did not become the record goes', () => {
  assert.deepEqual(dropped([model(1), model(1, 'evicted')], makeRecorded(3)), [[1, 'evicted']]);
});

test('a model of a trial without a record stays: it may still get one', () => {
  assert.deepEqual(dropped([model(7)], makeRecorded(3)), []);
});

test('a trial that diverged keeps no model', () => {
  const { selection, records } = makeRecorded(2);
  const all = new Map([...records, [2, makeRecord(2, [null])]]);
  assert.deepEqual(dropped([model(1), model(2)], { selection, records: all }), [[2, 'pod-2']]);
});

test('of a Sweep that is not known nothing is dropped', () => assert.deepEqual(dropped([model(0)], undefined), []));

test('what is absent once is not gone; what is absent again after the delay is', () => {
  const absences = new Absences(100);
  assert.deepEqual(absences.note(['a'], 0), []);
  assert.deepEqual(absences.note(['a', 'b'], 99), []);
  assert.deepEqual(absences.note(['a', 'b'], 100), ['a']);
  assert.deepEqual(absences.note(['b'], 150), []);
  assert.deepEqual(absences.note(['a', 'b'], 250), ['b'], 'a was there in between');
});
