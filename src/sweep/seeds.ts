import type { Finding, FindingName } from './finding.ts';
import { canonical } from './grid.ts';
import type { Hyperparameters } from './schema.ts';
import { isEligible, isFinished } from './selection.ts';
import type { Trial } from './trial.ts';

/** One network over the seeds that it was trained with: how much of a figure is luck. Losses in nats, accuracies in 0..1;
 * null where no trial, or for a spread only one, has a figure.
 */
export interface SeedGroup {
  readonly network: string;
  /** What its trials share. */
  readonly hyperparameters: Omit<Hyperparameters, 'seed'>;
  /** By index. */
  readonly trials: readonly number[];
  /** Of these trials, in their order. */
  readonly seeds: readonly number[];
  /** Trials that finished without diverging: the figures below are of these, overfit or not. */
  readonly compared: number;
  /** Trials that could win. */
  readonly eligible: number;
  readonly meanValidationLoss: number | null;
  /** Of the validation loss over the seeds (of a sample: n − 1). Not the standard error within one trial. */
  readonly standardDeviation: number | null;
  readonly lowestValidationLoss: number | null;
  readonly highestValidationLoss: number | null;
  readonly meanValidationAccuracy: number | null;
}

/** What the judge says of one trial, as far as it matters here; a Finding fits. */
type Judged = Pick<Finding, 'trial' | 'validationLoss' | 'validationAccuracy'> & { readonly finding: FindingName };

/** The networks that were trained with several seeds and differ in nothing else, by the index of their first trial; empty
 * where `seed` is no axis. The verdict does not look at this: it names a trial, and of equal networks the luckiest. Pure.
 */
export function groupBySeed(trials: readonly Trial[], findings: readonly Judged[]): SeedGroup[] {
  const judged = new Map(findings.map((finding) => [finding.trial, finding]));
  const groups = new Map<string, Trial[]>();
  for (const trial of trials) {
    const key = canonical({ ...trial.hyperparameters, seed: 0 });
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()].filter(({ length }) => length > 1).map((group) => summariseGroup(group, judged));
}

function summariseGroup(group: readonly Trial[], judged: ReadonlyMap<number, Judged>): SeedGroup {
  const findings = group.flatMap(({ trial }) => judged.get(trial) ?? []);
  const compared = findings.filter((finding) => isFinished(finding) && finding.validationLoss !== null);
  const losses = compared.flatMap(({ validationLoss }) => validationLoss ?? []);
  const [first] = group;
  const { seed: _, ...hyperparameters } = first?.hyperparameters ?? ({} as Hyperparameters);
  return {
    network: first?.name ?? '',
    hyperparameters,
    trials: group.map(({ trial }) => trial),
    seeds: group.map((trial) => trial.hyperparameters.seed),
    compared: compared.length,
    eligible: compared.filter(isEligible).length,
    meanValidationLoss: mean(losses),
    standardDeviation: deviation(losses),
    lowestValidationLoss: losses.length > 0 ? Math.min(...losses) : null,
    highestValidationLoss: losses.length > 0 ? Math.max(...losses) : null,
    meanValidationAccuracy: mean(compared.flatMap(({ validationAccuracy }) => validationAccuracy ?? [])),
  };
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[]): number | null {
  const middle = mean(values);
  if (middle === null || values.length < 2) return null;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}
