import type { Curve } from '../sweep/curve.ts';
import type { Finding, FindingName } from '../sweep/finding.ts';
import type { EpochFigures } from '../sweep/measurement.ts';
import type { Outcome, TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import { isEligible } from '../sweep/selection.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';
import { plural } from './format.ts';
import { type AxisView, formatValue, uniqueNames, varyingAxes } from './names.ts';

export type { AxisView } from './names.ts';

/** How a trial ended; no test figures. A TrialResult fits. */
export type TrialOutcome = Pick<TrialResult, 'trial' | 'attempt' | 'outcome' | 'reason' | 'backend' | 'seconds'>;

/** Everything that a report is made of. */
export interface ReportInput {
  readonly sweep: Sweep;
  /** The same as YAML, as the run folder has it. */
  readonly sweepText: string;
  /** Every point of the grid, by index. */
  readonly trials: readonly Trial[];
  readonly curves: ReadonlyMap<number, Curve>;
  readonly verdict: Verdict;
  /** Of the trials that have ended, in any order. */
  readonly results: readonly TrialOutcome[];
  /** The sealed figures of the winner, and only its; null without a winner. */
  readonly winnerTest: TrialResult['test'];
  /** Where the winner's weights lie, seen from the report: `model`, `../study/models/3-1f2e`; null if none are kept. */
  readonly modelFolder: string | null;
  /** For people: `Linux x64, 2 cores, Node 22.23.3, WebAssembly with SIMD`. */
  readonly machine: string;
}

/** A curve as columns, one value an epoch; a loss of null was not finite. */
export interface Columns {
  readonly epoch: readonly number[];
  readonly trainLoss: readonly (number | null)[];
  readonly validationLoss: readonly (number | null)[];
  readonly trainAccuracy: readonly (number | null)[];
  readonly validationAccuracy: readonly (number | null)[];
}

/** What is shown of one trial. `status` is its finding, or why it has none. */
export interface TrialView {
  readonly trial: number;
  /** Unique within the report: the network, and what else varies. */
  readonly name: string;
  readonly parameterCount: number;
  readonly status: FindingName | 'Failed' | 'Stopped' | 'Unfinished' | 'NotRun';
  readonly reason: string;
  /** From 0: the winner first, then by eligibility and loss; decides who gets a colour. */
  readonly rank: number;
  /** Position of its value on each axis that varies. */
  readonly point: readonly number[];
  readonly keptEpoch: number | null;
  readonly turningEpoch: number | null;
  readonly trainLoss: number | null;
  readonly validationLoss: number | null;
  readonly standardError: number | null;
  readonly trainAccuracy: number | null;
  readonly validationAccuracy: number | null;
  readonly gap: number | null;
  readonly rise: number | null;
  readonly seconds: number | null;
  readonly attempts: number | null;
  readonly backend: string | null;
  readonly curve: Columns | null;
}

/** What the page's script is given; the same data as the sections hold. */
export interface ReportData {
  readonly epochs: number;
  readonly classes: number;
  /** The trial selected at first: the winner, else the least overfit, else the first with a curve. */
  readonly selected: number | null;
  readonly best: number | null;
  /** From the lowest loss of the eligible to one standard error above it; null if nothing is eligible. */
  readonly band: { readonly low: number; readonly high: number } | null;
  readonly axes: readonly AxisView[];
  readonly trials: readonly TrialView[];
}

/** Epochs in all curves together that a report carries; beyond it the curves without a colour are thinned. */
const EPOCH_BUDGET = 120_000;
const NEVER_THINNED = 10;

export function buildData(input: ReportInput, classes: number): ReportData {
  const { sweep, trials, curves, verdict } = input;
  const findings = new Map(verdict.findings.map((finding) => [finding.trial, finding]));
  const outcomes = new Map(input.results.map((result) => [result.trial, result]));
  const axes = varyingAxes(trials);
  const names = uniqueNames(trials, axes);
  const ranks = rankTrials(trials, findings, verdict);
  const epochsEach = Math.max(12, Math.floor(EPOCH_BUDGET / Math.max(1, trials.length)));

  const views = trials.map((trial): TrialView => {
    const finding = findings.get(trial.trial);
    const outcome = outcomes.get(trial.trial);
    const rank = ranks.get(trial.trial) ?? trials.length;
    const { epochs = [] } = curves.get(trial.trial) ?? {};
    const marked = [finding?.keptEpoch, finding?.turningEpoch];
    const shown = rank < NEVER_THINNED ? epochs : thin(epochs, epochsEach, marked);
    return {
      trial: trial.trial,
      name: names.get(trial.trial) ?? trial.name,
      parameterCount: trial.parameterCount,
      ...statusOf(finding, outcome, epochs.length, sweep.spec.training.epochs),
      rank,
      point: axes.map(({ name, values }) => values.indexOf(formatValue(trial.hyperparameters, name))),
      keptEpoch: finding?.keptEpoch ?? null,
      turningEpoch: finding?.turningEpoch ?? null,
      trainLoss: rounded(finding?.trainLoss, 9),
      validationLoss: rounded(finding?.validationLoss, 9),
      standardError: rounded(finding?.validationLossStandardError, 9),
      trainAccuracy: rounded(finding?.trainAccuracy, 9),
      validationAccuracy: rounded(finding?.validationAccuracy, 9),
      gap: rounded(finding?.gap, 9),
      rise: rounded(finding?.rise, 9),
      seconds: rounded(outcome?.seconds, 9),
      attempts: outcome?.attempt ?? null,
      backend: outcome?.backend ?? null,
      curve: shown.length > 0 ? columnsOf(shown) : null,
    };
  });

  return {
    epochs: sweep.spec.training.epochs,
    classes,
    selected: verdict.best?.trial ?? verdict.leastOverfit ?? views.find(({ curve }) => curve)?.trial ?? null,
    best: verdict.best?.trial ?? null,
    band: bandOf(verdict),
    axes,
    trials: views,
  };
}

/** A trial that did not succeed says why, whatever its curve shows; one without a result may still be at it. */
function statusOf(
  finding: Finding | undefined,
  outcome: TrialOutcome | undefined,
  epochsDone: number,
  planned: number,
): Pick<TrialView, 'status' | 'reason'> {
  const failed: Exclude<Outcome, 'Succeeded'> | undefined =
    outcome && outcome.outcome !== 'Succeeded' ? outcome.outcome : undefined;
  if (outcome && failed) return { status: failed, reason: outcome.reason };
  if (!outcome && epochsDone > 0 && (!finding || finding.finding === 'Incomplete'))
    return { status: 'Unfinished', reason: `${epochsDone} of ${plural(planned, 'epoch')}` };
  if (finding) return { status: finding.finding, reason: finding.reason };
  return { status: 'NotRun', reason: outcome ? outcome.reason : 'it has no result' };
}

/** What the judge used. */
function bandOf({ lowest }: Verdict): ReportData['band'] {
  if (!lowest) return null;
  const { validationLoss: low, validationLossStandardError } = lowest;
  return { low, high: low + validationLossStandardError };
}

/** 1. the winner, 2. the eligible, 3. those with a loss, 4. the rest; within each by loss, then by index. */
function rankTrials(
  trials: readonly Trial[],
  findings: ReadonlyMap<number, Finding>,
  { best, leastOverfit }: Verdict,
): Map<number, number> {
  const first = best?.trial ?? leastOverfit;
  const tier = (trial: number): number => {
    const finding = findings.get(trial);
    if (trial === first) return 0;
    if (!finding || finding.validationLoss === null) return 3;
    return isEligible(finding) ? 1 : 2;
  };
  const loss = (trial: number) => findings.get(trial)?.validationLoss ?? 0;
  const order = trials.map(({ trial }) => trial).sort((a, b) => tier(a) - tier(b) || loss(a) - loss(b) || a - b);
  return new Map(order.map((trial, rank) => [trial, rank]));
}

function columnsOf(epochs: readonly EpochFigures[]): Columns {
  return {
    epoch: epochs.map(({ epoch }) => epoch),
    trainLoss: epochs.map(({ trainLoss }) => rounded(trainLoss, 5)),
    validationLoss: epochs.map(({ validationLoss }) => rounded(validationLoss, 5)),
    trainAccuracy: epochs.map(({ trainAccuracy }) => rounded(trainAccuracy, 5)),
    validationAccuracy: epochs.map(({ validationAccuracy }) => rounded(validationAccuracy, 5)),
  };
}

/** To so many significant digits: the page is half as large, and no figure in it changes. */
function rounded(value: number | null | undefined, digits: number): number | null {
  return value === null || value === undefined ? null : Number(value.toPrecision(digits));
}

/** Every so many epochs, with the first, the last and those that are marked in the chart. */
function thin(
  epochs: readonly EpochFigures[],
  most: number,
  marked: readonly (number | null | undefined)[],
): readonly EpochFigures[] {
  if (epochs.length <= most) return epochs;
  const every = Math.ceil(epochs.length / most);
  return epochs.filter(({ epoch }, at) => at % every === 0 || at === epochs.length - 1 || marked.includes(epoch));
}
