import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildSlice, planRecords, recordsOf, SliceCache } from '../../src/controller/slice.ts';
import type { SliceObject } from '../../src/shared/objects.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import { makeClusterSweep, makeRecord, makeSlice, OTHER_UID } from './builders.ts';

const sweep = makeClusterSweep(700);
const records = (from: number, to: number): TrialRecord[] =>
  Array.from({ length: to - from }, (_, at) => makeRecord(sweep, from + at));

const written = (slices: readonly SliceObject[], added: readonly TrialRecord[]) =>
  planRecords(slices, added, sweep).map((write) => `${write.kind} ${write.name}: ${write.records.length}`);

const plans: Record<string, { slices?: SliceObject[]; add: TrialRecord[]; want: string[] }> = {
  'nothing new writes nothing': { slices: [makeSlice(sweep, 0, records(0, 3))], add: [], want: [] },
  'the first records create the first slice': { add: records(0, 2), want: ['create study-0f1e2d-s0: 2'] },
  'more go into the slice that has room': {
    slices: [makeSlice(sweep, 0, records(0, 3))],
    add: records(3, 5),
    want: ['append study-0f1e2d-s0: 2'],
  },
  'a slice of less than 25 has room': {
    slices: [makeSlice(sweep, 0, records(0, 24))],
    add: records(24, 224),
    want: ['append study-0f1e2d-s0: 176', 'create study-0f1e2d-s1: 24'],
  },
  'the next slice comes when the last holds 25: each append would have all of them checked again': {
    slices: [makeSlice(sweep, 0, records(0, 25))],
    add: records(25, 27),
    want: ['create study-0f1e2d-s1: 2'],
  },
  'and when it is full': {
    slices: [makeSlice(sweep, 0, records(0, 200))],
    add: records(200, 201),
    want: ['create study-0f1e2d-s1: 1'],
  },
  'however many there are': {
    add: records(0, 450),
    want: ['create study-0f1e2d-s0: 200', 'create study-0f1e2d-s1: 200', 'create study-0f1e2d-s2: 50'],
  },
  'a trial that has a record in any slice gets no second': {
    slices: [makeSlice(sweep, 0, records(0, 200)), makeSlice(sweep, 1, records(200, 201))],
    add: records(7, 8),
    want: [],
  },
  'nor if that record cannot be read': {
    slices: [makeSlice(sweep, 0, [{ trial: 7, outcome: 'Better' }])],
    add: records(7, 9),
    want: ['append study-0f1e2d-s0: 1'],
  },
  'the same trial twice is written once': {
    add: [...records(0, 1), ...records(0, 1)],
    want: ['create study-0f1e2d-s0: 1'],
  },
  'a slice of another Sweep is not written to': {
    slices: [foreign(makeSlice(sweep, 0, []))],
    add: records(0, 1),
    want: ['create study-0f1e2d-s0: 1'],
  },
};
for (const [sentence, { slices = [], add, want }] of Object.entries(plans))
  test(sentence, () => assert.deepEqual(written(slices, add), want));

function foreign(slice: SliceObject): SliceObject {
  const { metadata } = slice;
  return {
    ...slice,
    metadata: {
      ...metadata,
      ownerReferences: (metadata.ownerReferences ?? []).map((owner) => ({ ...owner, uid: OTHER_UID })),
    },
  };
}

test('an append names the version that it was planned for', () => {
  const [write] = planRecords([makeSlice(sweep, 0, records(0, 1), '41')], records(1, 2), sweep);
  assert.equal(write?.kind === 'append' && write.resourceVersion, '41');
});

test('a slice is bounded in bytes too', () => {
  const long = records(0, 200).map((record) => ({ ...record, reason: '€'.repeat(1024), padding: 'x'.repeat(4000) }));
  for (const { records: each } of planRecords([], long, sweep)) {
    assert.ok(Buffer.byteLength(JSON.stringify(buildSlice(sweep, 0, each))) < 1_400_000);
  }
  assert.equal(planRecords([], long, sweep).length, 2);
});

test('a slice belongs to its Sweep', () => {
  const { metadata, slice, records: kept } = buildSlice(sweep, 2, records(0, 1));
  assert.deepEqual([metadata.name, metadata.namespace, slice, kept.length], ['study-0f1e2d-s2', 'team', 2, 1]);
  assert.equal(metadata.ownerReferences[0]?.uid, sweep.uid);
  assert.equal(metadata.labels['cnn-sweep.dev/sweep-uid'], sweep.uid);
});

