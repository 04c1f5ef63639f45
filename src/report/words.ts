import { formatAccuracy, formatLoss } from '../sweep/figures.ts';
import { type FindingName, lateTurn, percent, points } from '../sweep/finding.ts';
import type { Selection } from '../sweep/schema.ts';
import type { SeedGroup } from '../sweep/seeds.ts';
import { isEligible } from '../sweep/selection.ts';
import { type Alternative, type BestModel, RULE_WORDS, type Verdict } from '../sweep/verdict.ts';
import { STATUS_WORDS } from './charts/marks.ts';
import type { ReportData, ReportInput, TrialView } from './data.ts';
import { capitalised, formatCount, list, plural } from './format.ts';

/** The verdict for people: a headline, one sentence with the numbers, and what to make of them. */
export interface Explanation {
  readonly headline: string;
  readonly sentence: string;
  readonly notes: readonly string[];
  /** What would puzzle beside the headline, if anything. */
  readonly remark?: string;
}

export function explainVerdict(input: ReportInput, data: ReportData): Explanation {
  const { best } = input.verdict;
  return best ? explainBest(best, input, data) : explainNone(input, data);
}

function explainBest(best: BestModel, input: ReportInput, data: ReportData): Explanation {
  const { verdict, sweep, winnerTest } = input;
  const { selection } = sweep.spec;
  const loss = `${formatLoss(best.validationLoss)} ± ${formatLoss(best.validationLossStandardError)}`;
  const sentence =
    `Kept at epoch ${best.epoch} of ${data.epochs}, it has a validation loss of ${loss} and a validation accuracy of ` +
    `${formatAccuracy(best.validationAccuracy)}: ${whyBest(verdict)}.`;
  return {
    headline: `${unbroken(nameOf(data, best.trial))} is ${isFinished(input) ? '' : 'so far '}the best network that does not overfit`,
    sentence,
    ...gapRemark(best, selection),
    notes: [
      ...stillImprovingNote(best, input, data),
      ...unfinishedNote(input),
      ...failedNote(input),
      overfittingNote(best, verdict, selection),
      certaintyNote(verdict, data),
      ...(winnerTest ? [testNote(best, winnerTest)] : []),
      ...(wouldOverfit(best, verdict, selection) ?? []),
    ],
  };
}

/** Gaps above it, a fraction, are explained. */
const STARTLING_GAP = 0.05;

function gapRemark({ gap, epoch }: BestModel, { maxLossRise }: Selection): Pick<Explanation, 'remark'> {
  if (gap <= STARTLING_GAP) return {};
  const risen = `by epoch ${epoch}, which is kept, its validation loss has not risen more than ${percent(maxLossRise)}`;
  return { remark: `A gap of ${points(gap)} alone is not overfitting: ${risen}.` };
}

function stillImprovingNote(best: BestModel, { verdict, sweep }: ReportInput, { epochs }: ReportData): string[] {
  if (best.finding !== 'StillImproving') return [];
  const { findings } = verdict;
  const turn = findings.find((other) => other.trial === best.trial)?.turningEpoch ?? epochs;
  const improving = findings.filter((other) => other.finding === 'StillImproving').length;
  const all = improving > 1 && improving === findings.length;
  return [
    ...(all ? [`All ${formatCount(improving)} are still improving: too early to call.`] : []),
    ...(wouldOverfit(best, verdict, sweep.spec.selection) ? [] : [`${capitalised(lateTurn(turn, epochs))}.`]),
  ];
}

/** Every trial has ended, one way or another. */
export function isFinished({ trials, results }: Pick<ReportInput, 'trials' | 'results'>): boolean {
  return results.length >= trials.length;
}

function unfinishedNote({ trials, results }: ReportInput): string[] {
  const [ended, all] = [formatCount(results.length), plural(trials.length, 'trial')];
  return isFinished({ trials, results }) ? [] : [`Not finished: ${ended} of ${all} have ended, so this may change.`];
}

function failedNote(input: ReportInput): string[] {
  const failed = countFailed(input);
  if (failed === 0) return [];
  return [`${plural(failed, 'trial')} failed and could not be compared; ${RETRY} trains ${them(failed)} again.`];
}

const RETRY = 'cnn-sweep run --retry-failed';
const them = (count: number) => (count === 1 ? 'it' : 'them');

function countFailed({ results }: ReportInput): number {
  return results.filter(({ outcome }) => outcome === 'Failed').length;
}

/** The verdict names one trial: what it owes to its seed, and whether another network does better on average.
 * @param groups the lowest mean loss first
 */
