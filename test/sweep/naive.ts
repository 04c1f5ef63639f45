import type { EpochFigures } from '../../src/sweep/measurement.ts';
import type { Selection } from '../../src/sweep/schema.ts';

/** Section 5 of architecture.md once more, written from its text alone, as plainly as it can be said: slow, and with no code of
 * ours, so that the two can only agree by both being right.
 */
interface NaiveTrial {
  readonly trial: number;
  readonly parameterCount: number;
  readonly planned: number;
  readonly epochs: readonly EpochFigures[];
}

export function naiveVerdict(trials: readonly NaiveTrial[], selection: Selection) {
  const read = trials.map((trial) => readTrial(trial, selection.checkpoint, selection));
  const eligible = read.filter(isEligible);
  const best = pick(eligible, selection.parsimony);
  const finished = read.filter(isFinished);
  const rawBest = trials.map((trial) => readTrial(trial, 'RawBest', selection)).filter(isFinished);
  const at = (rule: Selection['checkpoint']) =>
    trials.map((trial) => readTrial(trial, rule, selection)).filter(isEligible);

  const price = (other: Read | undefined) =>
    other === undefined
      ? null
      : [
          other.trial,
          other.kept?.epoch,
          best ? other.score - best.score : null,
          best ? (other.kept?.validationAccuracy ?? 0) - (best.kept?.validationAccuracy ?? 0) : null,
        ];

  return {
    best: best ? [best.trial, best.kept?.epoch] : null,
    leastOverfit: best ? null : (leastOverfit(finished, selection)?.trial ?? null),
    findings: read.map((r) => [r.trial, r.finding, r.rise, r.gap, r.turn?.epoch ?? null, r.kept?.epoch ?? null]),
    rules: {
      BestEpoch: price(pick(at('BestEpoch'), selection.parsimony)),
      LastEpoch: price(pick(at('LastEpoch'), selection.parsimony)),
      RawBest: price(pick(rawBest, 'None')),
      NoFilter: price(pick(finished, selection.parsimony)),
      NoParsimony: price(pick(eligible, 'None')),
    },
  };
}

type Read = ReturnType<typeof readTrial>;

function readTrial(
  { trial, parameterCount, planned, epochs }: NaiveTrial,
  rule: Selection['checkpoint'] | 'RawBest',
  limits: Selection,
) {
  const raw = epochs.map((e) => (e.validationLoss === null ? Infinity : e.validationLoss));
  // 1. the smoothed loss, and the first epoch at which it is smallest
  const smoothed: number[] = [];
  for (let i = 0; i < raw.length; i++) {
    const window = [i - 1, i, i + 1].filter((j) => j >= 0 && j < raw.length).map((j) => raw[j] as number);
    if (raw.length < 3) smoothed.push(raw[i] as number);
    else if (window.length === 2) smoothed.push(((window[0] as number) + (window[1] as number)) / 2);
    else smoothed.push(window.sort((x, y) => x - y)[1] as number);
  }
  const minimum = Math.min(...smoothed);
  const turnAt = minimum < Infinity ? smoothed.indexOf(minimum) : -1;

  // 2. the kept epoch
  let keptAt = raw.length - 1;
  if (rule !== 'LastEpoch') {
    const choices = raw
      .map((_, i) => i)
      .filter((i) => rule === 'RawBest' || (turnAt >= 0 && Math.abs(i - turnAt) <= 1));
    const lowest = Math.min(...choices.map((i) => raw[i] as number));
    keptAt = lowest < Infinity ? (choices.find((i) => raw[i] === lowest) as number) : -1;
  }
  const kept = epochs[keptAt];

  // 3. rise and gap
  let rise: number | null = 0;
  const end = smoothed.at(-1);
  if (rule !== 'LastEpoch') rise = kept ? 0 : null;
  else if (turnAt < 0 || end === undefined || end === Infinity) rise = null;
  else if (minimum > 0) rise = end / minimum - 1;
  else rise = end > 0 ? Number.MAX_VALUE : 0;
  const gap = kept ? kept.trainAccuracy - kept.validationAccuracy : null;

  // 4. the first that holds
  let finding = 'Healthy';
  if (epochs.some((e) => e.trainLoss === null || e.validationLoss === null)) finding = 'Diverged';
  else if (epochs.map((e) => e.epoch).join() !== Array.from({ length: planned }, (_, i) => i + 1).join())
    finding = 'Incomplete';
  else if ((rise ?? 0) > limits.maxLossRise) finding = 'Overfit';
  else if (limits.maxAccuracyGap !== undefined && (gap ?? 0) > limits.maxAccuracyGap) finding = 'Overfit';
  else if ((epochs[turnAt]?.epoch ?? 0) > 0.9 * planned) finding = 'StillImproving';

  const score = raw[keptAt] ?? Infinity;
  const error = kept?.validationLossStandardError ?? 0;
  return { trial, parameterCount, finding, rise, gap, kept, turn: epochs[turnAt], score, error };
}

// 5.
const isEligible = (read: Read) => read.finding === 'Healthy' || read.finding === 'StillImproving';
const isFinished = (read: Read) => isEligible(read) || read.finding === 'Overfit';

// 6.
function pick(reads: readonly Read[], parsimony: Selection['parsimony']): Read | undefined {
  const sorted = [...reads].sort(
    (a, b) => a.score - b.score || a.parameterCount - b.parameterCount || a.trial - b.trial,
  );
  const [best] = sorted;
  if (!best || parsimony === 'None') return best;
  const near = sorted.filter((read) => read.score <= best.score + best.error);
  return near.sort((a, b) => a.parameterCount - b.parameterCount || a.score - b.score || a.trial - b.trial)[0];
}

// 7. of two that overfit alike, which the text leaves open: the lower loss, then the lower index
function leastOverfit(reads: readonly Read[], limits: Selection): Read | undefined {
  const times = (value: number, limit: number) =>
    value <= 0 && limit === 0 ? 0 : Math.min(value / limit, Number.MAX_VALUE);
  const excess = (read: Read) => {
    const rise = times(read.rise ?? 0, limits.maxLossRise);
    if (limits.maxAccuracyGap === undefined) return rise;
    return Math.max(rise, times(read.gap ?? 0, limits.maxAccuracyGap));
  };
  return [...reads].sort((a, b) => excess(a) - excess(b) || a.score - b.score || a.trial - b.trial)[0];
}
