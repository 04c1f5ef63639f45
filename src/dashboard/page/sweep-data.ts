import type { SweepDetail, TrialRow } from '../api.ts';
import type { Address } from './address.ts';
import { type Dimension, dimensionsOf, isBrushed } from './brush.ts';
import { assignHues, rankRows } from './ranks.ts';
import type { Connection } from './stream.ts';
import type { SweepState } from './sweep-state.ts';

/** The open sweep as every view takes it. */
export interface SweepPageData {
  readonly state: SweepState;
  /** Every trial's row was read. */
  readonly isWhole: boolean;
  /** Trials that the brushes keep, the one to look at first at the front. */
  readonly order: readonly number[];
  /** Of the same trials. */
  readonly rows: readonly TrialRow[];
  readonly brushed: number;
  readonly hues: ReadonlyMap<number, number>;
  /** Place of each trial for the report's charts: its hue, then its rank. */
  readonly places: ReadonlyMap<number, number>;
  readonly selected: number | null;
  readonly dimensions: readonly Dimension[];
  /** No curve means that there is none. */
  readonly areCurvesRead: boolean;
  /** Whether files can be had of the server. */
  readonly isServed: boolean;
}

/** @param hues those that were given before: who has one keeps it */
export function sweepDataOf(
  state: SweepState,
  isWhole: boolean,
  { brush, trial }: Pick<Address, 'brush' | 'trial'>,
  hues: ReadonlyMap<number, number>,
): SweepPageData {
  const dimensions = dimensionsOf(state.detail);
  const ranked = rankRows(state.rows.values(), state.verdict);
  const rows = ranked.flatMap((index) => {
    const row = state.rows.get(index);
    return row && isBrushed(row, dimensions, brush) ? [row] : [];
  });
  const order = rows.map((row) => row.trial);
  const given = assignHues(hues, order);
  return {
    state,
    isWhole,
    order,
    rows,
    brushed: rows.length,
    hues: given,
    places: new Map(order.map((index, rank) => [index, given.get(index) ?? rank])),
    selected: trial ?? state.verdict?.best?.trial ?? state.verdict?.leastOverfit ?? order[0] ?? null,
    dimensions,
    areCurvesRead: true,
    isServed: true,
  };
}

/** A run on this machine serves its page for as long as it trains: then nobody answers any more, and nobody will. */
export function isServed({ source, phase }: Pick<SweepDetail, 'source' | 'phase'>, connection: Connection): boolean {
  const isOver = phase !== 'Running' && phase !== 'Pending';
  return !(source === 'folder' && isOver && connection.status === 'reconnecting');
}

/** The trial so many places behind the selected one, by rank; the first and the last stay. */
export function stepFrom(
  { order, selected }: Pick<SweepPageData, 'order' | 'selected'>,
  by: number,
): number | undefined {
  const at = selected === null ? 0 : order.indexOf(selected);
  return order[Math.min(order.length - 1, Math.max(0, at + by))];
}
