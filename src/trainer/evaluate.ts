import { type Examples, imagesAt } from './minibatch.ts';
import type { Sequential, Tensor2D, Tf } from './tf.ts';

/** Figures of a model on a set of examples. NaN where the model's logits are not finite. */
export interface Evaluation {
  /** Mean softmax cross-entropy, in nats. */
  readonly loss: number;
  /** Standard error of that mean. */
  readonly lossStandardError: number;
  readonly accuracy: number;
}

// Bounds the largest feature map of a batch; it decides nothing about the figures, only memory.
const MAX_FEATURE_MAP_BYTES = 32 * 2 ** 20;

/** Evaluates in inference mode, in batches whose size depends on the network alone, so that figures repeat exactly.
 * Losses are summed in float64, outside of the backend: with 5,000 examples float32 would lose the last digits.
 * @param rest called after each batch; awaited if it returns a promise
 */
export async function evaluate(
  tf: Tf,
  model: Sequential,
  { set, indices }: Examples,
  rest: () => Promise<void> | undefined = () => undefined,
): Promise<Evaluation> {
  const size = evaluationBatchSize(model);
  let sum = 0;
  let squares = 0;
  let right = 0;
  for (let from = 0; from < indices.length; from += size) {
    const batch = indices.subarray(from, from + size);
    const logits = tf.tidy(() => (model.apply(imagesAt(tf, set, batch), { training: false }) as Tensor2D).dataSync());
    const classes = logits.length / batch.length;
    for (const [row, index] of batch.entries()) {
      const label = set.labels[index] ?? 0;
      const scores = logits.subarray(row * classes, (row + 1) * classes);
      const loss = crossEntropy(scores, label);
      sum += loss;
      squares += loss * loss;
      if (argMax(scores) === label) right++;
    }
    const pause = rest();
    if (pause) await pause;
  }
  const count = indices.length;
  const mean = sum / count;
  const variance = count > 1 ? Math.max(0, squares - count * mean * mean) / (count - 1) : 0;
  // Infinite logits make NaN of the variance; a loss that is not finite says so by itself.
  return { loss: mean, lossStandardError: Math.sqrt(variance / count), accuracy: right / count };
}

/** Softmax cross-entropy of one example, in nats, never below 0. @see log-sum-exp, Deep Learning (2016), section 4.1 */
export function crossEntropy(logits: ArrayLike<number>, label: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < logits.length; at++) highest = Math.max(highest, logits[at] ?? Number.NaN);
  let sum = 0;
  for (let at = 0; at < logits.length; at++) sum += Math.exp((logits[at] ?? Number.NaN) - highest);
  return highest + Math.log(sum) - (logits[label] ?? Number.NaN);
}

/** The first index of the highest value; -1 if none is a number, so that a diverged model is never right. */
function argMax(values: ArrayLike<number>): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (value > highest) [best, highest] = [at, value];
  }
  return best;
}

function evaluationBatchSize(model: Sequential): number {
  const floats = model.layers.map((layer) =>
    [layer.outputShape].flat().reduce<number>((product, size) => product * (typeof size === 'number' ? size : 1), 1),
  );
  return Math.min(500, Math.max(1, Math.floor(MAX_FEATURE_MAP_BYTES / (4 * Math.max(...floats)))));
}
