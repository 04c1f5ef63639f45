import { formatAccuracy, formatLoss } from '../sweep/figures.ts';
import { type Finding, percent, points } from '../sweep/finding.ts';
import type { Trial } from '../sweep/trial.ts';
import { type Alternative, RULE_WORDS, type Verdict } from '../sweep/verdict.ts';
import { type Column, layOut, NETWORK_CELLS, wrap } from './table.ts';

/** A verdict for a terminal: the finding of every trial, what other rules would have picked, and last, where the eye ends,
 * the sentence that names the best. Pure.
 * @param width in character cells; Infinity where there is no terminal
 */
export function describeVerdict(verdict: Verdict, trials: readonly Trial[], width: number): string[] {
  const name = (trial: number) => trials[trial]?.name ?? `trial ${trial}`;
  const headline = verdict.best
    ? `best: ${name(verdict.best.trial)}, ${verdict.message}`
    : `no eligible model: ${verdict.message}`;
  return [
    ...describeFindings(verdict, name, width),
    '',
    'other rules would have picked:',
    ...layOut(alternativeColumns(name), verdict.alternatives, width),
    '',
    ...wrap(headline, width, '  '),
  ];
}

/** The reasons stand in the table if there is room for whole sentences, else below it, of those that are not simply healthy. */
function describeFindings({ findings, best }: Verdict, name: (trial: number) => string, width: number): string[] {
  const columns = findingColumns(name, best?.trial);
  const why: Column<Finding> = { title: 'why', value: ({ reason }) => reason };
  const whole = layOut([...columns, why], findings, Number.POSITIVE_INFINITY);
  if (layOut([...columns, why], findings, width).every((line, at) => line === whole[at])) return whole;
  const reasons = new Map<string, number[]>();
  for (const { trial, finding, reason } of findings) {
    const said = `${finding}: ${reason}`;
    if (finding !== 'Healthy') reasons.set(said, [...(reasons.get(said) ?? []), trial]);
  }
  return [
    ...layOut(columns, findings, width),
    ...(reasons.size > 0 ? [''] : []),
    ...[...reasons].flatMap(([said, trials]) =>
      wrap(`${trials.length > 1 ? 'trials' : 'trial'} ${trials.join(', ')} ${said}`, width, '  '),
    ),
  ];
}

function findingColumns(name: (trial: number) => string, best: number | undefined): Column<Finding>[] {
  return [
    { title: ' ', value: ({ trial }) => (trial === best ? '→' : '') },
    { title: 'trial', value: ({ trial }) => String(trial), align: 'right' },
    { title: 'network', value: ({ trial }) => name(trial), flexible: NETWORK_CELLS },
    { title: 'finding', value: ({ finding }) => finding },
    { title: 'epoch', value: ({ keptEpoch }) => text(keptEpoch, String), align: 'right', drop: 2 },
    { title: 'val. loss', value: ({ validationLoss }) => formatLoss(validationLoss), align: 'right' },
    {
      title: 'val. acc.',
      value: ({ validationAccuracy }) => formatAccuracy(validationAccuracy),
      align: 'right',
      drop: 1,
    },
    { title: 'gap', value: ({ gap }) => text(gap, points), align: 'right', drop: 3 },
    { title: 'rise', value: ({ rise }) => text(rise, percent), align: 'right', drop: 4 },
  ];
}

function alternativeColumns(name: (trial: number) => string): Column<Alternative>[] {
  return [
    { title: 'rule', value: ({ rule }) => RULE_WORDS[rule], flexible: NETWORK_CELLS },
    { title: 'network', value: ({ trial }) => text(trial, name), flexible: NETWORK_CELLS },
    { title: 'epoch', value: ({ epoch }) => text(epoch, String), align: 'right', drop: 1 },
    { title: 'loss', value: (a) => text(a.validationLossDifference, (x) => signed(formatLoss(x))), align: 'right' },
    {
      title: 'accuracy',
      value: (a) => text(a.validationAccuracyDifference, (x) => signed(points(x))),
      align: 'right',
      drop: 3,
    },
    { title: 'finding', value: ({ finding }) => finding ?? '–', drop: 2 },
  ];
}

/** `+0.012`, `-0.012`, and `=` for a difference that rounds to none. */
function signed(figure: string): string {
  if (Number.parseFloat(figure) === 0) return '=';
  return figure.startsWith('-') ? figure : `+${figure}`;
}

function text<T>(value: T | null, show: (value: T) => string): string {
  return value === null ? '–' : show(value);
}
