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
    store.setTrial(UID, trial, { phase: 'Running', attempt, attemptUID });
    const times = { createdAt: time(begin), startedAt: time(begin) };
    store.seeAttempt(UID, trial, { attempt, attemptUID, node: `node-${slot}`, ...times });
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

/** When the attempts of `tellAttempts` begin: their clock. */
export const ATTEMPTS_FROM_MS = Date.parse('2026-11-25T09:00:00Z');

/** A sweep on two nodes, as a cluster tells it: trial 4 crashed and is tried again, trial 5 was evicted and runs elsewhere, trials 6 and 7
 * wait for a node, trial 8 crashed and waits for its next attempt, trials 0 to 3 are recorded.
 */
export function tellAttempts(store: Store, study: Finished, input: Partial<SweepInput> = {}): void {
  const { uid } = makeInput(input);
  const time = (seconds: number) => new Date(ATTEMPTS_FROM_MS + 1000 * seconds).toISOString();
  const stillAt = (trial: number) => study.measurements.filter((one) => one.trial === trial && one.epoch <= 4);
  store.putSweep(makeInput({ sweep: study.sweep, phase: 'Running', ...input }));
  const see = (trial: number, name: string, attempt: number, node: string | null, times: readonly number[]) => {
    const [createdAt = null, startedAt = null, endedAt = null] = times.map(time);
    const pod = `study-${trial}-${name}`;
    store.seeAttempt(uid, trial, { attempt, attemptUID: uidOf(trial, name), node, pod, createdAt, startedAt, endedAt });
  };
  const end = (trial: number, name: string, attempt: number, reason: string) =>
    store.seeAttempt(uid, trial, { attempt, attemptUID: uidOf(trial, name), reason });
  for (const [trial, from, seconds] of [
    [0, 0, 240],
    [1, 0, 300],
    [2, 250, 420],
    [3, 310, 500],
  ] as const) {
    const [result] = study.results.filter((one) => one.trial === trial);
    if (!result) throw new RangeError(`no trial ${trial}`);
    const { attempt, attemptUID } = result;
    const times = { createdAt: time(from), startedAt: time(from + 12) };
    store.seeAttempt(uid, trial, { attempt, attemptUID, node: `node-${trial % 2}`, ...times });
    for (const measurement of study.measurements) if (measurement.trial === trial) store.measure(uid, measurement);
    store.record(uid, result, time(from + 12 + seconds));
  }
  see(4, 'first', 1, 'node-0', [690, 720, 900]);
  end(4, 'first', 1, 'out of memory, exit 137');
  see(4, 'second', 2, 'node-1', [930, 945]);
  store.setTrial(uid, 4, { phase: 'Running', attempt: 2, attemptUID: uidOf(4, 'second') });
  see(5, 'evicted', 1, 'node-1', [640, 830, 925]);
  end(5, 'evicted', 1, 'TerminationByKubelet: The node was low on resource: ephemeral-storage.');
  see(5, 'again', 1, 'node-0', [926, 990]);
  store.setTrial(uid, 5, { phase: 'Running', attempt: 1, attemptUID: uidOf(5, 'again') });
  for (const measurement of stillAt(5))
    store.measure(uid, { ...measurement, attempt: 1, attemptUID: uidOf(5, 'evicted') });
  for (const measurement of stillAt(5))
    if (measurement.epoch <= 2) store.measure(uid, { ...measurement, attempt: 1, attemptUID: uidOf(5, 'again') });
  for (const trial of [6, 7]) {
    see(trial, 'pending', 1, null, [700 + 100 * trial - 600]);
    const reason = 'Unschedulable: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.';
    store.setTrial(uid, trial, { phase: 'Pending', attempt: 1, attemptUID: uidOf(trial, 'pending'), reason });
  }
  see(8, 'crashed', 1, 'node-0', [910, 915, 980]);
  end(8, 'crashed', 1, 'exit 139: boom');
  store.setTrial(uid, 8, { phase: 'Retrying', attempt: 1, attemptUID: uidOf(8, 'crashed'), reason: 'exit 139: boom' });
}

/** Looks like one of Kubernetes, and is the same each time. */
function uidOf(trial: number, name: string): string {
  return `e8b07a0c-0000-4000-8000-${trial}${Buffer.from(name).toString('hex').padEnd(11, '0').slice(0, 11)}`;
}
