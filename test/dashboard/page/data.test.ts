import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CurveView, SweepDetail, TrialRow, VerdictView } from '../../../src/dashboard/api.ts';
import { HOME } from '../../../src/dashboard/page/address.ts';
import { timelineBars, waitsOf } from '../../../src/dashboard/page/attempt-bars.ts';
import { dimensionsOf, isBrushed } from '../../../src/dashboard/page/brush.ts';
import { toCsv } from '../../../src/dashboard/page/csv.ts';
import {
  curvesChart,
  curvesSheet,
  curvesTable,
  formatTick,
  medianOfThree,
  shortenMiddle,
} from '../../../src/dashboard/page/curves.ts';
import { fileName } from '../../../src/dashboard/page/download.ts';
import { cellsOf, heatMapAxes, heatMapKey, heatMapTable } from '../../../src/dashboard/page/heat-map.ts';
import { describeParallel, parallelAxes, parallelTable } from '../../../src/dashboard/page/parallel.ts';
import { assignHues, rankRows } from '../../../src/dashboard/page/ranks.ts';
import { reportDataOf } from '../../../src/dashboard/page/report-data.ts';
import { scoreGapTable } from '../../../src/dashboard/page/score-gap.ts';
import { isServed, sweepDataOf } from '../../../src/dashboard/page/sweep-data.ts';
import { applyStream, encodeTrials, joinCurve, type SweepState } from '../../../src/dashboard/page/sweep-state.ts';
import { applyToList } from '../../../src/dashboard/page/sweeps-feed.ts';
import { columnsOf, compareBy, trialsSheet } from '../../../src/dashboard/page/table-columns.ts';
import { timelineTable } from '../../../src/dashboard/page/timeline.ts';
import { statusWords } from '../../../src/dashboard/page/trial-words.ts';
import {
  describeNetwork,
  describeProgress,
  explainAlternative,
  explainVerdict,
  formatAge,
} from '../../../src/dashboard/page/words.ts';
import { local, makeApp, makeStore } from '../builders.ts';
import { ATTEMPTS_FROM_MS, growStudy, readStudy, tellAttempts, tellStudy } from './study.ts';

const study = readStudy();
const topic = 'sweep:local/study';

/** The state as the page reads it, from the real API. */
async function readState(tellIt: (store: ReturnType<typeof makeStore>) => void): Promise<SweepState> {
  const store = makeStore();
  tellIt(store);
  const app = await makeApp(store);
  const get = async (path: string) => (await app.inject(local(`/api/v1/sweeps/local/study${path}`))).json();
  const rows: { items: TrialRow[] } = await get('/trials?limit=1000');
  const curves = await get('/curves?trials=0-9');
  const state = {
    detail: (await get('')) as SweepDetail,
    verdict: (await get('/verdict')) as VerdictView,
    rows: new Map(rows.items.map((row) => [row.trial, row])),
    curves: new Map(curves.items.map((curve: { trial: number }) => [curve.trial, curve])),
  } as SweepState;
  await app.close();
  return state;
}

const ended = await readState((store) => tellStudy(store, study));
const data = sweepDataOf(ended, true, HOME, new Map());
const report = reportDataOf(ended, data.rows, data.places);
const chartOf = (changes = {}) =>
  curvesChart({
    ...ended,
    order: data.order,
    hues: data.hues,
    selected: data.selected,
    quantity: 'loss',
    x: 'epoch',
    smooth: false,
    ...changes,
  });

test('the winner is looked at first, then the eligible by loss, then the others by loss', () => {
  assert.deepEqual(rankRows(ended.rows.values(), ended.verdict), [2, 1, 0, 7, 8, 3, 4, 5, 9, 6]);
  assert.equal(data.selected, 2);
});

