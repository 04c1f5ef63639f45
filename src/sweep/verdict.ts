import { formatAccuracy, formatLoss } from './figures.ts';
import { excessOf, type Finding, findingOf, percent, points } from './finding.ts';
import type { CurveSummary } from './result.ts';
import type { Selection } from './schema.ts';
import {
  type Choice,
  type Contender,
  choose,
  contenderOf,
  isEligible,
  isFinished,
  least,
  type Score,
} from './selection.ts';

/** What judge looks at. Test figures have no place here. */
export interface Candidate {
  readonly trial: number;
  readonly parameterCount: number;
  readonly summary: CurveSummary;
}

export type VerdictReason = 'LowestValidationLoss' | 'SimplestWithinOneStandardError' | 'NoEligibleModel';

/** The model that was named. Losses in nats, accuracies, gap and rise as fractions. */
export interface BestModel {
  readonly trial: number;
  readonly epoch: number;
  readonly parameterCount: number;
  readonly validationLoss: number;
  readonly validationLossStandardError: number;
  readonly validationAccuracy: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly gap: number;
  readonly rise: number;
  readonly finding: Finding['finding'];
}

/** What other rules do, in words for people, the telling ones first: a narrow terminal shortens them. Ours is checkpoint, filter and parsimony as the selection has them. */
export const RULE_WORDS = {
  BestEpoch: 'best epoch of every network',
  LastEpoch: 'last epoch of every network',
  RawBest: 'lowest loss at any epoch, overfit or not',
  NoFilter: 'overfitting ignored',
  NoParsimony: 'lowest loss, however large the network',
} as const;

export type RuleName = keyof typeof RULE_WORDS;

/** What another rule would have picked, and its price: its figure minus ours; null if either side names nothing. */
export interface Alternative {
  readonly rule: RuleName;
  readonly trial: number | null;
  readonly epoch: number | null;
  readonly finding: Finding['finding'] | null;
  readonly parameterCount: number | null;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly validationLossDifference: number | null;
  readonly validationAccuracyDifference: number | null;
}

/** In nats. */
export interface LowestLoss {
  readonly trial: number;
  readonly validationLoss: number;
  readonly validationLossStandardError: number;
}

export interface Verdict {
  readonly best: BestModel | null;
  readonly reason: VerdictReason;
  /** One sentence with its numbers; for NoEligibleModel what to try. */
  readonly message: string;
  /** Without a best: the trial that overfits least, of those that finished and did not diverge. */
  readonly leastOverfit: number | null;
  /** Of every candidate, by trial index. */
  readonly findings: readonly Finding[];
  readonly alternatives: readonly Alternative[];
  /** The eligible trial of the lowest loss: its standard error draws the line for the others. Often the best itself. */
  readonly lowest: LowestLoss | null;
  /** Eligible trials within one standard error of the lowest loss, the best included: how many, and which, by index. */
  readonly withinOneStandardError: number;
  readonly withinOneStandardErrorTrials: readonly number[];
}

/** Names the best trial that does not overfit, with the reason, and says what every trial's curve shows.
 * Pure and total: nothing eligible is an answer (`NoEligibleModel`), a loss that is not finite is a finding (`Diverged`).
 * @param candidates in any order, one for each trial; losses in nats per example, accuracies in 0..1, epochs from 1
 * @param selection `maxLossRise` is relative (0.10: ten per cent), `maxAccuracyGap` a difference (0.15: fifteen points)
 * @returns the same Verdict for the same candidates, ties included; never throws
 * @see architecture.md section 5; the rise is the generalisation loss of Prechelt, "Early Stopping – But When?" (1998)
 */
