import type { TableSpecification } from '../../report/charts/tables.ts';
import { capitalised, formatCount, formatSeconds } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import { percent, points } from '../../sweep/finding.ts';
import type { SweepDetail, TrialRow } from '../api.ts';
import { axisValue } from './brush.ts';
import { statusWords } from './trial-words.ts';

/** One column of the table of trials. */
export interface Column {
  /** As `sort` of the API has it. */
  readonly key: string;
  readonly title: string;
  readonly isNumber: boolean;
  /** In characters, about. */
  readonly width: number;
  readonly text: (row: TrialRow) => string;
  /** What it sorts by; null comes last. */
  readonly value: (row: TrialRow) => number | string | null;
}

const number = (
  key: string,
  title: string,
  width: number,
  value: (row: TrialRow) => number | null,
  format: (value: number) => string,
): Column => ({
  key,
  title,
  isNumber: true,
  width,
  value,
  text: (row) => {
    const figure = value(row);
    return figure === null ? '–' : format(figure);
  },
});

/** The axes that vary beyond what the network's name says, then the figures. */
export function columnsOf({ axes }: Pick<SweepDetail, 'axes'>): Column[] {
  return [
    {
      key: 'trial',
      title: 'Trial',
      isNumber: true,
      width: 6,
      text: ({ trial }) => String(trial),
      value: ({ trial }) => trial,
    },
    {
      key: 'network',
      title: 'Network',
      isNumber: false,
      width: 27,
      text: ({ network }) => network,
      value: ({ network }) => network,
    },
    { key: 'finding', title: 'Finding', isNumber: false, width: 25, text: statusWords, value: statusWords },
    number('validationLoss', 'Validation loss', 11, (row) => row.validationLoss, formatLoss),
    number('validationAccuracy', 'Validation accuracy', 11, (row) => row.validationAccuracy, formatAccuracy),
    number('gap', 'Gap', 11, (row) => row.gap, points),
    number('rise', 'Rise', 8, (row) => row.rise, percent),
    number('trainLoss', 'Training loss', 10, (row) => row.trainLoss, formatLoss),
    number('keptEpoch', 'Kept epoch', 7, (row) => row.keptEpoch, String),
    number('parameterCount', 'Parameters', 12, (row) => row.parameterCount, formatCount),
    ...axes.map(({ name, label }): Column => {
      const isNumber = !['widths', 'activation', 'pooling'].includes(name);
      return {
        key: name,
        title: capitalised(label),
        isNumber,
        width: isNumber ? 9 : 11,
        text: (row) => axisValue(row, name),
        value: (row) => (isNumber ? Number(axisValue(row, name)) : axisValue(row, name)),
      };
    }),
    number('seconds', 'Time', 11, (row) => row.seconds, formatSeconds),
    number('attempt', 'Attempts', 8, (row) => row.attempt, String),
    {
      key: 'reason',
      title: 'Reason',
      isNumber: false,
      width: 60,
      text: ({ reason }) => reason,
      value: ({ reason }) => reason,
    },
  ];
}

/** What is absent comes last, whichever the direction; equals stay by index. @param sort `-gap` descends */
export function compareBy(columns: readonly Column[], sort: string): (a: TrialRow, b: TrialRow) => number {
  const key = sort.replace(/^-/, '');
  const sign = sort.startsWith('-') ? -1 : 1;
  const column = columns.find((other) => other.key === key);
  return (a, b) => {
    const [x, y] = [column?.value(a) ?? null, column?.value(b) ?? null];
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || a.trial - b.trial;
    const difference =
      typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), 'en', { numeric: true });
    return sign * difference || a.trial - b.trial;
  };
}

/** At full precision, to compute with. */
export function trialsSheet(columns: readonly Column[], rows: readonly TrialRow[]): TableSpecification {
  return {
    columns: columns.map(({ key }) => key),
    rows: rows.map((row) => columns.map(({ value }) => String(value(row) ?? ''))),
  };
}
