import { exceeds, type Finding } from './finding.ts';
import type { Selection } from './schema.ts';

/** What the choice among trials looks at. */
export interface Score {
  readonly trial: number;
  readonly parameterCount: number;
  /** At the kept epoch, in nats. */
  readonly validationLoss: number;
  readonly standardError: number;
}

/** A finding with its score. */
export interface Contender extends Score {
  readonly finding: Finding;
}

/** Who won, and among how many. */
export interface Choice<S extends Score = Contender> {
  readonly best: S;
  /** The contender with the lowest validation loss; often the best itself. */
  readonly lowest: S;
  /** Contenders within one standard error of the lowest loss, itself included, by index. */
  readonly withinOneStandardError: readonly S[];
}

type Order = (a: Score, b: Score) => number;

/** 1. lower validation loss, 2. fewer parameters, 3. lower index, so that no two are equal. */
const byLoss = inOrder(
  (c) => c.validationLoss,
  (c) => c.parameterCount,
  (c) => c.trial,
);

/** Within one standard error of the lowest loss: 1. fewer parameters, 2. lower validation loss, 3. lower index. */
const bySimplicity = inOrder(
  (c) => c.parameterCount,
  (c) => c.validationLoss,
  (c) => c.trial,
);

/** Only these two can win. The gap is a filter, never the objective: a model that learns nothing has no gap. */
export function isEligible({ finding }: Pick<Finding, 'finding'>): boolean {
  return finding === 'Healthy' || finding === 'StillImproving';
}

/** Whether a trial finished and did not diverge: who may be compared at all, eligible or not. */
export function isFinished({ finding }: Pick<Finding, 'finding'>): boolean {
  return finding !== 'Diverged' && finding !== 'Incomplete';
}

/** A finished trial as the choice looks at it; undefined of any other. A standard error that is missing counts as 0. */
export function contenderOf(finding: Finding, parameterCount: number): Contender | undefined {
  const { trial, validationLoss, validationLossStandardError } = finding;
  if (!isFinished(finding) || validationLoss === null) return undefined;
  return { trial, parameterCount, validationLoss, standardError: validationLossStandardError ?? 0, finding };
}

/** Chooses the best of the contenders, whatever their order; undefined if there is none.
 * @see the one-standard-error rule: Breiman et al., Classification and Regression Trees (1984), section 3.4.3
 */
export function choose<S extends Score>(
  contenders: readonly S[],
  parsimony: Selection['parsimony'],
): Choice<S> | undefined {
  const lowest = least(contenders, byLoss);
  if (!lowest) return undefined;
  const limit = lowest.validationLoss + lowest.standardError;
  const close = contenders.filter(({ validationLoss }) => !exceeds(validationLoss, limit));
  const best = parsimony === 'OneStandardError' ? (least(close, bySimplicity) ?? lowest) : lowest;
  return { best, lowest, withinOneStandardError: close.sort((a, b) => a.trial - b.trial) };
}

function inOrder(...keys: ((score: Score) => number)[]): Order {
  return (a, b) => {
    for (const key of keys) {
      const difference = key(a) - key(b);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

export function least<T>(items: readonly T[], order: (a: T, b: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (best, item) => (best === undefined || order(item, best) < 0 ? item : best),
    undefined,
  );
}
