import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { buildReference, REFERENCE } from '../../scripts/generate-reference.ts';
import { parseSweepText, readSweepFile } from '../../src/cli/sweep-file.ts';
import { parseYaml } from '../../src/cli/yaml.ts';
import { InvalidSweepError } from '../../src/sweep/errors.ts';
import { parseSweep } from '../../src/sweep/sweep.ts';
import { VALID } from '../bad-input.ts';

const YAML = `# A study
apiVersion: cnn-sweep.dev/v1alpha1
kind: Sweep
metadata: {name: study}
spec:
  grid:
    - {widths: [[3, 8]]}
`;

function linesOf(error: unknown): string[] {
  assert.ok(error instanceof InvalidSweepError, `${error}`);
  return error.violations.map(({ path, message }) => `${path}: ${message}`);
}

function saidOf(text: string): string[] {
  try {
    parseSweepText(text, 'sweep.yaml');
    return [];
  } catch (error) {
    return linesOf(error);
  }
}

async function saidOfFile(path: string): Promise<string[]> {
  return readSweepFile(path).then(() => [], linesOf);
}

describe('a sweep file', () => {
  test('YAML and JSON give the same sweep as the value itself', () => {
    const { sweep } = parseSweep(VALID);
    assert.deepEqual(parseSweepText(YAML, 'sweep.yaml').sweep, sweep);
    assert.deepEqual(parseSweepText(JSON.stringify(VALID, null, 2), 'sweep.json').sweep, sweep);
    assert.deepEqual(parseSweepText(`\uFEFF---\r\n${YAML.replaceAll('\n', '\r\n')}...\r\n`, 'sweep.yaml').sweep, sweep);
  });

  test('anchors and merge keys are taken as kubectl takes them', () => {
    const text = `${YAML}    - &g {widths: [[4]], depth: [1]}\n    - {<<: *g, <<: {pooling: [none]}, depth: [2]}\n`;
    const [, second, third] = parseSweepText(text, 'sweep.yaml').sweep.spec.grid;
    assert.deepEqual(third, { ...second, pooling: ['none'], depth: [2] });
  });

  test('each violation knows the line of its value, of what is missing that of what it should stand in', () => {
    const text = `apiVersion: cnn-sweep.dev/v1alpha1
kind: Sweep
metadata: {}
spec:
  grid:
    - widths: [[3, 8]]
      seed:
        - 0
        - -1
  training:
    epochs: 0
  trainer: {nodeSelector: {"a b": x}}
  paralelism: 2
`;
    const want = {
      'metadata.name': 3,
      'spec.grid[0].seed[1]': 9,
      'spec.training.epochs': 11,
      'spec.trainer.nodeSelector["a b"]': 12,
      'spec.paralelism': 13,
    };
    assert.throws(
      () => parseSweepText(text, 'sweep.yaml'),
      (error) => {
        assert.ok(error instanceof InvalidSweepError);
        assert.deepEqual(Object.fromEntries(error.violations.map(({ path, line }) => [path, line])), want);
        return true;
      },
    );
  });

  const texts: Record<string, { text: string; want: string[] }> = {
    'a trailing document separator is no second document': { text: `${YAML}---\n# end\n`, want: [] },
    'a scalar is no sweep': { text: 'study', want: ['sweep.yaml: "study": expected a Sweep'] },
    'an open bracket is named where it shows': {
      text: 'a: [1, 2\nb: 3\n',
      want: ['sweep.yaml:2:1: a list that begins with [ needs its ], and every line of it more indentation'],
    },
    'an open quote is named': { text: 'a: "x\n', want: ['sweep.yaml:2:1: a quote is not closed'] },
    'a key without a colon is named': {
      text: 'key\nother: 1\n',
      want: ['sweep.yaml:1:1: expected a colon after the key, in the same line'],
    },
    'bad indentation is named once': {
      text: ' a: 1\nb: 2\n',
      want: ['sweep.yaml:2:1: unexpected here; check the indentation'],
    },
    'a value with a reserved character is named': {
      text: 'a: @x\n',
      want: ['sweep.yaml:1:4: a value cannot begin with @; put it in quotes'],
    },
    'an alias without its anchor is named': {
      text: 'a: *x\n',
      want: ['sweep.yaml:1:4: *x: no anchor of that name stands before it'],
    },
    'a list as a key is named': { text: '? [a]\n: b\n', want: ['sweep.yaml:1:3: a key must be text'] },
    'an anchor that holds itself is too deep': {
      text: `${YAML}x: &x [*x]\n`,
      want: [`x${'[0]'.repeat(19)}: over 20 levels`],
    },
    '101 aliases are too many': {
      text: `a: &a 1\nb: [${Array.from({ length: 101 }, () => '*a').join(', ')}]\n`,
      want: ['sweep.yaml:2:405: over 100 aliases'],
    },
    'a text fault and a field fault are reported together': {
      text: YAML.replace('kind: Sweep', 'kind: Sweeps\nkind: Sweeps'),
      want: ['sweep.yaml:4:1: kind: given twice, first in line 3', 'kind: "Sweeps": expected "Sweep"'],
    },
    'a key given three times is reported twice, and __proto__ as any other': {
      text: `${YAML}a: {__proto__: 1, b: 1, __proto__: 2, b: 2, b: 3}\n`,
      want: [
        'sweep.yaml:8:25: a.__proto__: given twice, first in line 8',
        'sweep.yaml:8:39: a.b: given twice, first in line 8',
        'sweep.yaml:8:45: a.b: given twice, first in line 8',
        'a: unknown field',
      ],
    },
  };
  for (const [sentence, { text, want }] of Object.entries(texts))
    test(sentence, () => assert.deepEqual(saidOf(text), want));

  test('100 aliases are accepted by the reader', () => {
    assert.equal(parseYaml(`a: &a 1\nb: [${Array.from({ length: 100 }, () => '*a').join(', ')}]\n`).kind, 'Data');
  });

  const deep: Record<string, string> = {
    brackets: `x: ${'['.repeat(100_000)}`,
    braces: '{a: '.repeat(100_000),
    dashes: '- '.repeat(100_000),
    'question marks': '? '.repeat(100_000),
    indentation: Array.from({ length: 1400 }, (_, level) => `${' '.repeat(level)}a:\n`).join(''),
  };
  for (const [what, text] of Object.entries(deep))
    test(`thousands of levels of ${what} are refused, not crashed on`, () =>
      assert.match(saidOf(text)[0] ?? '', /: over 20 levels$/));

  test('any text gives a sweep or its violations, and no other error', () => {
    const fragment = fc.constantFrom(
      'a',
      ': ',
      '- ',
      '\n',
      '  ',
      '\t',
      '[',
      ']',
      '{',
      '}',
      ',',
      '"',
      "'",
      '&a ',
      '*a',
      '<<: ',
      '|\n',
      '#',
      '---\n',
      '!x ',
      '? ',
      '\u0000',
      '\ud800',
      '%',
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 30 }), (parts) => void saidOf(parts.join(''))),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void saidOf(text)),
      { numRuns: 1000 },
    );
    const damage = fc.record({ at: fc.nat(YAML.length), cut: fc.nat(5), put: fragment });
    fc.assert(
      fc.property(damage, ({ at, cut, put }) => void saidOf(YAML.slice(0, at) + put + YAML.slice(at + cut))),
      { numRuns: 1000 },
    );
  });
});

