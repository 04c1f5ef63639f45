import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toCsv } from '../../src/report/csv.ts';
import { makeStudyEvents } from '../cli/events.ts';

const { trials, verdict } = makeStudyEvents();

/** As RFC 4180 reads a line. */
function cellsOf(line: string): string[] {
  const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)];
  return cells.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '');
}

test('every trial has a line with its figures in full, under its titles; the best is marked', () => {
  const lines = toCsv(trials, verdict, new Map()).map(cellsOf);
  const [titles = [], ...rows] = lines;
  assert.equal(rows.length, 10);
  const rowOf = (trial: number) => Object.fromEntries(titles.map((title, at) => [title, rows[trial]?.[at]]));
  const best = verdict.best?.trial ?? -1;
  const finding = verdict.findings[best];
  assert.deepEqual(
    rows.map((row) => row[titles.indexOf('best')]),
    trials.map(({ trial }) => String(trial === best)),
  );
  const row = rowOf(best);
  assert.equal(Number(row.validationLoss), finding?.validationLoss);
  assert.equal(Number(row.gap), finding?.gap);
  assert.deepEqual([row.network, row.widths, row.parameters], ['(12,32) relu max', '[12,32]', '18554']);
  assert.deepEqual([row.outcome, row.seconds], ['', '']);
});

test('what is recorded stands in the last columns', () => {
  const results = new Map([[2, { outcome: 'Succeeded', attempt: 2, backend: 'wasm', seconds: 1.5 } as const]]);
  assert.ok(toCsv(trials, verdict, results)[3]?.endsWith(',Succeeded,2,wasm,1.5'));
});

for (const text of ['=1+1', '+1', '-1+cmd|x', '@SUM(A1)', '\t=1', ' =HYPERLINK("x")', '|x', '%x']) {
  test(`a text never begins a formula: ${JSON.stringify(text)}`, () => {
    const findings = verdict.findings.map((finding) => ({ ...finding, reason: text }));
    const [titles = '', ...lines] = toCsv(trials, { ...verdict, findings }, new Map());
    const at = titles.split(',').indexOf('reason');
    for (const line of lines) assert.equal(cellsOf(line)[at], `'${text}`);
  });
}

test('a negative number stays a number', () => {
  const findings = verdict.findings.map((finding) => ({ ...finding, gap: -0.01 }));
  const [titles = '', line = ''] = toCsv(trials, { ...verdict, findings }, new Map());
  assert.equal(cellsOf(line)[titles.split(',').indexOf('gap')], '-0.01');
});

test('commas, quotes and apostrophes come back as they were', () => {
  const reason = `'a', "b"`;
  const findings = verdict.findings.map((finding) => ({ ...finding, reason }));
  const [titles = '', line = ''] = toCsv(trials, { ...verdict, findings }, new Map());
  assert.equal(cellsOf(line)[titles.split(',').indexOf('reason')], reason);
});
