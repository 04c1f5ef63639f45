import Type, { type Static } from 'typebox';
import { AXES } from '../sweep/grid.ts';
import { FINDINGS, TRIAL_PHASES, type TrialRow } from './api.ts';
import type { SortValue } from './paging.ts';

/** Columns that the table of trials can be sorted by. */
export const SORT_COLUMNS = [
  'trial',
  'network',
  'parameterCount',
  'phase',
  'finding',
  'reason',
  'isEligible',
  'attempt',
  'epochsDone',
  'keptEpoch',
  'turningEpoch',
  'trainLoss',
  'validationLoss',
  'validationLossStandardError',
  'trainAccuracy',
  'validationAccuracy',
  'gap',
  'rise',
  'seconds',
  'examplesPerSecond',
  'backend',
  'node',
  'startedAt',
  'endedAt',
  ...AXES,
] as const;
export type SortColumn = (typeof SORT_COLUMNS)[number];

export const SORTS = SORT_COLUMNS.flatMap((column) => [column, `-${column}`]);

export const TrialQuery = Type.Object(
  {
    finding: Type.Optional(Type.Enum([...FINDINGS], { description: 'Only trials of this finding.' })),
    phase: Type.Optional(Type.Enum([...TRIAL_PHASES], { description: 'Only trials of this phase.' })),
    q: Type.Optional(
      Type.String({
        maxLength: 200,
        description: 'Only trials whose network, reason or node contains this; case aside.',
      }),
    ),
    sort: Type.Optional(
      Type.Enum(SORTS, {
        description: 'A column; with - before it, it descends. Equal ones go by index, null is last.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type TrialQuery = Readonly<Static<typeof TrialQuery>>;

/** Whether a row is wanted. Pure. */
export function matches({ finding, phase, q }: TrialQuery): (row: TrialRow) => boolean {
  const words = q?.toLowerCase() ?? '';
  return (row) =>
    (finding === undefined || row.finding === finding) &&
    (phase === undefined || row.phase === phase) &&
    (words === '' || [row.network, row.reason, row.node ?? ''].some((text) => text.toLowerCase().includes(words)));
}

/** @returns which column, and which way; by index unless said */
export function parseSort(sort: string | undefined): { readonly column: SortColumn; readonly descending: boolean } {
  const name = sort?.replace(/^-/, '');
  const column = SORT_COLUMNS.find((one) => one === name) ?? 'trial';
  return { column, descending: sort?.startsWith('-') ?? false };
}

/** What a row is sorted by in a column: widths by their count, then each. */
export function sortValue(row: TrialRow, column: SortColumn): SortValue {
  if (column === 'widths') {
    const { widths } = row.hyperparameters;
    return [widths.length, ...widths].map((width) => String(width).padStart(4, '0')).join();
  }
  const axis = AXES.find((one) => one === column);
  if (axis !== undefined && axis !== 'widths') return row.hyperparameters[axis];
  return row[column as Exclude<SortColumn, (typeof AXES)[number]>];
}

/** One text for all that decides which trials there are, and their order. */
export function queryKey({ finding, phase, q, sort }: TrialQuery): string {
  return JSON.stringify([finding ?? '', phase ?? '', q ?? '', sort ?? 'trial']);
}
