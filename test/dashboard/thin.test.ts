import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { thin } from '../../src/dashboard/thin.ts';

const series = fc.array(fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: null }), { maxLength: 300 });
const marks = fc.array(fc.nat(310), { maxLength: 2 });

test('what is kept is in order, once each, with both ends and the marked ones, and no more than asked for', () => {
  fc.assert(
    fc.property(series, fc.integer({ min: 4, max: 60 }), marks, (values, most, marked) => {
      const kept = thin(values, most, marked);
      assert.ok(kept.every((at, index) => index === 0 || at > (kept[index - 1] ?? at)));
      assert.ok(kept.length <= Math.max(most, 4) && kept.every((at) => at >= 0 && at < values.length));
      if (values.length === 0) return;
      for (const at of [0, values.length - 1, ...marked.filter((mark) => mark < values.length)]) {
        assert.ok(kept.includes(at), `${at} is missing`);
      }
    }),
  );
});

test('a series that is short enough stays as it is', () => {
  fc.assert(
    fc.property(series, (values) => {
      assert.deepEqual(thin(values, Math.max(4, values.length), []), [...values.keys()]);
    }),
  );
});

test('all the room is used', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 500 }), fc.integer({ min: 4, max: 60 }), (length, most) => {
      const values = Array.from({ length }, (_, at) => Math.sin(at));
      assert.ok(thin(values, most, [7, 11]).length >= most - 3);
    }),
  );
});

test('a lone peak in a thousand epochs stays', () => {
  const values = Array.from({ length: 1_000 }, (_, at) => (at === 517 ? 9 : 1 - at / 10_000));
  assert.ok(thin(values, 20, []).includes(517));
});
