import { nodeCode } from '../report/usage.ts';
import { summarise } from '../sweep/curve.ts';
import { DATASETS } from '../sweep/dataset.ts';
import { percent } from '../sweep/finding.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import { type Candidate, judge, type Verdict } from '../sweep/verdict.ts';

/** The computer that the verdict was written on. */
export interface Machine {
  readonly os: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cores: number;
}

/** What `verdict.json` holds. Same records, same bytes: no time, no process, no attempt stands in it. */
export interface VerdictFile {
  readonly sweep: Sweep;
  /** Every trial has a record, and none was stopped. Before that nothing is unsealed. */
  readonly complete: boolean;
  readonly trials: Counts;
  /** How each recorded trial ended, by index. */
  readonly outcomes: readonly Pick<TrialResult, 'trial' | 'outcome' | 'reason'>[];
  readonly verdict: Verdict;
  /** Test figures of the winner's kept weights; of no other trial. */
  readonly test: { readonly loss: number | null; readonly accuracy: number } | null;
  /** Test loss minus validation loss, in nats. */
  readonly optimism: number | null;
  /** Folder of the winner's weights, beside this file. */
  readonly model: 'model' | 'none kept' | null;
  /** What trained the winner; without one, all that trained. */
  readonly backend: string | null;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
}

export interface Counts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly stopped: number;
  /** Without a record. */
  readonly waiting: number;
}

export function countTrials(results: Iterable<TrialResult>, total: number): Counts {
  const counts = { Succeeded: 0, Failed: 0, Stopped: 0 };
  for (const { outcome } of results) counts[outcome]++;
  const { Succeeded: succeeded, Failed: failed, Stopped: stopped } = counts;
  return { total, succeeded, failed, stopped, waiting: total - succeeded - failed - stopped };
}

/** What the judge looks at. A trial that failed has an empty curve, whatever it had learned: it can never win. */
export function candidatesOf(results: Iterable<TrialResult>, epochs: number): Candidate[] {
  return [...results].map(({ trial, outcome, parameterCount, summary }) => ({
    trial,
    parameterCount,
    summary: (outcome === 'Failed' ? null : summary) ?? summarise([], epochs),
  }));
}

/** Every trial has a record that stays: one that was stopped is only cut off. */
export function isComplete({ waiting, stopped }: Counts): boolean {
  return waiting === 0 && stopped === 0;
}

/** Judges what is recorded. */
export function judgeResults(sweep: Sweep, results: Iterable<TrialResult>): Verdict {
  return judge(candidatesOf(results, sweep.spec.training.epochs), sweep.spec.selection);
}

/** Builds the verdict's file, opening the winner's test figures if the sweep is complete. */
export function buildVerdictFile(
  sweep: Sweep,
  results: ReadonlyMap<number, TrialResult>,
  total: number,
  verdict: Verdict,
  { hasModel, machine, versions }: { hasModel: boolean; machine: Machine; versions: Readonly<Record<string, string>> },
): VerdictFile {
  const counts = countTrials(results.values(), total);
  const complete = isComplete(counts);
  const winner = verdict.best ? results.get(verdict.best.trial) : undefined;
  const test = (complete && winner?.test) || null;
  const backends = winner ? [winner.backend] : [...results.values()].map(({ backend }) => backend);
  return {
    sweep,
    complete,
    trials: counts,
    outcomes: [...results.values()]
      .sort((a, b) => a.trial - b.trial)
      .map(({ trial, outcome, reason }) => ({ trial, outcome, reason })),
    verdict,
    test,
    optimism: test?.loss != null && verdict.best ? test.loss - verdict.best.validationLoss : null,
    model: winner && complete ? (hasModel ? 'model' : 'none kept') : null,
    backend:
      [...new Set(backends.filter((backend) => backend !== null))].sort((a, b) => (a < b ? -1 : 1)).join(', ') || null,
    machine,
    versions: Object.fromEntries(Object.entries(versions).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

export function encodeVerdictFile(file: VerdictFile): string {
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** A few lines for whoever finds the model's folder. */
export function modelCard({ sweep, verdict: { best, message }, test, backend }: VerdictFile, { name }: Trial): string {
  if (!best) return '';
  const facts = DATASETS[sweep.spec.training.dataset];
  const { height, width, channels, classNames } = facts;
  const accuracy = (value: number) => percent(value);
  const tested = test ? `\n- test loss ${test.loss?.toFixed(4)}, accuracy ${accuracy(test.accuracy)}` : '';
  return `# ${sweep.metadata.name}, trial ${best.trial}: ${name}

${message}.

- ${best.parameterCount} parameters, trained on ${sweep.spec.training.dataset} with the ${backend} backend, kept at epoch ${best.epoch}
- validation loss ${best.validationLoss.toFixed(4)} ± ${best.validationLossStandardError.toFixed(4)}, accuracy ${accuracy(best.validationAccuracy)}${tested}

A TensorFlow.js LayersModel. Inputs are float32 [batch, ${height}, ${width}, ${channels}], each byte x as x / 127.5 - 1; outputs are
logits of the classes ${classNames.join(', ')}. In a browser: \`await tf.loadLayersModel('model.json')\`. In Node, as use.mjs in this folder:

\`\`\`js
${nodeCode(facts, '.')}
\`\`\`
`;
}
