import { stringify } from 'yaml';
import type { ReportInput } from '../src/report/report.ts';
import { type Curve, summarise } from '../src/sweep/curve.ts';
import type { EpochFigures } from '../src/sweep/measurement.ts';
import type { TrialResult } from '../src/sweep/result.ts';
import type { Selection, Sweep } from '../src/sweep/schema.ts';
import { expandTrials, type Trial } from '../src/sweep/trial.ts';
import { judge, type Verdict } from '../src/sweep/verdict.ts';
import { makeGrid, makeStudy, makeTraining } from './sweep/builders.ts';

/** The shape of a learning curve: where it starts, how low it gets and when, and what follows. */
export interface CurveShape {
  readonly epochs?: number;
  /** Lowest validation loss, in nats, and the epoch of it. */
  readonly lowest: number;
  readonly turn: number;
  /** Of the validation loss from `turn` to the last epoch, relative. */
  readonly rise: number;
  /** Best validation accuracy and the last epoch's gap, fractions. */
  readonly accuracy: number;
  readonly gap: number;
  readonly seed?: number;
}

/** A smooth curve of that shape with a little noise, the same for the same seed. */
export function makeCurve(trial: number, shape: CurveShape): Curve {
  const { epochs = 15, lowest, turn, rise, accuracy, gap, seed = trial + 1 } = shape;
  const noise = makeNoise(seed);
  const begin = lowest + 0.5 * (Math.LN10 - lowest);
  const figures = Array.from({ length: epochs }, (_, at): EpochFigures => {
    const epoch = at + 1;
    const learned = turn <= 1 ? 1 : 1 - (Math.exp(-3.4 * (at / (turn - 1))) - Math.exp(-3.4)) / (1 - Math.exp(-3.4));
    const towards = Math.min(1, learned);
    const after = epoch <= turn ? 0 : ((epoch - turn) / (epochs - turn)) ** 1.25;
    const wobble = 0.006 * noise();
    const validationLoss = (begin + (lowest - begin) * towards) * (1 + rise * after + wobble);
    const apart = gap * (0.12 * towards + 0.88 * (at / Math.max(1, epochs - 1)) ** 1.2);
    const validationAccuracy =
      (0.1 + 0.62 * (accuracy - 0.1)) * (1 - towards) + accuracy * towards - 0.02 * rise * after + 0.004 * noise();
    return {
      epoch,
      trainLoss: Math.max(0.05, validationLoss * (1 - 2.1 * apart) - rise * after * 0.55),
      trainAccuracy: Math.min(1, validationAccuracy + apart),
      validationLoss,
      validationAccuracy,
      validationLossStandardError: 0.0115 + 0.004 * validationLoss,
      runningTrainLoss: validationLoss * (1 - apart) + 0.02,
      seconds: 16 + noise(),
      examplesPerSecond: 2800 + 50 * noise(),
    };
  });
  return { trial, attempt: 1, attemptUID: `first-${trial}`, epochs: figures };
}

/** Of the reference study, architecture.md sections 3 and 5: its ten networks in the order of its grid. */
export const STUDY_SHAPES: readonly CurveShape[] = [
  { lowest: 1.352, turn: 14, rise: 0.015, accuracy: 0.524, gap: 0.03 },
  { lowest: 1.128, turn: 13, rise: 0.036, accuracy: 0.603, gap: 0.03 },
  { lowest: 0.978, turn: 12, rise: 0.042, accuracy: 0.662, gap: 0.1 },
  { lowest: 0.898, turn: 8, rise: 0.246, accuracy: 0.696, gap: 0.17 },
  { lowest: 0.846, turn: 6, rise: 0.716, accuracy: 0.716, gap: 0.22 },
  { lowest: 0.823, turn: 4, rise: 0.86, accuracy: 0.724, gap: 0.26 },
  { lowest: 1.742, turn: 9, rise: 0.06, accuracy: 0.408, gap: 0.08 },
  { lowest: 1.731, turn: 11, rise: 0.03, accuracy: 0.411, gap: 0.05 },
  { lowest: 1.716, turn: 8, rise: 0.05, accuracy: 0.414, gap: 0.07 },
  { lowest: 1.364, turn: 5, rise: 0.42, accuracy: 0.527, gap: 0.29 },
];

