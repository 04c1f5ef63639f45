import { type CsvValue, csvLine } from '../report/csv.ts';
import { AXES } from '../sweep/grid.ts';
import type { TrialRow } from './api.ts';
import type { SweepEntry } from './sweep-entry.ts';
import type { TrialState } from './trial-state.ts';

const COLUMNS: readonly (readonly [string, (row: TrialRow) => CsvValue])[] = [
  ['trial', ({ trial }) => trial],
  ['network', ({ network }) => network],
  // As the sweep file writes a list: a spreadsheet takes (12) for minus twelve.
  ...AXES.map((axis) => {
    const value = ({ hyperparameters }: TrialRow) =>
      axis === 'widths' ? JSON.stringify(hyperparameters.widths) : hyperparameters[axis];
    return [axis, value as (row: TrialRow) => CsvValue] as const;
  }),
  ['parameters', ({ parameterCount }) => parameterCount],
  ['phase', ({ phase }) => phase],
  ['finding', ({ finding }) => finding],
  ['reason', ({ reason }) => reason],
  ['eligible', ({ isEligible }) => isEligible],
  ['attempt', ({ attempt }) => attempt],
  ['epochsDone', ({ epochsDone }) => epochsDone],
  ['keptEpoch', ({ keptEpoch }) => keptEpoch],
  ['turningEpoch', ({ turningEpoch }) => turningEpoch],
  ['trainLoss', ({ trainLoss }) => trainLoss],
  ['validationLoss', ({ validationLoss }) => validationLoss],
  ['validationLossStandardError', ({ validationLossStandardError }) => validationLossStandardError],
  ['trainAccuracy', ({ trainAccuracy }) => trainAccuracy],
  ['validationAccuracy', ({ validationAccuracy }) => validationAccuracy],
  ['gap', ({ gap }) => gap],
  ['rise', ({ rise }) => rise],
  ['seconds', ({ seconds }) => seconds],
  ['backend', ({ backend }) => backend],
  ['node', ({ node }) => node],
];

/** The table of trials as CSV, a line at a time. No text begins a formula. */
export function* trialsCsv(rows: Iterable<TrialRow>): Generator<string> {
  yield `${csvLine(COLUMNS.map(([title]) => title))}\r\n`;
  for (const row of rows) yield `${csvLine(COLUMNS.map(([, value]) => value(row)))}\r\n`;
}

const FIGURES = [
  'epoch',
  'trainLoss',
  'validationLoss',
  'validationLossStandardError',
  'runningTrainLoss',
  'trainAccuracy',
  'validationAccuracy',
  'seconds',
  'examplesPerSecond',
] as const;

/** The curves as CSV, an epoch a line; `seconds` is that epoch's. */
export function* curvesCsv(entry: SweepEntry, trials: readonly TrialState[]): Generator<string> {
  yield `${csvLine(['trial', 'network', 'attempt', ...FIGURES])}\r\n`;
  for (const state of trials) {
    const { curve } = entry.read(state);
    for (const figures of curve?.epochs ?? []) {
      const who = [state.trial.trial, state.network, curve?.attempt];
      yield `${csvLine([...who, ...FIGURES.map((name) => figures[name])])}\r\n`;
    }
  }
}
