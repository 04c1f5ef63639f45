import { DATASETS } from '../sweep/dataset.ts';
import { InvalidConfigError } from '../sweep/errors.ts';

/** Images and their classes, as bytes: as float32 they would take four times the memory, so each minibatch is scaled when it is used. */
export interface ImageSet {
  /** uint8 [count, height, width, channels], values 0..255; channels in the order red, green, blue. */
  readonly images: Uint8Array;
  /** uint8 [count], each in 0..classes-1. */
  readonly labels: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

const CIFAR10 = DATASETS.cifar10;
const CIFAR10_PIXELS = CIFAR10.height * CIFAR10.width;

/** A record of the official binary form: the label, then the red, the green and the blue plane. */
export const CIFAR10_RECORD_BYTES = 1 + CIFAR10_PIXELS * CIFAR10.channels;

/** An ImageSet of zeros, to be filled.
 * @param shape height, width and channels of one image, in pixels */
export function emptyImageSet(count: number, shape: Pick<ImageSet, 'height' | 'width' | 'channels'>): ImageSet {
  const { height, width, channels } = shape;
  const images = new Uint8Array(count * height * width * channels);
  return { images, labels: new Uint8Array(count), count, height, width, channels };
}

/** Decodes batches of CIFAR-10 in its official binary form.
 * @param batches each a whole number of records
 * @returns uint8 images [count, 32, 32, 3], in the order of the batches
 * @throws InvalidConfigError if a batch is empty or ends within a record, or a label is not a class
 * @see https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" */
export function decodeCifar10(batches: readonly Uint8Array[]): ImageSet {
  const counts = batches.map(cifar10Count);
  const set = emptyImageSet(
    counts.reduce((sum, count) => sum + count, 0),
    CIFAR10,
  );
  let first = 0;
  for (const batch of batches) first += decodeCifar10Batch(batch, set, first);
  return set;
}

/** Decodes one batch into a set that exists already, so that one batch at a time need be in memory beside it.
 * @param first where in `set` the batch's first image goes
 * @returns the number of images
 * @throws InvalidConfigError as decodeCifar10, or if the set has no room */
export function decodeCifar10Batch(batch: Uint8Array, set: ImageSet, first: number): number {
  const count = cifar10Count(batch);
  if (first + count > set.count)
    throw new InvalidConfigError(`CIFAR-10 batch: ${count} images from ${first} on do not fit in ${set.count}`);
  let to = first * CIFAR10_PIXELS * CIFAR10.channels;
  for (let image = 0; image < count; image++) {
    const start = image * CIFAR10_RECORD_BYTES;
    set.labels[first + image] = classOf(batch[start], CIFAR10.classes, image, 'CIFAR-10 batch');
    const red = start + 1;
    const green = red + CIFAR10_PIXELS;
    const blue = green + CIFAR10_PIXELS;
    for (let pixel = 0; pixel < CIFAR10_PIXELS; pixel++) {
      set.images[to++] = batch[red + pixel] ?? 0;
      set.images[to++] = batch[green + pixel] ?? 0;
      set.images[to++] = batch[blue + pixel] ?? 0;
    }
  }
  return count;
}

/** Encodes images as a batch in the official binary form: the inverse of decodeCifar10.
 * @param images uint8 [count, 32, 32, 3]
 * @param labels [count], each in 0..9
 * @returns uint8 [count × 3,073]
 * @throws InvalidConfigError if images and labels differ in number, or a label is not a class */
export function encodeCifar10Batch(images: Uint8Array, labels: ArrayLike<number>): Uint8Array {
  const { channels, classes } = CIFAR10;
  const expected = labels.length * CIFAR10_PIXELS * channels;
  if (images.length !== expected)
    throw new InvalidConfigError(
      `CIFAR-10 pixels: expected ${expected} for ${labels.length} labels, got ${images.length}`,
    );
  const batch = new Uint8Array(labels.length * CIFAR10_RECORD_BYTES);
  let to = 0;
  for (let image = 0; image < labels.length; image++) {
    batch[to++] = classOf(labels[image], classes, image, 'CIFAR-10 labels');
    const start = image * CIFAR10_PIXELS * channels;
    for (let channel = 0; channel < channels; channel++)
      for (let pixel = 0; pixel < CIFAR10_PIXELS; pixel++)
        batch[to++] = images[start + pixel * channels + channel] ?? 0;
  }
  return batch;
}

/** Decodes MNIST's pair of IDX files: big-endian 32-bit headers (magic, counts, sizes), then bytes.
 * @param imagesIdx header of 16 bytes, then images of 28 × 28
 * @param labelsIdx header of 8 bytes, then labels
 * @returns uint8 images [count, 28, 28, 1]; `images` and `labels` are views, not copies, of what was given
 * @throws InvalidConfigError if a magic number, a size or a label is wrong, or the two differ in number */
export function decodeMnist(imagesIdx: Uint8Array, labelsIdx: Uint8Array): ImageSet {
  const { height, width, channels, classes } = DATASETS.mnist;
  const [count = 0, rows, columns] = idxSizes(imagesIdx, 3, 'MNIST images');
  const [labelCount] = idxSizes(labelsIdx, 1, 'MNIST labels');
  if (rows !== height || columns !== width)
    throw new InvalidConfigError(`MNIST images: expected ${height} × ${width} pixels, got ${rows} × ${columns}`);
  if (labelCount !== count) throw new InvalidConfigError(`MNIST: ${count} images, but ${labelCount} labels`);
  const labels = labelsIdx.subarray(8);
  for (let image = 0; image < count; image++) classOf(labels[image], classes, image, 'MNIST labels');
  return { images: imagesIdx.subarray(16), labels, count, height, width, channels };
}

/** The sizes in the header of an IDX file of bytes, checked against its length. */
function idxSizes(idx: Uint8Array, dimensions: number, what: string): number[] {
  const headerBytes = 4 + 4 * dimensions;
  if (idx.length < headerBytes)
    throw new InvalidConfigError(`${what}: expected a header of ${headerBytes} bytes, got ${idx.length} bytes in all`);
  const header = new DataView(idx.buffer, idx.byteOffset, headerBytes);
  const magic = header.getUint32(0);
  const expectedMagic = 0x800 + dimensions; // 08: unsigned bytes; the last byte is the number of dimensions
  if (magic !== expectedMagic)
    throw new InvalidConfigError(`${what}: expected magic number ${expectedMagic}, got ${magic}`);
  const sizes = Array.from({ length: dimensions }, (_, dimension) => header.getUint32(4 + 4 * dimension));
  const expectedBytes = sizes.reduce((product, size) => product * size, 1) + headerBytes;
  if (idx.length !== expectedBytes)
    throw new InvalidConfigError(`${what}: expected ${expectedBytes} bytes as its header says, got ${idx.length}`);
  return sizes;
}

function cifar10Count(batch: Uint8Array): number {
  if (batch.length === 0 || batch.length % CIFAR10_RECORD_BYTES !== 0)
    throw new InvalidConfigError(
      `CIFAR-10 batch: expected one or more records of ${CIFAR10_RECORD_BYTES} bytes, got ${batch.length} bytes`,
    );
  return batch.length / CIFAR10_RECORD_BYTES;
}

function classOf(label: number | undefined, classes: number, image: number, what: string): number {
  if (label === undefined || !Number.isInteger(label) || label < 0 || label >= classes)
    throw new InvalidConfigError(`${what}: image ${image}: expected a label in 0..${classes - 1}, got ${label}`);
  return label;
}
