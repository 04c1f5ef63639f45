import { nodeCode } from '../report/usage.ts';
import { DATASETS } from '../sweep/dataset.ts';
import { percent } from '../sweep/finding.ts';
import { type Counts, countOutcomes, isComplete } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';

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

/** Builds the verdict's file, opening the winner's test figures if the sweep is complete. */
export function buildVerdictFile(
  sweep: Sweep,
  results: ReadonlyMap<number, TrialResult>,
  total: number,
  verdict: Verdict,
  { hasModel, machine, versions }: { hasModel: boolean; machine: Machine; versions: Readonly<Record<string, string>> },
): VerdictFile {
  const counts = countOutcomes(results.values(), total);
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