describe('reading a sweep file', () => {
  test('a missing file, a folder, a device that never ends and a name with NUL are named', async () => {
    assert.deepEqual(await saidOfFile('/nowhere/sweep.yaml'), ['/nowhere/sweep.yaml: no such file']);
    assert.deepEqual(await saidOfFile(tmpdir()), [`${tmpdir()}: a folder; expected a file`]);
    assert.deepEqual(await saidOfFile('a\0b'), ['a\0b: no such file']);
    assert.deepEqual(await saidOfFile('/dev/zero'), ['/dev/zero: 1,048,577 bytes; the limit is 1 MiB']);
  });

  test('1 MiB is read, a byte more is not', async () => {
    await inFile(YAML.padEnd(1024 * 1024, '#'), async (file) => assert.deepEqual(await saidOfFile(file), []));
    await inFile(YAML.padEnd(1024 * 1024 + 1, '#'), async (file) =>
      assert.deepEqual(await saidOfFile(file), [`${file}: 1,048,577 bytes; the limit is 1 MiB`]),
    );
  });

  test('a file that may not be read is named', async () => {
    await inFile(YAML, async (file) => {
      await chmod(file, 0);
      const isRoot = process.geteuid?.() === 0;
      if (isRoot) process.seteuid?.(65_534); // root may read everything
      try {
        assert.deepEqual(await saidOfFile(file), [`${file}: permission denied`]);
      } finally {
        if (isRoot) process.seteuid?.(0);
      }
    });
  });

  test('the first byte that is not UTF-8 is named, wherever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        fc.constantFrom('ff', 'c0', '80', 'efbf', 'f09f98', 'eda080'),
        async (before, bad) => {
          const start = Buffer.from(before, 'utf8');
          await inFile(Buffer.concat([start, Buffer.from(bad, 'hex')]), async (file) => {
            const byte = bad.slice(0, 2).toUpperCase();
            assert.deepEqual(await saidOfFile(file), [`${file}: byte 0x${byte} at offset ${start.length}: not UTF-8`]);
          });
        },
      ),
      { numRuns: 50 },
    );
  });
});

async function inFile(content: string | Uint8Array, use: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sweep-file-'));
  try {
    await writeFile(join(folder, 'sweep.yaml'), content);
    await use(join(folder, 'sweep.yaml'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the reference page is what the schema says; run scripts/generate-reference.ts after a change', async () => {
  assert.equal(await readFile(REFERENCE, 'utf8'), buildReference());
});
