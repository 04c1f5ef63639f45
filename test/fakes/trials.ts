import type { Assignment } from '../../src/sweep/assignment.ts';
import { summarise } from '../../src/sweep/curve.ts';
import { figuresOf, type Measurement } from '../../src/sweep/measurement.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import type { Sweep } from '../../src/sweep/schema.ts';

/** Builders for trials that nobody trains: all figures follow from the hyperparameters, so that any run gives the same verdict. */
export function makeMeasurements(assignment: Assignment): Measurement[] {
  const { sweep, trial, attempt, attemptUID, hyperparameters, training } = assignment;
  const [width = 1] = hyperparameters.widths;
  const floor = 1 + 1 / (1 + width) + (hyperparameters.seed % 7) / 10;
  return Array.from({ length: training.epochs }, (_, at) => {
    const validationLoss = floor + 1 / (at + 1) + (width > 40 ? at * 0.1 : 0);
    return {
      sweep,
      trial,
      attempt,
      attemptUID,
      epoch: at + 1,
      trainLoss: validationLoss - 0.1,
      trainAccuracy: 0.6,
      validationLoss,
      validationAccuracy: 0.5,
      validationLossStandardError: 0.001,
      runningTrainLoss: validationLoss,
      seconds: 1,
      examplesPerSecond: 1000,
    };
  });
}

export function makeResult(assignment: Assignment, measurements: readonly Measurement[]): TrialResult {
  const { trial, attempt, attemptUID, hyperparametersHash, hyperparameters, training } = assignment;
  const [width = 1] = hyperparameters.widths;
  return {
    trial,
    attempt,
    attemptUID,
    outcome: 'Succeeded',
    reason: '',
    hyperparametersHash,
    parameterCount: 1000 * width,
    backend: 'cpu',
    seconds: process.pid, // says who trained it, and no verdict depends on it
    summary: summarise(measurements.map(figuresOf), training.epochs),
    test: { loss: 1.234567 + trial, accuracy: 0.25 },
  };
}

/** A parsed sweep of one-layer networks: `seeds` are its trials, in order. */
export function makeSweep({
  name = 'fake',
  seeds = [0, 1, 2, 3],
  widths = [[4]],
  epochs = 3,
  seconds = 0.001,
  ...spec
}: Partial<Pick<Sweep['spec'], 'parallelism' | 'maxFailedTrials' | 'suspend' | 'selection'>> & {
  name?: string;
  seeds?: number[];
  widths?: number[][];
  epochs?: number;
  seconds?: number;
} = {}): Sweep {
  return {
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    metadata: { name },
    spec: {
      grid: [{ widths, activation: ['relu'], pooling: ['max'], depth: [1], seed: seeds }],
      training: {
        dataset: 'mnist',
        epochs,
        batchSize: 4,
        learningRate: seconds,
        momentum: 0.9,
        seed: 0,
        validationFraction: 0.1,
      },
      selection: { checkpoint: 'LastEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError' },
      suspend: false,
      trainer: { backend: 'auto', startDeadlineSeconds: 900, activeDeadlineSeconds: 86_400, maxDisruptions: 10 },
      ...spec,
    },
  };
}
