import type { ReportData } from '../../report/data.ts';
import type { TrialRow } from '../api.ts';
import { isRecorded } from './trial-words.ts';

/** One attempt on its lane; times in milliseconds since 1970. */
export interface Bar {
  readonly trial: number;
  /** Of its trial: state and figures are another attempt's where this one is discarded. */
  readonly row: TrialRow;
  readonly attempt: number;
  /** It ended early: its trial went on with another attempt, or will. */
  readonly isDiscarded: boolean;
  readonly reason: string;
  /** It waits from here until it begins. */
  readonly from: number;
  /** Null: it never did, or not yet. */
  readonly began: number | null;
  readonly to: number;
  readonly createdAt: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly node: string;
  /** `node` or `node (2)`: attempts that run at the same time stand in lanes of their own. */
  readonly lane: string;
  readonly rank: number;
}

/** Beyond these the earliest are left out; a picture of more shows nothing. */
export const MAX_BARS = 2000;
/** The lane of what no node was found for. */
export const NO_NODE = 'no node yet';
/** A slot is given to the next trial before the record of the last one is told; clocks of a cluster know whole seconds only. */
const HANDOVER_MS = 2000;

/** Who waited and ran where and when, attempt by attempt; what is not over ends now. Where nobody knows the node, lanes are slots of one
 * machine. What waits takes no slot, since it may wait for hours while others run there.
 */
export function timelineBars(rows: readonly TrialRow[], data: ReportData, nowMs: number): Bar[] {
  const ranks = new Map(data.trials.map(({ trial, rank }) => [trial, rank]));
  const bars = rows
    .flatMap((row) => barsOf(row, ranks.get(row.trial) ?? 99, nowMs))
    .sort((a, b) => a.from - b.from || a.trial - b.trial)
    .slice(-MAX_BARS)
    .sort((a, b) => slotFrom(a) - slotFrom(b));
  const free = new Map<string, number[]>();
  return bars.map((bar) => {
    if (bar.node === NO_NODE) return bar;
    const ends = free.get(bar.node) ?? [];
    const found = ends.findIndex((end) => end <= slotFrom(bar) + HANDOVER_MS);
    const slot = found < 0 ? ends.length : found;
    ends[slot] = bar.to;
    free.set(bar.node, ends);
    return slot === 0 ? bar : { ...bar, lane: `${bar.node} (${slot + 1})` };
  });
}

const slotFrom = ({ began, to }: Bar) => began ?? to;

type Times = TrialRow['earlierAttempts'][number];

function barsOf(row: TrialRow, rank: number, nowMs: number): Bar[] {
  const { currentAttempt, node, createdAt, startedAt, endedAt, phase } = row;
  const isRetrying = phase === 'Retrying';
  const current = {
    attempt: currentAttempt,
    node,
    createdAt,
    startedAt,
    endedAt,
    reason: isRetrying ? row.reason : '',
  };
  const attempts: readonly Times[] = [...row.earlierAttempts, current];
  return attempts.flatMap((times, at) => {
    const began = timeOf(times.startedAt);
    const from = timeOf(times.createdAt) ?? began;
    if (from === null) return [];
    const next = attempts[at + 1];
    const end = timeOf(times.endedAt) ?? timeOf(next?.createdAt ?? next?.startedAt ?? null);
    const place = times.node ?? (began === null ? NO_NODE : 'this machine');
    return {
      trial: row.trial,
      row,
      attempt: times.attempt,
      isDiscarded: next !== undefined || isRetrying,
      reason: times.reason,
      from,
      began,
      to: Math.max(began ?? from, end ?? (next ? from : (endOf(row, began) ?? nowMs))),
      createdAt: times.createdAt,
      startedAt: times.startedAt,
      endedAt: times.endedAt,
      node: place,
      lane: place,
      rank,
    };
  });
}

/** When a trial was recorded before this dashboard looked, nobody knows; how long it took stands in the record. */
function endOf(row: TrialRow, began: number | null): number | null {
  return isRecorded(row) && began !== null && row.seconds !== null ? began + 1000 * row.seconds : null;
}

function timeOf(time: string | null): number | null {
  const ms = Date.parse(time ?? '');
  return Number.isNaN(ms) ? null : ms;
}

/** A stretch of a lane in which somebody waits. */
export interface Wait {
  readonly lane: string;
  readonly from: number;
  readonly to: number;
  readonly bars: readonly Bar[];
}

/** Waits that overlap are one: hatched twice they would look full. */
export function waitsOf(bars: readonly Bar[]): Wait[] {
  const waits: Wait[] = [];
  const last = new Map<string, number>();
  for (const bar of bars.toSorted((a, b) => a.from - b.from)) {
    const to = bar.began ?? bar.to;
    if (to <= bar.from) continue;
    const at = last.get(bar.lane) ?? -1;
    const before = waits[at];
    if (before && bar.from <= before.to) {
      waits[at] = { ...before, to: Math.max(before.to, to), bars: [...before.bars, bar] };
      continue;
    }
    last.set(bar.lane, waits.push({ lane: bar.lane, from: bar.from, to, bars: [bar] }) - 1);
  }
  return waits;
}
