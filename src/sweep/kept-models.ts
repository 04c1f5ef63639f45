import { findingOf } from './finding.ts';
import type { TrialResult } from './result.ts';
import type { Selection } from './schema.ts';
import { type Contender, choose, contenderOf, isEligible } from './selection.ts';

/** Most trials whose weights are kept, so that the disk does not fill. */
export const MAX_KEPT_MODELS = 10;

interface Held {
  readonly result: TrialResult;
  readonly contender: Contender;
}

/** Which trials keep their weights: those that can still win, at most ten, in the judge's own order; so always the best of now.
 * Trials that only other thresholds would let win (Overfit) come after all that are eligible; Diverged and Incomplete ones keep nothing.
 */
export class KeptModels {
  readonly #selection: Selection;
  readonly #held = new Map<number, Held>();
  /** Lowest loss of all that are eligible, its weights kept or not: it draws the line of one standard error. */
  #lowest: Contender | undefined;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /** Takes notice of a recorded trial. @param hasModel its weights are on disk; @returns the trials whose weights go now */
  add(result: TrialResult, hasModel: boolean): TrialResult[] {
    const contender = this.#contenderOf(result);
    if (!contender) return hasModel ? [result] : [];
    if (isEligible(contender.finding)) this.#lowest = lowerOf(this.#lowest, contender);
    if (hasModel) this.#held.set(result.trial, { result, contender });
    if (this.#held.size <= MAX_KEPT_MODELS) return [];
    const keep = new Set(this.#ranked().slice(0, MAX_KEPT_MODELS));
    const dropped = [...this.#held.values()].filter((held) => !keep.has(held));
    for (const held of dropped) this.#held.delete(held.result.trial);
    return dropped.map((held) => held.result);
  }

  #contenderOf({ trial, outcome, parameterCount, summary }: TrialResult): Contender | undefined {
    if (outcome !== 'Succeeded' || !summary) return undefined;
    return contenderOf(findingOf(trial, summary, this.#selection), parameterCount);
  }

  /** The best first, then who would be best without it, and so on. */
  #ranked(): Held[] {
    const contenders = [...this.#held.values()].map((held) => held.contender);
    const eligible = contenders.filter(({ finding }) => isEligible(finding));
    const others = contenders.filter(({ finding }) => !isEligible(finding));
    const trials = [...this.#peel(eligible, this.#lowest), ...this.#peel(others, undefined)];
    return trials.flatMap((trial) => this.#held.get(trial) ?? []);
  }

  #peel(contenders: Contender[], lowest: Contender | undefined): number[] {
    const left = new Set(contenders);
    if (lowest && ![...left].some(({ trial }) => trial === lowest.trial)) left.add(lowest);
    const order: number[] = [];
    while (left.size > 0) {
      const best = choose([...left], this.#selection.parsimony)?.best;
      if (!best) break;
      left.delete(best);
      order.push(best.trial);
    }
    return order;
  }
}

function lowerOf(a: Contender | undefined, b: Contender): Contender {
  return choose(a ? [a, b] : [b], 'None')?.best ?? b;
}
