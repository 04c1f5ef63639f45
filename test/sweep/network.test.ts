import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DATASETS } from '../../src/sweep/dataset.ts';
import { describeNetwork, describeVanishing, networkName, vanishes } from '../../src/sweep/network.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { makePoint, makeStudy } from './builders.ts';

const { cifar10, mnist } = DATASETS;

const studied: Record<string, { layers: number[]; want: number; multiplyAdds: number }> = {
  '(3,8) relu max': { layers: [228, 0, 608, 0, 2_010], want: 2_846, multiplyAdds: 176_400 + 60_000 + 2_000 },
  '(6,16) relu max': { layers: [456, 0, 2_416, 0, 4_010], want: 6_882, multiplyAdds: 352_800 + 240_000 + 4_000 },
  '(12,32) relu max': { layers: [912, 0, 9_632, 0, 8_010], want: 18_554, multiplyAdds: 705_600 + 960_000 + 8_000 },
  '(24,64) relu max': {
    layers: [1_824, 0, 38_464, 0, 16_010],
    want: 56_298,
    multiplyAdds: 1_411_200 + 3_840_000 + 16_000,
  },
  '(48,128) relu max': {
    layers: [3_648, 0, 153_728, 0, 32_010],
    want: 189_386,
    multiplyAdds: 2_822_400 + 15_360_000 + 32_000,
  },
  '(96,256) relu max': {
    layers: [7_296, 0, 614_656, 0, 64_010],
    want: 685_962,
    multiplyAdds: 5_644_800 + 61_440_000 + 64_000,
  },
  '(12,32) linear no pooling': {
    layers: [912, 9_632, 184_330],
    want: 194_874,
    multiplyAdds: 705_600 + 5_529_600 + 184_320,
  },
  '(12,32) linear avg': { layers: [912, 0, 9_632, 0, 8_010], want: 18_554, multiplyAdds: 705_600 + 960_000 + 8_000 },
  '(12,32)×2 linear no pooling': {
    layers: [912, 3_612, 9_632, 25_632, 81_930],
    want: 121_718,
    multiplyAdds: 705_600 + 2_073_600 + 3_840_000 + 6_553_600 + 81_920,
  },
  '(12) relu no pooling': { layers: [912, 94_090], want: 95_002, multiplyAdds: 705_600 + 94_080 },
};

test('the ten networks of the study are named as in the table', () => {
  assert.deepEqual(
    expandTrials(makeStudy()).map(({ name }) => name),
    Object.keys(studied),
  );
});

for (const { name, hyperparameters, parameterCount, multiplyAdds } of expandTrials(makeStudy())) {
  test(`${name} has the layers, parameters and multiply-adds that arithmetic gives`, () => {
    const network = describeNetwork(hyperparameters, cifar10);
    assert.ok(!vanishes(network));
    assert.deepEqual(
      { layers: network.layers.map((layer) => layer.parameterCount), want: parameterCount, multiplyAdds },
      studied[name],
    );
    assert.equal(network.parameterCount, parameterCount);
  });
}

test('shapes go 32 → 28 → 14 → 10 → 5 with pooling', () => {
  const network = describeNetwork(makePoint({ widths: [3, 8] }), cifar10);
  assert.ok(!vanishes(network));
  assert.deepEqual(
    network.layers.map(({ kind, output }) => [kind, ...output]),
    [
      ['convolution', 28, 28, 3],
      ['pool', 14, 14, 3],
      ['convolution', 10, 10, 8],
      ['pool', 5, 5, 8],
      ['dense', 1, 1, 10],
    ],
  );
});

test('pooling drops a remainder', () => {
  const network = describeNetwork(makePoint({ widths: [2] }), { height: 13, width: 13, channels: 1, classes: 2 });
  assert.ok(!vanishes(network));
  assert.deepEqual(
    network.layers.map(({ output }) => output[0]),
    [9, 4, 1],
  );
});

test('a picture that is not square keeps its two sides', () => {
  const network = describeNetwork(makePoint({ widths: [2] }), { height: 8, width: 12, channels: 1, classes: 3 });
  assert.ok(!vanishes(network));
  assert.deepEqual(
    network.layers.map(({ output }) => [...output]),
    [
      [4, 8, 2],
      [2, 4, 2],
      [1, 1, 3],
    ],
  );
  assert.equal(network.parameterCount, 52 + 2 * 4 * 2 * 3 + 3);
});

const vanishing: Record<string, { point: Parameters<typeof makePoint>[0]; input?: typeof mnist; want: string }> = {
  'a map that pooling takes away is reported with its arithmetic': {
    point: { widths: [3, 8, 16, 32] },
    want: 'widths [3,8,16,32], depth 1, max: stage 3 leaves a 0×0 map (32→28→14→10→5→1→0)',
  },
  'a map that a convolution takes away ends at 0, never below': {
    point: { widths: [3, 8], depth: 4, pooling: 'avg' },
    want: 'widths [3,8], depth 4, avg: stage 2 leaves a 0×0 map (32→28→24→20→16→8→4→0)',
  },
  'without pooling eight convolutions are one too many': {
    point: { widths: [4], depth: 8, pooling: 'none' },
    want: 'widths [4], depth 8, no pooling: stage 1 leaves a 0×0 map (32→28→24→20→16→12→8→4→0)',
  },
  'mnist is four pixels smaller, so its maps vanish earlier': {
    point: { widths: [1, 2], depth: 3 },
    input: mnist,
    want: 'widths [1,2], depth 3, max: stage 2 leaves a 0×0 map (28→24→20→16→8→4→0)',
  },
};

for (const [sentence, { point, input = cifar10, want }] of Object.entries(vanishing))
  test(sentence, () => {
    const network = describeNetwork(makePoint(point), input);
    assert.ok(vanishes(network));
    assert.equal(describeVanishing(makePoint(point), network), want);
  });

test('a map of one pixel is a network, one of none is not', () => {
  const sevenConvolutions = makePoint({ widths: [1], depth: 7, pooling: 'none' });
  assert.ok(!vanishes(describeNetwork(sevenConvolutions, { ...mnist, height: 29, width: 29 })));
  assert.ok(vanishes(describeNetwork(sevenConvolutions, { ...mnist, height: 29, width: 28 })));
  assert.ok(vanishes(describeNetwork(sevenConvolutions, { ...mnist, height: 28, width: 29 })));
});

test('a network either vanishes or has a positive size, whatever the point', () => {
  const points = fc.record({
    widths: fc.array(fc.integer({ min: 1, max: 1024 }), { minLength: 1, maxLength: 8 }),
    pooling: fc.constantFrom('max', 'avg', 'none'),
    depth: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(points, (point) => {
      const network = describeNetwork(makePoint(point), cifar10);
      if (vanishes(network)) {
        assert.equal(network.sizes.at(-1), 0);
        assert.ok(network.sizes.slice(0, -1).every((size) => size >= 1));
      } else {
        assert.ok(network.layers.every(({ output }) => Math.min(...output) >= 1));
        assert.ok(Number.isSafeInteger(network.parameterCount));
      }
    }),
  );
});

test('a name tells activation, pooling and depth apart', () => {
  const points = (['relu', 'none'] as const).flatMap((activation) =>
    (['max', 'avg', 'none'] as const).flatMap((pooling) =>
      [1, 2].map((depth) => makePoint({ activation, pooling, depth })),
    ),
  );
  assert.equal(new Set(points.map(networkName)).size, 12);
});
