import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  panBy,
  partOf,
  valueAt,
  valuesWithin,
  WHOLE,
  type Zoomable,
  zoomBy,
  zoomInto,
} from '../../../src/dashboard/page/zoom.ts';

const frame = (changes: Partial<Zoomable> = {}): Zoomable => ({
  x: [1, 15],
  y: [0, 2],
  wholeX: [1, 15],
  leastX: 1,
  marks: [
    { x: 15, isKept: true },
    { x: 7, isKept: false },
  ],
  ...changes,
});

test('a box is a part of what is shown; a side that it does not have stays as it was', () => {
  assert.deepEqual(zoomInto(frame(), { x: [0.5, 1], y: null }, WHOLE), { zoomX: [8, 15], zoomY: null });
  assert.deepEqual(zoomInto(frame({ x: [8, 15] }), { x: [0, 0.5], y: [0.25, 0.5] }, { zoomX: [8, 15], zoomY: null }), {
    zoomX: [8, 11.5],
    zoomY: [0.5, 1],
  });
  assert.deepEqual(zoomInto(frame(), { x: null, y: [0, 0.5] }, { zoomX: [2, 3], zoomY: null }), {
    zoomX: [2, 3],
    zoomY: [0, 1],
  });
});

test('a box narrower than an epoch shows one', () => {
  assert.deepEqual(zoomInto(frame(), { x: [0.99, 1], y: null }, WHOLE).zoomX, [14, 15]);
});

test('nearer and farther: the turning point stays where it stands, and as wide as the whole is the whole', () => {
  const { zoomX } = zoomBy(frame(), 0.5);
  assert.deepEqual(zoomX, [4, 11]);
  assert.ok(zoomX);
  assert.equal((7 - zoomX[0]) / (zoomX[1] - zoomX[0]), (7 - 1) / (15 - 1));
  assert.deepEqual(zoomBy(frame({ x: [4, 11] }), 2), WHOLE);
  assert.deepEqual(zoomBy(frame({ marks: [] }), 0.5).zoomX, [4.5, 11.5]);
  assert.deepEqual(zoomBy(frame({ x: [6, 7], marks: [] }), 0.5).zoomX, [6, 7]);
});

test('to the side until the end, and the whole has nowhere to go', () => {
  assert.deepEqual(panBy(frame({ x: [4, 8] }), 0.25, { zoomX: [4, 8], zoomY: [0, 1] }), {
    zoomX: [5, 9],
    zoomY: [0, 1],
  });
  assert.deepEqual(panBy(frame({ x: [12, 15] }), 0.5, { zoomX: [12, 15], zoomY: null }).zoomX, [12, 15]);
  assert.deepEqual(panBy(frame(), 0.25, WHOLE), WHOLE);
});

test('a part that lies outside of the whole is the whole', () => {
  const whole = [1, 15] as const;
  assert.deepEqual(partOf(whole, [20, 30]), whole);
  assert.deepEqual(partOf(whole, [-3, 4]), [1, 4]);
  assert.equal(partOf(whole, null), whole);
});

test('a line is cut where it enters and leaves, and has nothing in its holes', () => {
  const [x, values] = [
    [1, 2, 3, 4, 5],
    [5, 4, null, 2, 1],
  ];
  assert.equal(valueAt(x, values, 1.5), 4.5);
  assert.equal(valueAt(x, values, 2), 4);
  assert.equal(valueAt(x, values, 2.5), null);
  assert.equal(valueAt(x, values, 9), null);
  assert.deepEqual(valuesWithin(x, values, [1.5, 4.5]), [4.5, 4, 2, 1.5]);
});
