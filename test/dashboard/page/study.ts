import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Store, SweepInput } from '../../../src/dashboard/store.ts';
import { fold, summarise } from '../../../src/sweep/curve.ts';
import { decodeForeignMeasurement, type Measurement } from '../../../src/sweep/measurement.ts';
import type { TrialResult } from '../../../src/sweep/result.ts';
import { parseSweep } from '../../../src/sweep/sweep.ts';
import { expandTrials } from '../../../src/sweep/trial.ts';
import { type Finished, makeInput, UID } from '../builders.ts';

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

const BEGIN_MS = Date.parse('2026-11-25T09:00:00Z');

/** The study as it ended: one trial after the other on two slots, each for as long as it took in truth. */
export function tellStudy(store: Store, { sweep, measurements, results }: Finished): void {
  const free = [BEGIN_MS, BEGIN_MS];
  const time = (ms: number) => new Date(ms).toISOString();
  store.putSweep(makeInput({ sweep, phase: 'Complete', createdAt: time(BEGIN_MS), startTime: time(BEGIN_MS) }));
  for (const measurement of measurements) store.measure(UID, measurement);
  for (const result of results) {
    const { trial, attempt, attemptUID, seconds } = result;
    const slot = (free[0] ?? 0) <= (free[1] ?? 0) ? 0 : 1;
    const begin = free[slot] ?? 0;
    const end = begin + 1000 * seconds;
    free[slot] = end;
    store.setTrial(UID, trial, { phase: 'Running', attempt, attemptUID, node: `node-${slot}`, startedAt: time(begin) });
    store.record(UID, result, time(end));
  }
}

/** The study as it grew: nothing at first. */
export function growStudy(store: Store, study: Finished, input: Partial<SweepInput> = {}) {
  const { uid } = makeInput(input);
  store.putSweep(makeInput({ sweep: study.sweep, phase: 'Running', ...input }));
  return {
    /** Every trial runs, up to this epoch. */
    to(epoch: number) {
      for (const { trial, attempt, attemptUID, backend } of study.results) {
        store.setTrial(uid, trial, { phase: 'Running', attempt, attemptUID, backend });
      }
      for (const measurement of study.measurements) if (measurement.epoch <= epoch) store.measure(uid, measurement);
    },
    record(trial: number) {
      for (const measurement of study.measurements) if (measurement.trial === trial) store.measure(uid, measurement);
      for (const result of study.results) if (result.trial === trial) store.record(uid, result);
    },
    recordAll() {
      for (const result of study.results) store.record(uid, result);
      store.changeSweep(uid, { phase: 'Complete' });
    },
  };
}