test('a trial keeps its colour while it stays among the first eight, whoever overtakes it', () => {
  const before = assignHues(new Map(), [5, 6, 7]);
  assert.deepEqual(
    [...before],
    [
      [5, 0],
      [6, 1],
      [7, 2],
    ],
  );
  assert.deepEqual(
    new Map(assignHues(before, [7, 9, 6, 5])),
    new Map([
      [7, 2],
      [6, 1],
      [5, 0],
      [9, 3],
    ]),
  );
  const full = assignHues(before, [1, 2, 3, 4, 7, 9, 6, 5, 8]);
  assert.equal(full.size, 8);
  assert.equal(full.has(8), false);
  assert.equal(new Set(full.values()).size, 8);
});

test('the overlay draws ten trials of the study, marks t* and the kept epoch, and says what it shows', () => {
  const chart = chartOf();
  assert.equal(chart.lines.length, 10);
  assert.equal(chart.lines.at(-1)?.trial, 2);
  assert.deepEqual(
    chart.marks.map(({ text }) => text),
    ['kept, epoch 15', 'turning point t*, epoch 7'],
  );
  assert.deepEqual(chart.x, [1, 15]);
  assert.match(
    chart.sentence,
    /^Loss by epoch, 10 trials\. Selected: \(12,32\) relu max: at its kept epoch 15 training 0\.762, validation 1\.077/,
  );
  assert.equal(curvesTable(chart, 'loss').rows.length, 150);
  assert.deepEqual(curvesSheet(chart, 'loss').rows[0]?.slice(0, 4), ['2', '(12,32) relu max', '1', '1']);
});

test('of one trial the running loss is drawn too, within the frame, and never as an accuracy', () => {
  const curve = ended.curves.get(2);
  assert.ok(curve);
  const curves = new Map([[2, { ...curve, runningTrainLoss: curve.runningTrainLoss.map((_, at) => 1.4 - at / 20) }]]);
  const one = (quantity: 'loss' | 'accuracy') => chartOf({ curves, order: [2], running: true, quantity });
  assert.equal(one('loss').lines[0]?.running?.[0], 1.4);
  assert.ok(one('loss').y[1] > 1.4 && chartOf({ curves, order: [2] }).y[1] < 1.4);
  assert.equal(one('accuracy').lines[0]?.running, undefined);
});

test('what is marked on a curve that still grows is so only so far', () => {
  const marksAt = (epochs: number) => {
    const row = ended.rows.get(2) as TrialRow;
    const turningEpoch = Math.min(7, epochs);
    const running = { ...row, phase: 'Running', epochsDone: epochs, keptEpoch: epochs, turningEpoch } as const;
    return chartOf({ rows: new Map([...ended.rows, [2, running]]), curves: firstEpochs(epochs) }).marks.map(
      ({ text }) => text,
    );
  };
  assert.deepEqual(marksAt(5), ['lowest so far, epoch 5']);
  assert.deepEqual(marksAt(9), ['kept so far, epoch 9', 'turning point t*, epoch 7']);
});

function firstEpochs(count: number): SweepState['curves'] {
  return new Map([...ended.curves].map(([trial, curve]) => [trial, partOf(curve, 0, count)]));
}

/** Each column from one epoch to another. */
function partOf(curve: CurveView, from: number, to: number): CurveView {
  const part = (value: unknown) => (Array.isArray(value) ? value.slice(from, to) : value);
  return Object.fromEntries(Object.entries(curve).map(([key, value]) => [key, part(value)])) as CurveView;
}

test('long names that differ at the end still differ when they are shortened', () => {
  const names = [1, 2, 3].map((seed) => shortenMiddle(`(48,128) relu max, lr 0.001, seed ${seed}`, 24));
  assert.equal(names[0], '(48,128) r…0.001, seed 1');
  assert.equal(new Set(names).size, 3);
  assert.ok(names.every((name) => name.length === 24));
  assert.equal(shortenMiddle('(12,32) relu max', 24), '(12,32) relu max');
});

