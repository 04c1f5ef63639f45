import type { Static } from 'typebox';
import type { TrialResult } from '../sweep/result.ts';
import { type BestModel, RULE_WORDS, type Verdict } from '../sweep/verdict.ts';
import type { BestView, VerdictView } from './api.ts';

/** What a verdict's view needs beside the verdict. */
export interface VerdictFacts {
  readonly networkOf: (trial: number) => string;
  readonly isFinal: boolean;
  /** Of the winner, opened; null before the verdict is final. */
  readonly test: TrialResult['test'];
  readonly hasModel: boolean;
}

export function buildVerdictView(verdict: Verdict, facts: VerdictFacts): VerdictView {
  const { best, reason, message, leastOverfit, lowest, withinOneStandardErrorTrials } = verdict;
  const { networkOf, isFinal, hasModel } = facts;
  return {
    best: best && buildBest(best, networkOf),
    reason,
    message,
    leastOverfit,
    alternatives: verdict.alternatives.map((alternative) => ({
      ...alternative,
      words: RULE_WORDS[alternative.rule],
      network: alternative.trial === null ? null : networkOf(alternative.trial),
    })),
    lowest,
    withinOneStandardErrorTrials: [...withinOneStandardErrorTrials],
    findings: countFindings(verdict),
    isFinal,
    test: openTest(best, facts),
    hasModel,
  };
}

export function buildBest(best: BestModel, networkOf: (trial: number) => string): Static<typeof BestView> {
  return { ...best, network: networkOf(best.trial) };
}

function openTest(best: BestModel | null, { test, isFinal }: VerdictFacts): VerdictView['test'] {
  if (!test || !best || !isFinal) return null;
  return { ...test, optimism: test.loss === null ? null : test.loss - best.validationLoss };
}

function countFindings({ findings }: Verdict): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { finding } of findings) counts[finding] = (counts[finding] ?? 0) + 1;
  return counts;
}
