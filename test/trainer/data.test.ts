import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidConfigError } from '../../src/sweep/errors.ts';
import {
  decodeCifar10,
  decodeCifar10Batch,
  decodeMnist,
  emptyImageSet,
  encodeCifar10Batch,
} from '../../src/trainer/data.ts';

const RECORD = 3073;

/** A record whose red, green and blue planes count up from 0, 100 and 200 (as bytes). */
function makeRecord(label: number): Uint8Array {
  const record = new Uint8Array(RECORD);
  record[0] = label;
  for (let pixel = 0; pixel < 1024; pixel++)
    for (let channel = 0; channel < 3; channel++) record[1 + channel * 1024 + pixel] = channel * 100 + pixel;
  return record;
}

function makeIdx(magic: number, sizes: number[], bytes: number): Uint8Array {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  for (const [position, value] of [magic, ...sizes].entries()) header.writeUInt32BE(value, 4 * position);
  return Buffer.concat([header, Uint8Array.from({ length: bytes }, (_, index) => index % 10)]);
}
const mnistImages = makeIdx(0x803, [2, 28, 28], 2 * 784);
const mnistLabels = makeIdx(0x801, [2], 2);

test('the three planes of a CIFAR-10 record become red, green, blue of each pixel', () => {
  const set = decodeCifar10([makeRecord(3)]);
  const { images: _images, labels: _labels, ...shape } = set;
  assert.deepEqual(shape, { count: 1, height: 32, width: 32, channels: 3 });
  assert.equal(set.images.length, 3072);
  assert.deepEqual([...set.images.subarray(0, 6)], [0, 100, 200, 1, 101, 201]);
  assert.deepEqual([...set.images.subarray(-3)], [1023 % 256, (1023 + 100) % 256, (1023 + 200) % 256]);
});

test('batches follow one another in the order given, whatever their sizes', () => {
  const set = decodeCifar10([Buffer.concat([makeRecord(1), makeRecord(2)]), makeRecord(9)]);
  assert.deepEqual([...set.labels], [1, 2, 9]);
  assert.deepEqual(set.images.subarray(2 * 3072), decodeCifar10([makeRecord(9)]).images);
});

test('decoding is the inverse of encoding', () =>
  fc.assert(
    fc.property(
      fc
        .integer({ min: 1, max: 3 })
        .chain((count) =>
          fc.tuple(
            fc.uint8Array({ minLength: count * 3072, maxLength: count * 3072 }),
            fc.uint8Array({ minLength: count, maxLength: count, max: 9 }),
          ),
        ),
      ([images, labels]) => {
        const set = decodeCifar10([encodeCifar10Batch(images, labels)]);
        assert.deepEqual(set.images, images);
        assert.deepEqual(set.labels, labels);
      },
    ),
    { numRuns: 20 },
  ));

test('MNIST images and labels are read from behind their headers', () => {
  const set = decodeMnist(mnistImages, mnistLabels);
  const { images: _images, labels: _labels, ...shape } = set;
  assert.deepEqual(shape, { count: 2, height: 28, width: 28, channels: 1 });
  assert.equal(set.images.length, 2 * 784);
  assert.equal(set.images[9], 9);
  assert.deepEqual([...set.labels], [0, 1]);
});

const damaged: Record<string, { read: () => unknown; want: RegExp }> = {
  'a CIFAR-10 batch that ends within a record is refused with its size': {
    read: () => decodeCifar10([makeRecord(0).subarray(1)]),
    want: /records of 3073 bytes, got 3072 bytes/,
  },
  'an empty CIFAR-10 batch is refused': { read: () => decodeCifar10([new Uint8Array()]), want: /got 0 bytes/ },
  'a CIFAR-10 label above 9 is refused with its image': {
    read: () => decodeCifar10([Buffer.concat([makeRecord(0), makeRecord(10)])]),
    want: /image 1: expected a label in 0\.\.9, got 10/,
  },
  'a CIFAR-10 batch larger than what is left of the set is refused': {
    read: () => decodeCifar10Batch(makeRecord(0), emptyImageSet(1, { height: 32, width: 32, channels: 3 }), 1),
    want: /1 images from 1 on do not fit in 1/,
  },
  'pixels and labels that differ in number are not encoded': {
    read: () => encodeCifar10Batch(new Uint8Array(3072), [1, 2]),
    want: /expected 6144 for 2 labels, got 3072/,
  },
  'an MNIST file that is shorter than its header is refused': {
    read: () => decodeMnist(mnistImages.subarray(0, 15), mnistLabels),
    want: /header of 16 bytes, got 15/,
  },
  'MNIST labels given as images are refused by their magic number': {
    read: () => decodeMnist(makeIdx(0x801, [2, 28, 28], 2 * 784), mnistLabels),
    want: /expected magic number 2051, got 2049/,
  },
  'MNIST images of another size are refused': {
    read: () => decodeMnist(makeIdx(0x803, [2, 32, 32], 2 * 1024), mnistLabels),
    want: /expected 28 × 28 pixels, got 32 × 32/,
  },
  'a truncated MNIST file is refused with both sizes': {
    read: () => decodeMnist(mnistImages.subarray(0, -1), mnistLabels),
    want: /expected 1584 bytes as its header says, got 1583/,
  },
  'MNIST images and labels that differ in number are refused': {
    read: () => decodeMnist(mnistImages, makeIdx(0x801, [3], 3)),
    want: /2 images, but 3 labels/,
  },
  'an MNIST label above 9 is refused with its image': {
    read: () => decodeMnist(mnistImages, Buffer.concat([mnistLabels.subarray(0, 9), Uint8Array.of(11)])),
    want: /image 1: expected a label in 0\.\.9, got 11/,
  },
};
for (const [sentence, { read, want }] of Object.entries(damaged))
  test(sentence, () => assert.throws(read, (error) => error instanceof InvalidConfigError && want.test(error.message)));