test('over images and over time the same points stand elsewhere', () => {
  const images = chartOf({ x: 'images' });
  assert.equal(images.lines.at(-1)?.x[0], ended.detail.trainingExamples);
  const time = chartOf({ x: 'time' });
  const seconds = study.measurements
    .filter(({ trial }) => trial === 2)
    .reduce((sum, measurement) => sum + measurement.seconds, 0);
  assert.ok(Math.abs((time.lines.at(-1)?.x.at(-1) ?? 0) - seconds) < 1e-6);
  assert.equal(time.x[0], 0);
});

test('smoothing is the median of three that the verdict uses, and keeps what is not finite', () => {
  assert.deepEqual(medianOfThree([1, 5, 2, 4]), [3, 2, 4, 3]);
  assert.deepEqual(medianOfThree([1, null, 3]), [1, null, 3]);
  assert.deepEqual(medianOfThree([1, 2]), [1, 2]);
  assert.notDeepEqual(chartOf({ smooth: true }).lines.at(-1)?.validation, chartOf().lines.at(-1)?.validation);
});

test('more than ten trials: the others are faint, unless selected', () => {
  const few = { ...ended, order: data.order };
  const chart = curvesChart({ ...few, hues: data.hues, selected: 6, quantity: 'loss', x: 'epoch', smooth: false });
  assert.ok(chart.lines.every(({ isStrong }) => isStrong));
  assert.equal(chart.lines.at(-1)?.trial, 6);
  const many = curvesChart({
    ...ended,
    rows: copies(ended.rows),
    curves: copies(ended.curves),
    order: Array.from({ length: 40 }, (_, at) => at),
    hues: data.hues,
    selected: 33,
    quantity: 'loss',
    x: 'epoch',
    smooth: false,
  });
  assert.equal(many.lines.filter(({ isStrong }) => isStrong).length, 11);
});

/** Forty of ten. */
function copies<Value extends { readonly trial: number }>(of: ReadonlyMap<number, Value>): Map<number, Value> {
  return new Map(
    [...of.values()].flatMap((value) =>
      [0, 10, 20, 30].map((by) => [value.trial + by, { ...value, trial: value.trial + by }] as const),
    ),
  );
}

test('one curve far above does not press the others together, and the sentence says that it is cut off', () => {
  const curves = new Map(ended.curves);
  const curve = curves.get(5);
  if (curve) curves.set(5, { ...curve, validationLoss: curve.validationLoss.map((loss, at) => (at > 12 ? 90 : loss)) });
  const chart = chartOf({ curves });
  assert.ok(chart.y[1] < 5);
  assert.match(chart.sentence, /Above .* the curves of 1 trial are cut off/);
});