export function judge(candidates: Iterable<Candidate>, selection: Selection): Verdict {
  const all = [...candidates].sort((a, b) => a.trial - b.trial);
  const findings = findingsOf(all, selection);
  const finishers = contendersOf(all, findings);
  const choice = chooseEligible(finishers, selection.parsimony);
  const named = choice && nameBest(choice, choice.best.finding);
  const alternatives = alternativesTo(named?.best ?? null, all, finishers, selection);
  if (named) return { ...named, leastOverfit: null, findings, alternatives, ...lowestAndClose(choice) };
  const ineligible = findings.map((finding) => ineligibleOf(finding, selection));
  const nearest = leastOverfit(ineligible)?.trial ?? null;
  const finding = findings.find(({ trial }) => trial === nearest);
  return {
    ...nameNone(ineligible, finding, selection),
    leastOverfit: nearest,
    findings,
    alternatives,
    lowest: null,
    withinOneStandardError: 0,
    withinOneStandardErrorTrials: [],
  };
}

/** What is said of a choice, of which nothing but the best one's finding need be known. */
export function nameBest(
  choice: Choice<Score>,
  finding: Finding,
): { readonly best: BestModel; readonly reason: VerdictReason; readonly message: string } {
  const best = buildBest(choice.best, finding);
  const reason = choice.best === choice.lowest ? 'LowestValidationLoss' : 'SimplestWithinOneStandardError';
  return { best, reason, message: explainChoice(best, choice) };
}

/** What counts of a trial that cannot be chosen. */
export interface Ineligible {
  readonly trial: number;
  readonly isFinished: boolean;
  readonly hasDiverged: boolean;
  /** @see excessOf */
  readonly excess: number;
  /** In nats; 0 where there is none. */
  readonly validationLoss: number;
}

export function ineligibleOf(finding: Finding, selection: Selection): Ineligible {
  return {
    trial: finding.trial,
    isFinished: isFinished(finding),
    hasDiverged: finding.finding === 'Diverged',
    excess: excessOf(finding, selection),
    validationLoss: finding.validationLoss ?? 0,
  };
}

/** Of those that finished and did not diverge, the one nearest to its limits; then the lower loss, then the lower index. */
export function leastOverfit(ineligible: readonly Ineligible[]): Ineligible | undefined {
  return least(
    ineligible.filter((each) => each.isFinished),
    (a, b) => a.excess - b.excess || a.validationLoss - b.validationLoss || a.trial - b.trial,
  );
}

/** What is said where nothing can be chosen. @param overfitsLeast its finding, if there is such a trial */
export function nameNone(
  ineligible: readonly Ineligible[],
  overfitsLeast: Finding | undefined,
  selection: Selection,
): { readonly best: null; readonly reason: VerdictReason; readonly message: string } {
  return { best: null, reason: 'NoEligibleModel', message: explainNone(ineligible, overfitsLeast, selection) };
}

function findingsOf(candidates: readonly Candidate[], selection: Selection): Finding[] {
  return candidates.map(({ trial, summary }) => findingOf(trial, summary, selection));
}

function contendersOf(candidates: readonly Candidate[], findings: readonly Finding[]): Contender[] {
  return candidates.flatMap(({ parameterCount }, at) => {
    const finding = findings[at];
    return (finding && contenderOf(finding, parameterCount)) ?? [];
  });
}

function chooseEligible(contenders: readonly Contender[], parsimony: Selection['parsimony']): Choice | undefined {
  return choose(
    contenders.filter(({ finding }) => isEligible(finding)),
    parsimony,
  );
}

function buildBest({ trial, parameterCount, validationLoss, standardError }: Score, finding: Finding): BestModel {
  return {
    trial,
    epoch: finding.keptEpoch ?? 0,
    parameterCount,
    validationLoss,
    validationLossStandardError: standardError,
    validationAccuracy: finding.validationAccuracy ?? 0,
    trainLoss: finding.trainLoss ?? 0,
    trainAccuracy: finding.trainAccuracy ?? 0,
    gap: finding.gap ?? 0,
    rise: finding.rise ?? 0,
    finding: finding.finding,
  };
}

