import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildData } from '../../src/report/data.ts';
import { buildReport, type ReportAssets, type ReportInput } from '../../src/report/report.ts';
import { explainSeeds, explainVerdict } from '../../src/report/words.ts';
import type { Curve } from '../../src/sweep/curve.ts';
import { groupBySeed, type SeedGroup } from '../../src/sweep/seeds.ts';
import { makeLargeReport, makeSmallReport, makeStudyReport, makeTroubledReport } from '../builders.ts';
import { makeBegunReport, makeCloseReport, withLosses } from './close.ts';

const noAssets: ReportAssets = { scripts: [], styles: [] };

function explain(input: ReportInput): string {
  const { headline, remark, sentence, notes } = explainVerdict(input, buildData(input, 10));
  return [headline, ...(remark ? [remark] : []), sentence, ...notes].join('\n');
}

function changeLoss(curves: Map<number, Curve>, trial: number, epoch: number, validationLoss: number) {
  const curve = curves.get(trial);
  assert.ok(curve);
  const epochs = curve.epochs.map((figures) => (figures.epoch === epoch ? { ...figures, validationLoss } : figures));
  return new Map(curves).set(trial, { ...curve, epochs });
}

/** The page's data, without what only its script needs. */
function embedded(page: string) {
  const [, json = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? [];
  return JSON.parse(json);
}

describe('the verdict in words', () => {
  test('names the study’s winner with the numbers of the verdict', () => {
    const input = makeStudyReport();
    const { best } = input.verdict;
    assert.ok(best);
    const words = explain(input);
    assert.match(words, /^\(12,32\) relu max is the best network that does not overfit$/m);
    for (const figure of [
      `epoch ${best.epoch} of 15`,
      `${best.validationLoss.toFixed(3)} ± ${best.validationLossStandardError.toFixed(3)}`,
      `${(100 * best.validationAccuracy).toFixed(1)} %`,
      `${(100 * best.rise).toFixed(1)} % above its minimum`,
      '65.3 %',
      `test loss ${(best.validationLoss + 0.011).toFixed(3)} is 0.011 higher`,
    ]) {
      assert.ok(words.includes(figure), `${figure} is missing in: ${words}`);
    }
  });

  test('says that a network kept at its best epoch would overfit if it trained on', () => {
    assert.match(
      explain(makeStudyReport({ selection: { checkpoint: 'BestEpoch' } })),
      /Trained on .* \d+ % above its minimum/,
    );
  });

  test('says of a kept epoch that is not the lowest before smoothing which one is', () => {
    const lucky = makeSmallReport(15, {
      curves: (curves) => changeLoss(curves, 0, 3, 0.5),
    });
    assert.match(
      explain(lucky),
      /kept (at|next to) the minimum of its smoothed validation loss \(before smoothing, the lowest loss is that of epoch 3\)/,
    );
    const plain = makeSmallReport(15);
    assert.doesNotMatch(explain(plain), /before smoothing/);
  });

  test('says how many stand within one standard error and that the smallest of them won', () => {
    const input = makeLargeReport(60);
    const { verdict } = input;
    const close = `${verdict.withinOneStandardError - 1} other eligible network`;
    assert.ok(verdict.withinOneStandardError < 2 || explain(input).includes(close));
    const study = makeStudyReport();
    const withinOneStandardErrorTrials = [1, 2];
    const told = { ...study, verdict: { ...study.verdict, withinOneStandardError: 2, withinOneStandardErrorTrials } };
    assert.match(explain(told), /1 other eligible network \(\(6,16\) relu max\) stands within/);
  });

  test('without an eligible network names the least overfit and what to try', () => {
    const words = explain(makeStudyReport({ selection: { maxLossRise: 0 } }));
    assert.match(words, /No network qualifies/);
    assert.match(words, /overfits least/);
    assert.match(words, /Try: checkpoint BestEpoch, which would keep \(96,256\) relu max at epoch 4/);
  });

  test('of a sweep that is not finished says that its verdict may change', () => {
    const words = explain(makeTroubledReport());
    assert.match(words, /is so far the best network that does not overfit/);
    assert.match(words, /Not finished: 9 of 10 trials have ended, so this may change/);
    assert.doesNotMatch(explain(makeStudyReport()), /Not finished/);
  });

  test('with nothing trained advises to run the sweep', () => {
    const words = explain(makeStudyReport({ curves: () => new Map(), results: () => [] }));
    assert.match(words, /^No verdict yet: 0 of 10 trials finished$/m);
    assert.match(words, /Try: cnn-sweep run once more: it goes on with the 10 trials that have not ended/);
    assert.doesNotMatch(words, /retry-failed/);
  });

  test('of a run without a finished trial nothing contradicts its curves', () => {
    const input = makeBegunReport();
    const words = explain(input);
    assert.match(words, /^No verdict yet: 0 of 10 trials finished$/m);
    assert.match(words, /^So far: 1 not finished, 9 not run\.$/m);
    assert.doesNotMatch(words, /eligible/);
    const page = buildReport(input, noAssets);
    assert.match(page, /Not finished<span class="reason"><bdi>4 of 15 epochs/);
    assert.match(page, /id="curves-chart"/);
    assert.match(page, /No trial has a validation loss to compare yet/);
    assert.doesNotMatch(page, /id="size-chart"|id="heat-chart"|id="alternatives"|nothing eligible|is eligible/);
  });

  test('says in the first note that the best is still improving, and that all are', () => {
    const falling = (from: number) => Array.from({ length: 15 }, (_, at) => from - at / 100);
    const best = { 0: falling(2), 1: [...falling(1.8).slice(0, 12), 1.9, 1.9, 1.9] };
    const notes = (losses: Record<number, readonly number[]>) => {
      const input = makeStudyReport({ curves: withLosses(losses), selection: { checkpoint: 'LastEpoch' } });
      return explainVerdict(input, buildData(input, 10)).notes;
    };
    const had = 'Its smoothed validation loss had not turned by epoch 15: more epochs may help.';
    assert.equal(notes({ ...best, 0: falling(1.5) })[0], had);
    assert.deepEqual(notes({ 0: falling(2), 1: falling(1.8) }).slice(0, 2), [
      'All 2 are still improving: too early to call.',
      had,
    ]);
    assert.ok(!explain(makeStudyReport()).includes('had not turned'));
  });

  test('how sure: the ± says nothing of another seed, whoever stands close', () => {
    for (const input of [makeStudyReport(), makeCloseReport()])
      assert.match(explain(input), /How sure: .*The ± is that of the validation set only: .* another seed/);
  });

  test('a large gap beside the headline is explained, a small one is not', () => {
    assert.match(
      explain(makeStudyReport()),
      /^A gap of 10 points alone is not overfitting: by epoch 15, which is kept, its validation loss has not risen more than 10 %\.$/m,
    );
    assert.match(buildReport(makeStudyReport(), noAssets), /<\/h1>\n<p class="remark">A gap of/);
    assert.doesNotMatch(explain(makeCloseReport()), /alone is not overfitting/);
  });

  test('speaks of optimism only where the test loss is higher', () => {
    const study = makeStudyReport();
    const lossOf = (by: number) =>
      explain({ ...study, winnerTest: { loss: (study.verdict.best?.validationLoss ?? 0) + by, accuracy: 0.65 } });
    assert.match(lossOf(0.011), /is 0\.011 higher than the validation loss \(its optimism: selection flatters it\)\./);
    assert.match(lossOf(-0.011), /is 0\.011 lower than the validation loss\./);
    for (const by of [0, 0.0004, -0.0004]) assert.match(lossOf(by), /is equal to the validation loss\./);
  });

  test('of failed trials says that they are trained again only if asked for', () => {
    const failed = (count: number) =>
      makeStudyReport({
        curves: (curves) => new Map([...curves].slice(count)),
        results: (results) => results.map((r) => (r.trial < count ? { ...r, outcome: 'Failed' as const } : r)),
      });
    assert.match(
      explain(failed(1)),
      /1 trial failed and could not be compared; cnn-sweep run --retry-failed trains it again/,
    );
    const all = explain(failed(10));
    assert.match(all, /^No network qualifies$/m);
    assert.match(all, /Try: cnn-sweep run --retry-failed, which trains the 10 failed trials again/);
    assert.doesNotMatch(all, /once more|goes on/);
  });
});

describe('the page', () => {
  const page = buildReport(makeStudyReport(), noAssets);

  test('holds its parts in the order of importance', (t) => {
    const parts = [...page.matchAll(/<section id="([a-z]+)"|<figure id="([a-z-]+)"|<h[123][^>]*>(.*?)<\/h/g)];
    t.assert.snapshot(parts.map(([, section, figure, heading]) => section ?? figure ?? heading));
  });

  test('shows each trial with its figures and its finding', (t) => {
    const rows = [...page.matchAll(/<tr data-trial="(\d+)".*?<\/tr>/gs)];
    t.assert.snapshot(
      rows.map(([row]) =>
        row
          .replaceAll(/<[^>]*>/g, ' ')
          .replaceAll(/\s+/g, ' ')
          .trim(),
      ),
    );
  });

  test('prices the other rules', (t) => {
    const [, table = ''] = /<section id="alternatives".*?<tbody>(.*?)<\/tbody>/s.exec(page) ?? [];
    t.assert.snapshot(
      table.split('</tr>').map((row) =>
        row
          .replaceAll(/<[^>]*>/g, ' ')
          .replaceAll(/\s+/g, ' ')
          .trim(),
      ),
    );
  });

  test('is the same for the same input', () => {
    assert.equal(buildReport(makeStudyReport(), noAssets), page);
  });

  test('opens no test figure but the winner’s', () => {
    assert.ok(!page.includes('7.7777') && !page.includes('0.7777') && !page.includes('77.8 %'));
  });

  test('links nothing outside itself and has a closed policy', () => {
    const policy = "default-src 'none'; script-src 'none'; style-src 'none'; base-uri 'none'; form-action 'none'";
    assert.ok(page.includes(policy.replaceAll("'", '&#39;')));
    assert.doesNotMatch(page, /(?:src|href)="(?!#)/);
    assert.doesNotMatch(page, / on[a-z]+="| style="/);
  });

  test('gives the reasons of failed and stopped trials and of those that never ran', () => {
    const troubled = buildReport(makeTroubledReport(), noAssets);
    for (const words of [
      'OutOfMemory: killed by the kernel',
      'MaxFailedTrials: more than 3',
      'Not run',
      'a loss is not finite',
    ]) {
      assert.ok(troubled.includes(words), words);
    }
  });

  test('refuses an asset that would end its own element', () => {
    const assets = { scripts: [{ text: 'x = "</script>"', hash: 'sha256-x' }], styles: [] };
    assert.throws(() => buildReport(makeStudyReport(), assets), RangeError);
  });

  test('without the weights says so and gives no code to load them', () => {
    const without = buildReport({ ...makeStudyReport(), modelFolder: null }, noAssets);
    assert.match(without, /weights of this network were not kept. To have them, train it again in another folder/);
    assert.doesNotMatch(without, /loadLayersModel/);
  });

  test('of a sweep that goes on says where the weights lie so far, and that the test figures are sealed', () => {
    const troubled = { ...makeTroubledReport(), winnerTest: null };
    const page = buildReport({ ...troubled, modelFolder: 'models/2-first' }, noAssets);
    assert.match(page, /the weights lie in <code>models\/2-first\/<\/code>. The sweep is not finished/);
    assert.match(page, /resolve\(import.meta.dirname, &#39;models\/2-first&#39;\)/);
    assert.match(page, /Their figures stay sealed until every trial has ended/);
    assert.doesNotMatch(page, /were opened/);
    const lost = buildReport({ ...troubled, modelFolder: null }, noAssets);
    assert.match(lost, /The weights of this network are not there. When every trial has ended/);
    assert.doesNotMatch(lost, /were not kept/);
  });

  test('without a winner opens nothing, and says so', () => {
    const none = buildReport(makeStudyReport({ selection: { maxLossRise: 0 } }), noAssets);
    assert.match(none, /there is no winner to open them for/);
    assert.doesNotMatch(none, /were opened|id="model"/);
  });

  test('shows the sweep as the run folder has it, byte for byte', () => {
    const sweepText = '# mine\nspec:   {grid: [{widths: [[3, 8]]}]}\n';
    assert.ok(buildReport({ ...makeStudyReport(), sweepText }, noAssets).includes(`<code>${sweepText}</code>`));
  });
});

describe('the seeds', () => {
  const bare = { scripts: [], styles: [] };
  const partOf = (page: string) => /<section id="seeds"[\s\S]*?<\/section>/.exec(page)?.[0];

  test('of an axis of seeds have a section: each network with its mean and its spread, the lowest mean first', () => {
    const input = makeLargeReport(300);
    const part = partOf(buildReport(input, bare)) ?? '';
    const groups = groupBySeed(input.trials, input.verdict.findings);
    assert.equal(part.match(/<th scope="row">/g)?.length, groups.length);
    const means = [...part.matchAll(/<\/th><td class="number">(\d\.\d{3})<\/td>/g)].map(([, mean]) => Number(mean));
    assert.equal(means.length, groups.length);
    assert.deepEqual(
      means,
      means.toSorted((a, b) => a - b),
    );
    assert.doesNotMatch(part, /, seed \d/, 'no network is named by a seed');
    const own = groups.find(({ trials }) => trials.includes(input.verdict.best?.trial ?? -1));
    const figures = `over 3 seeds its network has ${own?.meanValidationLoss?.toFixed(3)} on average`;
    assert.ok(part.includes(figures), `${figures} in ${part.slice(0, 600)}`);
  });

  test('are not spoken of where each network has one', () => {
    assert.equal(partOf(buildReport(makeStudyReport(), bare)), undefined);
  });

  test('name the network of the lowest mean if it is not the winner’s', () => {
    const group = (network: string, trials: number[], meanValidationLoss: number): SeedGroup => ({
      ...(groupBySeed(makeLargeReport(300).trials, [])[0] as SeedGroup),
      ...{ network, trials, compared: 2, meanValidationLoss, standardDeviation: 0.1 },
    });
    const { best } = makeStudyReport().verdict;
    assert.ok(best);
    const [ours, other] = [group('ours', [best.trial, 90], 1.2), group('other', [91, 92], 1.1)];
    const said = (...groups: SeedGroup[]) => explainSeeds(groups, best, ({ network }) => network);
    assert.match(said(other, ours), / has 1\.200 on average, .* The lowest mean is that of other, 1\.100\.$/);
    assert.doesNotMatch(said(ours, other), /The lowest mean/);
    assert.match(explainSeeds([other], null, String), /luckiest may win\.$/);
  });
});

describe('the embedded data', () => {
  test('holds one entry a trial, ranked with the winner first', () => {
    const { trials, best } = embedded(buildReport(makeLargeReport(300), noAssets));
    assert.equal(trials.length, 384);
    assert.equal(trials.find(({ trial }: { trial: number }) => trial === best).rank, 0);
    assert.equal(new Set(trials.map(({ name }: { name: string }) => name)).size, trials.length);
  });

  test('thins long curves of trials beyond the ten best, but keeps their marked epochs', () => {
    const input = makeLargeReport(900, 200);
    const { trials } = buildData(input, 10);
    const epochs = trials.map(({ curve }) => curve?.epoch ?? []);
    assert.ok(epochs.flat().length < 200_000);
    for (const { rank, curve, keptEpoch, turningEpoch } of trials) {
      if (rank < 10) assert.equal(curve?.epoch.length, 200);
      for (const epoch of [keptEpoch, turningEpoch, 200]) assert.ok(curve?.epoch.includes(epoch ?? 0));
    }
  });

  test('draws the band that the judge used: of equal losses the smaller network’s error counts', () => {
    const input = makeStudyReport();
    const lowest = { trial: 7, validationLoss: 1, validationLossStandardError: 0.25 };
    assert.deepEqual(buildData({ ...input, verdict: { ...input.verdict, lowest } }, 10).band, { low: 1, high: 1.25 });
  });

  test('of one network has no axes and still selects it', () => {
    const { axes, selected } = buildData(makeSmallReport(1), 10);
    assert.deepEqual({ axes, selected }, { axes: [], selected: 0 });
  });
});
