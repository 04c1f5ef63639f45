import { openToLoopback } from '../../src/dashboard/access.ts';
import { type AppOptions, buildApp } from '../../src/dashboard/app.ts';
import { NO_MODELS } from '../../src/dashboard/models.ts';
import { Store, type SweepInput } from '../../src/dashboard/store.ts';
import type { ReportInput } from '../../src/report/report.ts';
import { openLog } from '../../src/shared/log.ts';
import type { Measurement } from '../../src/sweep/measurement.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import { makeLargeReport, makeStudyReport } from '../builders.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeStudy } from '../sweep/builders.ts';

export const UID = 'e8b07a0c-0000-4000-8000-000000000001';

export function makeInput(input: Partial<SweepInput> = {}): SweepInput {
  const sweep = input.sweep === undefined ? makeStudy() : input.sweep;
  return { namespace: 'local', name: 'study', uid: UID, source: 'folder', sweep, phase: 'Running', ...input };
}

export function makeStore(timers = new FakeTimers()) {
  return new Store({ timers, boot: 'b00t', now: () => new Date('2026-11-25T12:00:00Z') });
}

/** A finished sweep, as its parts. */
export interface Finished {
  readonly sweep: Sweep;
  readonly measurements: readonly Measurement[];
  readonly results: readonly TrialResult[];
}

export function partsOf(report: ReportInput): Finished {
  const { sweep, curves, results, trials, verdict } = report;
  const measurements = [...curves.values()].flatMap(({ epochs, ...who }) =>
    epochs.map((figures) => ({ sweep: sweep.metadata.name, ...who, ...figures })),
  );
  // Every trial has sealed figures of its own, as in life.
  const full = (results as readonly TrialResult[]).map((result) => ({
    ...result,
    test: { loss: 7 + result.trial / 1000, accuracy: 0.7 },
    parameterCount: trials[result.trial]?.parameterCount ?? 0,
  }));
  if (verdict.findings.length === 0) throw new Error('nothing to show');
  return { sweep, measurements, results: full };
}

export const STUDY = partsOf(makeStudyReport());

export function makeLarge(trials: number, epochs: number): Finished {
  return partsOf(makeLargeReport(trials, epochs));
}

/** Tells a store of a sweep that is over. */
export function tell(store: Store, { sweep, measurements, results }: Finished, input: Partial<SweepInput> = {}): void {
  const whole = makeInput({ sweep, phase: 'Complete', ...input });
  store.putSweep(whole);
  for (const measurement of measurements) store.measure(whole.uid, measurement);
  for (const result of results) store.record(whole.uid, result);
}

export const SILENT = openLog(() => undefined);

/** An app over a store, without its page and without a login unless said otherwise. */
export function makeApp(store: Store, options: Partial<AppOptions> = {}) {
  return buildApp({
    store,
    access: openToLoopback(),
    models: NO_MODELS,
    log: SILENT,
    reportAssets: async () => ({ scripts: [], styles: [] }),
    machine: 'a test',
    timers: new FakeTimers(),
    ...options,
  });
}

/** A request as the page on this machine sends it. */
export function local(url: string, headers: Record<string, string> = {}) {
  return { url, headers: { host: 'localhost:8080', ...headers } };
}
