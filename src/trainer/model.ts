import { FILTER_SIZE, type InputShape, POOL_SIZE } from '../sweep/network.ts';
import type { Hyperparameters } from '../sweep/schema.ts';
import { createRandom } from './random.ts';
import type { Sequential, Tf } from './tf.ts';

// Beyond every epoch number, so that initialisation and shuffling (split.ts) never share a stream.
const INITIALISATION_STREAM = 2 ** 31;

type Architecture = Pick<Hyperparameters, 'widths' | 'activation' | 'pooling' | 'depth' | 'seed'>;

/** Builds the network of one point: float32 [batch, height, width, channels] in [-1, 1] → logits [batch, classes].
 * Weights and biases are drawn on the JavaScript side from the seed, so they are the same on every backend: uniform within
 * ±1/√(inputs of the unit), as PyTorch does it and so the reference study did (docs/adr/0009).
 * Layers are named for their place (`stage1_convolution1`, `stage1_pool`, `classes`): TensorFlow.js itself counts through all
 * models of a process, so that the same trial would be saved under other names in a worker that has trained before.
 * @throws an error of TensorFlow.js if a feature map vanishes; parseSweep refuses such points
 */
export function buildModel(
  tf: Tf,
  { widths, activation, pooling, depth, seed }: Architecture,
  input: InputShape,
): Sequential {
  const random = createRandom(seed, INITIALISATION_STREAM);
  const uniform = (inputs: number) => {
    const limit = 1 / Math.sqrt(inputs);
    const draw = () => tf.initializers.randomUniform({ minval: -limit, maxval: limit, seed: random() });
    return { kernelInitializer: draw(), biasInitializer: draw() };
  };
  const inputShape = [input.height, input.width, input.channels];
  const model = tf.sequential({ name: 'cnn' });
  let { channels } = input;
  for (const [index, filters] of widths.entries()) {
    const stage = `stage${index + 1}`;
    for (let convolution = 1; convolution <= depth; convolution++) {
      model.add(
        tf.layers.conv2d({
          name: `${stage}_convolution${convolution}`,
          filters,
          kernelSize: FILTER_SIZE,
          padding: 'valid',
          activation: activation === 'relu' ? 'relu' : 'linear',
          ...uniform(FILTER_SIZE * FILTER_SIZE * channels),
          ...(model.layers.length === 0 && { inputShape }),
        }),
      );
      channels = filters;
    }
    const pool = { name: `${stage}_pool`, poolSize: POOL_SIZE, strides: POOL_SIZE };
    if (pooling === 'max') model.add(tf.layers.maxPooling2d(pool));
    if (pooling === 'avg') model.add(tf.layers.averagePooling2d(pool));
  }
  model.add(tf.layers.flatten({ name: 'flatten' }));
  const features = tf.util.sizeFromShape(model.outputShape.slice(1) as number[]);
  model.add(tf.layers.dense({ name: 'classes', units: input.classes, ...uniform(features) }));
  return model;
}