function lowestAndClose({ lowest: { trial, validationLoss, standardError }, withinOneStandardError: close }: Choice) {
  return {
    lowest: { trial, validationLoss, validationLossStandardError: standardError },
    withinOneStandardError: close.length,
    withinOneStandardErrorTrials: close.map((contender) => contender.trial),
  };
}

/** What the rules that people use elsewhere would have picked from the same curves.
 * @param finishers of the candidates under this selection
 */
function alternativesTo(
  best: BestModel | null,
  candidates: readonly Candidate[],
  finishers: readonly Contender[],
  selection: Selection,
): Alternative[] {
  const finishersAt = (checkpoint: Selection['checkpoint'], from = candidates) =>
    contendersOf(from, findingsOf(from, { ...selection, checkpoint }));
  const rawBest = candidates.map((c) => ({ ...c, summary: { ...c.summary, best: c.summary.rawBest } }));
  const picks: Record<RuleName, Choice | undefined> = {
    BestEpoch: chooseEligible(finishersAt('BestEpoch'), selection.parsimony),
    LastEpoch: chooseEligible(finishersAt('LastEpoch'), selection.parsimony),
    RawBest: choose(finishersAt('BestEpoch', rawBest), 'None'),
    NoFilter: choose(finishers, selection.parsimony),
    NoParsimony: chooseEligible(finishers, 'None'),
  };
  return (Object.keys(picks) as RuleName[]).map((rule) => buildAlternative(rule, picks[rule]?.best, best));
}

function buildAlternative(rule: RuleName, pick: Contender | undefined, best: BestModel | null): Alternative {
  const accuracy = pick?.finding.validationAccuracy ?? null;
  return {
    rule,
    trial: pick?.trial ?? null,
    epoch: pick?.finding.keptEpoch ?? null,
    finding: pick?.finding.finding ?? null,
    parameterCount: pick?.parameterCount ?? null,
    validationLoss: pick?.validationLoss ?? null,
    validationAccuracy: accuracy,
    validationLossDifference: pick && best ? pick.validationLoss - best.validationLoss : null,
    validationAccuracyDifference: accuracy !== null && best ? accuracy - best.validationAccuracy : null,
  };
}

function explainChoice(best: BestModel, { lowest, withinOneStandardError }: Choice<Score>): string {
  const loss = `validation loss ${formatLoss(best.validationLoss)} ± ${formatLoss(best.validationLossStandardError)}`;
  const figures = `${loss}, accuracy ${formatAccuracy(best.validationAccuracy)}, gap ${points(best.gap)}, rise ${percent(best.rise)}`;
  const count = best.parameterCount.toLocaleString('en-US');
  const why =
    lowest.trial === best.trial
      ? 'the lowest loss of all that do not overfit'
      : `the fewest parameters (${count}) of the ${withinOneStandardError.length} within one standard error of the lowest loss (${formatLoss(lowest.validationLoss)}, trial ${lowest.trial})`;
  return `trial ${best.trial}, kept at epoch ${best.epoch}: ${figures}: ${why}`;
}

function explainNone(
  ineligible: readonly Ineligible[],
  overfitsLeast: Finding | undefined,
  { checkpoint }: Selection,
): string {
  const nothing =
    ineligible.length === 1 ? 'the only trial is not eligible' : `none of ${ineligible.length} trials is eligible`;
  if (overfitsLeast) {
    // BestEpoch has no rise, so only the gap can have refused its trials.
    const advice =
      checkpoint === 'LastEpoch'
        ? 'try fewer epochs, smaller widths, more training images, or checkpoint BestEpoch'
        : 'try smaller widths, more training images, or a higher maxAccuracyGap';
    return `${nothing}; trial ${overfitsLeast.trial} overfits least (${overfitsLeast.reason}): ${advice}`;
  }
  if (ineligible.some(({ hasDiverged }) => hasDiverged)) return `${nothing}: try a smaller learning rate`;
  return `${nothing}: no trial has finished its epochs`;
}
