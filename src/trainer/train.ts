import type { EpochFigures } from '../sweep/measurement.ts';
import type { Hyperparameters } from '../sweep/schema.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import { type Examples, imagesAt, labelsAt } from './minibatch.ts';
import { epochOrder } from './split.ts';
import type { Optimizer, Scalar, Sequential, Tensor2D, Tf, Variable } from './tf.ts';

/** What a training run sees. There are no test images in it: nobody can peek. */
export interface TrainingData {
  readonly training: Examples;
  /** The fixed part of `training` on which training loss and accuracy are measured, as large as `validation`. */
  readonly trainingSubset: Examples;
  readonly validation: Examples;
  readonly classes: number;
}

export interface TrainingPlan extends Pick<Hyperparameters, 'batchSize' | 'learningRate' | 'momentum' | 'seed'> {
  readonly epochs: number;
}

/** Where a run stands, after a minibatch or after a batch of an evaluation. */
export interface Position {
  readonly epoch: number;
  /** Minibatches of this epoch that are done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** Loss of this minibatch, in nats; absent after a batch of an evaluation. */
  readonly loss?: number;
  /** Training images of this epoch that are done. */
  readonly examples: number;
}

/** Called between any two steps. A promise is awaited: it lets the event loop turn, or rejects to stop the run. */
export type Pulse = (position: Position) => Promise<void> | undefined;

/** Trains a model with SGD with momentum, one set of figures an epoch.
 *
 * The same data, plan and backend give the same figures to the last digit: the order of the images comes from (seed, epoch).
 * A loss that is not finite ends the run at that epoch: the last figures have null for it. A minibatch's, or a weight that is not
 * finite, is as if it were the training loss.
 * @param now milliseconds, from any origin
 */
export async function* train(
  tf: Tf,
  model: Sequential,
  data: TrainingData,
  plan: TrainingPlan,
  pulse: Pulse,
  now: () => number,
): AsyncGenerator<EpochFigures, void, void> {
  const optimizer = tf.train.momentum(plan.learningRate, plan.momentum);
  const variables = model.trainableWeights.map((weight) => weight.read() as Variable);
  const { set, indices } = data.training;
  const steps = Math.ceil(indices.length / plan.batchSize);
  try {
    for (let epoch = 1; epoch <= plan.epochs; epoch++) {
      const began = now();
      const order = epochOrder(indices.length, plan.seed, epoch).map((position) => indices[position] ?? 0);
      let losses = 0;
      let step = 0;
      let examples = 0;
      while (step < steps && Number.isFinite(losses)) {
        const batch = order.subarray(step * plan.batchSize, (step + 1) * plan.batchSize);
        const loss = descend(tf, model, optimizer, variables, { set, indices: batch }, data.classes);
        losses += loss;
        step++;
        examples += batch.length;
        const pause = pulse({ epoch, step, steps, loss, examples });
        if (pause) await pause;
      }
      const trained = now();
      const sound = Number.isFinite(losses) && variables.every(isFiniteThroughout);

      const rest = () => pulse({ epoch, step, steps, examples });
      const training = await evaluate(tf, model, data.trainingSubset, rest);
      const validation = await evaluate(tf, model, data.validation, rest);
      const examplesPerSecond = (1000 * examples) / Math.max(1, trained - began);
      const figures = buildFigures(
        epoch,
        sound ? training : { ...training, loss: Number.NaN },
        validation,
        losses / step,
      );
      yield { ...figures, seconds: (now() - began) / 1000, examplesPerSecond };
      if (figures.trainLoss === null || figures.validationLoss === null) return;
    }
  } finally {
    optimizer.dispose();
    tf.SGDOptimizer.prototype.dispose.call(optimizer); // the learning rate, which the momentum optimizer leaves behind
  }
}

/** One step of gradient descent. @returns the mean loss of the minibatch before the step, in nats */
function descend(
  tf: Tf,
  model: Sequential,
  optimizer: Optimizer,
  variables: Variable[],
  { set, indices }: Examples,
  classes: number,
): number {
  return tf.tidy(() => {
    const images = imagesAt(tf, set, indices);
    const labels = tf.oneHot(tf.tensor1d(labelsAt(set, indices), 'int32'), classes) as Tensor2D;
    const loss = () =>
      tf.losses.softmaxCrossEntropy(labels, model.apply(images, { training: true }) as Tensor2D) as Scalar;
    return optimizer.minimize(loss, true, variables)?.dataSync()[0] ?? Number.NaN;
  });
}

/** Relu on WebAssembly makes 0 of NaN: a network whose convolutions are NaN would go on, with a loss that looks like one. */
function isFiniteThroughout(variable: Variable): boolean {
  return variable.dataSync().every(Number.isFinite);
}

function buildFigures(epoch: number, training: Evaluation, validation: Evaluation, runningTrainLoss: number) {
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    epoch,
    trainLoss: finite(training.loss),
    trainAccuracy: training.accuracy,
    validationLoss: finite(validation.loss),
    validationAccuracy: validation.accuracy,
    validationLossStandardError: finite(validation.lossStandardError),
    runningTrainLoss: finite(runningTrainLoss),
  };
}
