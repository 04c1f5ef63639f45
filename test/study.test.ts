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
