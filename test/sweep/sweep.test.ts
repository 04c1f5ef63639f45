import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidSweepError } from '../../src/sweep/errors.ts';
import { expandPoints } from '../../src/sweep/grid.ts';
import { editDistance, nearest } from '../../src/sweep/nearest.ts';
import { formatPath, quote } from '../../src/sweep/path.ts';
import { parseQuantity } from '../../src/sweep/quantity.ts';
import { changes, parseSweep } from '../../src/sweep/sweep.ts';
import { changed, VALID } from '../bad-input.ts';

/** A sweep that says something in every field, so that a mutation can hit any of them. */
const FULL = changed({
  'metadata.labels': { team: 'vision' },
  'spec.grid': [
    { widths: [[3, 8], [12]], activation: ['relu', 'none'], pooling: ['max'], depth: [1] },
    { widths: [[4]], batchSize: [4, 8], learningRate: [0.1], momentum: [0.5], seed: [1, 2] },
  ],
  'spec.training': {
    dataset: 'mnist',
    epochs: 3,
    batchSize: 8,
    learningRate: 0.01,
    momentum: 0.5,
    seed: 7,
    validationFraction: 0.2,
    trainingExamples: 500,
  },
  'spec.selection': { checkpoint: 'LastEpoch', maxLossRise: 0.2, maxAccuracyGap: 0.1, parsimony: 'None' },
  'spec.parallelism': 2,
  'spec.maxFailedTrials': 1,
  'spec.suspend': true,
  'spec.trainer': {
    image: 'registry/trainer@sha256:0',
    backend: 'gpu',
    resources: { limits: { 'nvidia.com/gpu': 1, memory: '4Gi' }, requests: { memory: '2Gi' } },
    nodeSelector: { 'nvidia.com/gpu.product': 'T4' },
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }],
    queueName: 'queue',
    startDeadlineSeconds: 60,
  },
});

function violationsOf(input: unknown): readonly { path: string; message: string }[] {
  try {
    parseSweep(input);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidSweepError)) throw error;
    assert.ok(error.violations.length > 0);
    return error.violations;
  }
}

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
  withUnicodeString: true,
});
const key = fc.oneof(
  fc.string(),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'a/b', '~1', 'paralelism', 'grid', 'spec'),
);
const nasty = fc.oneof(
  anything,
  // Copied, since a later mutation may hit what an earlier one put in.
  fc
    .constantFrom<unknown>(
      null,
      '',
      '0.5',
      -0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 53,
      'x'.repeat(10_000),
      [[]],
      {},
    )
    .map((value) => structuredClone(value)),
);

type Container = Record<string, unknown> | unknown[];

/** Every list and mapping in a value, itself included. */
function containers(value: unknown): Container[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value as Container, ...Object.values(value).flatMap(containers)];
}

