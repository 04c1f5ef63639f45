import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRandom, shuffled } from '../../src/trainer/random.ts';

const take = (count: number, seed: number, stream = 0) => {
  const random = createRandom(seed, stream);
  return Array.from({ length: count }, () => random());
};

// From sfc32 written in C, not from the code under test: the words 0, seed, 0, then 15 rounds thrown away.
const reference: Record<string, { seed: number; want: number[] }> = {
  'seed 0 gives the numbers that sfc32 in C gives': {
    seed: 0,
    want: [4216505632, 947923937, 2491578854, 3964400089, 2091952393],
  },
  'seed 1 gives the numbers that sfc32 in C gives': {
    seed: 1,
    want: [1779833415, 2026416846, 1661539736, 2729060721, 4156309426],
  },
  'seed 42 gives the numbers that sfc32 in C gives': {
    seed: 42,
    want: [1251167922, 656401615, 478193053, 3278332503, 1360198844],
  },
};
for (const [sentence, { seed, want }] of Object.entries(reference))
  test(sentence, () => assert.deepEqual(take(5, seed), want));

test('seeds that differ in the sign, in a high bit, or in the stream give different numbers', () => {
  const firsts = [take(1, 1), take(1, -1), take(1, 1 + 2 ** 32), take(1, 1 - 2 ** 40), take(1, 1, 1), take(1, 1, 2)];
  assert.equal(new Set(firsts.flat()).size, firsts.length);
});

test('a seed that is not a safe integer, or a stream that is not a 32-bit one, is refused with its value', () => {
  for (const seed of [0.5, Number.NaN, 2 ** 53]) assert.throws(() => createRandom(seed, 0), /seed must be .* got /);
  for (const stream of [-1, 0.5, 2 ** 32]) assert.throws(() => createRandom(0, stream), /stream must be .* got /);
});

test('a shuffled list holds each number once', () =>
  fc.assert(
    fc.property(fc.nat(500), fc.maxSafeInteger(), (count, seed) => {
      const order = shuffled(count, createRandom(seed, 0));
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        [...Array(count).keys()],
      );
    }),
  ));

test('a number that would favour small results is drawn again', () => {
  const replay = (numbers: number[]) => () => numbers.shift() ?? 0;
  // 2^32 is 1 more than a multiple of 3, so its last value has no fair place among three.
  assert.deepEqual(shuffled(3, replay([2 ** 32 - 1, 1, 0])), shuffled(3, replay([1, 0])));
  assert.notDeepEqual(shuffled(3, replay([2 ** 32 - 2, 1, 0])), shuffled(3, replay([1, 0])));
});

test('every order of four is about as likely as any other', () => {
  const random = createRandom(7, 0);
  const rounds = 24_000;
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const order = shuffled(4, random).join();
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  const expected = rounds / 24;
  const chiSquare = [...seen.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  assert.equal(seen.size, 24);
  assert.ok(chiSquare < 49.7, `chi-square ${chiSquare} of 23 degrees of freedom is beyond the 99.9 % point`);
});