export function makeResultOf(trial: Trial, curve: Curve | undefined, epochsPlanned: number): TrialResult {
  return {
    trial: trial.trial,
    attempt: 1,
    attemptUID: curve?.attemptUID ?? `first-${trial.trial}`,
    outcome: 'Succeeded',
    reason: '',
    hyperparametersHash: trial.hyperparametersHash,
    parameterCount: trial.parameterCount,
    backend: 'wasm',
    seconds: 40 + (trial.multiplyAdds / 1e6) * 31,
    summary: curve ? summarise(curve.epochs, epochsPlanned) : null,
    test: { loss: 7.7777, accuracy: 0.7777 },
  };
}

/** The verdict of real rules on these curves. */
export function makeVerdict(trials: readonly Trial[], curves: ReadonlyMap<number, Curve>, sweep: Sweep): Verdict {
  const { training, selection } = sweep.spec;
  const candidates = trials.flatMap(({ trial, parameterCount }) => {
    const curve = curves.get(trial);
    return curve ? [{ trial, parameterCount, summary: summarise(curve.epochs, training.epochs) }] : [];
  });
  return judge(candidates, selection);
}

export interface ReportChanges {
  readonly selection?: Partial<Selection>;
  readonly curves?: (curves: Map<number, Curve>) => Map<number, Curve>;
  readonly results?: (results: TrialResult[]) => TrialResult[];
}

function makeReportOf(sweep: Sweep, shapes: (trial: Trial) => CurveShape, changes: ReportChanges): ReportInput {
  const trials = expandTrials(sweep);
  const { epochs } = sweep.spec.training;
  const made = new Map(trials.map((trial) => [trial.trial, makeCurve(trial.trial, { ...shapes(trial), epochs })]));
  const curves = changes.curves ? changes.curves(made) : made;
  const verdict = makeVerdict(trials, curves, sweep);
  const results = trials.map((trial) => makeResultOf(trial, curves.get(trial.trial), epochs));
  return {
    sweep,
    sweepText: stringify(sweep),
    trials,
    curves,
    verdict,
    results: changes.results ? changes.results(results) : results,
    winnerTest: verdict.best ? { loss: verdict.best.validationLoss + 0.011, accuracy: 0.6534 } : null,
    modelFolder: verdict.best === null ? null : 'model',
    machine: 'Linux x64, 2 cores, Node 22.23.3, WebAssembly with SIMD',
  };
}

/** The reference study, finished, with LastEpoch as its author had it unless said otherwise. */
export function makeStudyReport(changes: ReportChanges = {}): ReportInput {
  const study = makeStudy();
  const selection = { ...study.spec.selection, checkpoint: 'LastEpoch' as const, ...changes.selection };
  const sweep = { ...study, spec: { ...study.spec, selection } };
  return makeReportOf(sweep, ({ trial }) => STUDY_SHAPES[trial] ?? { ...DULL }, changes);
}

const DULL: CurveShape = { lowest: 1.5, turn: 10, rise: 0.02, accuracy: 0.45, gap: 0.05 };

