import fc from 'fast-check';

// Values around every bound and of every wrong type, for the fields of a sweep.

const NUMBERS = [0, -0, 0.01, 0.1, 0.5, 1, 10, 1000, 1024, 4096, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 1e19, 1e21, 5e-324];
const WRONG = ['1', 'x', '', true, null, [], {}];
const number = fc.oneof(
  fc.integer({ min: -2, max: 9 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -2, max: 12 }),
  fc.constantFrom<unknown>(...NUMBERS, ...WRONG),
);

/** Lengths are counted in code points: not in bytes, and not in what a person takes for a character. */
const TEXTS = [
  '',
  'a',
  'a b',
  'é',
  '\u00a0',
  'a\u00a0b',
  '\u0000',
  'a\n',
  '😀',
  ...[63, 64, 253, 254, 512, 513].map((n) => 'a'.repeat(n)),
];
const MANY = ['😀'.repeat(200), '😀'.repeat(254), 'e\u0301'.repeat(130), '👨‍👩‍👧'.repeat(60)];
const text = fc.oneof(
  fc.constantFrom<unknown>(...TEXTS, ...MANY, 1, true, null, [], {}),
  fc.string({ unit: 'binary', maxLength: 6 }),
);

const listOf = (item: fc.Arbitrary<unknown>) =>
  fc.oneof(fc.array(item, { maxLength: 4 }), fc.constantFrom<unknown>(null, 'x', {}, [null], [[]]));
const wordOf = (...words: string[]) => fc.constantFrom<unknown>(...words, 'x', null, 1);

const QUANTITIES =
  '1 0 01 1. .5 +1 -1 1e3 1E3 1e-3 1e 1e+3 1k 1K 1Ki 1ki 1m 1u 1n 0.5 1.5Gi 1e99 1e100 9e18 1Ei 1000Ei 1P 0x1 1_0 1e2Mi Infinity ٣'.split(
    ' ',
  );
const quantity = fc.oneof(
  fc.integer({ min: -3, max: 5 }),
  fc.constantFrom<unknown>(...QUANTITIES, ' 1', '1 ', '', 1.5, 1e20, null, true),
);
const RESOURCES = [
  'cpu',
  'memory',
  'nvidia.com/gpu',
  'hugepages-2Mi',
  'gpu',
  'a/b/c',
  '/x',
  'x/',
  'A.b/c',
  'a b',
  'constructor',
];
const resource = fc.constantFrom(...RESOURCES, `a.b/${'c'.repeat(63)}`, `a.b/${'c'.repeat(64)}`);
const mapOf = (key: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>) =>
  fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true });
const quantities = mapOf(resource, quantity);
const resources = fc.record({ limits: quantities, requests: quantities }, { requiredKeys: [], noNullPrototype: true });

const toleration = fc.record(
  {
    key: text,
    operator: wordOf('Exists', 'Equal'),
    value: text,
    effect: wordOf('NoSchedule'),
    tolerationSeconds: number,
  },
  { requiredKeys: [], noNullPrototype: true },
);

const mapping = fc.constantFrom<unknown>(null, {}, [], 'x', 1);

const FIELDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  'metadata.name': fc.constantFrom('a', '1', 'a'.repeat(40), 'a'.repeat(41), 'A', 'a.b', '-a', 'a-', 'a--b', 'é'),
  spec: mapping,
  'spec.grid': mapping,
  'spec.grid[0].widths': listOf(listOf(number)),
  'spec.grid[0].activation': listOf(wordOf('relu', 'none')),
  'spec.grid[0].pooling': listOf(wordOf('max', 'avg', 'none')),
  'spec.grid[0].depth': listOf(number),
  'spec.grid[0].batchSize': listOf(number),
  'spec.grid[0].learningRate': listOf(number),
  'spec.grid[0].momentum': listOf(number),
  'spec.grid[0].seed': listOf(number),
  'spec.grid[1]': fc.constantFrom<unknown>(null, {}, { widths: [[1]] }, [], 'x', { widths: null }),
  'spec.training': mapping,
  'spec.training.dataset': text,
  'spec.training.epochs': number,
  'spec.training.batchSize': number,
  'spec.training.learningRate': number,
  'spec.training.momentum': number,
  'spec.training.seed': number,
  'spec.training.validationFraction': number,
  'spec.training.trainingExamples': number,
  'spec.selection': mapping,
  'spec.selection.checkpoint': wordOf('LastEpoch', 'BestEpoch'),
  'spec.selection.maxLossRise': number,
  'spec.selection.maxAccuracyGap': number,
  'spec.selection.parsimony': wordOf('OneStandardError', 'None'),
  'spec.parallelism': number,
  'spec.maxFailedTrials': number,
  'spec.suspend': fc.oneof(fc.boolean(), number),
  'spec.trainer': mapping,
  'spec.trainer.image': text,
  'spec.trainer.backend': wordOf('auto', 'gpu'),
  'spec.trainer.resources': fc.oneof(mapping, ...Array.from({ length: 4 }, () => resources)),
  'spec.trainer.nodeSelector': mapOf(resource, text),
  'spec.trainer.tolerations': listOf(toleration),
  'spec.trainer.runtimeClassName': text,
  'spec.trainer.dataClaim': text,
  'spec.trainer.startDeadlineSeconds': number,
  'spec.trainer.maxDisruptions': number,
};

/** A field of a sweep and a value for it, right or wrong. */
export const anyChange: fc.Arbitrary<Record<string, unknown>> = fc
  .constantFrom(...Object.entries(FIELDS))
  .chain(([path, value]) => value.map((chosen) => ({ [path]: chosen })));