test('the verdict in words: which, why, how sure, at what price', () => {
  const { headline, sentence, notes } = explainVerdict(ended);
  assert.equal(headline, '(12,32) relu max is the best network that does not overfit');
  assert.match(
    sentence.replaceAll('\u00a0', ' '),
    /Kept at epoch 15 of 15.*1\.077 ± 0\.021.*65\.3 %: the lowest loss of the 5 networks/,
  );
  assert.ok(
    notes.some((note) => /loss, smoothed, turns at epoch 7 and ends 0\.5 % above its minimum \(10 %/.test(note)),
  );
  assert.ok(notes.some((note) => /no other eligible network comes within one standard error/.test(note)));
  assert.ok(notes.some((note) => /0\.022 higher than the validation loss \(its optimism/.test(note)));
  const prices = ended.verdict?.alternatives.map((one) =>
    explainAlternative(one, ended.verdict?.best ?? null, 'LastEpoch'),
  );
  assert.match(
    prices?.find(({ rule }) => rule.startsWith('Best epoch'))?.price ?? '',
    /lower, accuracy .* higher, 37 times the parameters/,
  );
  assert.match(prices?.find(({ rule }) => rule.startsWith('Last epoch'))?.rule ?? '', /the rule of this sweep/);
});

test('what the short name of a network stands for', () => {
  const words = (trial: number) => describeNetwork(ended.rows.get(trial) as TrialRow);
  assert.equal(words(2), '5×5 convolutions with 12 and 32 channels, relu, 2×2 max pooling, then one dense layer');
  assert.equal(
    words(8),
    '5×5 convolutions with 12 and 32 channels, 2 of each, no activation (linear), no pooling, then one dense layer',
  );
  assert.equal(words(9), 'one 5×5 convolution with 12 channels, relu, no pooling, then one dense layer');
  assert.ok(explainVerdict(ended).notes.includes(`(12,32) relu max is ${words(2)}.`));
});

test('a winner that is kept before its curve turns says that it would overfit, trained on', async () => {
  const { sweep } = study;
  const selection = { ...sweep.spec.selection, checkpoint: 'BestEpoch' } as const;
  const state = await readState((store) =>
    tellStudy(store, { ...study, sweep: { ...sweep, spec: { ...sweep.spec, selection } } }),
  );
  const { headline, notes } = explainVerdict(state);
  assert.match(headline, /^\(96,256\) relu max is the best/);
  assert.ok(
    notes.some((note) =>
      /^Kept at epoch 5; trained to 15 it would overfit \(rise \d+ %\), and its training/.test(note),
    ),
    notes.join('\n'),
  );
});

test('equal by loss is not equal: who is as good as the best is named, with the accuracy that it has more', () => {
  const { verdict } = ended;
  const best = ended.rows.get(2) as TrialRow;
  assert.ok(verdict?.best);
  const close = (validationAccuracy: number) =>
    explainVerdict({
      ...ended,
      verdict: { ...verdict, withinOneStandardErrorTrials: [2, 3] },
      rows: new Map([...ended.rows, [3, { ...best, network: 'the other', validationAccuracy }]]),
    }).notes.find((note) => note.startsWith('How sure'));
  const accuracy = verdict.best.validationAccuracy;
  assert.match(
    close(accuracy + 0.046) ?? '',
    /1 other eligible network, the other \(whose accuracy is 4\.6 points higher\), stands within.*by loss nobody can tell it from the best/,
  );
  assert.match(close(accuracy - 0.1) ?? '', /1 other eligible network, the other, stands within/);
});

test('while it runs the verdict is so far, and says how many have ended', async () => {
  const running = await readState((store) => {
    const grow = growStudy(store, study);
    grow.to(6);
    grow.record(1);
  });
  const { headline, notes } = explainVerdict(running);
  assert.equal(headline, '(6,16) relu max is so far the best network that does not overfit');
  assert.match(notes[0] ?? '', /1 of 10 trials have ended/);
  assert.match(describeProgress(running.detail), /^1 of 10 trials ended, 9 running/);
  assert.equal(statusWords(running.rows.get(4) as TrialRow), 'Running, 6 of 15 epochs');
});

test('nothing eligible: the least overfit and what to try', async () => {
  const strict = {
    ...study,
    sweep: {
      ...study.sweep,
      spec: { ...study.sweep.spec, selection: { ...study.sweep.spec.selection, maxLossRise: 0 } },
    },
  };
  const onlyWide = { ...strict, results: strict.results.filter(({ trial }) => trial === 5) };
  const state = await readState((store) => tellStudy(store, onlyWide));
  const { headline, sentence, notes } = explainVerdict(state);
  assert.equal(headline, 'No network qualifies yet');
  assert.match(sentence, /\(96,256\) relu max overfits least: validation loss ends 88 % above/);
  assert.ok(notes.some((note) => note.startsWith('Try: fewer epochs')));
});

test('new epochs join a curve; a hole asks for the whole, another attempt begins anew', () => {
  const whole = ended.curves.get(2);
  assert.ok(whole);
  const part = (from: number, to: number) => partOf(whole, from, to);
  const points = (from: number, to: number, attemptUID = whole.attemptUID) => ({
    trial: 2,
    attemptUID,
    points: part(from, to),
  });
  assert.deepEqual(joinCurve(part(0, 6), points(6, 15)), whole);
  assert.deepEqual(joinCurve(part(0, 9), points(6, 15)), whole);
  assert.equal(joinCurve(part(0, 5), points(6, 15)), undefined);
  assert.deepEqual(joinCurve(whole, points(0, 2, 'another'))?.epochs, [1, 2]);
  assert.equal(joinCurve(undefined, points(3, 5)), undefined);
  const { state, wanted } = applyStream({ ...ended, curves: new Map() }, { topic, curves: [points(3, 5)] });
  assert.deepEqual([state.curves.size, wanted], [0, [2]]);
});

test('a delta changes its rows and leaves everything else the same object', () => {
  const row = { ...(ended.rows.get(3) as TrialRow), reason: 'changed' };
  const { state } = applyStream(ended, { topic, trials: [row] });
  assert.equal(state.rows.get(3)?.reason, 'changed');
  assert.equal(state.curves, ended.curves);
  assert.equal(state.detail, ended.detail);
  assert.equal(applyStream(ended, { topic }).state.rows, ended.rows);
});

test('the list of sweeps takes what changed and drops what is gone', () => {
  const sweep = { ...ended.detail, name: 'other' };
  assert.deepEqual(
    applyToList([ended.detail], { topic: 'sweeps', sweeps: [sweep], gone: ['local/study'] }).map(({ name }) => name),
    ['other'],
  );
});

test('indexes are asked for as runs', () => {
  assert.equal(encodeTrials([3, 1, 2, 17, 9, 8]), '1-3,8-9,17');
  assert.equal(encodeTrials([]), '');
});

test('a brush keeps whole positions of an axis and a part of a figure', () => {
  const dimensions = dimensionsOf(ended.detail);
  const kept = (brush: ReadonlyMap<string, readonly [number, number]>) =>
    [...ended.rows.values()].filter((row) => isBrushed(row, dimensions, brush)).map(({ trial }) => trial);
  assert.deepEqual(kept(new Map([['widths', [4, 6]]])), [3, 4, 5]);
  assert.deepEqual(
    kept(
      new Map([
        ['validationLoss', [1, 1.2]],
        ['gap', [0, 0.1]],
      ]),
    ),
    [1, 2],
  );
  assert.equal(kept(new Map([['nobody', [0, 0]]])).length, 10);
});

test('the heat map takes widths by pooling, then what the address says, and no axis twice', () => {
  const none = { across: null, down: null, facetAcross: null, facetDown: null };
  assert.deepEqual(heatMapAxes(report.axes, none), { across: 0, down: 2, facetAcross: null, facetDown: null });
  assert.deepEqual(
    heatMapAxes(report.axes, { across: 'pooling', down: 'pooling', facetAcross: 'pooling', facetDown: 'depth' }),
    {
      across: 2,
      down: 0,
      facetAcross: null,
      facetDown: 3,
    },
  );
  const axes = heatMapAxes(report.axes, none);
  assert.equal(cellsOf(report, axes).length, 9);
  assert.equal(cellsOf(report, { ...axes, facetDown: 3 }).length, 10);
  assert.equal(heatMapTable(report, { ...axes, facetDown: 3 }, 'gap').columns.length, 3 + 4);
  assert.equal(heatMapKey(report, axes, 'accuracy').at(-1)?.text, '72.4 %');
  assert.equal(scoreGapTable(report).rows.length, 10);
});

test('parallel coordinates put the first value at the foot, and large parameters logarithmically', () => {
  const axes = parallelAxes([...ended.rows.values()], data.dimensions);
  const row = ended.rows.get(2) as TrialRow;
  const place = (name: string) => axes.find(({ dimension }) => dimension.name === name)?.place(row);
  assert.equal(place('widths'), 3 / 6);
  assert.equal(place('validationLoss'), 0);
  assert.ok(Math.abs((place('parameterCount') ?? 0) - Math.log(18_554 / 2846) / Math.log(685_962 / 2846)) < 1e-9);
  assert.equal(parallelTable(data.rows, data.dimensions).rows.length, 10);
  assert.match(
    describeParallel(data.rows, ended.rows, data.dimensions, new Map([['gap', [0, 0.1]]]), 2),
    /gap, points from 0 points to 10 points/,
  );
});

const byText = (a: string, b: string) => (a < b ? -1 : 1);

test('the timeline gives each node its lane, and another one to what overlaps', () => {
  const bars = timelineBars(data.rows, report, 0);
  assert.deepEqual([...new Set(bars.map(({ lane }) => lane))].sort(byText), ['node-0', 'node-1']);
  const together = timelineBars(
    data.rows.map((row) => ({ ...row, node: 'one' })),
    report,
    0,
  );
  assert.deepEqual([...new Set(together.map(({ lane }) => lane))].sort(byText), ['one', 'one (2)']);
  assert.equal(timelineTable(bars).rows.length, 10);
});

test('a slot that is handed on a moment before the record of the last trial stays one lane', () => {
  const at = (ms: number) => new Date(1e12 + ms).toISOString();
  const row = { ...(ended.rows.get(0) as TrialRow), node: null };
  const lanes = (overlapMs: number) =>
    new Set(
      timelineBars(
        [
          { ...row, trial: 0, startedAt: at(0), endedAt: at(60_000) },
          { ...row, trial: 1, startedAt: at(60_000 - overlapMs), endedAt: at(90_000) },
        ],
        report,
        0,
      ).map(({ lane }) => lane),
    ).size;
  assert.deepEqual([lanes(300), lanes(10_000)], [1, 2]);
});

const tries = await readState((store) => tellAttempts(store, study));
const triesData = sweepDataOf(tries, true, HOME, new Map());
const NOW_MS = ATTEMPTS_FROM_MS + 1_200_000;
const triesBars = timelineBars(triesData.rows, reportDataOf(tries, triesData.rows, triesData.places), NOW_MS);
/** Of a trial: lane, seconds from the beginning at which it was created, began and ended, whether it is discarded. */
const barsOf = (trial: number) =>
  triesBars
    .filter((bar) => bar.trial === trial)
    .toSorted((a, b) => a.from - b.from)
    .map(({ lane, from, began, to, isDiscarded }) => [
      lane,
      ...[from, began, to].map((ms) => (ms === null ? null : (ms - ATTEMPTS_FROM_MS) / 1000)),
      isDiscarded,
    ]);

test('the timeline has a bar for each attempt: it waits, it runs, and one after which another came is discarded', () => {
  assert.deepEqual(barsOf(0), [['node-0', 0, 12, 252, false]]);
  assert.deepEqual(barsOf(4), [
    ['node-0', 690, 720, 900, true],
    ['node-1', 930, 945, 1200, false],
  ]);
  assert.deepEqual(barsOf(5), [
    ['node-1', 640, 830, 925, true],
    ['node-0', 926, 990, 1200, false],
  ]);
  assert.deepEqual(barsOf(6), [['no node yet', 700, null, 1200, false]]);
  assert.deepEqual(barsOf(8), [['node-0', 910, 915, 980, true]], 'what waits for its next attempt does not run on');
  assert.deepEqual(barsOf(9), [], 'nobody has created anything for it');
});

test('who waits for long takes no lane from who runs meanwhile, and waits that overlap are hatched once', () => {
  assert.deepEqual([...new Set(triesBars.map(({ lane }) => lane))].sort(byText), ['no node yet', 'node-0', 'node-1']);
  const nowhere = waitsOf(triesBars).filter(({ lane }) => lane === 'no node yet');
  assert.deepEqual(
    nowhere.map(({ from, to, bars }) => [from - ATTEMPTS_FROM_MS, to - ATTEMPTS_FROM_MS, bars.length]),
    [[700_000, 1_200_000, 2]],
  );
  assert.deepEqual(waitsOf(timelineBars(data.rows, report, 0)), [], 'who begins at once does not wait');
});

test('an attempt of which nobody saw the end ended when the next one was created; a record without a time ends with its seconds', () => {
  const row = tries.rows.get(4) as TrialRow;
  const unseen = { ...row, earlierAttempts: row.earlierAttempts.map((one) => ({ ...one, endedAt: null })) };
  const recorded = { ...(tries.rows.get(0) as TrialRow), endedAt: null, seconds: 200 };
  const ends = timelineBars([unseen, recorded], report, NOW_MS).map(({ to }) => (to - ATTEMPTS_FROM_MS) / 1000);
  assert.deepEqual(
    ends.sort((a, b) => a - b),
    [212, 930, 1200],
  );
});

test('the table of the timeline says of every attempt where it was, how long it waited and ran, and how it ended', () => {
  const { columns, rows } = timelineTable(triesBars);
  const of = (network: string) => rows.filter((row) => row[1] === network).map((row) => row.slice(0, 6));
  assert.deepEqual(columns.slice(0, 6), ['Node', 'Network', 'Attempt', 'State', 'Waited, seconds', 'Ran, seconds']);
  assert.deepEqual(of('(48,128) relu max'), [
    ['node-0', '(48,128) relu max', '1', 'Ended early: out of memory, exit 137', '30', '180'],
    ['node-1', '(48,128) relu max', '2', 'Running', '15', '255'],
  ]);
  assert.deepEqual(of('(12,32) linear no pooling'), [
    ['no node yet', '(12,32) linear no pooling', '1', 'Pending', '500', ''],
  ]);
});

test('a run on this machine is over with its server; a cluster’s namespace may be called local', () => {
  const lost = { status: 'reconnecting', since: 0 } as const;
  assert.equal(isServed({ source: 'folder', phase: 'Complete' }, lost), false);
  assert.equal(isServed({ source: 'folder', phase: 'Running' }, lost), true);
  assert.equal(isServed({ source: 'cluster', phase: 'Complete' }, lost), true);
});

test('the table sorts what is absent last, either way', () => {
  const columns = columnsOf(ended.detail);
  const rows = [...ended.rows.values(), { ...(ended.rows.get(0) as TrialRow), trial: 99, gap: null }];
  assert.ok(columns.every(({ title }) => /^[A-Z]/.test(title)));
  assert.equal(rows.toSorted(compareBy(columns, 'gap')).at(-1)?.trial, 99);
  assert.equal(rows.toSorted(compareBy(columns, '-gap')).at(-1)?.trial, 99);
  assert.equal(rows.toSorted(compareBy(columns, '-gap'))[0]?.trial, 9);
  assert.equal(trialsSheet(columns, rows).rows.length, 11);
});

test('no cell of a CSV begins a formula, and numbers stay numbers', () => {
  assert.equal(
    toCsv({
      columns: ['a', 'b'],
      rows: [
        ['=1+1', '-0.5'],
        ['@x', 'a,"b"'],
        ['-x', '1e-7'],
      ],
    }),
    `a,b\r\n'=1+1,-0.5\r\n'@x,"a,""b"""\r\n'-x,1e-7\r\n`,
  );
  assert.equal(fileName('../../etc', 'a b'), 'etc-a-b');
});

test('ages and ticks are short', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  const ages = [
    '2026-11-25T11:59:40Z',
    '2026-11-25T11:48:00Z',
    '2026-11-25T07:30:00Z',
    '2026-11-20T12:00:00Z',
    null,
  ].map((time) => formatAge(time, now));
  assert.deepEqual(ages, ['just now', '12 min ago', '4 h ago', '5 d ago', '–']);
  assert.deepEqual(
    [formatTick(675_000, 'images'), formatTick(0.65, 'accuracy'), formatTick(120, 'time')],
    ['675 k', '65 %', '2 min'],
  );
});
