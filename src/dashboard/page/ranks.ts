import { HUES } from '../../report/charts/marks.ts';
import type { TrialRow, VerdictView } from '../api.ts';

/** Trials from the one to look at first: 1. the winner, else the least overfit, 2. the eligible, 3. those with a loss, 4. the rest;
 * within each by loss, then by index. The same order as the report's.
 */
export function rankRows(rows: Iterable<TrialRow>, verdict: VerdictView | null): number[] {
  const first = verdict?.best?.trial ?? verdict?.leastOverfit;
  const tier = (row: TrialRow): number => {
    if (row.trial === first) return 0;
    if (row.validationLoss === null) return 3;
    return row.isEligible ? 1 : 2;
  };
  return [...rows]
    .sort((a, b) => tier(a) - tier(b) || (a.validationLoss ?? 0) - (b.validationLoss ?? 0) || a.trial - b.trial)
    .map(({ trial }) => trial);
}

/** A hue for each of the first trials, from 0. Who has one keeps it while it stays among the first: a curve that grows before a
 * reader's eyes does not change its colour when another overtakes it.
 */
export function assignHues(
  previous: ReadonlyMap<number, number>,
  order: readonly number[],
): ReadonlyMap<number, number> {
  const first = order.slice(0, HUES);
  const kept = first.flatMap((trial): [number, number][] => {
    const hue = previous.get(trial);
    return hue === undefined ? [] : [[trial, hue]];
  });
  const taken = new Set(kept.map(([, hue]) => hue));
  const free = Array.from({ length: HUES }, (_, hue) => hue).filter((hue) => !taken.has(hue));
  const hues = new Map(kept);
  for (const trial of first) {
    if (hues.has(trial)) continue;
    const hue = free.shift();
    if (hue !== undefined) hues.set(trial, hue);
  }
  return hues;
}
