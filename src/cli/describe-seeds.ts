import { formatAccuracy, formatLoss } from '../sweep/figures.ts';
import type { SeedGroup } from '../sweep/seeds.ts';
import { type Column, layOut, NETWORK_CELLS } from './table.ts';

/** Mean and spread of each network over its seeds, for a terminal; no line where `seed` is no axis. Pure. */
export function describeSeeds(groups: readonly SeedGroup[], width: number): string[] {
  if (groups.length === 0) return [];
  return ['each network over its seeds (mean ± standard deviation):', ...layOut(COLUMNS, groups, width), ''];
}

const COLUMNS: readonly Column<SeedGroup>[] = [
  { title: 'network', value: nameOf, flexible: NETWORK_CELLS },
  { title: 'val. loss', value: spreadOf, align: 'right' },
  { title: 'lowest', value: ({ lowestValidationLoss }) => formatLoss(lowestValidationLoss), align: 'right', drop: 2 },
  {
    title: 'highest',
    value: ({ highestValidationLoss }) => formatLoss(highestValidationLoss),
    align: 'right',
    drop: 3,
  },
  { title: 'val. acc.', value: (group) => formatAccuracy(group.meanValidationAccuracy), align: 'right', drop: 4 },
  { title: 'seeds', value: ({ compared, trials }) => `${compared} of ${trials.length}`, align: 'right', drop: 1 },
  { title: 'eligible', value: ({ eligible }) => String(eligible), align: 'right', drop: 5 },
];

function spreadOf({ meanValidationLoss, standardDeviation }: SeedGroup): string {
  return `${formatLoss(meanValidationLoss)} ± ${formatLoss(standardDeviation)}`;
}

function nameOf({ network, hyperparameters: { batchSize, learningRate, momentum } }: SeedGroup): string {
  return `${network}, batch ${batchSize}, lr ${learningRate}, momentum ${momentum}`;
}
