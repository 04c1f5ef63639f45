import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { fold, summarise } from '../../../src/sweep/curve.ts';
import { decodeForeignMeasurement, type Measurement } from '../../../src/sweep/measurement.ts';
import type { TrialResult } from '../../../src/sweep/result.ts';
import { parseSweep } from '../../../src/sweep/sweep.ts';
import { expandTrials } from '../../../src/sweep/trial.ts';
import type { Finished } from '../builders.ts';

const folder = new URL('../../../docs/study/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');

interface Published {
  readonly test: TrialResult['test'];
  readonly verdict: { readonly best: { readonly trial: number } };
  readonly outcomes: readonly Pick<TrialResult, 'trial' | 'outcome' | 'reason'>[];
  readonly backend: TrialResult['backend'];
}

/** The reference study as it was trained and published: real curves, real times; only the winner's test figures are known. */
export function readStudy(): Finished {
  const { sweep } = parseSweep(parse(read('sweep.yaml')));
  const measurements: Measurement[] = read('curves.ndjson')
    .trim()
    .split('\n')
    .map((line) => decodeForeignMeasurement(line));
  const { outcomes, test, verdict, backend }: Published = JSON.parse(read('verdict.json'));
  const curves = fold(measurements);
  const trials = expandTrials(sweep);
  const results = outcomes.map((outcome): TrialResult => {
    const { hyperparametersHash = '', parameterCount = 0 } = trials[outcome.trial] ?? {};
    const { epochs = [], attempt = 1, attemptUID = '' } = curves.get(outcome.trial) ?? {};
    return {
      ...outcome,
      attempt,
      attemptUID,
      backend,
      seconds: epochs.reduce((sum, { seconds }) => sum + seconds, 0),
      hyperparametersHash,
      parameterCount,
      summary: summarise(epochs, sweep.spec.training.epochs),
      test: outcome.trial === verdict.best.trial ? test : null,
    };
  });
  return { sweep, measurements, results };
}