/** FULL with one to three of its values replaced, removed or added. */
const mutated = fc
  .array(
    fc.record({
      where: fc.nat(),
      which: fc.nat(),
      key,
      value: nasty,
      kind: fc.constantFrom('Replace', 'Remove', 'Add'),
    }),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((mutations) => {
    const sweep: unknown = structuredClone(FULL);
    for (const { where, which, key: name, value, kind } of mutations) {
      const all = containers(sweep).filter(
        (container) => Object.isExtensible(container) && !ArrayBuffer.isView(container),
      );
      const target = all[where % all.length];
      if (target === undefined) continue;
      const keys = Object.keys(target);
      const at = keys[which % Math.max(1, keys.length)] ?? name;
      if (kind === 'Add' && Array.isArray(target)) target.push(value);
      else if (kind === 'Remove' && !Array.isArray(target)) Reflect.deleteProperty(target, at);
      else
        Reflect.defineProperty(target, kind === 'Add' ? name : at, {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }
    return sweep;
  });

describe('parseSweep', () => {
  test('any value at all gives a sweep or its violations, and no other error', () => {
    fc.assert(
      fc.property(anything, (input) => void violationsOf(input)),
      { numRuns: 1000 },
    );
  });

  test('a sweep with anything anywhere gives a sweep or its violations, and no other error', () => {
    fc.assert(
      fc.property(mutated, (input) => void violationsOf(input)),
      { numRuns: 2000 },
    );
  });

  test('no message is longer than 400 characters, whatever was in the file, and no two say the same of one path', () => {
    fc.assert(
      fc.property(mutated, (input) => {
        const violations = violationsOf(input);
        for (const { path, message } of violations) {
          assert.ok(path.length > 0 && path.length < 1000, path);
          assert.ok(message.length > 0 && message.length <= 400, message);
        }
        const lines = violations.map(({ path, message }) => `${path}: ${message}`);
        assert.equal(new Set(lines).size, lines.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('parsing what was parsed changes nothing', () => {
    let accepted = 0;
    fc.assert(
      fc.property(mutated, (input) => {
        if (violationsOf(input).length > 0) return;
        accepted++;
        const first = parseSweep(input);
        assert.deepEqual(parseSweep(first.sweep), first);
        assert.deepEqual(changes(first.sweep, parseSweep(first.sweep).sweep), []);
      }),
      { numRuns: 2000 },
    );
    assert.ok(accepted > 20, `only ${accepted} mutated sweeps were valid: the property proves nothing`);
  });

  test('the value that was given is never changed', () => {
    const frozen = (value: unknown): void => {
      if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
    };
    const input = structuredClone(FULL);
    frozen(input);
    assert.deepEqual(violationsOf(input), []);
    assert.deepEqual(input, FULL);
  });

  test('keys named after prototypes touch no prototype', () => {
    const input = JSON.parse(
      JSON.stringify(VALID).replace('"spec":{', '"spec":{"__proto__":{"suspend":true,"polluted":1},'),
    );
    assert.deepEqual(violationsOf(input), [{ path: 'spec.__proto__', message: 'unknown field' }]);
    assert.equal(Reflect.get({}, 'polluted'), undefined);
    const labelled = parseSweep(changed({ 'metadata.labels': JSON.parse('{"__proto__":{"polluted":1}}') })).sweep;
    assert.equal(Reflect.get(labelled.metadata, 'polluted'), undefined);
  });

  test('every default is filled in', () => {
    assert.deepEqual(parseSweep(VALID).sweep, {
      ...VALID,
      spec: {
        grid: [{ widths: [[3, 8]], activation: ['relu'], pooling: ['max'], depth: [1] }],
        training: {
          dataset: 'cifar10',
          epochs: 15,
          batchSize: 4,
          learningRate: 0.001,
          momentum: 0.9,
          seed: 0,
          validationFraction: 0.1,
        },
        selection: { checkpoint: 'BestEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError' },
        suspend: false,
        trainer: { backend: 'auto', startDeadlineSeconds: 900, activeDeadlineSeconds: 86_400, maxDisruptions: 10 },
      },
    });
  });

  test('two parses share nothing, so that changing one sweep changes no default', () => {
    const [one, other] = [parseSweep(VALID).sweep, parseSweep(VALID).sweep];
    assert.notEqual(one.spec.training, other.spec.training);
    assert.notEqual(one.spec.grid[0]?.activation, other.spec.grid[0]?.activation);
  });

  test('all violations come at once, of the schema and of the rules beyond it', () => {
    const input = changed({
      kind: 'Sweeps',
      'spec.paralelism': 2,
      'spec.grid[0].widths': [[3, 8, 16, 32]],
      'spec.training.trainingExamples': 60_000,
      'spec.selection.parsimony': 'x',
      'spec.trainer.resources.limits.cpu': 'abc',
    });
    assert.deepEqual(
      violationsOf(input).map(({ path }) => path),
      [
        'kind',
        'spec.paralelism',
        'spec.selection.parsimony',
        'spec.grid[0]',
        'spec.training.trainingExamples',
        'spec.trainer.resources.limits.cpu',
      ],
    );
  });

  test('more than eight violations come all, and of thousands the first hundred and their number', () => {
    const wrong = (count: number) => changed({ 'spec.grid[0].widths': [Array.from({ length: count }, () => 0)] });
    assert.equal(violationsOf(changed({ 'spec.grid[0].seed': Array.from({ length: 60 }, () => -1) })).length, 60);
    const many = violationsOf(wrong(900));
    assert.equal(many.length, 101);
    assert.deepEqual(many.at(-1), { path: 'Sweep', message: '801 more like these' });
  });

  test('an unknown field hides no rule, a wrong value hides those that read it', () => {
    const paths = (change: Record<string, unknown>) =>
      violationsOf(changed({ 'spec.training.trainingExamples': 3, ...change })).map(({ path }) => path);
    assert.deepEqual(paths({ 'spec.training.lr': 1 }), ['spec.training.lr', 'spec.training.batchSize']);
    assert.deepEqual(paths({ 'spec.training.dataset': 'x' }), ['spec.training.dataset']);
  });

  const accepted: Record<string, Record<string, unknown>> = {
    'all training examples that the split leaves': { 'spec.training.trainingExamples': 45_000 },
    'a batch as large as the training set': { 'spec.training.trainingExamples': 4 },
    'few examples, where every grid has its own small batches': {
      'spec.training.trainingExamples': 2,
      'spec.grid[0].batchSize': [1, 2],
    },
    'a request equal to its limit, however it is written': {
      'spec.trainer.resources': { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '0.5', memory: 2 ** 30 } },
    },
    'a request for the one GPU that a trial has anyway': {
      'spec.trainer.resources.requests["nvidia.com/gpu"]': '1',
    },
    'labels of a node with and without a domain': {
      'spec.trainer.nodeSelector': { zone: 'a', 'nvidia.com/gpu.product': 'Tesla-T4', empty: '' },
    },
  };
  for (const [sentence, change] of Object.entries(accepted))
    test(`${sentence}: accepted`, () => assert.deepEqual(violationsOf(changed(change)), []));

  const refused: Record<string, { change: Record<string, unknown>; want: string }> = {
    'a request for a device that has no limit': {
      change: { 'spec.trainer.resources': { limits: { cpu: 1 }, requests: { 'nvidia.com/gpu': 1 } } },
      want: 'spec.trainer.resources.requests["nvidia.com/gpu"]: 1: a request needs the same limit',
    },
    'a label that is none': {
      change: { 'spec.trainer.nodeSelector["a b"]': 'x' },
      want: 'spec.trainer.nodeSelector["a b"]: expected a label, as nvidia.com/gpu.product',
    },
    'a value that no label has': {
      change: { 'spec.trainer.nodeSelector.zone': 'a b' },
      want: 'spec.trainer.nodeSelector.zone: "a b": expected a label’s value',
    },
  };
  for (const [sentence, { change, want }] of Object.entries(refused))
    test(`${sentence}: refused`, () =>
      assert.deepEqual(
        violationsOf(changed(change)).map(({ path, message }) => `${path}: ${message}`),
        [want],
      ));

  test('zero without its sign is what minus zero becomes, as in JSON', () => {
    assert.ok(Object.is(parseSweep(changed({ 'spec.training.seed': -0 })).sweep.spec.training.seed, 0));
  });

  test('a product of 64^8 trials is counted exactly and never expanded', () => {
    const axis = <Value>(value: Value) => Array.from({ length: 64 }, () => value);
    const grid = {
      widths: axis([3]),
      activation: axis('relu'),
      pooling: axis('max'),
      depth: axis(1),
      batchSize: axis(4),
      learningRate: axis(0.1),
      momentum: axis(0.5),
      seed: axis(0),
    };
    const started = performance.now();
    assert.deepEqual(violationsOf(changed({ 'spec.grid': [...axis(grid).slice(1), { widths: [[3]] }] })), [
      { path: 'spec.grid', message: `${(63n * 64n ** 8n + 1n).toLocaleString('en-US')} trials; at most 100,000` },
    ]);
    assert.ok(performance.now() - started < 1000);
  });

  test('100,000 trials are accepted, one more is not', () => {
    const seeds = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
    const grid = (seed: number[], depths: number) => ({
      widths: Array.from({ length: 50 }, (_, index) => [index + 1]),
      pooling: ['none'],
      depth: seeds(1, depths),
      learningRate: Array.from({ length: 10 }, (_, index) => 0.1 * (index + 1)),
      seed,
    });
    const atLimit = [grid(seeds(0, 50), 2), grid(seeds(100, 50), 2)]; // 2 × 50·2·10·50
    assert.deepEqual(violationsOf(changed({ 'spec.grid': atLimit })), []);
    assert.deepEqual(violationsOf(changed({ 'spec.grid': [...atLimit, { widths: [[1]] }] })), [
      { path: 'spec.grid', message: '100,001 trials; at most 100,000' },
    ]);
  });

  test('the notes count what expanding the grids merges', () => {
    const axis = <Value>(...values: Value[]) => fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
    const grid = fc.record(
      { widths: axis([3], [4]), depth: axis(1, 2), batchSize: axis(4, 8) },
      { requiredKeys: ['widths'] },
    );
    fc.assert(
      fc.property(fc.array(grid, { minLength: 1, maxLength: 3 }), (grids) => {
        const { sweep, notes } = parseSweep(changed({ 'spec.grid': grids, 'spec.parallelism': 1000 }));
        const { points, merges } = expandPoints(sweep);
        assert.deepEqual(
          notes.map(({ path }) => path),
          [...merges.map((merge) => `spec.grid[${merge.grid}]`), 'spec.parallelism'],
        );
        assert.match(notes.at(-1)?.message ?? '', new RegExp(`more than the ${points.length} trials?$`));
      }),
    );
  });

  test('what contains itself is refused as too deep', () => {
    const input: Record<string, unknown> = structuredClone(VALID);
    input.metadata = { name: 'study', self: input };
    assert.match(violationsOf(input)[0]?.message ?? '', /^over 20 levels$/);
  });

  test('what Kubernetes adds to an object is no violation', () => {
    const managedFields = [
      {
        manager: 'kubectl',
        fieldsV1: { 'f:spec': { 'f:grid': {}, 'f:trainer': { 'f:resources': { 'f:limits': {} } } } },
      },
    ];
    const metadata = {
      name: 'study',
      namespace: 'a',
      uid: '1',
      generation: 2,
      labels: { a: 'b' },
      annotations: {},
      managedFields,
    };
    assert.deepEqual(violationsOf({ ...VALID, metadata, status: { phase: 'Complete' } }), []);
  });

  test('status is left out of what is returned', () => {
    assert.ok(!('status' in parseSweep({ ...VALID, status: {} }).sweep));
  });
});

describe('changes', () => {
  test('a default written out is no change, a removed field is its default', () => {
    const [bare, full] = [parseSweep(VALID).sweep, parseSweep(FULL).sweep];
    assert.deepEqual(
      changes(bare, parseSweep(changed({ 'spec.training.epochs': 15, 'spec.trainer.backend': 'auto' })).sweep),
      [],
    );
    const paths = changes(full, bare).map(({ path }) => path);
    assert.deepEqual(paths, ['spec.grid', 'spec.training', 'spec.selection.checkpoint', 'spec.trainer']);
  });
});

describe('words', () => {
  const near: Record<string, { word: string; known: string[]; want: string | undefined }> = {
    'another case': { word: 'ReLU', known: ['relu', 'none'], want: 'relu' },
    'an abbreviation': { word: 'Best', known: ['LastEpoch', 'BestEpoch'], want: 'BestEpoch' },
    'swapped letters': { word: 'gird', known: ['depth', 'grid'], want: 'grid' },
    'one letter too many': { word: 'cifar100', known: ['mnist', 'cifar10'], want: 'cifar10' },
    'another word': { word: 'mean', known: ['max', 'avg', 'none'], want: undefined },
    nothing: { word: '', known: ['max'], want: undefined },
    'a book': { word: 'x'.repeat(1e6), known: ['max'], want: undefined },
  };
  for (const [sentence, { word, known, want }] of Object.entries(near))
    test(`the nearest known word to ${sentence} is ${want ?? 'none'}`, () => assert.equal(nearest(word, known), want));

  test('the edit distance is symmetric, zero for equal words only, and at most the longer length', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b);
        assert.equal(distance, editDistance(b, a));
        assert.equal(distance === 0, a === b);
        assert.ok(distance <= Math.max(a.length, b.length));
      }),
    );
  });

  const unknown: Record<string, { change: Record<string, unknown>; want: string }> = {
    'a misspelt field without a value is not taken for absent': {
      change: { 'spec.training': { epoch: null } },
      want: 'spec.training.epoch: unknown field; did you mean "epochs"?',
    },
    'a field whose colon has no space after it is a field of another name': {
      change: { 'spec.training': { 'epochs:2': null } },
      want: 'spec.training["epochs:2"]: unknown field; a space is missing after the colon',
    },
    'a field that was not indented belongs under spec': {
      change: { selection: { checkpoint: 'LastEpoch' } },
      want: 'selection: unknown field; it belongs under spec, indented',
    },
  };
  for (const [sentence, { change, want }] of Object.entries(unknown))
    test(sentence, () => {
      assert.deepEqual(
        violationsOf(changed(change)).map(({ path, message }) => `${path}: ${message}`),
        [want],
      );
    });

  test('a known field, labels and a status without a value count as absent', () => {
    const absent = { 'spec.training': { epochs: null }, status: null, 'metadata.labels': { team: null } };
    assert.deepEqual(violationsOf(changed(absent)), []);
  });

  test('a long text where a number or a quantity belongs is refused in time that grows with its length, not its square', () => {
    const text = `${'1'.repeat(200_000)}x`; // at 40,000 characters a quadratic reading took a minute
    const before = process.cpuUsage();
    const wrong = violationsOf(
      changed({ 'spec.training': { learningRate: text }, 'spec.trainer': { resources: { limits: { cpu: text } } } }),
    );
    const { user, system } = process.cpuUsage(before);
    assert.equal(wrong.length, 2);
    assert.ok(user + system < 2_000_000, `${user + system} µs`);
  });

  test('a path is written as people write it', () => {
    assert.equal(formatPath(['spec', 'grid', 0, 'widths', 0, 1]), 'spec.grid[0].widths[0][1]');
    assert.equal(formatPath(['limits', 'nvidia.com/gpu']), 'limits["nvidia.com/gpu"]');
    assert.equal(formatPath([]), 'Sweep');
  });

  test('quoted text holds nothing that moves the cursor or turns the writing direction', () => {
    assert.equal(quote('a\u001b[2J\u0085\u202eb'), '"a\\u001b[2J\\u0085\\u202eb"');
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => !/[\p{Cc}\u202a-\u202e\u2066-\u2069\ud800-\udfff]/u.test(quote(text)),
      ),
    );
  });

  const quantities: Record<string, number | undefined> = {
    '1': 1,
    '500m': 0.5,
    '4Gi': 4 * 2 ** 30,
    '1e3': 1000,
    '1E': 1e18,
    '.5': 0.5,
    '+2k': 2000,
    '-1': undefined,
    abc: undefined,
    '': undefined,
    '1 Gi': undefined,
    '0x10': undefined,
  };
  for (const [written, want] of Object.entries(quantities))
    test(`the quantity "${written}" is ${want ?? 'none'}`, () => assert.equal(parseQuantity(written), want));
});

const percentages: Record<string, { path: string; value: string; want: string }> = {
  'ten per cent is said as a number': {
    path: 'spec.selection.maxLossRise',
    value: '10%',
    want: '"10%": expected a number; write 0.1',
  },
  'blanks and a fraction do no harm': {
    path: 'spec.training.validationFraction',
    value: ' 12.5 % ',
    want: '" 12.5 % ": expected a number; write 0.125',
  },
  'what the field would not take either is not advised': {
    path: 'spec.selection.maxAccuracyGap',
    value: '1500%',
    want: '"1500%": expected 0 to 1',
  },
  'nothing is advised for a whole number': {
    path: 'spec.training.epochs',
    value: '10%',
    want: '"10%": expected an integer from 1 to 1000',
  },
};
for (const [sentence, { path, value, want }] of Object.entries(percentages))
  test(`a percentage where a number belongs: ${sentence}`, () =>
    assert.deepEqual(violationsOf(changed({ [path]: value })), [{ path, message: want }]));
