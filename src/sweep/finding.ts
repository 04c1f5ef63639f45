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
  /** The epoch of the lowest validation loss as measured, wherever it lies: smoothing may pass it over. */
  readonly rawBestEpoch: number | null;
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
  readonly kept: EpochFigures | null;
  readonly rise: number;
  readonly gap: number;
  readonly riseAtEnd: number;
}

interface Spoken {
  readonly finding: FindingName;
  readonly reason: string;
}

type Rule = (reading: Reading) => Spoken | undefined;

/** One question each; the first that speaks wins. Nobody speaks: Healthy. */
const RULES: readonly Rule[] = [diverged, incomplete, overfit, stillImproving];

/** Says what one summary shows under these limits. Total. @see architecture.md section 5, rules 3 and 4 */
export function findingOf(trial: number, summary: CurveSummary, limits: Selection): Finding {
  const kept = keptEpochOf(summary, limits);
  const riseAtEnd = relativeRise(summary.smoothedLossAtEnd, summary.smoothedLossAtTurn);
  const rise = limits.checkpoint === 'LastEpoch' ? riseAtEnd : summary.best && 0;
  const gap = kept && kept.trainAccuracy - kept.validationAccuracy;
  const reading = { summary, limits, kept, rise: rise ?? 0, gap: gap ?? 0, riseAtEnd: riseAtEnd ?? 0 };
  const spoken = firstThatSpeaks(reading);
  return {
    trial,
    ...spoken,
    rise,
    riseAtEnd,
    gap,
    turningEpoch: summary.turningEpoch,
    bestEpoch: summary.best?.epoch ?? null,
    rawBestEpoch: summary.rawBest?.epoch ?? null,
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
  const times = (value: number, limit: number) => {
    if (limit > 0) return Math.min(value / limit, Number.MAX_VALUE);
    return value > 0 ? Number.MAX_VALUE : 0;
  };
  const rise = times(finding.rise ?? 0, limits.maxLossRise);
  return limits.maxAccuracyGap === undefined ? rise : Math.max(rise, times(finding.gap ?? 0, limits.maxAccuracyGap));
}

/** Above a limit, or a sum, by more than the rounding of binary fractions: 0.65 − 0.5 is not above 0.15. One of a million
 * examples moves an accuracy by 1e-6.
 */
export function exceeds(value: number, limit: number): boolean {
  return value - limit > 1e-9;
}

function firstThatSpeaks(reading: Reading): Spoken {
  for (const rule of RULES) {
    const spoken = rule(reading);
    if (spoken) return spoken;
  }
  return healthy(reading);
}

function diverged({ summary }: Reading): Spoken | undefined {
  if (!summary.diverged) return undefined;
  return { finding: 'Diverged', reason: `a loss is not finite (after ${epochs(summary.epochsDone)})` };
}

/** A complete curve without a loss to keep cannot be; if one is handed in, it must not win. */
function incomplete({ summary, kept }: Reading): Spoken | undefined {
  const { complete, epochsDone, epochsPlanned } = summary;
  if (complete && Number.isFinite(kept?.validationLoss)) return undefined;
  const reason =
    epochsDone < epochsPlanned
      ? `${epochsDone} of ${epochs(epochsPlanned)}`
      : `its ${epochs(epochsDone)} are not 1 to ${epochsPlanned} without a hole`;
  return { finding: 'Incomplete', reason };
}

function overfit(reading: Reading): Spoken | undefined {
  const { summary, limits, rise, gap } = reading;
  if (exceeds(rise, limits.maxLossRise)) {
    const reason = `validation loss ends ${above(rise, limits.maxLossRise, percent)} above its minimum (epoch ${summary.turningEpoch}); at most ${percent(limits.maxLossRise)} is allowed`;
    return { finding: 'Overfit', reason };
  }
  if (limits.maxAccuracyGap !== undefined && exceeds(gap, limits.maxAccuracyGap)) {
    const reason = `training accuracy is ${above(gap, limits.maxAccuracyGap, points)} above validation accuracy; the limit is ${points(limits.maxAccuracyGap)}`;
    const turned = turnedAfterKept(reading);
    return { finding: 'Overfit', reason: turned ? `${reason}; ${turned}` : reason };
  }
  return undefined;
}

function stillImproving(reading: Reading): Spoken | undefined {
  const { summary, riseAtEnd } = reading;
  // Ten times both sides: 0.9 × epochs is not exact in binary.
  if (summary.turningEpoch === null || 10 * summary.turningEpoch <= 9 * summary.epochsPlanned) return undefined;
  const falling = lateTurn(summary.turningEpoch, summary.epochsPlanned);
  const reason = riseAtEnd > 0 ? `${falling} (it ends ${percent(riseAtEnd)} above)` : falling;
  return { finding: 'StillImproving', reason: turnedAfterKept(reading) ?? reason };
}

/** Of a curve whose t* lies in the last tenth. The loss as measured may have risen: only the smoothed one is spoken of. */
export function lateTurn(turningEpoch: number, epochsPlanned: number): string {
  const when =
    turningEpoch >= epochsPlanned
      ? `had not turned by epoch ${epochsPlanned}`
      : `reached its minimum only at epoch ${turningEpoch} of ${epochsPlanned}`;
  return `its smoothed validation loss ${when}: more epochs may help`;
}

function healthy(reading: Reading): Spoken {
  const { summary, limits, rise } = reading;
  const reason =
    rise > 0
      ? `validation loss ends ${percent(rise)} above its minimum (epoch ${summary.turningEpoch}), within ${percent(limits.maxLossRise)}`
      : keptAtMinimum(reading);
  return { finding: 'Healthy', reason: turnedAfterKept(reading) ?? reason };
}

/** BestEpoch may keep a neighbour of t*. LastEpoch without a rise ends at the minimum, wherever it was reached first. */
function keptAtMinimum({ summary, limits, kept }: Reading): string {
  const beside = limits.checkpoint === 'BestEpoch' && kept?.epoch !== summary.turningEpoch;
  return beside
    ? `kept at epoch ${kept?.epoch}, next to the minimum of the smoothed validation loss (epoch ${summary.turningEpoch})`
    : `kept at epoch ${kept?.epoch}, the minimum of the smoothed validation loss`;
}

/** An epoch is kept that does not overfit, of a curve that does so later. */
function turnedAfterKept({ summary, limits, kept, riseAtEnd }: Reading): string | undefined {
  if (kept?.epoch === summary.last?.epoch || !exceeds(riseAtEnd, limits.maxLossRise)) return undefined;
  return `kept at epoch ${kept?.epoch}; trained to ${summary.epochsPlanned} it would overfit (rise ${percent(riseAtEnd)})`;
}

/** The value in words that do not read like the limit that it is above. */
function above(value: number, limit: number, inWords: (fraction: number) => string): string {
  const words = inWords(value);
  return words === inWords(limit) ? `just over ${words}` : words;
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
