import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { type Column, layOut, plain, truncate, wrap } from '../../src/cli/table.ts';

interface Row {
  readonly trial: string;
  readonly network: string;
  readonly finding: string;
  readonly left: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'trial', value: ({ trial }) => trial, align: 'right' },
  { title: 'network', value: ({ network }) => network, flexible: 6 },
  { title: 'finding', value: ({ finding }) => finding, drop: 1 },
  { title: 'left', value: ({ left }) => left, align: 'right', drop: 2, luxury: true },
];
const ROWS: readonly Row[] = [
  { trial: '0', network: '(3,8) relu max', finding: 'Healthy', left: '1:05' },
  { trial: '11', network: '(12,32) linear avg', finding: 'Overfit', left: '' },
];

describe('layOut', () => {
  const cases: Record<string, { width: number; want: string[] }> = {
    'a pipe gets every column whole, numbers to the right, no trailing blanks': {
      width: Number.POSITIVE_INFINITY,
      want: [
        'trial  network             finding  left',
        '    0  (3,8) relu max      Healthy  1:05',
        '   11  (12,32) linear avg  Overfit',
      ],
    },
    'what fits to the cell stays whole': {
      width: 40,
      want: [
        'trial  network             finding  left',
        '    0  (3,8) relu max      Healthy  1:05',
        '   11  (12,32) linear avg  Overfit',
      ],
    },
    'a luxury goes before anything is cut': {
      width: 39,
      want: [
        'trial  network             finding',
        '    0  (3,8) relu max      Healthy',
        '   11  (12,32) linear avg  Overfit',
      ],
    },
    'then the flexible column is cut, down to its least': {
      width: 22,
      want: ['trial  netwo…  finding', '    0  (3,8)…  Healthy', '   11  (12,3…  Overfit'],
    },
    'below that a column goes, and its room is given back': {
      width: 21,
      want: ['trial  network', '    0  (3,8) relu max', '   11  (12,32) linea…'],
    },
    'a terminal narrower than what must stay cuts the ends of the lines': {
      width: 9,
      want: ['trial  n…', '    0  (…', '   11  (…'],
    },
  };
  for (const [sentence, { width, want }] of Object.entries(cases)) {
    test(sentence, () => assert.deepEqual(layOut(COLUMNS, ROWS, width), want));
  }

  test('of two that may go the higher number goes first', () => {
    const columns: Column<string>[] = [
      { title: 'a', value: (row) => row },
      { title: 'b', value: (row) => row, drop: 1 },
      { title: 'c', value: (row) => row, drop: 2 },
    ];
    assert.deepEqual(layOut(columns, ['xxxx'], 12), ['a     b', 'xxxx  xxxx']);
  });

  test('of two flexible columns the wider gives way first', () => {
    const columns: Column<string[]>[] = [
      { title: 'a', value: ([a = '']) => a, flexible: 3 },
      { title: 'b', value: ([, b = '']) => b, flexible: 3 },
    ];
    assert.deepEqual(layOut(columns, [['abcdef', '0123456789']], 14), ['a       b', 'abcdef  01234…']);
  });

  test('a wide character takes two cells, so columns stay in line', () => {
    const lines = layOut(COLUMNS, [{ trial: '1', network: '東京 🎉', finding: 'Healthy', left: '' }, ...ROWS], 80);
    const starts = lines.map((line) => stringWidth(line.slice(0, line.search(/finding|Healthy|Overfit/))));
    assert.equal(new Set(starts).size, 1);
  });

  test('control characters of a value do not reach the terminal', () => {
    const [, line = ''] = layOut(COLUMNS, [{ trial: '1', network: 'a\x1b[2Jb\nc\u009bd', finding: '', left: '' }], 80);
    assert.equal(line, '    1  a [2Jb c d');
  });

  test('no table has rows without titles, nor titles without rows', () => {
    assert.deepEqual(layOut(COLUMNS, [], 80), ['trial  network  finding  left']);
  });

  const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.constantFrom('東京', '🎉👩‍👩‍👧', 'é', ''));
  const rows = fc.array(fc.record({ trial: text, network: text, finding: text, left: text }), { maxLength: 8 });

  test('no line is wider than the terminal, whatever stands in it', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 0, max: 60 }), (given, width) => {
        const lines = layOut(COLUMNS, given, width);
        assert.equal(lines.length, given.length + 1);
        for (const line of lines) assert.ok(stringWidth(line) <= width, `${JSON.stringify(line)} in ${width}`);
      }),
    );
  });

  test('nothing is cut or left out where everything fits', () => {
    fc.assert(
      fc.property(rows, (given) => {
        const whole = layOut(COLUMNS, given, Number.POSITIVE_INFINITY);
        const width = Math.max(...whole.map((line) => stringWidth(line)));
        const natural = layOut(COLUMNS, given, width + 100);
        assert.deepEqual(natural, whole);
      }),
    );
  });
});

describe('truncate', () => {
  const cases: Record<string, { text: string; width: number; want: string }> = {
    'what fits stays': { text: 'abc', width: 3, want: 'abc' },
    'the last cell is an ellipsis': { text: 'abcd', width: 3, want: 'ab…' },
    'half of a wide character is not shown': { text: '東京都', width: 4, want: '東…' },
    'a family of several code points is not torn': { text: '👩‍👩‍👧👩‍👩‍👧', width: 3, want: '👩‍👩‍👧…' },
    'one cell holds the ellipsis': { text: 'abc', width: 1, want: '…' },
    'no cell holds nothing': { text: 'abc', width: 0, want: '' },
  };
  for (const [sentence, { text, width, want }] of Object.entries(cases)) {
    test(sentence, () => assert.equal(truncate(text, width), want));
  }
});

describe('wrap', () => {
  const cases: Record<string, { text: string; width: number; want: string[] }> = {
    'a text that fits is one line': { text: 'one two', width: 7, want: ['one two'] },
    'it breaks between words and indents what follows': {
      text: 'one two three four',
      width: 9,
      want: ['one two', '  three', '  four'],
    },
    'the indent counts': { text: 'a bbbb cccc', width: 8, want: ['a bbbb', '  cccc'] },
    'a word that is longer than the line stays whole': {
      text: 'a https://x.yz/abc b',
      width: 6,
      want: ['a', '  https://x.yz/abc', '  b'],
    },
    'nothing is an empty line': { text: '', width: 5, want: [''] },
    'without a terminal nothing breaks': {
      text: 'one two three',
      width: Number.POSITIVE_INFINITY,
      want: ['one two three'],
    },
  };
  for (const [sentence, { text, width, want }] of Object.entries(cases)) {
    test(sentence, () => assert.deepEqual(wrap(text, width, '  '), want));
  }
});

test('plain keeps letters of every script and joined emoji, and nothing that a terminal obeys', () => {
  assert.equal(plain('é 東京 👩‍👩‍👧 ×±→'), 'é 東京 👩‍👩‍👧 ×±→');
  assert.equal(plain('a\r\n\tb\x07\x7f\u0085c\u2028d\u202ee'), 'a b c d e');
});
