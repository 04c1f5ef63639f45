import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidSweepError, type Violation } from '../../src/sweep/errors.ts';
import type { Field } from '../../src/sweep/field.ts';
import { SweepSchema } from '../../src/sweep/schema.ts';
import { parseSweep } from '../../src/sweep/sweep.ts';
import { BAD_INPUT, type BadInput, type Change, changed } from '../bad-input.ts';
import { boundsOf, surroundings } from '../bounds.ts';
import { type Answer, asServerPath, complaints, SWEEPS, startApi } from './api.ts';
import { anyChange } from './arbitraries.ts';

const api = await startApi();
after(() => api.close());

const ACCEPTED = new Set([200, 201]);
const isRefused = ({ api: by }: BadInput) => by === 'schema' || by === 'cel';

/** Creates nothing: the API server only says what it would say. */
function create(sweep: unknown, fieldValidation = 'Ignore'): Promise<Answer> {
  return api.request('POST', `${SWEEPS}?dryRun=All&fieldValidation=${fieldValidation}`, sweep);
}

/** Updates a sweep that exists, without doing so. */
async function update(name: string, sweep: unknown): Promise<Answer> {
  const { body } = await api.request('GET', `${SWEEPS}/${name}`);
  const resourceVersion = body.metadata?.resourceVersion;
  const named = changed({ 'metadata.name': name, 'metadata.resourceVersion': resourceVersion }, sweep);
  return api.request('PUT', `${SWEEPS}/${name}?dryRun=All`, named);
}

function assertAccepted(answer: Answer): void {
  assert.ok(ACCEPTED.has(answer.status), `${answer.status}: ${answer.body.message}`);
}

/** What somebody may have meant is guessed locally only. */
const withoutGuess = (words: string) => words.replace(/did you mean .*/, '');

describe('the table of bad input, by the API server', () => {
  before(async () => {
    assertAccepted(await api.request('POST', SWEEPS, changed({ 'metadata.name': 'existing' })));
  });
  const ask = ({ change = {}, update: later }: BadInput) =>
    later === undefined ? create(changed({ 'metadata.name': 'other', ...change })) : update('existing', changed(later));

  for (const row of BAD_INPUT.filter(isRefused))
    test(`${row.id}: ${row.sentence} is refused by the field that the local validator names`, async () => {
      const answer = await ask(row);
      assert.equal(answer.status, 422, answer.body.message);
      const fields = complaints(answer).map(({ field }) => field);
      assert.ok(fields.includes(asServerPath(row.path ?? '')), `${fields} and not ${row.path}`);
    });

  for (const row of BAD_INPUT.filter(({ api: by }) => by === 'cel'))
    test(`${row.id}: ${row.sentence} is refused in our words`, async () => {
      const said = complaints(await ask(row)).map(({ message }) => message);
      for (const line of row.want) {
        const words = withoutGuess(line.slice(line.indexOf(': ') + 2));
        assert.ok(
          said.some((message) => message.includes(words)),
          `${said.join('\n')}\nand not ${words}`,
        );
      }
    });

  for (const row of BAD_INPUT.filter(({ api: by }) => by === 'accepted' || by === 'policy'))
    test(`${row.id}: ${row.sentence} is accepted by the kind: it is for the controller or a policy to say`, async () =>
      assertAccepted(await ask(row)));

  for (const row of BAD_INPUT.filter(({ want }) => want.some((line) => line.includes('unknown field')))) {
    test(`${row.id}: ${row.sentence} is refused by kubectl, which asks for strict validation`, async () => {
      const answer = await create(changed({ 'metadata.name': 'other', ...row.change }), 'Strict');
      assert.equal(answer.status, 400);
      for (const line of row.want)
        assert.ok(
          answer.body.message?.includes(`unknown field "${line.slice(0, line.indexOf(': '))}"`),
          `${answer.body.message}`,
        );
    });
    test(`${row.id}: ${row.sentence} has no effect where it is not refused`, async () => {
      const plain = await create(changed({ 'metadata.name': 'other' }));
      const { body } = await create(changed({ 'metadata.name': 'other', ...row.change }));
      assert.deepEqual(body.spec, plain.body.spec);
    });
  }

  for (const row of BAD_INPUT.filter(({ api: by }) => by === 'request'))
    test(`${row.id}: ${row.sentence} is no request that is looked at`, async () => {
      const answer = await ask(row);
      assert.equal(answer.status, 400);
      assert.ok(answer.body.message?.includes('cnn-sweep.dev/v2'), answer.body.message);
    });

  test('B13: a product of a thousand million is counted within a second', async () => {
    const row = BAD_INPUT.find(({ id }) => id === 'B13');
    const start = performance.now();
    await create(changed({ ...row?.change }));
    assert.ok(performance.now() - start < 1000);
  });
});