export function explainSeeds(
  groups: readonly SeedGroup[],
  best: BestModel | null,
  nameOf: (group: SeedGroup) => string,
): string {
  const own = groups.find(({ trials }) => best && trials.includes(best.trial));
  const rule = 'The verdict names a trial, not a network: of several seeds the luckiest may win.';
  if (!best || own?.meanValidationLoss == null || own.standardDeviation === null) return rule;
  const { meanValidationLoss: mean, standardDeviation: spread, compared, trials } = own;
  const seeds = compared === trials.length ? `${compared} seeds` : `${compared} of ${trials.length} seeds`;
  const figures = `The winner’s loss is ${formatLoss(best.validationLoss)}; over ${seeds} its network has ${formatLoss(mean)} on average, with a standard deviation of ${formatLoss(spread)}.`;
  const [lowest] = groups;
  if (!lowest || lowest === own || lowest.meanValidationLoss === null) return `${rule} ${figures}`;
  return `${rule} ${figures} The lowest mean is that of ${unbroken(nameOf(lowest))}, ${formatLoss(lowest.meanValidationLoss)}.`;
}

/** A number stays on the line of its name. */
function unbroken(name: string): string {
  return name.replaceAll(/ (?=[\d.]+(?:,|$))/g, '\u00a0');
}

function whyBest(verdict: Verdict): string {
  const eligible = verdict.findings.filter(isEligible).length;
  if (verdict.reason === 'LowestValidationLoss') {
    return eligible === 1
      ? 'the only network that does not overfit'
      : `the lowest loss of the ${formatCount(eligible)} networks that do not overfit`;
  }
  const count = verdict.best ? formatCount(verdict.best.parameterCount) : '';
  return (
    `the smallest (${count} parameters) of the ${verdict.withinOneStandardError} networks ` +
    `within one standard error of the lowest loss, ${formatLoss(verdict.lowest?.validationLoss)}`
  );
}

function overfittingNote(best: BestModel, { findings }: Verdict, selection: Selection): string {
  const finding = findings.find(({ trial }) => trial === best.trial);
  const besideTurn = selection.checkpoint === 'BestEpoch' && best.epoch !== finding?.turningEpoch;
  const rawBest = finding?.rawBestEpoch ?? best.epoch;
  const passedOver = rawBest === best.epoch ? '' : ` (before smoothing, the lowest loss is that of epoch ${rawBest})`;
  const allowed = `${percent(selection.maxLossRise)} is allowed`;
  const rise =
    best.rise > 0
      ? `Its validation loss ends ${percent(best.rise)} above its minimum (${allowed})`
      : `It is kept ${besideTurn ? 'next to' : 'at'} the minimum of its smoothed validation loss${passedOver}`;
  const limit =
    selection.maxAccuracyGap === undefined ? '' : ` (at most ${points(selection.maxAccuracyGap)} are allowed)`;
  const side = best.gap < 0 ? 'below' : 'above';
  return `${rise}, and its training accuracy stands ${points(Math.abs(best.gap))} ${side} its validation accuracy${limit}.`;
}

function wouldOverfit({ trial, rise }: BestModel, { findings }: Verdict, { maxLossRise }: Selection) {
  const finding = findings.find((other) => other.trial === trial);
  const riseAtEnd = finding?.riseAtEnd ?? 0;
  if (rise > 0 || riseAtEnd <= maxLossRise) return undefined;
  return [
    `Trained on to the last epoch it would overfit: its validation loss ends ${percent(riseAtEnd)} above its minimum.`,
  ];
}

function certaintyNote(verdict: Verdict, data: ReportData): string {
  const others = verdict.withinOneStandardError - 1;
  if (others < 1)
    return `How sure: no other eligible network comes within one standard error of the lowest loss. ${CAVEAT}`;
  const close = verdict.withinOneStandardErrorTrials.filter((trial) => trial !== data.best);
  const names = close.length <= 3 ? close.map((trial) => nameOf(data, trial)) : [];
  const who = names.length > 0 ? ` (${list(names)})` : '';
  return `How sure: ${plural(others, 'other eligible network')}${who} ${others === 1 ? 'stands' : 'stand'} within one standard error of the lowest loss: by loss nobody can tell ${others === 1 ? 'it' : 'them'} from the best. ${CAVEAT}`;
}

const CAVEAT = 'The ± is that of the validation set only: training again with another seed may differ by more.';

function testNote(best: BestModel, test: NonNullable<ReportInput['winnerTest']>): string {
  const opened = `On the test images, opened for this network only, it reaches ${formatAccuracy(test.accuracy)}`;
  if (test.loss === null) return `${opened}.`;
  const optimism = test.loss - best.validationLoss;
  const amount = formatLoss(Math.abs(optimism));
  const than =
    Number.parseFloat(amount) === 0
      ? 'equal to the validation loss'
      : optimism < 0
        ? `${amount} lower than the validation loss`
        : `${amount} higher than the validation loss (its optimism: selection flatters it)`;
  return `${opened}; the test loss ${formatLoss(test.loss)} is ${than}.`;
}

