import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AXES, canonical, countPoints, expandGrid, expandPoints } from '../../src/sweep/grid.ts';
import type { Grid } from '../../src/sweep/schema.ts';
import { makeGrid, makeStudy, makeSweep, makeTraining } from './builders.ts';

const everyAxis: Grid = {
  widths: [[3], [8]],
  activation: ['relu', 'none'],
  pooling: ['max', 'avg'],
  depth: [1, 2],
  batchSize: [4, 8],
  learningRate: [0.1, 0.2],
  momentum: [0, 0.9],
  seed: [7, 8],
};

const grids: fc.Arbitrary<Grid> = fc.record(
  {
    widths: fc.array(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }), {
      minLength: 1,
      maxLength: 3,
    }),
    activation: fc.array(fc.constantFrom('relu', 'none'), { minLength: 1, maxLength: 2 }),
    pooling: fc.array(fc.constantFrom('max', 'avg', 'none'), { minLength: 1, maxLength: 2 }),
    depth: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
    batchSize: fc.array(fc.constantFrom(4, 8), { minLength: 1, maxLength: 2 }),
    learningRate: fc.array(fc.constantFrom(0.001, 1e-3, 0.01), { minLength: 1, maxLength: 2 }),
    momentum: fc.array(fc.constantFrom(0, 0.9), { minLength: 1, maxLength: 2 }),
    seed: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['widths', 'activation', 'pooling', 'depth'] },
);

test('the axes vary in the order widths, activation, pooling, depth, batchSize, learningRate, momentum, seed, the last fastest', () => {
  const points = expandGrid(makeSweep({ grid: [everyAxis] }));
  assert.equal(points.length, 256);
  for (const [index, point] of points.entries()) {
    const digits = index.toString(2).padStart(8, '0');
    const want = AXES.map((axis, at) => everyAxis[axis]?.[Number(digits[at])]);
    assert.deepEqual(Object.values(point), want, `trial ${index}`);
    assert.deepEqual(Object.keys(point), [...AXES]);
  }
});

test('the order of keys in the file does not change the order of trials', () => {
  fc.assert(
    fc.property(fc.array(grids, { minLength: 1, maxLength: 3 }), (list) => {
      const reversed = list.map((grid) => Object.fromEntries(Object.entries(grid).reverse()) as unknown as Grid);
      assert.deepEqual(expandGrid(makeSweep({ grid: reversed })), expandGrid(makeSweep({ grid: list })));
    }),
  );
});

test('the study has its ten networks in the order of the file', () => {
  const names = expandGrid(makeStudy()).map(({ widths, activation, pooling, depth }) =>
    [widths, activation, pooling, depth].join(' '),
  );
  assert.deepEqual(names, [
    '3,8 relu max 1',
    '6,16 relu max 1',
    '12,32 relu max 1',
    '24,64 relu max 1',
    '48,128 relu max 1',
    '96,256 relu max 1',
    '12,32 none none 1',
    '12,32 none avg 1',
    '12,32 none none 2',
    '12 relu none 1',
  ]);
});

test('what a grid does not name as an axis comes from training', () => {
  const training = makeTraining({ batchSize: 32, learningRate: 0.5, momentum: 0.25, seed: 9 });
  const [point] = expandGrid(makeSweep({ training }));
  assert.deepEqual(point, {
    widths: [3, 8],
    activation: 'relu',
    pooling: 'max',
    depth: 1,
    batchSize: 32,
    learningRate: 0.5,
    momentum: 0.25,
    seed: 9,
  });
});

test('an axis of a grid overrides training', () => {
  const points = expandGrid(makeSweep({ grid: [makeGrid({ seed: [3, 1] })], training: makeTraining({ seed: 9 }) }));
  assert.deepEqual(
    points.map(({ seed }) => seed),
    [3, 1],
  );
});

test('equal points are merged, the first index stays, and each merge says into which grids', () => {
  const { points, merges } = expandPoints(
    makeSweep({
      grid: [
        makeGrid({ widths: [[3], [8]] }),
        makeGrid({ widths: [[9]] }),
        makeGrid({ widths: [[8], [10], [9], [3]] }),
        makeGrid({ widths: [[3]], seed: [0] }), // what training says by itself
        makeGrid({ widths: [[11], [11]] }),
      ],
    }),
  );
  assert.deepEqual(
    points.map(({ hyperparameters, grid }) => [hyperparameters.widths[0], grid]),
    [
      [3, 0],
      [8, 0],
      [9, 1],
      [10, 2],
      [11, 4],
    ],
  );
  assert.deepEqual(merges, [
    { grid: 2, points: 4, merged: 3, into: [0, 1] },
    { grid: 3, points: 1, merged: 1, into: [0] },
    { grid: 4, points: 2, merged: 1, into: [4] },
  ]);
});

test('no two trials are equal, and every point of every grid is a trial', () => {
  fc.assert(
    fc.property(fc.array(grids, { minLength: 1, maxLength: 4 }), (list) => {
      const keys = expandGrid(makeSweep({ grid: list })).map(canonical);
      assert.equal(new Set(keys).size, keys.length);
      const alone = list.flatMap((grid) => expandGrid(makeSweep({ grid: [grid] })).map(canonical));
      assert.deepEqual([...new Set(alone)], keys);
    }),
  );
});

test('a grid appended to the list leaves every index before it as it was', () => {
  fc.assert(
    fc.property(fc.array(grids, { minLength: 1, maxLength: 3 }), grids, (list, appended) => {
      const before = expandGrid(makeSweep({ grid: list }));
      assert.deepEqual(expandGrid(makeSweep({ grid: [...list, appended] })).slice(0, before.length), before);
    }),
  );
});

test('points are counted without expanding, before merging', () => {
  fc.assert(
    fc.property(grids, (grid) => {
      const { points, merges } = expandPoints(makeSweep({ grid: [grid] }));
      assert.equal(countPoints(grid), points.length + (merges[0]?.merged ?? 0));
    }),
  );
  const axis = <T>(value: T) => Array<T>(64).fill(value);
  const largest: Grid = {
    widths: axis([1]),
    activation: axis('relu'),
    pooling: axis('max'),
    depth: axis(1),
    batchSize: axis(4),
    learningRate: axis(0.1),
    momentum: axis(0.9),
    seed: axis(0),
  };
  assert.equal(countPoints(largest), 2 ** 48);
});

test('a point has one text whoever wrote its numbers', () => {
  const [point] = expandGrid(makeSweep({ grid: [makeGrid({ learningRate: [1e-3], momentum: [-0] })] }));
  assert.ok(point);
  assert.equal(canonical(point), '[[3,8],"relu","max",1,4,0.001,0,0]');
});
