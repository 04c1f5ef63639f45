import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { buildCrds } from '../../k8s/crds.ts';
import { buildFiles } from '../../k8s/generate.ts';
import { type Structural, toStructural } from '../../k8s/structural.ts';
import type { Field } from '../../src/sweep/field.ts';
import { REASONS } from '../../src/sweep/reasons.ts';
import { CONDITIONS } from '../../src/sweep/status.ts';

/** A field of a kind and where it stands; what Kubernetes itself keeps aside. */
function* fieldsOf(schema: Structural, at: string): Generator<[string, Structural]> {
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (at === '' && ['apiVersion', 'kind', 'metadata'].includes(name)) continue;
    const here = at === '' ? name : `${at}.${name}`;
    yield [here, field];
    yield* fieldsOf(field, here);
  }
  for (const [mark, field] of [
    ['[]', schema.items],
    ['{}', schema.additionalProperties],
  ] as const)
    if (field) {
      yield [`${at}${mark}`, field];
      yield* fieldsOf(field, `${at}${mark}`);
    }
}

const schemas = Object.entries(buildCrds()).map(([plural, { spec }]) => {
  const schema = spec.versions[0]?.schema.openAPIV3Schema ?? {};
  return { plural, schema, columns: spec.versions[0]?.additionalPrinterColumns ?? [] };
});
const fields = schemas.flatMap(({ plural, schema }) =>
  [...fieldsOf(schema, '')].map(([at, field]) => ({ at: `${plural}: ${at}`, field })),
);

describe('the generated files', () => {
  test('are what the schemas say; run k8s/generate.ts after a change', async () => {
    for (const [file, text] of buildFiles()) assert.equal(await readFile(file, 'utf8'), text);
  });

  test('are all that stands in their folder', async () => {
    const [first = ''] = buildFiles().keys();
    const found = await readdir(path.dirname(first));
    assert.deepEqual(new Set(found), new Set([...buildFiles().keys()].map((file) => path.basename(file))));
  });

  test('hold what was built: no alias, no value that YAML reads as another', () => {
    assert.deepEqual(
      [...buildFiles().values()].map((text) => parse(text)),
      Object.values(buildCrds()),
    );
  });
});

describe('every field', () => {
  test('has a sentence', () => {
    const silent = fields.filter(
      ({ at, field }) => !/[\]}]$/.test(at) && !/^[A-Zt].*\.$/s.test(field.description ?? ''),
    );
    assert.deepEqual(
      silent.map(({ at, field }) => `${at}: ${field.description}`),
      [],
    );
  });

  test('has one type, or is a quantity', () => {
    const wrong = fields.filter(
      ({ field }) => (field.type !== undefined) === (field['x-kubernetes-int-or-string'] === true),
    );
    assert.deepEqual(wrong, []);
  });

  const bounded: Record<string, (field: Structural) => boolean> = {
    string: ({ maxLength, enum: values }) => maxLength !== undefined || values !== undefined,
    array: ({ maxItems }) => maxItems !== undefined,
    integer: ({ minimum, maximum }) => minimum !== undefined && maximum !== undefined,
    object: ({ additionalProperties, maxProperties }) =>
      additionalProperties === undefined || maxProperties !== undefined,
    quantity: ({ maxLength }) => maxLength !== undefined,
  };
  for (const [type, isBounded] of Object.entries(bounded))
    test(`of type ${type} has a bound`, () => {
      const of = fields.filter(({ field }) => (field.type ?? 'quantity') === type);
      assert.ok(of.length > 0);
      assert.deepEqual(
        of.filter(({ field }) => !isBounded(field)).map(({ at }) => at),
        [],
      );
    });

  test('that a person writes as a number has both bounds', () => {
    const open = fields.filter(
      ({ at, field: { type, minimum, maximum } }) =>
        at.startsWith('sweeps: spec') && type === 'number' && (minimum === undefined || maximum === undefined),
    );
    assert.deepEqual(open, []);
  });

  test('with a default tells it, and is not required', () => {
    for (const { schema } of schemas)
      for (const [at, field] of [['', schema] as const, ...fieldsOf(schema, '')])
        for (const name of field.required ?? [])
          assert.equal(field.properties?.[name]?.default, undefined, `${at}.${name}`);
    const silent = fields.filter(
      ({ field }) =>
        field.default !== undefined && field.type !== 'object' && !field.description?.includes('Default: '),
    );
    assert.deepEqual(silent, []);
  });
});

