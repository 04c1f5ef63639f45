import { capitalised, formatCount, formatSeconds, list, plural } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import { percent, points } from '../../sweep/finding.ts';
import type { SweepDetail, SweepSummary, TrialRow, VerdictView } from '../api.ts';
import type { SweepState } from './sweep-state.ts';

type Best = NonNullable<VerdictView['best']>;
type Alternative = VerdictView['alternatives'][number];

/** The verdict for people: a headline, a sentence with its numbers, what to make of them; the words are the report's. */
export interface Explanation {
  readonly headline: string;
  readonly sentence: string;
  readonly notes: readonly string[];
}

export function explainVerdict(state: SweepState): Explanation {
  const { verdict } = state;
  if (verdict?.best) return explainBest(verdict.best, verdict, state);
  return explainNone(state);
}

/** As long as a headline of this sweep can get. */
export function longestHeadline({ rows }: SweepState): string {
  const longest = [...rows.values()].reduce((name, { network }) => (network.length > name.length ? network : name), '');
  return `${longest} is so far the best network that does not overfit`;
}

/** Trials that ended, one way or another. */
export function countEnded({ trials }: Pick<SweepSummary, 'trials'>): number {
  return trials.succeeded + trials.failed + trials.stopped;
}

function explainBest(best: Best, verdict: VerdictView, state: SweepState): Explanation {
  const { detail } = state;
  const loss = `${formatLoss(best.validationLoss)}\u00a0±\u00a0${formatLoss(best.validationLossStandardError)}`;
  return {
    headline: `${best.network} is ${verdict.isFinal ? '' : 'so far '}the best network that does not overfit`,
    sentence:
      `Kept at epoch ${best.epoch} of ${detail.epochsPlanned}, it has a validation loss of ${loss} and a validation accuracy of ` +
      `${formatAccuracy(best.validationAccuracy)}: ${whyBest(best, verdict)}.`,
    notes: [
      ...unfinishedNotes(state),
      ...networkNotes(state.rows.get(best.trial)),
      overfittingNote(best, detail, state.rows.get(best.trial)),
      ...(best.finding === 'StillImproving' ? ['It is still improving: more epochs may help.'] : []),
      certaintyNote(best, verdict, state.rows),
      ...testNotes(best, verdict),
      ...failedNotes(detail),
    ],
  };
}

function whyBest(best: Best, { reason, withinOneStandardErrorTrials: close, lowest, findings }: VerdictView): string {
  if (reason === 'SimplestWithinOneStandardError') {
    return (
      `the smallest (${formatCount(best.parameterCount)} parameters) of the ${close.length} networks ` +
      `within one standard error of the lowest loss, ${formatLoss(lowest?.validationLoss)}`
    );
  }
  const eligible = (findings.Healthy ?? 0) + (findings.StillImproving ?? 0);
  return eligible === 1
    ? 'the only network that does not overfit'
    : `the lowest loss of the ${formatCount(eligible)} networks that do not overfit`;
}

function unfinishedNotes({ detail, verdict }: SweepState): string[] {
  if (verdict?.isFinal) return [];
  const [ended, all] = [formatCount(countEnded(detail)), plural(detail.trials.total, 'trial')];
  return [`Not finished: ${ended} of ${all} have ended, so this may change.`];
}

function networkNotes(row: TrialRow | undefined): string[] {
  return row ? [`${row.network} is ${describeNetwork(row)}.`] : [];
}

const POOLING_WORDS: Readonly<Record<string, string>> = {
  max: '2×2 max pooling',
  avg: '2×2 average pooling',
};

/** What the short name of a network stands for. */
export function describeNetwork({ hyperparameters }: Pick<TrialRow, 'hyperparameters'>): string {
  const { widths, activation, pooling, depth } = hyperparameters;
  const channels = `${list(widths.map(String))} channels`;
  const convolutions = depth * widths.length > 1 ? '5×5 convolutions' : 'one 5×5 convolution';
  return [
    `${convolutions} with ${channels}${depth > 1 ? `, ${depth} of each` : ''}`,
    activation === 'none' ? 'no activation (linear)' : activation,
    POOLING_WORDS[pooling] ?? 'no pooling',
    'then one dense layer',
  ].join(', ');
}

function failedNotes({ trials: { failed } }: SweepDetail): string[] {
  return failed > 0 ? [`${plural(failed, 'trial')} failed and could not be compared.`] : [];
}

