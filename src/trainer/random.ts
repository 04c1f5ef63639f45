/** A stream of unsigned 32-bit integers, uniform in 0..2^32-1. Each call moves it on. */
export type Random = () => number;

/** The generator sfc32 ("small fast counting"): the same (seed, stream) gives the same numbers on every machine, forever.
 * Streams of one seed are independent of each other; who uses which number is said in split.ts.
 * @param seed a safe integer; all 53 bits and the sign count
 * @param stream an integer in 0..2^32-1
 * @throws RangeError if either is outside these bounds
 * @see PractRand 0.94, src/RNGs/sfc.cpp, by Chris Doty-Humphrey, public domain: shifts 9, 3, 21, and its way to seed from three words */
export function createRandom(seed: number, stream: number): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be a safe integer, got ${seed}`);
  if (stream >>> 0 !== stream) throw new RangeError(`stream must be an integer in 0..${2 ** 32 - 1}, got ${stream}`);
  let a = stream;
  let b = seed >>> 0;
  let c = Math.floor(seed / 2 ** 32) >>> 0;
  let counter = 1;
  const next = () => {
    const out = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + out) >>> 0;
    return out;
  };
  // Seeds that differ in one bit start alike; the author's 15 rounds part them.
  for (let round = 0; round < 15; round++) next();
  return next;
}

/** A whole number in 0..limit-1, each exactly as likely: the few values that would favour small results are drawn again.
 * @param limit an integer in 1..2^32 */
function below(limit: number, random: Random): number {
  const fair = 2 ** 32 - (2 ** 32 % limit);
  let drawn = random();
  while (drawn >= fair) drawn = random();
  return drawn % limit;
}

/** The numbers 0..count-1 in random order, every order as likely as the generator allows.
 * @returns uint32 [count]
 * @see Fisher-Yates in Durstenfeld's form: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm P */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, position) => position);
  for (let last = count - 1; last > 0; last--) {
    const other = below(last + 1, random);
    const kept = order[last] ?? 0;
    order[last] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
