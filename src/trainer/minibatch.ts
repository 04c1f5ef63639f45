import type { ImageSet } from './data.ts';
import type { Tensor4D, Tf } from './tf.ts';

// A byte in 0..255 becomes a float32 in [-1, 1].
const SCALED = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1);

/** Images by their index in a set, in this order. The set itself stays uint8: only one minibatch at a time is float32. */
export interface Examples {
  readonly set: ImageSet;
  readonly indices: Uint32Array;
}

/** The images at `indices`, scaled to [-1, 1]. @returns float32 [indices.length, height, width, channels]; the caller disposes it */
export function imagesAt(tf: Tf, { images, height, width, channels }: ImageSet, indices: Uint32Array): Tensor4D {
  const size = height * width * channels;
  const pixels = new Float32Array(indices.length * size);
  let to = 0;
  for (const index of indices) {
    const from = index * size;
    for (let at = from; at < from + size; at++) pixels[to++] = SCALED[images[at] ?? 0] ?? 0;
  }
  return tf.tensor4d(pixels, [indices.length, height, width, channels]);
}

/** The labels at `indices`. @returns int32 values, each in 0..classes-1 */
export function labelsAt({ labels }: ImageSet, indices: Uint32Array): Int32Array {
  return Int32Array.from(indices, (index) => labels[index] ?? 0);
}