function overfittingNote(
  { rise, gap, epoch }: Best,
  { maxLossRise, maxAccuracyGap, checkpoint }: SweepDetail,
  row: TrialRow | undefined,
): string {
  const allowed = `${percent(maxLossRise)} is allowed`;
  const risen =
    rise > 0
      ? `Its validation loss${row?.turningEpoch == null ? '' : `, smoothed, turns at epoch ${row.turningEpoch} and`} ends ${percent(rise)} above its minimum (${allowed})`
      : checkpoint === 'BestEpoch'
        ? capitalised(row?.reason ?? `kept at epoch ${epoch}, the minimum of its validation loss`)
        : `At epoch ${epoch}, its last, its validation loss stands at its minimum (a rise of ${allowed})`;
  const limit = maxAccuracyGap === null ? '' : ` (at most ${points(maxAccuracyGap)} are allowed)`;
  const side = gap < 0 ? 'below' : 'above';
  return `${risen}, and its training accuracy stands ${points(Math.abs(gap))} ${side} its validation accuracy${limit}.`;
}

const CAVEAT = 'The ± is that of the validation set only: training again with another seed may differ by more.';

function certaintyNote(best: Best, { withinOneStandardErrorTrials }: VerdictView, rows: SweepState['rows']): string {
  const close = withinOneStandardErrorTrials.filter((trial) => trial !== best.trial);
  if (close.length === 0) {
    return `How sure: no other eligible network comes within one standard error of the lowest loss. ${CAVEAT}`;
  }
  const names = close.length <= 3 ? close.map((trial) => `${nameOf(rows, trial)}${ahead(best, rows.get(trial))}`) : [];
  const who = names.length > 0 ? `, ${list(names)},` : '';
  return `How sure: ${plural(close.length, 'other eligible network')}${who} ${close.length === 1 ? 'stands' : 'stand'} within one standard error of the lowest loss: by loss nobody can tell ${close.length === 1 ? 'it' : 'them'} from the best. ${CAVEAT}`;
}

/** What is equal by loss need not be so by accuracy; who reads should know. */
function ahead(best: Best, row: TrialRow | undefined): string {
  const by = (row?.validationAccuracy ?? 0) - best.validationAccuracy;
  return by >= 0.005 ? ` (whose accuracy is ${points(by)} higher)` : '';
}

function testNotes({ validationLoss }: Best, { test, isFinal }: VerdictView): string[] {
  if (!test)
    return isFinal
      ? []
      : ['The test images stay sealed until every trial has ended; then the winner’s figures are opened.'];
  const opened = `On the test images, opened for this network only, it reaches ${formatAccuracy(test.accuracy)}`;
  if (test.loss === null) return [`${opened}.`];
  const optimism = test.optimism ?? test.loss - validationLoss;
  const amount = formatLoss(Math.abs(optimism));
  const than =
    Number.parseFloat(amount) === 0
      ? 'equal to the validation loss'
      : optimism < 0
        ? `${amount} lower than the validation loss`
        : `${amount} higher than the validation loss (its optimism: selection flatters it)`;
  return [`${opened}; the test loss ${formatLoss(test.loss)} is ${than}.`];
}

function explainNone({ detail, verdict, rows }: SweepState): Explanation {
  const total = plural(detail.trials.total, 'trial');
  if (!verdict?.isFinal && detail.trials.succeeded === 0) {
    const { running, waiting, failed } = detail.trials;
    const counts = (
      [
        [running, 'running'],
        [waiting, 'waiting'],
        [failed, 'failed'],
      ] as const
    ).filter(([count]) => count > 0);
    const now = counts.map(([count, word]) => `${formatCount(count)} ${word}`).join(', ');
    return {
      headline:
        detail.trials.running > 0 ? 'No verdict yet: training' : `No verdict yet: ${detail.phase.toLowerCase()}`,
      sentence: `0 of ${total} ${detail.trials.total === 1 ? 'has' : 'have'} finished${now ? ` (${now})` : ''}. The first verdict comes with the first trial that ends.`,
      notes: detail.message === '' ? [] : [capitalised(detail.message)],
    };
  }
  const final = verdict?.isFinal ?? false;
  const found = Object.entries(verdict?.findings ?? {}).map(
    ([finding, count]) => `${count} ${FINDING_WORDS[finding] ?? finding}`,
  );
  const least = verdict?.leastOverfit == null ? undefined : rows.get(verdict.leastOverfit);
  const who = least ? ` ${least.network} overfits least: ${least.reason}.` : '';
  return {
    headline: final ? 'No network qualifies' : 'No network qualifies yet',
    sentence: `Of ${total} none is eligible${final ? '' : ' yet'}${found.length > 0 ? ` (${found.join(', ')})` : ''}.${who}`,
    notes: [
      ...unfinishedNotes({ detail, verdict, rows, curves: new Map() }),
      ...whatToTry(detail, verdict),
      ...failedNotes(detail),
    ],
  };
}

const FINDING_WORDS: Readonly<Record<string, string>> = {
  Healthy: 'healthy',
  StillImproving: 'still improving',
  Overfit: 'overfit',
  Diverged: 'diverged',
  Incomplete: 'incomplete',
};