/** A grid of that many trials (or a few more), as wide as one searches in earnest; its shapes follow from size and learning rate. */
export function makeLargeReport(size: number, epochs = 15, changes: ReportChanges = {}): ReportInput {
  const noise = makeNoise(7);
  const widths = [
    [3, 8],
    [6, 16],
    [8, 20],
    [12, 32],
    [16, 40],
    [24, 64],
    [32, 96],
    [48, 128],
  ];
  const axes = {
    widths,
    activation: ['relu' as const, 'none' as const],
    pooling: ['max' as const, 'avg' as const],
    depth: [1],
  };
  const seeds = Math.max(1, Math.ceil(size / (widths.length * 4 * 4)));
  const grid = makeGrid({
    ...axes,
    learningRate: [0.0003, 0.001, 0.003, 0.01],
    seed: Array.from({ length: seeds }, (_, seed) => seed),
  });
  const study = makeStudy();
  const sweep = { ...study, spec: { ...study.spec, grid: [grid], training: makeTraining({ epochs }) } };
  const shapeOf = ({ hyperparameters, parameterCount }: Trial): CurveShape => {
    const capacity = Math.log10(parameterCount) - 3.4;
    const linear = hyperparameters.activation === 'none';
    const hot = hyperparameters.learningRate >= 0.003 ? 1.6 : 1;
    const lowest = (linear ? 1.72 : 1.36 - 0.3 * capacity) + 0.07 * noise() + (hot > 1 ? 0.04 : 0);
    const turn = Math.max(1, Math.min(epochs, Math.round(epochs * (1 - 0.38 * capacity * hot + 0.05 * noise()))));
    return {
      lowest,
      turn,
      rise: (1 - turn / epochs) * hot * (0.8 + 0.4 * noise()),
      accuracy: 0.92 - 0.3 * lowest,
      gap: 0.03 + 0.1 * capacity,
    };
  };
  return makeReportOf(sweep, shapeOf, changes);
}

/** One network, so many epochs. */
export function makeSmallReport(epochs: number, changes: ReportChanges = {}): ReportInput {
  const study = makeStudy();
  const grid = [makeGrid({ widths: [[12, 32]] })];
  const sweep = { ...study, spec: { ...study.spec, grid, training: makeTraining({ epochs }) } };
  return makeReportOf(
    sweep,
    () => ({ lowest: 1.1, turn: Math.max(1, epochs - 3), rise: 0.02, accuracy: 0.6, gap: 0.06 }),
    changes,
  );
}

/** The study on a bad day: two failed, one diverged, one stopped, one never ran. */
export function makeTroubledReport(changes: ReportChanges = {}): ReportInput {
  return makeStudyReport({
    ...changes,
    curves: (curves) => {
      curves.delete(0);
      curves.delete(6);
      truncate(curves, 7, 9);
      const wide = curves.get(5);
      if (wide) curves.set(5, { ...wide, epochs: wide.epochs.map(diverging) });
      return curves;
    },
    results: (results) => {
      const ended = results
        .filter(({ trial }) => trial !== 6)
        .map((result): TrialResult => {
          if (result.trial === 0) {
            const reason =
              'OutOfMemory: killed by the kernel at 1.9 GiB; give the worker more memory or lower parallelism';
            return { ...result, outcome: 'Failed', reason, attempt: 3, backend: null };
          }
          if (result.trial === 7)
            return { ...result, outcome: 'Stopped', reason: 'MaxFailedTrials: more than 3 trials failed' };
          return result;
        });
      return changes.results ? changes.results(ended) : ended;
    },
  });
}

function truncate(curves: Map<number, Curve>, trial: number, epochs: number): void {
  const curve = curves.get(trial);
  if (curve) curves.set(trial, { ...curve, epochs: curve.epochs.slice(0, epochs) });
}

/** Grows without bound from the fourth epoch and is no number from the seventh. */
function diverging(figures: EpochFigures): EpochFigures {
  if (figures.epoch < 4) return figures;
  const loss = figures.epoch < 7 ? 3 * 40 ** (figures.epoch - 4) : null;
  return { ...figures, trainLoss: loss, validationLoss: loss, trainAccuracy: 0.1, validationAccuracy: 0.1 };
}

/** Uniform in -1..1 by Park and Miller's generator. */
function makeNoise(seed: number): () => number {
  let state = (seed * 7919) % 2_147_483_647 || 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (2 * state) / 2_147_483_647 - 1;
  };
}
