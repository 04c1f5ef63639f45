import { type Finding, percent, points } from '../sweep/finding.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Alternative, RuleName, Verdict } from '../sweep/verdict.ts';
import { type Column, layOut } from './table.ts';

const RULE_WORDS: Record<RuleName, string> = {
  BestEpoch: 'the best epoch near the turning point',
  LastEpoch: 'the last epoch',
  RawBest: 'the lowest validation loss at any epoch, no filter',
  NoFilter: 'overfitting ignored',
  NoParsimony: 'the lowest loss, however large',
};

/** A verdict for a terminal: the sentence, the finding of every trial, and what other rules would have picked. Pure. */
export function describeVerdict(verdict: Verdict, trials: readonly Trial[], width: number): string[] {
  const name = (trial: number) => trials[trial]?.name ?? `trial ${trial}`;
  const headline = verdict.best
    ? `best: ${name(verdict.best.trial)}, ${verdict.message}`
    : `no eligible model: ${verdict.message}`;
  return [
    headline,
    '',
    ...layOut(findingColumns(name, verdict), verdict.findings, width),
    '',
    'other rules would have picked:',
    ...layOut(alternativeColumns(name), verdict.alternatives, width),
  ];
}

function findingColumns(name: (trial: number) => string, { best }: Verdict): Column<Finding>[] {
  return [
    { title: ' ', value: (f) => (f.trial === best?.trial ? '→' : '') },
    { title: 'trial', value: (f) => String(f.trial), align: 'right' },
    { title: 'network', value: (f) => name(f.trial), flexible: true },
    { title: 'finding', value: (f) => f.finding },
    { title: 'epoch', value: (f) => text(f.keptEpoch, String), align: 'right', drop: 2 },
    { title: 'val. loss', value: (f) => text(f.validationLoss, (x) => x.toFixed(3)), align: 'right' },
    { title: 'val. acc.', value: (f) => text(f.validationAccuracy, percentOf), align: 'right', drop: 1 },
    { title: 'gap', value: (f) => text(f.gap, points), align: 'right', drop: 3 },
    { title: 'rise', value: (f) => text(f.rise, percent), align: 'right', drop: 4 },
    { title: 'why', value: (f) => f.reason, flexible: true, drop: 5 },
  ];
}

function alternativeColumns(name: (trial: number) => string): Column<Alternative>[] {
  return [
    { title: 'rule', value: ({ rule }) => RULE_WORDS[rule], flexible: true },
    { title: 'network', value: ({ trial }) => text(trial, name), flexible: true },
    { title: 'epoch', value: ({ epoch }) => text(epoch, String), align: 'right', drop: 1 },
    { title: 'loss', value: (a) => text(a.validationLossDifference, (x) => signed(x.toFixed(3))), align: 'right' },
    { title: 'accuracy', value: (a) => text(a.validationAccuracyDifference, (x) => signed(points(x))), align: 'right' },
    { title: 'finding', value: ({ finding }) => finding ?? '–', drop: 2 },
  ];
}

const percentOf = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
const signed = (figure: string) => (figure.startsWith('-') ? figure : `+${figure}`);

function text<T>(value: T | null, show: (value: T) => string): string {
  return value === null ? '–' : show(value);
}
