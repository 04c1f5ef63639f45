import { codeOf } from '../shared/durable.ts';
import { MODEL_NOT_SAVED } from '../shared/worker-protocol.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { summarise } from '../sweep/curve.ts';
import { DATASETS } from '../sweep/dataset.ts';
import { messageOf } from '../sweep/errors.ts';
import { keptEpochOf } from '../sweep/finding.ts';
import type { EpochFigures, Measurement } from '../sweep/measurement.ts';
import type { CurveSummary, TrialResult } from '../sweep/result.ts';
import type { Backend } from './backend.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ImageSet } from './data.ts';
import { evaluate } from './evaluate.ts';
import { buildModel } from './model.ts';
import { type ModelFiles, modelFiles, saveModel } from './save.ts';
import { splitTrainingSet } from './split.ts';
import type { Sequential } from './tf.ts';
import { type Pulse, type TrainingData, train } from './train.ts';

export interface Images {
  readonly training: ImageSet;
  readonly test: ImageSet;
}

export interface TrialDeps {
  readonly backend: Backend;
  readonly images: Images;
  readonly pulse: Pulse;
  readonly onMeasurement: (measurement: Measurement) => void;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
  /** Where the kept weights go; absent: they are not saved. */
  readonly modelFolder?: string;
  /** Takes the kept weights too, as files, which are its own from then on. */
  readonly onModel?: ((files: ModelFiles) => void) | undefined;
}

/** Runs one attempt at one trial: trains it, reports every epoch, keeps the weights that the checkpoint rule names, and
 * measures them once on the test set, whose figures stay sealed in the result.
 * A trial whose loss is not finite is a result (`Diverged`), not a failure; it keeps no model and opens no test set.
 * A model that cannot be made, or that the disk refuses, is not worth the training: the result stands, its reason says so
 * (`ModelNotSaved`).
 */
export async function runTrial(assignment: Assignment, deps: TrialDeps): Promise<TrialResult> {
  const { hyperparameters, training, checkpoint: rule } = assignment;
  const { tf, name: backend } = deps.backend;
  const began = deps.now();

  const input = DATASETS[training.dataset];
  const model = buildModel(tf, hyperparameters, input);
  try {
    // 1. Train: one Measurement an epoch.
    const checkpoint = new Checkpoint(rule);
    const curve: EpochFigures[] = [];
    const data = splitImages(deps.images.training, assignment);
    const plan = { ...hyperparameters, epochs: training.epochs };
    for await (const figures of train(tf, model, data, plan, deps.pulse, deps.now)) {
      curve.push(figures);
      checkpoint.offer(figures, model);
      deps.onMeasurement({ ...addressOf(assignment), ...figures });
    }

    // 2. Keep: the weights that the rule names, measured on the test set for the first time.
    const summary = summarise(curve, training.epochs);
    const kept = keptEpochOf(summary, { checkpoint: rule });
    let test: TrialResult['test'] = null;
    let reason = summary.diverged ? 'Diverged: a loss is not finite' : '';
    if (kept && !summary.diverged) {
      checkpoint.restore(tf, model, kept.epoch);
      test = await measureTest(deps, model, summary);
      reason = await handOver(model, deps);
    }

    // 3. Hand over one small result.
    return {
      trial: assignment.trial,
      attempt: assignment.attempt,
      attemptUID: assignment.attemptUID,
      outcome: 'Succeeded',
      reason,
      hyperparametersHash: assignment.hyperparametersHash,
      parameterCount: model.countParams(),
      backend,
      seconds: (deps.now() - began) / 1000,
      summary,
      test,
    };
  } finally {
    model.dispose();
  }
}

/** Never throws: the training is done. @returns why there is no model; empty if there is one, or was to be none */
async function handOver(model: Sequential, { backend, modelFolder, onModel }: TrialDeps): Promise<string> {
  if (!modelFolder && !onModel) return '';
  try {
    const files = await modelFiles(backend.tf, model);
    try {
      if (modelFolder) await saveModel(files, modelFolder);
    } finally {
      onModel?.(files); // last: whoever takes them may give them away
    }
    return '';
  } catch (error) {
    return `${MODEL_NOT_SAVED}: ${codeOf(error) ?? messageOf(error)}`;
  }
}

function addressOf({ sweep, trial, attempt, attemptUID }: Assignment) {
  return { sweep, trial, attempt, attemptUID };
}

function splitImages(set: ImageSet, { training }: Assignment): TrainingData {
  const { splitSeed: seed, validationFraction, trainingExamples, dataset } = training;
  const split = splitTrainingSet(set.labels, { seed, validationFraction, trainingExamples });
  return {
    training: { set, indices: split.training },
    trainingSubset: { set, indices: split.trainingSubset },
    validation: { set, indices: split.validation },
    classes: DATASETS[dataset].classes,
  };
}

async function measureTest({ backend, images, pulse }: TrialDeps, model: Sequential, summary: CurveSummary) {
  const indices = Uint32Array.from({ length: images.test.count }, (_, index) => index);
  const rest = () => pulse({ epoch: summary.epochsDone, step: 0, steps: 0, examples: 0 });
  const { loss, accuracy } = await evaluate(backend.tf, model, { set: images.test, indices }, rest);
  return { loss: Number.isFinite(loss) ? loss : null, accuracy };
}
