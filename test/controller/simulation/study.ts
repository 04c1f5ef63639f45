import { type ClusterSweep, isValid, readSweep } from '../../../src/controller/cluster-sweep.ts';
import { UID_NOT_TOLD } from '../../../src/controller/job.ts';
import type { ObjectMeta } from '../../../src/shared/objects.ts';
import { summarise } from '../../../src/sweep/curve.ts';
import { encodeResult, type TrialResult } from '../../../src/sweep/result.ts';
import { makeCurve, makeResultOf } from '../../builders.ts';
import type { Stored } from '../../fakes/api-store.ts';
import type { JsonObject } from '../../fakes/patches.ts';
import { makeGrid } from '../../sweep/builders.ts';

export const NAMESPACE = 'team';
export const NAME = 'study';
const EPOCHS = 2;

export interface StudyOptions {
  readonly trials: number;
  readonly parallelism: number;
  readonly maxFailedTrials?: number | undefined;
  readonly startDeadlineSeconds?: number | undefined;
  /** Another grid of the same size. */
  readonly variant?: number;
}

/** The object that a person creates. */
export function buildStudy(options: StudyOptions): JsonObject {
  const { trials, parallelism, maxFailedTrials, startDeadlineSeconds, variant = 0 } = options;
  const seed = Array.from({ length: trials }, (_, at) => at + 100 * variant);
  const spec = {
    grid: [{ ...makeGrid({ seed }) }],
    training: { dataset: 'cifar10', epochs: EPOCHS, batchSize: 4, learningRate: 0.001, momentum: 0.9, seed: 0 },
    parallelism,
    ...(maxFailedTrials !== undefined && { maxFailedTrials }),
    ...(startDeadlineSeconds !== undefined && { trainer: { startDeadlineSeconds } }),
  };
  return { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: {}, spec } as unknown as JsonObject;
}

/** As the controller reads it. */
export function parseStudy({ metadata, spec }: Stored): ClusterSweep {
  const read = readSweep({ metadata: metadata as unknown as ObjectMeta, spec });
  if (!isValid(read)) throw new Error(JSON.stringify(read.violations));
  return read;
}

const results = new Map<string, TrialResult>();

/** What a trial comes to, whoever trains it and how often: the figures follow from the trial alone. */
export function resultOf(sweep: ClusterSweep, trial: number, isDiverged: boolean): TrialResult {
  const found = sweep.trials[trial];
  if (!found) throw new Error(`no trial ${trial}`);
  const key = `${found.hyperparametersHash}/${trial}/${isDiverged}`;
  let result = results.get(key);
  if (!result) {
    const lowest = 1 + ((trial * 7) % 5) / 10;
    const curve = makeCurve(trial, { epochs: EPOCHS, lowest, turn: EPOCHS, rise: 0, accuracy: 0.6, gap: 0.05 });
    const diverged = curve.epochs.map((each) => ({ ...each, trainLoss: null, validationLoss: null }));
    result = {
      ...makeResultOf(found, curve, EPOCHS),
      ...(isDiverged && { summary: summarise(diverged, EPOCHS) }),
    };
    results.set(key, result);
  }
  return result;
}

/** The termination message of a Pod whose labels say which trial it trained. */
export function messageOf(sweep: ClusterSweep, { metadata }: Stored, isDiverged: boolean): string {
  const trial = Number(metadata.labels?.['cnn-sweep.dev/trial']);
  const attempt = Number(metadata.labels?.['cnn-sweep.dev/attempt'] ?? 1);
  // With NATS a trainer is told its UID, without it is not.
  const attemptUID = trial % 2 === 0 ? metadata.uid : UID_NOT_TOLD;
  return encodeResult({ ...resultOf(sweep, trial, isDiverged), attempt, attemptUID });
}
