import type { EpochFigures } from './measurement.ts';
import type { CurveSummary } from './result.ts';
import type { Selection } from './schema.ts';

export type FindingName = 'Healthy' | 'StillImproving' | 'Overfit' | 'Diverged' | 'Incomplete';

/** What the curve of one Trial says, with its numbers; null where the curve has none. */
export interface Finding {
  readonly trial: number;
  readonly finding: FindingName;
  /** The numbers in words: `validation loss ends 25 % above its minimum (epoch 6); at most 10 % is allowed`. */
  readonly reason: string;
  /** Relative: 0.10 is ten per cent. How far the smoothed loss at the kept epoch stands above its minimum. */
  readonly rise: number | null;
  /** The same at the last epoch: what training to the end would have cost. */
  readonly riseAtEnd: number | null;
  /** Training minus validation accuracy at the kept epoch, a fraction. */
  readonly gap: number | null;
  /** t*: the first epoch at which the smoothed validation loss is smallest. */
  readonly turningEpoch: number | null;
  /** The epoch that BestEpoch keeps. */
  readonly bestEpoch: number | null;
  readonly keptEpoch: number | null;
  readonly epochsDone: number;
  readonly trainLoss: number | null;
  readonly trainAccuracy: number | null;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly validationLossStandardError: number | null;
}

/** What the rules look at. */
interface Reading {
  readonly summary: CurveSummary;
  readonly limits: Selection;
  readonly rise: number;
  readonly gap: number;
  readonly riseAtEnd: number;
}

type Rule = (reading: Reading) => { finding: FindingName; reason: string } | undefined;

/** One question each; the first that speaks wins. */
const RULES: readonly Rule[] = [diverged, incomplete, overfit, stillImproving, healthy];

/** Says what one summary shows under these limits. Total. @see architecture.md section 5, rules 3 and 4 */
export function findingOf(trial: number, summary: CurveSummary, limits: Selection): Finding {
  const kept = keptEpochOf(summary, limits);
  const riseAtEnd = relativeRise(summary.smoothedLossAtEnd, summary.smoothedLossAtTurn);
  const rise = limits.checkpoint === 'LastEpoch' ? riseAtEnd : summary.best && 0;
  const gap = kept && kept.trainAccuracy - kept.validationAccuracy;
  const reading = { summary, limits, rise: rise ?? 0, gap: gap ?? 0, riseAtEnd: riseAtEnd ?? 0 };
  const spoken = firstThatSpeaks(reading);
  return {
    trial,
    ...spoken,
    rise,
    riseAtEnd,
    gap,
    turningEpoch: summary.turningEpoch,
    bestEpoch: summary.best?.epoch ?? null,
    keptEpoch: kept?.epoch ?? null,
    epochsDone: summary.epochsDone,
    trainLoss: kept?.trainLoss ?? null,
    trainAccuracy: kept?.trainAccuracy ?? null,
    validationLoss: kept?.validationLoss ?? null,
    validationAccuracy: kept?.validationAccuracy ?? null,
    validationLossStandardError: kept?.validationLossStandardError ?? null,
  };
}

/** The figures of the epoch whose weights the checkpoint rule keeps. */
export function keptEpochOf(summary: CurveSummary, { checkpoint }: Pick<Selection, 'checkpoint'>): EpochFigures | null {
  return checkpoint === 'LastEpoch' ? summary.last : summary.best;
}

/** How many times the limits a trial's rise and gap are, the larger of the two: what "least overfit" means. */
export function excessOf(finding: Finding, limits: Selection): number {
  const times = (value: number, limit: number) => (limit > 0 ? value / limit : value > 0 ? Number.MAX_VALUE : 0);
  const rise = times(finding.rise ?? 0, limits.maxLossRise);
  return limits.maxAccuracyGap === undefined ? rise : Math.max(rise, times(finding.gap ?? 0, limits.maxAccuracyGap));
}

