import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readSweepFile } from '../src/cli/sweep-file.ts';
import { InvalidSweepError, type Violation } from '../src/sweep/errors.ts';
import type { Field } from '../src/sweep/field.ts';
import { SweepSchema } from '../src/sweep/schema.ts';
import { changes, type ParsedSweep, parseSweep } from '../src/sweep/sweep.ts';
import { BAD_INPUT, type BadInput, type Change, changed, VALID } from './bad-input.ts';

const lines = (violations: readonly Violation[]) => violations.map(({ path, message }) => `${path}: ${message}`);

/** What parsing says: the lines of its violations, or of its notes. */
async function answer(
  parse: () => ParsedSweep | Promise<ParsedSweep>,
): Promise<{ refused: string[]; notes: string[] }> {
  try {
    return { refused: [], notes: lines((await parse()).notes) };
  } catch (error) {
    assert.ok(error instanceof InvalidSweepError, `${error}`);
    return { refused: lines(error.violations), notes: [] };
  }
}

async function parsedFile(text: string | Uint8Array): Promise<{ refused: string[]; notes: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'bad-input-'));
  try {
    const file = join(folder, 'sweep.yaml');
    await writeFile(file, text);
    const said = await answer(() => readSweepFile(file));
    return { ...said, refused: said.refused.map((line) => line.replace(file, 'sweep.yaml')) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function localAnswer({ text, change, update }: BadInput) {
  if (text !== undefined) return parsedFile(text);
  if (update === undefined) return answer(() => parseSweep(changed(change ?? {})));
  const [before, after] = [parseSweep(VALID).sweep, parseSweep(changed(update)).sweep];
  return { refused: lines(changes(before, after)), notes: [] };
}

describe('bad input', () => {
  for (const row of BAD_INPUT)
    test(`${row.id}: ${row.sentence} ${row.want.length > 0 ? 'is refused' : 'is accepted'} in the words of the table`, async () => {
      const { refused, notes } = await localAnswer(row);
      assert.deepEqual(refused, row.want);
      assert.deepEqual(notes, row.notes ?? []);
    });

  test('every row of the table has its test', () => {
    const ids = new Set(BAD_INPUT.map(({ id }) => id));
    assert.deepEqual(
      [...Array(30).keys()].map((index) => `B${index + 1}`).filter((id) => !ids.has(id as `B${number}`)),
      [],
    );
  });

  test('what the API server refuses names the field that we name', () => {
    for (const { api, path, want, sentence } of BAD_INPUT) {
      if (api !== 'schema' && api !== 'cel') continue;
      assert.ok(path !== undefined && want[0]?.startsWith(path), sentence);
    }
  });
});

/** A bounded field: how to write a sweep whose field has a value, and the values at its bounds and just beyond. */
interface Bound {
  readonly path: string;
  readonly bound: string;
  readonly at: unknown;
  readonly beyond: unknown;
}

/** Values of fields whose schema alone does not tell a valid one. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  'spec.grid': [{ widths: [[3]] }],
  'spec.trainer.resources.limits': { cpu: 1 },
  'spec.trainer.resources.requests': { cpu: 1 },
};

function exampleOf(field: Field, path: string): unknown {
  if (EXAMPLES[path] !== undefined) return EXAMPLES[path];
  if (field.enum) return field.enum[0];
  if (field.type === 'array') return [exampleOf(field.items ?? {}, `${path}[0]`)];
  if (field.type === 'string') return 'a';
  if (field.type === 'object') return {};
  return field.minimum ?? 1;
}

const step = (field: Field) => (field.type === 'integer' ? 1 : 1e-9);

function* boundsOf(field: Field, path: string): Generator<Bound> {
  const {
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    minLength,
    maxLength,
    minItems,
    maxItems,
    maxProperties,
  } = field;
  const here = (bound: string, at: unknown, beyond: unknown): Bound => ({ path, bound, at, beyond });
  if (minimum !== undefined) yield here('minimum', minimum, minimum - step(field));
  if (maximum !== undefined) yield here('maximum', maximum, maximum + Math.max(step(field), maximum * 1e-9));
  if (exclusiveMinimum !== undefined) yield here('exclusive minimum', exclusiveMinimum + step(field), exclusiveMinimum);
  if (exclusiveMaximum !== undefined) yield here('exclusive maximum', exclusiveMaximum - step(field), exclusiveMaximum);
  if (minLength !== undefined) yield here('shortest text', 'a'.repeat(minLength), 'a'.repeat(minLength - 1));
  if (maxLength !== undefined) yield here('longest text', 'a'.repeat(maxLength), 'a'.repeat(maxLength + 1));
  const item = exampleOf(field.items ?? {}, `${path}[0]`);
  const items = (count: number) =>
    Array.from({ length: count }, () => (path === 'spec.grid' ? { widths: [[3]] } : item));
  if (minItems !== undefined) yield here('fewest items', items(minItems), items(minItems - 1));
  if (maxItems !== undefined) yield here('most items', items(maxItems), items(maxItems + 1));
  const entries = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`a.b/c${index}`, path.includes('resources') ? 1 : 'a']),
    );
  if (maxProperties !== undefined) yield here('most entries', entries(maxProperties), entries(maxProperties + 1));

  for (const [name, child] of Object.entries(field.properties ?? {}))
    yield* boundsOf(child, path === '' ? name : `${path}.${name}`);
  if (field.items) yield* boundsOf(field.items, `${path}[0]`);
  for (const child of Object.values(field.patternProperties ?? {})) yield* boundsOf(child, `${path}["a.b/c0"]`);
}

/** What must stand around a value so that only its own bound can speak: no rule beyond the schema is in its way. */
function surroundings(path: string): Change {
  if (path.startsWith('spec.grid[0].depth') || path === 'spec.grid[0].widths[0]')
    return { 'spec.grid[0].pooling': ['none'], 'spec.grid[0].widths': [[3]] };
  if (path === 'spec.training.trainingExamples') return { 'spec.training.batchSize': 1 };
  if (path === 'spec.trainer.resources.requests')
    return {
      'spec.trainer.resources.limits': Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`a.b/c${i}`, 1])),
    };
  return {};
}

describe('every bound', () => {
  for (const { path, bound, at, beyond } of boundsOf(SweepSchema as Field, '')) {
    test(`${path} is accepted at its ${bound}`, async () => {
      const { refused } = await answer(() => parseSweep(changed({ ...surroundings(path), [path]: at })));
      assert.deepEqual(
        refused.filter((line) => !BEYOND_THE_SCHEMA.some((rule) => rule.test(line))),
        [],
      );
    });
    test(`${path} is refused one beyond its ${bound}, by its path`, async () => {
      const { refused } = await answer(() => parseSweep(changed({ ...surroundings(path), [path]: beyond })));
      assert.deepEqual(
        refused.map((line) => line.slice(0, line.indexOf(': '))),
        [path],
      );
    });
  }
});

/** Rules that speak where the schema alone would accept the largest value: no data set has a million images, no map eight stages. */
const BEYOND_THE_SCHEMA = [/leaves a 0×0 map/, /trainingExamples: 1000000: cifar10 leaves/];