const readings: Record<string, { slices: SliceObject[]; want: string[]; damaged?: RegExp[] }> = {
  'records are found by trial': { slices: [makeSlice(sweep, 0, records(0, 2))], want: ['0 Succeeded', '1 Succeeded'] },
  'of two of one trial the lower slice’s counts, whatever the order of reading': {
    slices: [makeSlice(sweep, 1, [makeRecord(sweep, 0, 'Failed')]), makeSlice(sweep, 0, records(0, 1))],
    want: ['0 Succeeded'],
  },
  'a slice of another Sweep is not read': { slices: [foreign(makeSlice(sweep, 0, records(0, 1)))], want: [] },
  'a record that does not decode is told with its trial': {
    slices: [makeSlice(sweep, 0, [{ ...makeRecord(sweep, 1), outcome: 'Better' }, ...records(2, 3)])],
    want: ['2 Succeeded'],
    damaged: [/^study-0f1e2d-s0 0 1: .*outcome/],
  },
  'garbage is told too': {
    slices: [makeSlice(sweep, 0, [null, 7, { trial: 1.5 }, { trial: '3' }])],
    want: [],
    damaged: [/0 -:/, /1 -:/, /2 -:/, /3 -:/],
  },
  'a record of no trial of this sweep is told': {
    slices: [makeSlice(sweep, 0, [{ ...makeRecord(sweep, 1), trial: 2 }])],
    want: [],
    damaged: [/0 2: is of no trial/],
  },
  'a damaged record beside a good one of its trial does no harm': {
    slices: [makeSlice(sweep, 0, [{ trial: 1 }]), makeSlice(sweep, 1, records(1, 2))],
    want: ['1 Succeeded'],
  },
  'a slice without records is empty': { slices: [{ metadata: makeSlice(sweep, 0, []).metadata }], want: [] },
};
for (const [sentence, { slices, want, damaged = [] }] of Object.entries(readings))
  test(sentence, () => {
    const read = recordsOf(slices, sweep);
    assert.deepEqual(
      [...read.records.values()].map(({ trial, outcome }) => `${trial} ${outcome}`),
      want,
    );
    assert.equal(read.damaged.length, damaged.length);
    for (const [at, words] of damaged.entries()) {
      const { slice, position, trial = '-', message } = read.damaged[at] ?? assert.fail();
      assert.match(`${slice} ${position} ${trial}: ${message}`, words);
    }
  });

test('whatever stands in a slice, reading it does not throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.anything(), { maxLength: 5 }),
      (values) => void recordsOf([makeSlice(sweep, 0, values)], sweep),
    ),
  );
});

test('a slice is decoded anew only as its version changes', () => {
  const cache = new SliceCache();
  const slice = makeSlice(sweep, 0, records(0, 2), '1');
  const first = recordsOf([slice], sweep, cache).records;
  // The same version with other records can only come from the cache.
  assert.equal(recordsOf([{ ...slice, records: [] }], sweep, cache).records.size, 2);
  assert.equal(first.size, 2);
  assert.equal(recordsOf([makeSlice(sweep, 0, records(0, 3), '2')], sweep, cache).records.size, 3);
  assert.equal(recordsOf([], sweep, cache).records.size, 0);
  assert.equal(recordsOf([{ ...slice, records: [] }], sweep, cache).records.size, 0);
});

test('in any portions, every record is in exactly one slice, and n+1 only exists when n holds 25', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 220 }));
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 6 }), (portions) => {
      const slices: SliceObject[] = [];
      let next = 0;
      for (const portion of portions) {
        const added = records(next, Math.min(700, next + portion));
        next += added.length;
        for (const write of planRecords(slices, added, sweep)) {
          const last = slices.at(-1);
          if (write.kind === 'create') {
            assert.ok((last?.records?.length ?? 25) >= 25);
            slices.push(makeSlice(sweep, write.slice, write.records));
          } else if (last) {
            assert.ok((last.records?.length ?? 0) < 25);
            slices[slices.length - 1] = makeSlice(sweep, last.slice ?? 0, [...(last.records ?? []), ...write.records]);
          }
        }
      }
      const trials = slices.flatMap(({ records: kept = [] }) => kept.map((record) => (record as TrialRecord).trial));
      assert.deepEqual(
        trials,
        Array.from({ length: next }, (_, at) => at),
      );
      assert.ok(slices.every(({ records: kept = [] }) => kept.length <= 200));
    }),
    { numRuns: 20 },
  );
});

test('what has not changed is read once; a change, or other trials, and it is read anew', () => {
  const cache = new SliceCache();
  const slices = [makeSlice(sweep, 0, records(0, 3)), makeSlice(sweep, 1, records(3, 5))];
  const read = (given: readonly SliceObject[], owner = sweep) => recordsOf(given, owner, cache);
  const first = read(slices);
  assert.equal(read([...slices].reverse()), first);
  const grown = read([slices[0] ?? assert.fail(), makeSlice(sweep, 1, records(3, 6), '2')]);
  assert.deepEqual([...first.records.keys(), first.counts.succeeded], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([...grown.records.keys(), grown.counts.succeeded], [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(read([slices[0] ?? assert.fail()]).records.size, 3);
  const other = { ...sweep, trials: sweep.trials.slice(0, 2) };
  assert.deepEqual([...read([slices[0] ?? assert.fail()], other).records.keys()], [0, 1]);
});
