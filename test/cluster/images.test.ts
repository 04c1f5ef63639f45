import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { readEnvironment } from '../../src/shared/env.ts';
import { VERSION } from '../../src/shared/package.ts';
import { encodeAssignment } from '../../src/sweep/assignment.ts';
import { decodeMeasurement } from '../../src/sweep/measurement.ts';
import { decodeResult } from '../../src/sweep/result.ts';
import { backendEnvironment } from '../../src/trainer/backend.ts';
import { fetchDataset } from '../../src/trainer/dataset.ts';
import { CHATTER } from '../../src/trainer/failure.ts';
import { type Changes, makeAssignment } from '../trainer/builders.ts';
import { type RunningContainer, startContainer } from './container.ts';
import { buildImages, type ImageConfig, type ImageName, type Images, whyNoImages, withRootfs } from './images.ts';

const run = promisify(execFile);
const ANYBODY = 65_532;
const { cacheFolder } = readEnvironment();

const missing = await whyNoImages();
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

/** An image that a test may run. */
interface Subject {
  readonly rootfs: string;
  readonly config: ImageConfig;
}

describe('the images', { ...options, timeout: 1_800_000 }, () => {
  let images: Images;
  before(async () => {
    images = await buildImages();
  });

  test('are not built again from the same tree', async () => {
    const again = await buildImages(undefined, (line) => assert.fail(line));
    assert.deepEqual(again, images);
  });

  const folders: Record<ImageName, readonly string[]> = {
    controller: ['LICENSE', 'bin', 'dist', 'node_modules', 'package.json', 'src'],
    trainer: ['LICENSE', 'native', 'node_modules', 'package.json', 'src'],
  };
  for (const name of ['controller', 'trainer'] as const) {
    test(`${name}: holds what runs and what it needs, and nothing to build with`, async () => {
      await using(name, async ({ rootfs }) => {
        const { stdout } = await run('ls', ['-A', path.join(rootfs, 'app')]);
        assert.deepEqual(stdout.trim().split('\n').sort(), folders[name]);
        assert.deepEqual(await find(rootfs, ['-name', 'node', '-type', 'f']), ['/usr/local/bin/node']);
        // Compilers, package managers of Node.js and Python, their caches; headers, source maps.
        const tools = ['gcc*', 'g++*', 'cc1*', 'ld', 'as', 'make', 'npm', 'npx', 'pip*', 'python3*'];
        const names = [...tools.flatMap((tool) => ['-o', '-path', `*/bin/${tool}`]).slice(1)];
        assert.deepEqual(await find(rootfs, ['(', ...names, ')', '!', '-type', 'd']), []);
        assert.deepEqual(
          await find(rootfs, ['(', '-name', '*.h', '-o', '-name', '*.map', '-o', '-name', '*.whl', ')']),
          [],
        );
        // The builder leaves the points where it mounted something, never what.
        assert.deepEqual(await find(rootfs, ['-path', '*/build-ca/*', '-size', '+0']), []);
        assert.deepEqual(await find(path.join(rootfs, 'root'), ['-type', 'd']), ['']);
      });
    });

    test(`${name}: its user is nobody, may read all of the program, and may write nothing but /tmp`, async () => {
      await using(name, async ({ rootfs, config }) => {
        assert.equal(config.User, `${ANYBODY}:${ANYBODY}`);
        const owned = ['-uid', `${ANYBODY}`, '-o', '-gid', `${ANYBODY}`, '-o', '-perm', '-o=w'];
        const writable = await find(rootfs, ['!', '-type', 'l', '!', '-path', `${rootfs}/dev/*`, '(', ...owned, ')']);
        assert.deepEqual(writable, ['/tmp']);
        const secret = ['!', '-perm', '-o=r', '-o', '-type', 'd', '!', '-perm', '-o=x'];
        assert.deepEqual(await find(path.join(rootfs, 'app'), ['!', '-type', 'l', '(', ...secret, ')']), []);
      });
    });

    test(`${name}: says what it is`, async () => {
      await using(name, async ({ config: { Labels } }) => {
        const title = { controller: 'cnn-sweep', trainer: 'cnn-sweep-trainer' }[name];
        assert.equal(Labels['org.opencontainers.image.title'], title);
        assert.equal(Labels['org.opencontainers.image.version'], VERSION);
        assert.equal(Labels['org.opencontainers.image.licenses'], 'Apache-2.0');
      });
    });
  }

  test('controller: the command runs in it', async () => {
    await using('controller', async (subject) => {
      const version = await startContainer({ ...subject, args: ['cnn-sweep', '--version'] });
      assert.deepEqual(await version.ended, { code: 0, stdout: `${VERSION}\n`, stderr: '' });
      const sweep = { source: path.resolve('k8s/samples/quick.yaml') };
      const args = ['cnn-sweep', 'validate', '/sweep.yaml'];
      const { code, stderr } = await (await startContainer({ ...subject, args, mounts: { '/sweep.yaml': sweep } }))
        .ended;
      assert.deepEqual([code, stderr], [0, '']);
    });
  });

  test('controller: holds the page as it was built, all that it names, and not its sources', async () => {
    await using('controller', async ({ rootfs }) => {
      const page = path.join(rootfs, 'app/dist/page');
      const names = [
        ...(await readFile(path.join(page, 'index.html'), 'utf8')).matchAll(/(?:src|href)="\.\/([^"]+)"/g),
      ];
      assert.ok(names.length >= 2, 'a script and a style');
      for (const [, name = ''] of names) assert.notEqual(await readFile(path.join(page, name), 'utf8'), '');
      assert.deepEqual(await find(path.join(rootfs, 'app/src'), ['-name', '*.tsx']), []);
    });
  });

  describe('trainer, as the first process of a container without network', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-images-'));
      await chmod(folder, 0o755);
    });
    after(() => rm(folder, { recursive: true }));

    const log = () => path.join(folder, 'termination-log');

    /** Starts a trial as its Pod does: the paths, the mounts and the arguments are the Pod's. */
    async function startTrial(subject: Subject, changes: Changes, claim?: string): Promise<RunningContainer> {
      const assignment = encodeAssignment(makeAssignment({ ...changes, attemptUID: 'pod' }));
      await writeFile(log(), '');
      await chmod(log(), 0o666);
      const mounts = {
        '/dev/termination-log': { source: log(), writable: true },
        ...(claim !== undefined && { '/data': { source: claim } }),
      };
      const args = ['--assignment-json', assignment, '--result', '/dev/termination-log'];
      return startContainer({ ...subject, args, mounts });
    }

    const small = { training: { trainingExamples: 200, epochs: 2 } };
    const cases: Record<string, { changes: Changes; want: string }> = {
      "trains on CIFAR-10 with TensorFlow's library": { changes: { backend: 'native', ...small }, want: 'native' },
      'finds the best there is by itself': { changes: { backend: 'auto', ...small }, want: 'native' },
      'trains on MNIST': {
        changes: { backend: 'native', training: { ...small.training, dataset: 'mnist' } },
        want: 'native',
      },
      'trains on WebAssembly': { changes: { backend: 'wasm', ...small }, want: 'wasm' },
    };
    for (const [sentence, { changes, want }] of Object.entries(cases)) {
      test(sentence, async () => {
        await using('trainer', async (subject) => {
          const { code, stdout, stderr } = await (await startTrial(subject, changes)).ended;
          assert.deepEqual([code, wordsOf(stderr)], [0, '']);
          const { outcome, attemptUID, backend } = decodeResult(await readFile(log(), 'utf8'));
          assert.deepEqual([outcome, attemptUID, backend], ['Succeeded', 'pod', want]);
          assert.equal(stdout.trimEnd().split('\n').map(decodeMeasurement).length, changes.training?.epochs);
        });
      });
    }

    test('exits 143 within seconds of SIGTERM, without a result', async (t) => {
      await using('trainer', async (subject) => {
        const training = { epochs: 1000, trainingExamples: 200 };
        const trial = await startTrial(subject, {
          backend: 'native',
          training,
          hyperparameters: { widths: [96, 256] },
        });
        await once(trial.stdout, 'data');
        const told = performance.now();
        await trial.kill('TERM');
        const { code } = await trial.ended;
        const took = performance.now() - told;
        assert.deepEqual([code, await readFile(log(), 'utf8')], [143, '']);
        assert.ok(took < 5_000, `${took} ms`);
        t.diagnostic(`${Math.round(took)} ms`);
      });
    });

    test('exits 2 for a backend that this machine has not, and says so in its last line', async () => {
      await using('trainer', async (subject) => {
        const { code, stderr } = await (await startTrial(subject, { backend: 'gpu' })).ended;
        assert.equal(code, 2);
        assert.match(stderr.trimEnd().split('\n').at(-1) ?? '', /^backend gpu: TensorFlow sees no GPU; /);
      });
    });

    test('takes the data sets of a claim that is mounted over its own, and computes as before', async () => {
      await fetchDataset('mnist', { cacheFolder, log: () => undefined });
      await using('trainer', async (subject) => {
        const changes: Changes = { backend: 'native', training: { ...small.training, dataset: 'mnist' } };
        const { code, stderr } = await (await startTrial(subject, changes, path.dirname(cacheFolder))).ended;
        assert.deepEqual([code, wordsOf(stderr)], [0, '']);
        const { code: empty, stderr: words } = await (await startTrial(subject, changes, folder)).ended;
        assert.equal(empty, 2);
        assert.match(
          wordsOf(words),
          /^\/data\/cnn-sweep\/datasets\/mnist\/.*: expected \d+ bytes, found no file; .*\n$/,
        );
      });
    });

    test('computes as a worker does: on one core', async () => {
      await using('trainer', async ({ config }) => {
        const environment = Object.fromEntries(config.Env.map((line) => line.split(/=(.*)/s)));
        for (const [name, value] of Object.entries(backendEnvironment())) assert.equal(environment[name], value, name);
      });
    });
  });

  function using<T>(name: ImageName, use: (subject: Subject) => Promise<T>): Promise<T> {
    return withRootfs(images[name], (rootfs, config) => use({ rootfs, config }));
  }
});

/** Without what TensorFlow says whenever it starts. */
function wordsOf(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !CHATTER.test(line))
    .join('\n');
}

/** Paths within the folder, as `find` finds them. */
async function find(folder: string, conditions: readonly string[]): Promise<string[]> {
  const { stdout } = await run('find', [folder, '-xdev', ...conditions], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split('\n').filter(Boolean).map((line) => line.slice(folder.length)).sort(); // biome-ignore format: one line
}