/** Of no other sweep: random ones have names of the letter a. */
const LARGEST = 'b'.repeat(40);

describe('every bound, by the API server', () => {
  for (const { path, bound, at, beyond } of boundsOf(SweepSchema as Field, '')) {
    const sweepWith = (value: unknown) => changed({ ...surroundings(path), [path]: value });
    test(`${path} is accepted at its ${bound}`, async () => assertAccepted(await create(sweepWith(at))));
    test(`${path} is refused one beyond its ${bound}, by its path`, async () => {
      const answer = await create(sweepWith(beyond));
      assert.equal(answer.status, 422, answer.body.message);
      const fields = complaints(answer).map(({ field }) => field);
      assert.deepEqual([...new Set(fields)], [asServerPath(path)]);
    });
  }

  test('the largest sweep is accepted, and compared when it changes: no rule costs more than its budget', async () => {
    const grid = {
      widths: Array.from({ length: 64 }, () => Array.from({ length: 8 }, () => 1024)),
      activation: ['relu'],
    };
    const many = (count: number, value: number) => Array.from({ length: count }, () => value);
    const axes = { depth: many(24, 1), batchSize: [4], learningRate: [0.001], momentum: [0.9], seed: [4_294_967_295] };
    const quantities = Object.fromEntries(
      Array.from({ length: 32 }, (_, i) => [`${'a'.repeat(200)}${i}.b/c`, '1'.repeat(15)]),
    );
    const largest = changed({
      'metadata.name': LARGEST,
      'spec.grid': Array.from({ length: 64 }, () => ({ ...grid, ...axes })),
      'spec.trainer.resources': { limits: quantities, requests: quantities },
      'spec.trainer.nodeSelector': Object.fromEntries(
        Array.from({ length: 32 }, (_, i) => [`${'a'.repeat(200)}${i}.b/c`, 'a'.repeat(63)]),
      ),
    });
    assertAccepted(await api.request('POST', SWEEPS, largest));
    assertAccepted(await update(LARGEST, changed({ 'spec.suspend': true }, largest)));
    const answer = await update(LARGEST, changed({ 'spec.grid[63].seed[0]': 1 }, largest));
    assert.deepEqual(complaints(answer), [{ field: 'spec.grid', message: 'immutable; create a new Sweep' }]);
  });

  test('a sum just above 100,000 trials is refused with its number, at 100,000 it is accepted', async () => {
    const values = (count: number) => Array.from({ length: count }, (_, seed) => seed);
    const trials = (rest: number) => [
      { widths: [[3]], seed: values(50), learningRate: values(50).map(() => 0.1), batchSize: values(40).map(() => 4) },
      ...(rest > 0 ? [{ widths: [[3]], seed: values(rest) }] : []),
    ];
    assertAccepted(await create(changed({ 'spec.grid': trials(0) })));
    const answer = await create(changed({ 'spec.grid': trials(7) }));
    assert.deepEqual(complaints(answer), [{ field: 'spec.grid', message: '100,007 trials; at most 100,000' }]);
  });
});

/** What the local validator says of what the API server can know too. */
function locally(sweep: unknown): Violation[] {
  try {
    parseSweep(sweep);
    return [];
  } catch (error) {
    if (error instanceof InvalidSweepError)
      return error.violations.filter(({ message }) => !FOR_THE_CONTROLLER.some((rule) => rule.test(message)));
    throw error;
  }
}

/** What depends on the data set, or is pruned by the API server. */
const FOR_THE_CONTROLLER = [/leaves a 0×0 map/, /leaves [\d,]+$/, /more than the [\d,]+ training/, /unknown field/];

test('the API server and the local validator accept the same sweeps, but for what only the controller knows', async () => {
  const property = fc.asyncProperty(anyChange, async (change) => {
    // As it travels: -0 is 0, and what is undefined is not there.
    const sweep: unknown = JSON.parse(JSON.stringify(changed({ 'metadata.name': 'other', ...change })));
    const [answer, violations] = [await create(sweep), locally(sweep)];
    assert.equal(
      ACCEPTED.has(answer.status),
      violations.length === 0,
      `${answer.body.message}\nand ${violations[0]?.message}`,
    );
  });
  await fc.assert(property, { numRuns: 500 });
});

