import { type EpochFigures, figuresOf, finiteOrNull, type Measurement, nullNonFiniteLosses } from './measurement.ts';
import type { CurveSummary } from './result.ts';

/** The Measurements of one attempt at one Trial, by epoch. */
export interface Curve {
  readonly trial: number;
  readonly attempt: number;
  readonly attemptUID: string;
  readonly epochs: readonly EpochFigures[];
}

/** Folds a log into the Curve of every trial that it mentions. Order and identical repeats do not matter; of two that
 * conflict the earlier in the log stays. A Curve is one attempt's: the recorded one's, before that the one that began last.
 * @param recorded attemptUID of each trial that has a record
 */
export function fold(
  log: Iterable<Measurement>,
  recorded: ReadonlyMap<number, string> = new Map(),
): Map<number, Curve> {
  const trials = new Map<number, Map<string, Attempt>>();
  for (const measurement of log) {
    const attempts = getOrInsert(trials, measurement.trial, () => new Map<string, Attempt>());
    const { byEpoch } = getOrInsert(attempts, measurement.attemptUID, () => ({
      first: measurement,
      byEpoch: new Map(),
    }));
    if (!byEpoch.has(measurement.epoch)) byEpoch.set(measurement.epoch, measurement);
  }

  const curves = new Map<number, Curve>();
  for (const [trial, attempts] of [...trials].sort(([a], [b]) => a - b)) {
    const uid = recorded.get(trial);
    const attempt = uid === undefined ? latestOf(attempts.values()) : attempts.get(uid);
    if (attempt) curves.set(trial, buildCurve(attempt));
  }
  return curves;
}

/** What the log says of one attemptUID, from its first mention on. */
interface Attempt {
  readonly first: Measurement;
  readonly byEpoch: Map<number, Measurement>;
}

function buildCurve({ first: { trial, attempt, attemptUID }, byEpoch }: Attempt): Curve {
  const epochs = Array.from(byEpoch.values(), figuresOf).sort((a, b) => a.epoch - b.epoch);
  return { trial, attempt, attemptUID, epochs };
}

/** The highest attempt number; of several with the same, the one that the log first mentions last. */
function latestOf(attempts: Iterable<Attempt>): Attempt | undefined {
  let latest: Attempt | undefined;
  for (const attempt of attempts) {
    if (!latest || attempt.first.attempt >= latest.first.attempt) latest = attempt;
  }
  return latest;
}

/** The validation losses smoothed by a centred median of three epochs, the window clipped at the ends (two: their mean).
 * With fewer than three epochs nothing is smoothed. A loss that is not finite, or null, counts as infinite.
 */
export function smoothLosses(epochs: readonly EpochFigures[]): number[] {
  const losses = epochs.map(lossOrInfinity);
  if (losses.length < 3) return losses;
  return losses.map((_, at) => median(losses.slice(Math.max(0, at - 1), at + 2)));
}

/** Summarises a Curve for any thresholds and both checkpoint rules. Total: an empty curve is a summary too, and so is one with NaN.
 * @param measured in the order of their epochs
 * @param epochsPlanned epochs that the sweep asked for
 * @see architecture.md section 5, rules 1 and 2
 */
export function summarise(measured: readonly EpochFigures[], epochsPlanned: number): CurveSummary {
  const epochs = measured.map(nullNonFiniteLosses);
  const smoothed = smoothLosses(epochs);
  const turn = indexOfLeast(smoothed);
  return {
    epochsPlanned,
    epochsDone: epochs.length,
    complete: epochs.length === epochsPlanned && epochs.every(({ epoch }, at) => epoch === at + 1),
    diverged: epochs.some(({ trainLoss, validationLoss }) => trainLoss === null || validationLoss === null),
    turningEpoch: turn === undefined ? null : (epochs[turn]?.epoch ?? null),
    smoothedLossAtTurn: turn === undefined ? null : finiteOrNull(smoothed[turn]),
    smoothedLossAtEnd: finiteOrNull(smoothed.at(-1)),
    best: turn === undefined ? null : lowestLoss(epochs.slice(Math.max(0, turn - 1), turn + 2)),
    last: epochs.at(-1) ?? null,
    rawBest: lowestLoss(epochs),
  };
}

/** The epoch of the lowest validation loss, the earlier of equals; null if none is finite. */
export function lowestLoss(epochs: readonly EpochFigures[]): EpochFigures | null {
  const at = indexOfLeast(epochs.map(lossOrInfinity));
  return at === undefined ? null : (epochs[at] ?? null);
}

function lossOrInfinity({ validationLoss }: EpochFigures): number {
  return finiteOrNull(validationLoss) ?? Number.POSITIVE_INFINITY;
}

/** The first index of the least finite value. */
function indexOfLeast(values: readonly number[]): number | undefined {
  let least: number | undefined;
  for (const [at, value] of values.entries()) {
    if (Number.isFinite(value) && (least === undefined || value < (values[least] ?? value))) least = at;
  }
  return least;
}

function median(values: readonly number[]): number {
  const [a = 0, b = a, c] = values.toSorted((x, y) => x - y);
  return c === undefined ? a / 2 + b / 2 : b; // halved first: a sum could overflow
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
