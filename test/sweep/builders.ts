import { type Curve, summarise } from '../../src/sweep/curve.ts';
import type { EpochFigures, Measurement } from '../../src/sweep/measurement.ts';
import type { CurveSummary, TrialResult } from '../../src/sweep/result.ts';
import type { Grid, Hyperparameters, Selection, Sweep, Training } from '../../src/sweep/schema.ts';
import type { Candidate } from '../../src/sweep/verdict.ts';

export function makeGrid(grid: Partial<Grid> = {}): Grid {
  return { widths: [[3, 8]], activation: ['relu'], pooling: ['max'], depth: [1], ...grid };
}

export function makeTraining(training: Partial<Training> = {}): Training {
  const defaults = {
    dataset: 'cifar10',
    epochs: 15,
    batchSize: 4,
    learningRate: 0.001,
    momentum: 0.9,
    seed: 0,
  } as const;
  return { ...defaults, validationFraction: 0.1, ...training };
}

export function makeSelection(selection: Partial<Selection> = {}): Selection {
  return { checkpoint: 'BestEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError', ...selection };
}

export function makeSweep({ grid = [makeGrid()], training = makeTraining() }: Partial<Sweep['spec']> = {}): Sweep {
  return {
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    metadata: { name: 'study' },
    spec: {
      grid,
      training,
      selection: makeSelection(),
      suspend: false,
      trainer: { backend: 'auto', startDeadlineSeconds: 900, activeDeadlineSeconds: 86_400, maxDisruptions: 10 },
    },
  };
}

/** The ten networks of architecture.md section 3, in the order of its grid. */
export function makeStudy(): Sweep {
  return makeSweep({
    grid: [
      makeGrid({
        widths: [
          [3, 8],
          [6, 16],
          [12, 32],
          [24, 64],
          [48, 128],
          [96, 256],
        ],
      }),
      makeGrid({ widths: [[12, 32]], activation: ['none'], pooling: ['none', 'avg'] }),
      makeGrid({ widths: [[12, 32]], activation: ['none'], pooling: ['none'], depth: [2] }),
      makeGrid({ widths: [[12]], pooling: ['none'] }),
    ],
  });
}

export function makePoint(point: Partial<Hyperparameters> = {}): Hyperparameters {
  return {
    widths: [12, 32],
    activation: 'relu',
    pooling: 'max',
    depth: 1,
    batchSize: 4,
    learningRate: 0.001,
    momentum: 0.9,
    seed: 0,
    ...point,
  };
}

export function makeFigures(figures: Partial<EpochFigures> = {}): EpochFigures {
  return {
    epoch: 1,
    trainLoss: 1,
    trainAccuracy: 0.6,
    validationLoss: 1,
    validationAccuracy: 0.6,
    validationLossStandardError: 0,
    runningTrainLoss: 1,
    seconds: 10,
    examplesPerSecond: 4500,
    ...figures,
  };
}

export function makeMeasurement(measurement: Partial<Measurement> = {}): Measurement {
  return { sweep: 'study', trial: 0, attempt: 1, attemptUID: 'first', ...makeFigures(measurement), ...measurement };
}

/** Epochs 1, 2, …, one for each validation loss, otherwise alike. */
export function makeEpochs(losses: readonly (number | null)[], figures: Partial<EpochFigures> = {}): EpochFigures[] {
  return losses.map((validationLoss, at) => makeFigures({ ...figures, validationLoss, epoch: at + 1 }));
}

export function makeSummary(
  losses: readonly (number | null)[],
  figures: Partial<EpochFigures> = {},
  epochsPlanned = losses.length,
): CurveSummary {
  return summarise(makeEpochs(losses, figures), epochsPlanned);
}

export function makeCandidate(
  trial: number,
  losses: readonly (number | null)[],
  { parameterCount = 1000, ...figures }: Partial<EpochFigures> & { parameterCount?: number } = {},
): Candidate {
  return { trial, parameterCount, summary: makeSummary(losses, figures) };
}

export function makeResult(result: Partial<TrialResult> = {}): TrialResult {
  return {
    trial: 0,
    attempt: 1,
    attemptUID: 'first',
    outcome: 'Succeeded',
    reason: '',
    hyperparametersHash: '0123456789abcdef',
    parameterCount: 18_554,
    backend: 'native',
    seconds: 123.4,
    summary: makeSummary([1.5, 1.2, 1.1]),
    test: { loss: 1.1, accuracy: 0.61 },
    ...result,
  };
}

/** Losses and accuracies of a curve, without the epochs: what a test wants to read. */
export function epochsOf(curve: Curve | undefined): number[] {
  return curve?.epochs.map(({ epoch }) => epoch) ?? [];
}