function whatToTry({ checkpoint }: SweepDetail, verdict: VerdictView | null): string[] {
  const advice: string[] = [];
  const bestEpoch = verdict?.alternatives.find(({ rule }) => rule === 'BestEpoch');
  if (checkpoint === 'LastEpoch' && bestEpoch?.network) {
    advice.push(
      `Try: checkpoint BestEpoch, which would keep ${bestEpoch.network} at epoch ${bestEpoch.epoch}, validation loss ${formatLoss(bestEpoch.validationLoss)}.`,
    );
  }
  const { Overfit = 0, Diverged = 0 } = verdict?.findings ?? {};
  if (Overfit > 0) advice.push('Try: fewer epochs, smaller widths, or more training images.');
  if (Diverged > 0) advice.push('Try: a smaller learning rate: some losses were not finite.');
  return advice;
}

export interface AlternativeWords {
  readonly rule: string;
  readonly pick: string;
  readonly price: string;
}

/** What another rule would have picked, and at what price. */
export function explainAlternative(alternative: Alternative, best: Best | null, checkpoint: string): AlternativeWords {
  const { trial, network, epoch } = alternative;
  const rule = `${capitalised(alternative.words)}${alternative.rule === checkpoint ? ' (the rule of this sweep)' : ''}`;
  if (trial === null) return { rule, pick: 'nothing', price: 'no network is eligible under this rule' };
  const pick = `${network ?? `trial ${trial}`}, epoch\u00a0${epoch}`;
  if (!best) {
    const accuracy = formatAccuracy(alternative.validationAccuracy);
    return { rule, pick, price: `validation loss ${formatLoss(alternative.validationLoss)}, accuracy ${accuracy}` };
  }
  if (trial === best.trial && epoch === best.epoch) return { rule, pick, price: 'the same pick' };
  return { rule, pick, price: priceOf(alternative, best) };
}

function priceOf(alternative: Alternative, best: Best): string {
  const { validationLossDifference: loss, validationAccuracyDifference: accuracy, parameterCount } = alternative;
  const prices = [difference(loss, 'loss', formatLoss), difference(accuracy, 'accuracy', points)];
  const times = (parameterCount ?? best.parameterCount) / best.parameterCount;
  if (times >= 1.05) prices.push(`${times < 10 ? times.toFixed(1) : times.toFixed(0)} times the parameters`);
  else if (times <= 0.95) prices.push(`${(100 * times).toFixed(0)} % of the parameters`);
  if (alternative.finding === 'Overfit') prices.push('and it overfits');
  return prices.filter((price) => price !== '').join(', ');
}

function difference(value: number | null, noun: string, format: (amount: number) => string): string {
  if (value === null) return '';
  const amount = format(Math.abs(value));
  return Number.parseFloat(amount) === 0 ? `the same ${noun}` : `${noun} ${amount} ${value > 0 ? 'higher' : 'lower'}`;
}

export function nameOf(rows: ReadonlyMap<number, TrialRow>, trial: number): string {
  return rows.get(trial)?.network ?? `trial ${trial}`;
}

/** `12 of 60 trials ended, 2 running, about 40 min left` */
export function describeProgress(sweep: Pick<SweepSummary, 'trials' | 'secondsLeft' | 'phase'>): string {
  const { total, running, waiting, failed, stopped } = sweep.trials;
  const words = [`${formatCount(countEnded(sweep))} of ${plural(total, 'trial')} ended`];
  if (running > 0) words.push(`${formatCount(running)} running`);
  if (waiting > 0) words.push(`${formatCount(waiting)} waiting`);
  if (failed > 0) words.push(`${formatCount(failed)} failed`);
  if (stopped > 0) words.push(`${formatCount(stopped)} stopped`);
  if (sweep.secondsLeft !== null && countEnded(sweep) < total)
    words.push(`about ${formatSeconds(sweep.secondsLeft)} left`);
  return words.join(', ');
}

/** Of a run on this machine: where everything is, now that nobody serves this page. */
export function describeEnd({ name, phase }: Pick<SweepSummary, 'name' | 'phase'>): string {
  const ended =
    phase === 'Suspended'
      ? 'The run was interrupted, and its page with it: the same command goes on where it was.'
      : 'The run has ended, and its page is served no more.';
  return `${ended} What there is lies in its folder; “bin/cnn-sweep open runs/${name}” (or where else you had it written) shows this page again.`;
}

/** `25 Nov 2026, 12:34:56`, by the clock of whoever reads. */
export function formatTime(time: string | number): string {
  return new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** `just now`, `12 min ago`, `3 d ago` */
export function formatAge(time: string | null, nowMs: number): string {
  const then = time === null ? Number.NaN : Date.parse(time);
  if (Number.isNaN(then)) return '–';
  const seconds = Math.max(0, (nowMs - then) / 1000);
  if (seconds < 60) return 'just now';
  if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} d ago`;
  return `${formatSeconds(seconds).replace(/ \d+ min$/, seconds > 7200 ? '' : '$&')} ago`;
}
