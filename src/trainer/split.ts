import { createRandom, shuffled } from './random.ts';

/** Indices into the whole training set, each list ascending; `training` and `validation` have no example in common. */
export interface Split {
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
  /** The fixed part of `training`, as large as `validation` where possible, on which training loss and accuracy are measured. */
  readonly trainingSubset: Uint32Array;
}

/** How the whole training set is divided. It belongs to the sweep, not to a trial: a trial's own seed has no part in it. */
export interface SplitOptions {
  readonly seed: number;
  /** 0 ≤ fraction < 1; the validation set has round(fraction × examples). */
  readonly validationFraction: number;
  /** An upper limit for the training set; absent: all that is left. */
  readonly trainingExamples?: number | undefined;
}

// Streams of a seed: the split takes stream 0, the shuffling of epoch e (from 1) takes stream e.
const SPLIT_STREAM = 0;

/** Splits a training set by seed, each class giving its share to every part, to within one example.
 * The limit comes after the split, so that it changes neither the validation set nor, beyond leaving some out, the training set.
 * @param labels uint8 [examples], the class of each
 * @returns validation: exactly round(fraction × examples); training: exactly the limit, or all the rest if that is fewer
 * @throws RangeError if the fraction or the limit is out of bounds */
export function splitTrainingSet(labels: Uint8Array, options: SplitOptions): Split {
  const { seed, validationFraction, trainingExamples = Number.POSITIVE_INFINITY } = options;
  if (!(validationFraction >= 0 && validationFraction < 1))
    throw new RangeError(`validationFraction must be at least 0 and below 1, got ${validationFraction}`);
  if (!(trainingExamples >= 1)) throw new RangeError(`trainingExamples must be at least 1, got ${trainingExamples}`);

  const all = byClass(labels, shuffled(labels.length, createRandom(seed, SPLIT_STREAM)));
  const [validation, rest] = cut(all, Math.round(validationFraction * labels.length));
  const [training] = cut(rest, Math.min(Math.floor(trainingExamples), count(rest)));
  const [trainingSubset] = cut(training, Math.min(count(validation), count(training)));
  return { training: flat(training), validation: flat(validation), trainingSubset: flat(trainingSubset) };
}

/** The order in which one epoch visits the training set: positions 0..count-1, from (seed, epoch) alone, so a restarted trial repeats it.
 * @param seed the trial's own
 * @param epoch from 1
 * @returns uint32 [count]
 * @throws RangeError if the epoch is below 1 */
export function epochOrder(count: number, seed: number, epoch: number): Uint32Array {
  if (!(epoch >= 1)) throw new RangeError(`epoch must be at least 1, got ${epoch}`);
  return shuffled(count, createRandom(seed, SPLIT_STREAM + epoch));
}

/** Example indices of each class, in the order given. */
type Classes = readonly (readonly number[])[];

function byClass(labels: Uint8Array, order: Uint32Array): Classes {
  const classes: number[][] = [];
  for (const index of order) {
    const label = labels[index] ?? 0;
    while (classes.length <= label) classes.push([]);
    classes[label]?.push(index);
  }
  return classes;
}

/** Takes `wanted` examples from the front, each class giving its share; returns what was taken and what was left. */
function cut(classes: Classes, wanted: number): [Classes, Classes] {
  const shares = apportion(
    classes.map((members) => members.length),
    wanted,
  );
  return [
    classes.map((members, label) => members.slice(0, shares[label])),
    classes.map((members, label) => members.slice(shares[label])),
  ];
}

/** Divides `wanted` in proportion to the sizes: whole numbers with exactly that sum, each within one of its exact share.
 * The largest remainders are rounded up, of equal ones the lower class first (Hamilton's method). */
function apportion(sizes: readonly number[], wanted: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total === 0) return sizes.map(() => 0);
  const shares = sizes.map((size) => Math.floor((wanted * size) / total));
  // Remainders as whole numbers: equal shares must tie exactly, whatever the rounding of a division.
  const byRemainder = sizes
    .map((size, label) => ({ label, remainder: (wanted * size) % total }))
    .sort((a, b) => b.remainder - a.remainder || a.label - b.label);
  const missing = wanted - shares.reduce((sum, share) => sum + share, 0);
  for (const { label } of byRemainder.slice(0, missing)) shares[label] = (shares[label] ?? 0) + 1;
  return shares;
}

function count(classes: Classes): number {
  return classes.reduce((sum, members) => sum + members.length, 0);
}

function flat(classes: Classes): Uint32Array {
  return Uint32Array.from(classes.flat()).sort();
}
