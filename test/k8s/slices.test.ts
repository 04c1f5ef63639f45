import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { CurveSummary } from '../../src/sweep/result.ts';
import { MAX_RECORDS, type TrialRecord } from '../../src/sweep/slice.ts';
import { makeFigures, makePoint, makeResult, makeSummary } from '../sweep/builders.ts';
import { type Answer, complaints, SLICES, startApi } from './api.ts';

const api = await startApi();
after(() => api.close());

function makeRecord(record: Partial<TrialRecord> = {}): TrialRecord {
  const { widths, ...point } = makePoint();
  return { ...makeResult(), hyperparameters: { ...point, widths: [...widths] }, ...record };
}

/** As many digits as a number can have, in every figure. */
const LONG = Math.PI * 1e-7;
const LONG_FIGURES = makeFigures({
  epoch: 1000,
  trainLoss: LONG,
  trainAccuracy: LONG,
  validationLoss: LONG,
  validationAccuracy: LONG,
  validationLossStandardError: LONG,
  runningTrainLoss: LONG,
  seconds: LONG,
  examplesPerSecond: LONG,
});
const LONG_SUMMARY: CurveSummary = {
  ...makeSummary([1]),
  epochsPlanned: 1000,
  smoothedLossAtTurn: LONG,
  smoothedLossAtEnd: LONG,
  best: LONG_FIGURES,
  last: LONG_FIGURES,
  rawBest: LONG_FIGURES,
};

function makeLargestRecord(trial: number): TrialRecord {
  const { widths: _, ...point } = makePoint({
    batchSize: 4096,
    learningRate: LONG,
    momentum: LONG,
    seed: 4_294_967_295,
  });
  return makeRecord({
    trial: 99_999 - trial,
    attemptUID: 'x'.repeat(36),
    reason: '界'.repeat(256),
    parameterCount: Number.MAX_SAFE_INTEGER,
    seconds: LONG,
    summary: LONG_SUMMARY,
    test: { loss: LONG, accuracy: LONG },
    hyperparameters: { ...point, widths: Array.from({ length: 8 }, () => 1024) },
  });
}

let count = 0;
/** Creates a slice of its own for each test. */
async function createSlice(records: readonly unknown[], change: object = {}): Promise<Answer & { name: string }> {
  const name = `study-0123ab-s${count++}`;
  const slice = { slice: 0, sweep: 'study', records, ...change };
  const answer = await api.request('POST', SLICES, {
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'TrialResultSlice',
    metadata: { name },
    ...slice,
  });
  return { ...answer, name };
}

/** As the controller writes: a merge patch would take nulls out of the records. */
function patch(name: string, operations: readonly object[]): Promise<Answer> {
  return api.request('PATCH', `${SLICES}/${name}`, operations, 'application/json-patch+json');
}
const put = (path: string, value: unknown) => ({ op: 'add', path, value });

const said = (answer: Answer) => complaints(answer).map(({ field, message }) => `${field}: ${message}`);

describe('a slice is append-only', () => {
  const [first, second, third] = [0, 1, 2].map((trial) => makeRecord({ trial }));
  const records = [first, second];
  const cases: Record<string, { change: object; want: readonly string[] }> = {
    'a record may be added': { change: put('/records/-', third), want: [] },
    'the same records may be written again': { change: put('/records', [first, second]), want: [] },
    'labels may change': { change: put('/metadata/labels', { a: 'b' }), want: [] },
    'no record changes': {
      change: put('/records', [first, { ...second, outcome: 'Failed' }]),
      want: ['records[1]: a record is never changed'],
    },
    'no figure deep in a record changes': {
      change: put('/records', [{ ...first, test: { loss: 1.1, accuracy: 0.62 } }, second]),
      want: ['records[0]: a record is never changed'],
    },
    'no figure of a record becomes null': {
      change: put('/records', [{ ...first, test: null }, second]),
      want: ['records[0]: a record is never changed'],
    },
    'no record is removed': { change: put('/records', [first]), want: ['records: trial 1: a record is never removed'] },
    'no record is replaced by that of another trial': {
      change: put('/records', [first, third]),
      want: ['records: trial 1: a record is never removed'],
    },
    'a trial has one record': {
      change: put('/records', [first, second, { ...second, attempt: 2 }]),
      want: ['records[2]: Duplicate value: {"trial":1}', 'records[2]: a record is never changed'],
    },
    'the records are not removed as a whole': {
      change: { op: 'remove', path: '/records' },
      want: ['records: Required value'],
    },
    'the number of the slice stays': { change: put('/slice', 1), want: ['slice: immutable'] },
    'the name of the sweep stays': { change: put('/sweep', 'other'), want: ['sweep: immutable'] },
  };
  for (const [sentence, { change, want }] of Object.entries(cases))
    test(sentence, async () => {
      const { name, status } = await createSlice(records);
      assert.equal(status, 201);
      const answer = await patch(name, [change]);
      assert.deepEqual(said(answer), want, answer.body.message);
      assert.equal(answer.status, want.length === 0 ? 200 : 422);
    });
});