test('each printer column shows a field that there is', () => {
  for (const { schema, columns } of schemas) {
    const known = new Map(fieldsOf(schema, ''));
    for (const { jsonPath, type } of columns) {
      if (jsonPath === '.metadata.creationTimestamp') continue;
      assert.equal(known.get(jsonPath.slice(1))?.type, type, jsonPath);
    }
  }
});

test('every reason and every type of a condition keeps to the pattern of the kind', () => {
  const known = new Map(fieldsOf(schemas[0]?.schema ?? {}, ''));
  for (const [at, words] of [
    ['status.conditions[].reason', REASONS],
    ['status.conditions[].type', CONDITIONS],
  ] as const) {
    const { pattern = 'none', maxLength = 0 } = known.get(at) ?? {};
    for (const word of words) assert.ok(new RegExp(pattern).test(word) && word.length <= maxLength, word);
  }
});

describe('a schema of ours, for the API server', () => {
  const cases: Record<string, { field: Field; at?: string; want: Structural }> = {
    'has its exclusive bounds as booleans': {
      field: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
      want: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 1, exclusiveMaximum: true },
    },
    'says null as a property of the type': {
      field: { anyOf: [{ type: 'integer', minimum: 1 }, { type: 'null' }], description: 'A.' },
      want: { type: 'integer', description: 'A.', nullable: true, minimum: 1 },
    },
    'has a pattern for words that may be null, since an enum refuses null': {
      field: { anyOf: [{ enum: ['a', 'bc'] }, { type: 'null' }] },
      want: { type: 'string', nullable: true, pattern: '^(a|bc)$', maxLength: 2 },
    },
    'has a type beside an enum': { field: { enum: ['a', 'b'] }, want: { type: 'string', enum: ['a', 'b'] } },
    'has a mapping of any keys as additionalProperties': {
      field: { type: 'object', maxProperties: 3, patternProperties: { '^.*$': { type: 'string' } } },
      want: { type: 'object', maxProperties: 3, additionalProperties: { type: 'string' } },
    },
    'forbids nothing: unknown fields are pruned': {
      field: { type: 'object', properties: {}, additionalProperties: false },
      want: { type: 'object', properties: {} },
    },
    'takes a quantity of integer or text': {
      field: { anyOf: [{ type: 'integer' }, { type: 'string' }] },
      want: { 'x-kubernetes-int-or-string': true, maxLength: 64 },
    },
    'requires what has no default': {
      at: 'spec',
      field: {
        type: 'object',
        required: ['a', 'b'],
        properties: { a: { type: 'string', default: 'x' }, b: { type: 'string' } },
      },
      want: {
        type: 'object',
        required: ['b'],
        properties: { a: { type: 'string', default: 'x' }, b: { type: 'string' } },
      },
    },
    'has no default where no person writes': {
      at: 'records[]',
      field: { type: 'object', required: ['a'], properties: { a: { type: 'string', default: 'x' } } },
      want: { type: 'object', required: ['a'], properties: { a: { type: 'string' } } },
    },
    'asks again for a fractional bound': {
      field: { type: 'number', minimum: 0.01, maximum: 0.5 },
      want: {
        type: 'number',
        minimum: 0.01,
        maximum: 0.5,
        'x-kubernetes-validations': [{ rule: 'self >= 0.01', message: 'expected 0.01 to 0.5' }],
      },
    },
    'tells bound and default in its description': {
      at: 'spec.training.epochs',
      field: { type: 'integer', minimum: 1, maximum: 1000, default: 15, description: 'Passes.' },
      want: {
        type: 'integer',
        minimum: 1,
        maximum: 1000,
        default: 15,
        description: 'Passes. An integer from 1 to 1000. Default: 15.',
      },
    },
  };
  for (const [sentence, { field, at = 'x', want }] of Object.entries(cases))
    test(sentence, () => assert.deepEqual(toStructural(field, at), want));

  test('without a type is a mistake', () =>
    assert.throws(() => toStructural({ description: 'A.' }, 'x'), /without a type/));
});
