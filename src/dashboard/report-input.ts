import type { ReportInput } from '../report/report.ts';
import type { Curve } from '../sweep/curve.ts';
import type { SweepEntry } from './sweep-entry.ts';

/** What the report of a sweep is made of, as it stands now; undefined: the sweep does not parse. */
export function buildReportInput(entry: SweepEntry, machine: string): ReportInput | undefined {
  const { sweep } = entry.input;
  if (!sweep) return undefined;
  const curves = new Map<number, Curve>();
  for (const state of entry.trials) {
    const { curve } = entry.read(state);
    if (curve) curves.set(curve.trial, curve);
  }
  const { best } = entry.verdict;
  return {
    sweep,
    sweepText: entry.sweepText(),
    trials: entry.trials.map(({ trial }) => trial),
    curves,
    verdict: entry.verdict,
    results: [...entry.records.values()],
    winnerTest: entry.winnerTest,
    // As the zip that can be downloaded beside it unpacks.
    modelFolder: best && entry.trials[best.trial]?.hasModel ? 'model' : null,
    machine,
  };
}