describe('a record', () => {
  const whole: Record<string, TrialRecord> = {
    'of a trial with a result comes back as it was written': makeRecord(),
    'of a diverged trial keeps its nulls': makeRecord({ summary: makeSummary([1, null, null]) }),
    'of a failed trial may have neither summary nor test figures nor backend': makeRecord({
      outcome: 'Failed',
      reason: 'Crashed (exit 139)',
      summary: null,
      test: null,
      backend: null,
    }),
    'with the largest of everything comes back as it was written': makeLargestRecord(0),
  };
  for (const [sentence, record] of Object.entries(whole))
    test(sentence, async () => {
      const { body } = await createSlice([record]);
      assert.deepEqual(body.records, [record], body.message);
    });

  test('is given no value that was not written: a default is for what a person writes', async () => {
    const { seed: _, ...rest } = makeRecord().hyperparameters;
    const answer = await createSlice([{ ...makeRecord(), hyperparameters: rest }]);
    assert.deepEqual(said(answer), ['records[0].hyperparameters.seed: Required value']);
  });

  const wrong: Record<string, { record: object; want: string }> = {
    'an outcome that is none': { record: { outcome: 'Done' }, want: 'records[0].outcome' },
    'a backend that is none': { record: { backend: 'tpu' }, want: 'records[0].backend' },
    'an accuracy above 1': { record: { test: { loss: 1, accuracy: 1.1 } }, want: 'records[0].test.accuracy' },
    'a trial beyond the last': { record: { trial: 100_000 }, want: 'records[0].trial' },
    'a hash of another form': { record: { hyperparametersHash: 'x' }, want: 'records[0].hyperparametersHash' },
    'a reason without end': { record: { reason: 'x'.repeat(1025) }, want: 'records[0].reason' },
  };
  for (const [sentence, { record, want }] of Object.entries(wrong))
    test(`with ${sentence} is refused by its path`, async () => {
      const answer = await createSlice([{ ...makeRecord(), ...record }]);
      assert.deepEqual(
        complaints(answer).map(({ field }) => field),
        [want],
      );
    });
});

describe('the size of a slice', () => {
  test('200 of the largest records are stored, the last of them added to the others', async () => {
    const records = Array.from({ length: MAX_RECORDS }, (_, trial) => makeLargestRecord(trial));
    const { name, status, body } = await createSlice(records.slice(0, -1));
    assert.equal(status, 201, body.message);
    const answer = await patch(name, [put('/records/-', records.at(-1))]);
    assert.equal(answer.status, 200, answer.body.message);
    assert.deepEqual(answer.body.records, records);
    // What etcd takes, less room for bookkeeping: 1.5 MiB.
    assert.ok(Buffer.byteLength(JSON.stringify(answer.body)) < 1.25 * 2 ** 20, `${JSON.stringify(answer.body).length}`);
  });

  test('a slice of 201 records is refused', async () => {
    const answer = await createSlice(Array.from({ length: MAX_RECORDS + 1 }, (_, trial) => makeRecord({ trial })));
    assert.deepEqual(said(answer), ['records: Too many: 201: must have at most 200 items']);
  });

  test('in a full slice the changed record is named, and the removed one', async () => {
    const records = Array.from({ length: MAX_RECORDS }, (_, trial) => makeRecord({ trial }));
    const { name } = await createSlice(records);
    const changed = records.with(199, makeRecord({ trial: 199, seconds: 1 }));
    assert.deepEqual(said(await patch(name, [put('/records', changed)])), ['records[199]: a record is never changed']);
    assert.deepEqual(said(await patch(name, [put('/records', records.toSpliced(150, 1))])), [
      'records: trial 150: a record is never removed',
    ]);
  });

  test('the bookkeeping of a full slice is small beside its records', async () => {
    const { body } = await createSlice(Array.from({ length: MAX_RECORDS }, (_, trial) => makeRecord({ trial })));
    const { managedFields } = body.metadata as { managedFields?: unknown };
    assert.ok(JSON.stringify(managedFields).length < 20_000, `${JSON.stringify(managedFields).length}`);
  });
});

for (const [number, want] of [
  [0, 201],
  [4999, 201],
  [5000, 422],
  [-1, 422],
] as const)
  test(`slice ${number} is ${want === 201 ? 'accepted' : 'refused'}`, async () => {
    assert.equal((await createSlice([], { slice: number })).status, want);
  });