function firstThatSpeaks(reading: Reading): { finding: FindingName; reason: string } {
  for (const rule of RULES) {
    const spoken = rule(reading);
    if (spoken) return spoken;
  }
  return healthy(reading);
}

function diverged({ summary }: Reading) {
  if (!summary.diverged) return undefined;
  return { finding: 'Diverged', reason: `a loss is not finite (after ${epochs(summary.epochsDone)})` } as const;
}

function incomplete({ summary }: Reading) {
  if (summary.complete) return undefined;
  const reason =
    summary.epochsDone === summary.epochsPlanned
      ? `its epochs are not 1 to ${summary.epochsPlanned} without a hole`
      : `${summary.epochsDone} of ${epochs(summary.epochsPlanned)}`;
  return { finding: 'Incomplete', reason } as const;
}

function overfit({ summary, limits, rise, gap }: Reading) {
  if (rise > limits.maxLossRise) {
    const reason = `validation loss ends ${percent(rise)} above its minimum (epoch ${summary.turningEpoch}); at most ${percent(limits.maxLossRise)} is allowed`;
    return { finding: 'Overfit', reason } as const;
  }
  if (limits.maxAccuracyGap !== undefined && gap > limits.maxAccuracyGap) {
    const reason = `training accuracy is ${points(gap)} above validation accuracy; at most ${points(limits.maxAccuracyGap)} are allowed`;
    return { finding: 'Overfit', reason } as const;
  }
  return undefined;
}

function stillImproving({ summary, riseAtEnd }: Reading) {
  // Ten times both sides: 0.9 × epochs is not exact in binary.
  if (summary.turningEpoch === null || 10 * summary.turningEpoch <= 9 * summary.epochsPlanned) return undefined;
  const reason = `validation loss was still falling at epoch ${summary.turningEpoch} of ${summary.epochsPlanned}: more epochs may help`;
  return {
    finding: 'StillImproving',
    reason: riseAtEnd > 0 ? `${reason} (it ends ${percent(riseAtEnd)} above)` : reason,
  } as const;
}

function healthy({ summary, limits, rise, riseAtEnd }: Reading) {
  const kept = keptEpochOf(summary, limits)?.epoch;
  const turned = limits.checkpoint === 'BestEpoch' && riseAtEnd > limits.maxLossRise;
  const reason = turned
    ? `kept at epoch ${kept}; trained to ${summary.epochsPlanned} it would overfit (rise ${percent(riseAtEnd)})`
    : rise > 0
      ? `validation loss ends ${percent(rise)} above its minimum (epoch ${summary.turningEpoch}), within ${percent(limits.maxLossRise)}`
      : `kept at epoch ${kept}, the minimum of the validation loss`;
  return { finding: 'Healthy', reason } as const;
}

/** Never infinite: JSON has no Infinity, and a minimum of 0 that is left is as bad as can be. */
function relativeRise(loss: number | null, minimum: number | null): number | null {
  if (loss === null || minimum === null) return null;
  if (loss <= minimum) return 0;
  return minimum > 0 ? Math.min(loss / minimum - 1, Number.MAX_VALUE) : Number.MAX_VALUE;
}

/** `25 %`, `3.6 %`: one decimal below ten, so that neighbours stay apart. */
export function percent(fraction: number): string {
  const value = fraction * 100;
  if (value >= 1e6) return 'over a million %';
  return `${Math.abs(value) < 10 ? trimZero(value.toFixed(1)) : value.toFixed(0)} %`;
}

/** `10 points`: a difference of accuracies. */
export function points(fraction: number): string {
  const text = Math.abs(fraction) < 0.1 ? trimZero((fraction * 100).toFixed(1)) : (fraction * 100).toFixed(0);
  return `${text} ${text === '1' ? 'point' : 'points'}`;
}

function trimZero(text: string): string {
  return text.replace(/\.0$/, '').replace(/^-0$/, '0');
}

function epochs(count: number): string {
  return count === 1 ? '1 epoch' : `${count} epochs`;
}
