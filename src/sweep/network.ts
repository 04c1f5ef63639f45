import type { Hyperparameters, Pooling } from './schema.ts';

/** Side of the square convolution filters, in pixels; stride 1, valid padding. */
export const FILTER_SIZE = 5;
/** Side and stride of the pooling windows, in pixels; a remainder is dropped. */
export const POOL_SIZE = 2;

export interface InputShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

type Architecture = Pick<Hyperparameters, 'widths' | 'activation' | 'pooling' | 'depth'>;

/** One layer with its output shape; `pool` has no parameters. */
export interface Layer {
  readonly kind: 'convolution' | 'pool' | 'dense';
  /** Height, width and channels of the output; for the dense layer 1, 1, classes. */
  readonly output: readonly [height: number, width: number, channels: number];
  readonly parameterCount: number;
}

export interface Network {
  readonly layers: readonly Layer[];
  readonly parameterCount: number;
  /** Multiply-adds of one image's forward pass: what a trial's time is about proportional to. */
  readonly multiplyAdds: number;
}

/** The stage, from 1, at which the feature map is gone, and its smaller side on the way there, from the input to 0. */
export interface VanishedMap {
  readonly vanishesAtStage: number;
  readonly sizes: readonly number[];
}

/** Shapes and parameter counts of a point, or the stage at which its map vanishes.
 * @param input height and width in pixels, channels, classes
 */
export function describeNetwork(architecture: Architecture, input: InputShape): Network | VanishedMap {
  const layers: Layer[] = [];
  const sizes = [Math.min(input.height, input.width)];
  let [height, width, channels] = [input.height, input.width, input.channels];
  let multiplyAdds = 0;

  for (const [index, filters] of architecture.widths.entries()) {
    for (let repeat = 0; repeat < architecture.depth; repeat++) {
      const weights = FILTER_SIZE * FILTER_SIZE * channels * filters;
      height -= FILTER_SIZE - 1;
      width -= FILTER_SIZE - 1;
      channels = filters;
      sizes.push(Math.max(0, Math.min(height, width)));
      if (height < 1 || width < 1) return { vanishesAtStage: index + 1, sizes };
      layers.push({ kind: 'convolution', output: [height, width, channels], parameterCount: weights + filters });
      multiplyAdds += weights * height * width;
    }
    if (architecture.pooling !== 'none') {
      height = Math.floor(height / POOL_SIZE);
      width = Math.floor(width / POOL_SIZE);
      sizes.push(Math.min(height, width));
      if (height < 1 || width < 1) return { vanishesAtStage: index + 1, sizes };
      layers.push({ kind: 'pool', output: [height, width, channels], parameterCount: 0 });
    }
  }

  const weights = height * width * channels * input.classes;
  layers.push({ kind: 'dense', output: [1, 1, input.classes], parameterCount: weights + input.classes });
  multiplyAdds += weights;
  return { layers, parameterCount: layers.reduce((sum, layer) => sum + layer.parameterCount, 0), multiplyAdds };
}

export function vanishes(network: Network | VanishedMap): network is VanishedMap {
  return 'vanishesAtStage' in network;
}

/** `widths [3,8,16,32], depth 1, max: stage 3 leaves a 0×0 map (32→28→14→10→5→1→0)` */
export function describeVanishing(architecture: Architecture, { vanishesAtStage, sizes }: VanishedMap): string {
  const point = `widths [${architecture.widths.join(',')}], depth ${architecture.depth}, ${poolingWords[architecture.pooling]}`;
  return `${point}: stage ${vanishesAtStage} leaves a 0×0 map (${sizes.join('→')})`;
}

const poolingWords: Record<Pooling, string> = { max: 'max', avg: 'avg', none: 'no pooling' };

/** A short name of a point for tables and sentences: `(12,32) relu max`, with `×2` for a depth above one. */
export function networkName({ widths, activation, pooling, depth }: Architecture): string {
  return `(${widths.join(',')})${depth > 1 ? `×${depth}` : ''} ${activation === 'none' ? 'linear' : activation} ${poolingWords[pooling]}`;
}
