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
import { BAD_INPUT, type BadInput, changed, VALID } from './bad-input.ts';
import { boundsOf, surroundings } from './bounds.ts';

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