function explainNone(input: ReportInput, data: ReportData): Explanation {
  if (!isFinished(input) && input.results.every(({ outcome }) => outcome !== 'Succeeded')) {
    return {
      headline: `No verdict yet: 0 of ${plural(data.trials.length, 'trial')} finished`,
      sentence: `So far: ${countStatuses(data.trials)}.`,
      notes: whatToTry(input, data).map((advice) => `Try: ${advice}`),
    };
  }
  const { findings, leastOverfit } = input.verdict;
  const spoken = findings.find(({ trial }) => trial === leastOverfit);
  const none = `Of ${plural(data.trials.length, 'network')} none is eligible${isFinished(input) ? '' : ' yet'} (${countStatuses(data.trials)}).`;
  return {
    headline: isFinished(input) ? 'No network qualifies' : 'No network qualifies yet',
    sentence: spoken ? `${none} ${nameOf(data, spoken.trial)} overfits least: ${spoken.reason}.` : none,
    notes: [...unfinishedNote(input), ...whatToTry(input, data).map((advice) => `Try: ${advice}`)],
  };
}

/** `6 overfit, 2 failed` */
export function countStatuses(trials: readonly TrialView[]): string {
  const counts = new Map<TrialView['status'], number>();
  for (const { status } of trials) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${formatCount(count)} ${STATUS_WORDS[status].toLowerCase()}`).join(', ');
}

/** A trial without a record is trained by running on, a failed one by asking for it, a stopped one not in this folder. */
function whatToTry(input: ReportInput, data: ReportData): string[] {
  const { verdict, sweep, trials, results } = input;
  const { selection } = sweep.spec;
  const advice: string[] = [];
  const [waiting, failed] = [trials.length - results.length, countFailed(input)];
  const byBestEpoch = verdict.alternatives.find(({ rule }) => rule === 'BestEpoch');
  if (selection.checkpoint === 'LastEpoch' && byBestEpoch?.trial != null) {
    advice.push(
      `checkpoint BestEpoch, which would keep ${nameOf(data, byBestEpoch.trial)} at epoch ${byBestEpoch.epoch}, validation loss ${formatLoss(byBestEpoch.validationLoss)}.`,
    );
  }
  const has = (name: FindingName) => verdict.findings.some(({ finding }) => finding === name);
  if (has('Overfit')) advice.push('fewer epochs, smaller widths, or more training images.');
  if (has('Diverged')) advice.push('a smaller learning rate: some losses were not finite.');
  if (failed > 0) advice.push(`${RETRY}, which trains the ${plural(failed, 'failed trial')} again.`);
  if (waiting > 0) {
    advice.push(
      `cnn-sweep run once more: it goes on with the ${plural(waiting, 'trial')} that ${haveNot(waiting)} ended.`,
    );
  }
  return advice;
}

const haveNot = (count: number) => (count === 1 ? 'has not' : 'have not');

export interface AlternativeWords {
  readonly rule: string;
  readonly pick: string;
  readonly price: string;
}

export function explainAlternative(
  alternative: Alternative,
  { verdict: { best }, sweep }: ReportInput,
  data: ReportData,
): AlternativeWords {
  const { rule, trial, epoch } = alternative;
  const own = rule === sweep.spec.selection.checkpoint ? ' (the rule of this sweep)' : '';
  const words = { rule: `${capitalised(RULE_WORDS[rule])}${own}` };
  if (trial === null) return { ...words, pick: 'nothing', price: 'no network is eligible under this rule' };
  const pick = `${nameOf(data, trial)}, epoch\u00a0${epoch}`;
  if (!best) {
    const accuracy = formatAccuracy(alternative.validationAccuracy);
    return { ...words, pick, price: `validation loss ${formatLoss(alternative.validationLoss)}, accuracy ${accuracy}` };
  }
  if (trial === best.trial && epoch === best.epoch) return { ...words, pick, price: 'the same pick' };
  return { ...words, pick, price: priceOf(alternative, best) };
}

function priceOf(alternative: Alternative, best: BestModel): string {
  const { validationLossDifference: loss, validationAccuracyDifference: accuracy, parameterCount } = alternative;
  const prices = [
    difference(loss, 'loss', formatLoss, ['higher', 'lower']),
    difference(accuracy, 'accuracy', points, ['higher', 'lower']),
  ];
  const times = (parameterCount ?? best.parameterCount) / best.parameterCount;
  if (times >= 1.05) prices.push(`${times < 10 ? times.toFixed(1) : times.toFixed(0)} times the parameters`);
  else if (times <= 0.95) prices.push(`${(100 * times).toFixed(0)} % of the parameters`);
  if (alternative.finding === 'Overfit') prices.push('and it overfits');
  return prices.filter((price) => price !== '').join(', ');
}

function difference(
  value: number | null,
  noun: string,
  format: (amount: number) => string,
  [higher, lower]: readonly [string, string],
): string {
  if (value === null) return '';
  const amount = format(Math.abs(value));
  return Number.parseFloat(amount) === 0 ? `the same ${noun}` : `${noun} ${amount} ${value > 0 ? higher : lower}`;
}

export function nameOf({ trials }: ReportData, trial: number): string {
  return trials.find((view) => view.trial === trial)?.name ?? `trial ${trial}`;
}
