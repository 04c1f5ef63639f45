import type { Finding } from '../sweep/finding.ts';
import { AXES } from '../sweep/grid.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';

/** What a cell may hold; nothing is an empty cell. */
export type CsvValue = string | number | boolean | null | undefined;
type Row = Trial & {
  readonly finding: Finding | undefined;
  readonly result: Ended | undefined;
  readonly best: boolean;
};
type Ended = Pick<TrialResult, 'outcome' | 'attempt' | 'backend' | 'seconds'>;

/** Losses in nats, accuracies, gap and rise as fractions, all digits: for a program, or a spreadsheet to round. */
const COLUMNS: readonly (readonly [string, (row: Row) => CsvValue])[] = [
  ['trial', ({ trial }) => trial],
  ['network', ({ name }) => name],
  // As the sweep file writes a list: `(12)` would be minus twelve to a spreadsheet, `3-8` a day in March.
  ...AXES.map((axis) => {
    const value = ({ hyperparameters }: Row) =>
      axis === 'widths' ? JSON.stringify(hyperparameters[axis]) : hyperparameters[axis];
    return [axis, value as (row: Row) => CsvValue] as const;
  }),
  ['parameters', ({ parameterCount }) => parameterCount],
  ['finding', ({ finding }) => finding?.finding],
  ['best', ({ best }) => best],
  ['keptEpoch', ({ finding }) => finding?.keptEpoch],
  ['turningEpoch', ({ finding }) => finding?.turningEpoch],
  ['epochsDone', ({ finding }) => finding?.epochsDone],
  ['validationLoss', ({ finding }) => finding?.validationLoss],
  ['validationLossStandardError', ({ finding }) => finding?.validationLossStandardError],
  ['validationAccuracy', ({ finding }) => finding?.validationAccuracy],
  ['trainLoss', ({ finding }) => finding?.trainLoss],
  ['trainAccuracy', ({ finding }) => finding?.trainAccuracy],
  ['gap', ({ finding }) => finding?.gap],
  ['rise', ({ finding }) => finding?.rise],
  ['reason', ({ finding }) => finding?.reason],
  ['outcome', ({ result }) => result?.outcome],
  ['attempt', ({ result }) => result?.attempt],
  ['backend', ({ result }) => result?.backend],
  ['seconds', ({ result }) => result?.seconds],
];

/** The trials as CSV (RFC 4180, but for line ends), a line each, every trial of the sweep; what is absent is empty. Pure.
 * @param results of a run folder; none of curves from elsewhere
 */
export function toCsv(trials: readonly Trial[], verdict: Verdict, results: ReadonlyMap<number, Ended>): string[] {
  const findings = new Map(verdict.findings.map((finding) => [finding.trial, finding]));
  const rows = trials.map((trial): Row => {
    const index = trial.trial;
    return { ...trial, finding: findings.get(index), result: results.get(index), best: verdict.best?.trial === index };
  });
  return [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, value]) => value(row)))].map(csvLine);
}

/** One line of CSV, without its end. */
export function csvLine(cells: readonly CsvValue[]): string {
  return cells.map(encodeCell).join(',');
}

/** A number stays one. No text begins a formula: a spreadsheet that opens the file must not compute what a name says. */
function encodeCell(value: CsvValue): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const inert = /^\s*[=+\-@|%]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$|^'/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
