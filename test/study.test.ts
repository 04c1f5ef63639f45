import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { readSweepFile } from '../src/cli/sweep-file.ts';
import type { VerdictFile } from '../src/local/verdict.ts';
import { fold, summarise } from '../src/sweep/curve.ts';
import type { FindingName } from '../src/sweep/finding.ts';
import { decodeMeasurement } from '../src/sweep/measurement.ts';
import { expandTrials } from '../src/sweep/trial.ts';
import { judge } from '../src/sweep/verdict.ts';

const read = (name: string) => readFileSync(new URL(`../docs/study/${name}`, import.meta.url), 'utf8');

describe('the reference study as it was run (docs/study)', async () => {
  const { sweep } = await readSweepFile(new URL('../k8s/sweep.yaml', import.meta.url).pathname);
  const { spec } = sweep;
  const trials = expandTrials(sweep);
  const recorded: VerdictFile = JSON.parse(read('verdict.json'));
  const curves = fold(read('curves.ndjson').trim().split('\n').map(decodeMeasurement));
  const verdict = judge(
    trials.map(({ trial, parameterCount }) => {
      return { trial, parameterCount, summary: summarise(curves.get(trial)?.epochs ?? [], spec.training.epochs) };
    }),
    spec.selection,
  );
  const found = (name: string): FindingName | undefined =>
    verdict.findings[trials.findIndex((trial) => trial.name === name)]?.finding;

  test('is of the sweep in k8s/sweep.yaml, every trial recorded', () => {
    assert.deepEqual(recorded.sweep, sweep);
    assert.equal(recorded.complete, true);
  });

  test('gives the recorded verdict again from its curves alone', () => {
    assert.deepEqual(verdict, recorded.verdict);
  });

  test('names (12,32), which neither the wider nor the linear networks beat without overfitting', () => {
    assert.equal(trials[verdict.best?.trial ?? -1]?.name, '(12,32) relu max');
    for (const name of ['(24,64) relu max', '(48,128) relu max', '(96,256) relu max', '(12) relu no pooling']) {
      assert.equal(found(name), 'Overfit', name);
    }
  });

  test('opens the test figures of the winner, about 65 %', () => {
    const accuracy = recorded.test?.accuracy ?? 0;
    assert.ok(accuracy > 0.63 && accuracy < 0.67, `${accuracy}`);
  });
});

/** Trials of a sweep beside the study, with what is recorded of each. */
async function readBeside(file: string, curves: string) {
  const { sweep } = await readSweepFile(new URL(`../docs/study/seeds/${file}`, import.meta.url).pathname);
  const folded = fold(read(`seeds/${curves}`).trim().split('\n').map(decodeMeasurement));
  const trials = expandTrials(sweep).filter(({ trial }) => folded.has(trial));
  const candidates = trials.map(({ trial, parameterCount }) => {
    return { trial, parameterCount, summary: summarise(folded.get(trial)?.epochs ?? [], sweep.spec.training.epochs) };
  });
  return { sweep, trials, folded, candidates };
}

describe('what was looked into beside the study (docs/study/seeds)', () => {
  const cases = { 'seeds.ndjson': [0, 1, 2, 3, 4], 'glorot.ndjson': [1, 2] };
  for (const [file, seeds] of Object.entries(cases)) {
    test(`${file}: of (6,16) and (12,32) the second is named, whichever of its seeds each has`, async () => {
      const { sweep, trials, candidates } = await readBeside('seeds.yaml', file);
      const of = (widths: string) =>
        candidates.filter((_, at) => JSON.stringify(trials[at]?.hyperparameters.widths) === widths);
      assert.deepEqual([of('[6,16]').length, of('[12,32]').length], [seeds.length, seeds.length]);
      for (const small of of('[6,16]')) {
        for (const large of of('[12,32]')) {
          const { best } = judge([small, large], sweep.spec.selection);
          assert.equal(best?.trial, large.trial, `trials ${small.trial} and ${large.trial}`);
        }
      }
    });
  }

  test('a linear network without pooling stays near 40 % at a tenth of the learning rate', async () => {
    const { folded, trials } = await readBeside('linear.yaml', 'linear.ndjson');
    assert.equal(trials[0]?.hyperparameters.learningRate, 0.0001);
    const accuracies = (folded.get(0)?.epochs ?? []).map(({ validationAccuracy }) => validationAccuracy);
    assert.equal(accuracies.length, 15);
    assert.ok(Math.min(...accuracies) > 0.39 && Math.max(...accuracies) < 0.42, accuracies.join(' '));
  });
});