describe('quantities that only Kubernetes knows how to compare', () => {
  const cases: Record<string, { limits?: object; requests?: object; want: readonly string[] }> = {
    'a request equal to its limit in another unit is accepted': {
      limits: { memory: '1Gi' },
      requests: { memory: '1024Mi' },
      want: [],
    },
    'a request one byte above its limit is refused': {
      limits: { memory: '1Gi' },
      requests: { memory: 1_073_741_825 },
      want: ['memory: 1073741825: more than the limit, "1Gi"'],
    },
    'a request without a limit is accepted': { limits: {}, requests: { cpu: '100m' }, want: [] },
    'a request of two GPUs meets the default of one': {
      requests: { 'nvidia.com/gpu': 2 },
      want: ['nvidia.com/gpu: 2: expected 1, as in limits'],
    },
    'a request of one GPU equals the default': { requests: { 'nvidia.com/gpu': '1' }, want: [] },
    'a request of a device without a limit is refused': {
      limits: {},
      requests: { 'nvidia.com/gpu': 1 },
      want: ['nvidia.com/gpu: 1: a request needs the same limit'],
    },
    'an exponent of two digits is a quantity': { limits: { memory: '1e10' }, want: [] },
    'an exponent that would keep a server busy is none': {
      limits: { memory: '1e999999999' },
      requests: { memory: '1e999999999' },
      want: ['memory: "1e999999999": expected a quantity, as "500m" or "4Gi"'],
    },
    'no GPU at all is accepted': { limits: { 'nvidia.com/gpu': 0 }, want: [] },
    'a slice of a GPU is accepted by its name': { limits: { 'nvidia.com/mig-1g.5gb': 1 }, want: [] },
    'a name with a newline in it is unknown, and not repeated': {
      limits: { 'cpu\n': 1 },
      want: ['unknown resource; expected cpu, memory or a name such as nvidia.com/gpu'],
    },
  };
  for (const [sentence, { want, ...resources }] of Object.entries(cases))
    test(sentence, async () => {
      const sweep = changed({ 'spec.trainer.resources': resources });
      const answer = await create(sweep);
      assert.deepEqual([...new Set(complaints(answer).map(({ message }) => message))], want, answer.body.message);
      for (const words of locally(sweep).map(({ message }) => withoutGuess(message)))
        assert.ok(
          want.some((line) => line.includes(words)),
          words,
        );
      assert.equal(locally(sweep).length > 0, want.length > 0);
    });

  test('a node label that is none is refused by key or by value', async () => {
    const answer = await create(changed({ 'spec.trainer.nodeSelector': { 'a b': 'x', 'a.b/c': 'x y', zone: '' } }));
    assert.deepEqual(
      complaints(answer).map(({ message }) => message),
      ['a b: expected a label, as nvidia.com/gpu.product', 'a.b/c: "x y": expected a label’s value'],
    );
  });
});

describe('what may change', () => {
  const before_: Change = {
    'spec.training.epochs': 3,
    'spec.selection.checkpoint': 'LastEpoch',
    'spec.trainer.image': 'x',
  };
  before(async () => {
    assertAccepted(await api.request('POST', SWEEPS, changed({ 'metadata.name': 'plain' })));
    assertAccepted(await api.request('POST', SWEEPS, changed({ 'metadata.name': 'full', ...before_ })));
  });
  const cases: Record<string, { of: 'plain' | 'full'; change: Change; want: readonly string[] }> = {
    'defaults that are written out are no change': {
      of: 'plain',
      change: {
        'spec.training': { epochs: 15, dataset: 'cifar10' },
        'spec.selection': { checkpoint: 'BestEpoch' },
        'spec.trainer': { backend: 'auto' },
        'spec.grid[0].depth': [1],
      },
      want: [],
    },
    'training that is removed is a change, unless it was the default': {
      of: 'full',
      change: { ...before_, 'spec.training': undefined },
      want: ['spec.training'],
    },
    'training that is null is a change likewise': {
      of: 'full',
      change: { ...before_, 'spec.training': null },
      want: ['spec.training'],
    },
    'a selection that is removed takes its checkpoint with it': {
      of: 'full',
      change: { ...before_, 'spec.selection': undefined },
      want: ['spec.selection.checkpoint'],
    },
    'a trainer that is removed is a change': {
      of: 'full',
      change: { ...before_, 'spec.trainer': undefined },
      want: ['spec.trainer'],
    },
    'an axis that is added is a change': {
      of: 'plain',
      change: { 'spec.grid[0].seed': [0] },
      want: ['spec.grid'],
    },
    'a grid that is removed is missing': { of: 'plain', change: { 'spec.grid': undefined }, want: ['spec.grid'] },
    'labels, thresholds and parallelism may change': {
      of: 'full',
      change: {
        ...before_,
        'metadata.labels': { a: 'b' },
        'spec.selection.maxLossRise': 0.2,
        'spec.selection.maxAccuracyGap': 0.1,
        'spec.parallelism': 4,
      },
      want: [],
    },
  };
  for (const [sentence, { of, change, want }] of Object.entries(cases))
    test(sentence, async () => {
      const answer = await update(of, changed(change));
      assert.deepEqual(
        complaints(answer).map(({ field }) => field),
        want,
        answer.body.message,
      );
      if (want.length === 0) assertAccepted(answer);
    });
});
