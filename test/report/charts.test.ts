import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as Plot from '@observablehq/plot';
import { curvesChart, type Quantity } from '../../src/report/charts/curves.ts';
import { cellsOf, heatMapChart, heatMapKey } from '../../src/report/charts/heatmap.ts';
import { parametersChart } from '../../src/report/charts/parameters.ts';
import { buildData } from '../../src/report/data.ts';
import type { ReportInput } from '../../src/report/report.ts';
import { makeSmallReport, makeStudyReport, makeTroubledReport } from '../builders.ts';
import { makeCloseReport, withLosses } from './close.ts';

function size(input: ReportInput) {
  return parametersChart(Plot, buildData(input, 10), { width: 800, selected: null });
}

function curves(input: ReportInput, quantity: Quantity = 'loss') {
  const data = buildData(input, 10);
  return curvesChart(Plot, data, { width: 800, selected: data.selected, quantity });
}

function domainOf({ options }: ReturnType<typeof size>): [number, number] {
  const domain: unknown = options.y?.domain;
  assert.ok(Array.isArray(domain) && domain.length === 2);
  return [Number(domain[0]), Number(domain[1])];
}

test('the frame of losses against size holds the error bars and the band of close candidates', () => {
  const [low, high] = domainOf(size(makeCloseReport()));
  assert.ok(low < 1.802 - 0.014 && low > 1.7, `${low}`);
  assert.ok(high > 1.812 + 0.014 && high < 1.9, `${high}`);
});

test('the axis of the learning curves is as wide as their figures', () => {
  const [low, high] = domainOf(curves(makeCloseReport()));
  assert.ok(low > 1.7 && low < 1.802 && high > 1.812 && high < 1.9, `${low} to ${high}`);
  const [least, most] = domainOf(curves(makeCloseReport(), 'accuracy'));
  assert.ok(least >= 0 && most <= 1 && most > least);
  assert.doesNotMatch(curves(makeStudyReport()).sentence, /cut off/);
});

test('a run that diverges does not flatten the other curves, and the sentence says what is cut off', () => {
  const { sentence, options } = curves(makeTroubledReport());
  assert.match(sentence, /Above \d\.\d{3} the curves of 1 trial are cut off\.$/);
  assert.ok(domainOf({ sentence, options })[1] < 4);
});

test('one epoch far above the others is cut off too', () => {
  const losses = Array.from({ length: 40 }, (_, at) => (at === 10 ? 90 : 2 - at / 40));
  const { sentence, options } = curves(makeSmallReport(40, { curves: withLosses({ 0: losses }) }));
  assert.ok(domainOf({ sentence, options })[1] < 3);
  assert.match(sentence, /1 trial are cut off/);
});

test('of a curve whose lowest smoothed loss is its last, no turn is claimed', () => {
  const falling = makeSmallReport(2, { curves: withLosses({ 0: [2, 1.5] }) });
  assert.match(curves(falling).sentence, /its smoothed validation loss has not turned by epoch 2\.$/);
  const turned = makeSmallReport(5, { curves: withLosses({ 0: [2, 1.6, 1.4, 1.5, 1.7] }) });
  assert.match(curves(turned).sentence, /its smoothed validation loss turns at epoch 3\./);
});

test('the key of the heat map gives each of its colours a loss, from the lowest to the highest', () => {
  const data = buildData(makeStudyReport(), 10);
  const view = { selected: null, across: 0, down: 1, fixed: new Map() };
  const losses = cellsOf(data, view).flatMap(({ best }) => best.validationLoss ?? []);
  const key = heatMapKey(data, view);
  assert.deepEqual(
    key.map(({ colour }) => /var\(--strong\) (\d+)%/.exec(colour)?.[1]),
    ['100', '75', '50', '25', '0'],
  );
  const values = key.map(({ text }) => Number.parseFloat(text));
  assert.equal(values[0], Number(Math.min(...losses).toFixed(3)));
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
  );
  assert.match(key.at(-1)?.text ?? '', / or more$/, 'a loss above the range has the palest colour too');
  assert.equal(heatMapChart(Plot, data, { ...view, width: 600 }).sentence.length > 0, true);
});

test('of one loss the key has one colour, and one more for a cell without a loss', () => {
  const data = buildData(makeTroubledReport(), 10);
  const view = { selected: null, across: 0, down: null, fixed: new Map() };
  assert.equal(heatMapKey(data, view).at(-1)?.text, 'no loss');
  const same = { ...data, trials: data.trials.map((trial) => ({ ...trial, validationLoss: 1.5 })) };
  assert.deepEqual(
    heatMapKey(same, view).map(({ text }) => text),
    ['1.500'],
  );
});
