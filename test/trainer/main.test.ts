import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readEnvironment } from '../../src/shared/env.ts';
import { encodeAssignment } from '../../src/sweep/assignment.ts';
import { InvalidConfigError, SweepError } from '../../src/sweep/errors.ts';
import { decodeMeasurement } from '../../src/sweep/measurement.ts';
import { decodeResult } from '../../src/sweep/result.ts';
import { fetchDataset } from '../../src/trainer/dataset.ts';
import { CHATTER, failureOf } from '../../src/trainer/failure.ts';
import { type Changes, makeAssignment, start } from './builders.ts';
import { needsNative } from './native.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-main-'));
});
after(() => rm(folder, { recursive: true }));

/** Runs the program on an assignment, as text. */
async function startOn(assignment: string, env: Record<string, string> = {}, args: readonly string[] = []) {
  const file = join(folder, 'assignment.json');
  const result = join(folder, 'result.json');
  await rm(result, { force: true });
  await writeFile(file, assignment);
  return { file, result, ...start('main.ts', ['--assignment', file, '--result', result, ...args], { env }) };
}

const text = (changes = {}) => encodeAssignment(makeAssignment(changes));
const json = (changes: object) => JSON.stringify({ ...makeAssignment(), ...changes });

describe('the trainer exits 2, says why in one line and writes no result', () => {
  const cases: Record<string, { assignment: string; want: RegExp }> = {
    'if the assignment is not JSON': { assignment: '{"sweep": ', want: /^FILE: not JSON\n$/ },
    'if the assignment is empty': { assignment: '', want: /^FILE: not JSON\n$/ },
    'if the assignment names an unknown backend': {
      assignment: json({ backend: 'quantum' }),
      want: /^FILE: backend: "quantum": must be one of auto, gpu, native, wasm, cpu\n$/,
    },
    'if a field is missing': { assignment: json({ training: undefined }), want: /^FILE: missing training\n$/ },
    'if a field is unknown': { assignment: json({ colour: 1 }), want: /^FILE: unknown field "colour"\n$/ },
    'if the backend does not work here': {
      assignment: text({ backend: 'native' }),
      want: /^backend native: no compiled TensorFlow binding at \/nowhere\/.*; run `make native`\n$/,
    },
    'if the data set is not there': {
      assignment: text(),
      want: /^\/nowhere\/cnn-sweep\/datasets\/cifar10\/data_batch_1\.bin: .* found no file; repair with: cnn-sweep data cifar10\n$/,
    },
  };
  for (const [sentence, { assignment, want }] of Object.entries(cases)) {
    test(sentence, async () => {
      const { file, result, ended } = await startOn(assignment, { XDG_CACHE_HOME: '/nowhere' });
      const { code, stdout, stderr } = await ended;
      assert.match(stderr.replace(file, 'FILE'), want);
      assert.deepEqual([code, stdout, existsSync(result)], [2, '', false]);
    });
  }

  test('if the UID that Kubernetes should have written is empty, or there is none', async () => {
    const uidFile = join(folder, 'pod-uid');
    await writeFile(uidFile, '');
    const empty = await (await startOn(text(), {}, ['--attempt-uid-file', uidFile])).ended;
    assert.equal(empty.code, 2);
    assert.match(empty.stderr, /^\S+\/pod-uid: attemptUID: "": must not have fewer than 1 characters\n$/);
    const none = await (await startOn(text(), {}, ['--attempt-uid-file', '/nowhere/pod-uid'])).ended;
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^\/nowhere\/pod-uid: ENOENT: no such file.*\n$/);
  });

  test('if the text that it is given is no assignment', async () => {
    const args = ['--assignment-json', json({ backend: 'quantum' }), '--result', join(folder, 'result.json')];
    const { code, stderr } = await start('main.ts', args).ended;
    assert.equal(code, 2);
    assert.match(stderr, /^--assignment-json: backend: "quantum": must be one of auto, gpu, native, wasm, cpu\n$/);
  });

  test('if the binding that it is told to use is not there', async () => {
    const args = ['--native-binding', '/nowhere/tfjs_binding.node'];
    const { code, stderr } = await (await startOn(text({ backend: 'native' }), {}, args)).ended;
    assert.equal(code, 2);
    assert.match(stderr, /^backend native: no compiled TensorFlow binding at \/nowhere\/tfjs_binding\.node; .*\n$/);
  });

  const usage =
    /^usage: main\.ts \{--assignment FILE \| --assignment-json TEXT\} --result FILE \[--attempt-uid-file FILE\] \[--model FOLDER\]\n {2}\[--native-binding FILE\] \[--nats-url URL --sweep-uid UID .*\]\n$/;
  const calls: Record<string, { args: string[]; want: RegExp }> = {
    'if it is told nothing': { args: [], want: usage },
    'if it is not told where the result goes': { args: ['--assignment', 'a.json'], want: usage },
    'if it is told what it does not know': {
      args: ['--epochs', '3'],
      want: /^Unknown option '--epochs'.*usage: main\.ts/,
    },
    'if nothing says what to train': { args: ['--result', '/nowhere/r.json'], want: usage },
    'if it is told twice what to train': {
      args: ['--assignment', 'a.json', '--assignment-json', '{}', '--result', '/nowhere/r.json'],
      want: usage,
    },
    'if the text of the assignment is empty': {
      args: ['--assignment-json', '', '--result', '/nowhere/r.json'],
      want: /^--assignment-json: not JSON\n$/,
    },
    'if the file of the assignment has no name': {
      args: ['--assignment', '', '--result', '/nowhere/r.json'],
      want: usage,
    },
    'if there is no such assignment': {
      args: ['--assignment', '/nowhere/a.json', '--result', '/nowhere/r.json'],
      want: /^\/nowhere\/a\.json: ENOENT: no such file.*\n$/,
    },
  };
  for (const [sentence, { args, want }] of Object.entries(calls)) {
    test(sentence, async () => {
      const { code, stderr } = await start('main.ts', args).ended;
      assert.equal(code, 2);
      assert.match(stderr, want);
    });
  }
});

describe('on real images', { timeout: 240_000 }, () => {
  before(async () => {
    await fetchDataset('cifar10', { cacheFolder: readEnvironment().cacheFolder, log: () => undefined });
  });

  test('the trainer exits 0 with a Measurement a line and one result', async () => {
    const { result, ended } = await startOn(text({ training: { trainingExamples: 50 } }));
    const { code, stdout, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, '']);
    const epochs = stdout.trimEnd().split('\n').map(decodeMeasurement);
    const { outcome, summary } = decodeResult(await readFile(result, 'utf8'));
    assert.deepEqual([outcome, summary?.epochsDone, epochs.length], ['Succeeded', 2, 2]);
    assert.equal(summary?.last?.validationLoss, epochs[1]?.validationLoss);
  });

  test('the attempt has the UID that the Pod was given, whatever the file says', async () => {
    const assignment = text({ training: { trainingExamples: 10 }, attemptUID: 'unknown' });
    const uidFile = join(folder, 'pod-uid');
    await writeFile(uidFile, '6c5a-pod\n'); // as an editor would leave it
    const { result, ended } = await startOn(assignment, {}, ['--attempt-uid-file', uidFile]);
    const { stdout } = await ended;
    const uids = stdout.trimEnd().split('\n').map(decodeMeasurement);
    assert.deepEqual(uids.map(({ attemptUID }) => attemptUID), ['6c5a-pod', '6c5a-pod']); // biome-ignore format: one line
    assert.equal(decodeResult(await readFile(result, 'utf8')).attemptUID, '6c5a-pod');
  });

  test("the trainer takes its assignment as text, and writes into the file that the kubelet mounts as the container's own", async () => {
    const assignment = text({ training: { trainingExamples: 10 } });
    const terminationLog = join(folder, 'termination-log');
    await writeFile(terminationLog, 'x'.repeat(5000));
    const { ino } = await stat(terminationLog);
    const args = ['--assignment-json', assignment, '--result', terminationLog];
    assert.equal((await start('main.ts', args).ended).code, 0);
    assert.equal(decodeResult(await readFile(terminationLog, 'utf8')).outcome, 'Succeeded');
    assert.equal((await stat(terminationLog)).ino, ino, 'a rename would not have reached the kubelet');
  });

  // Kernels block the thread that hears the signal: it is heard between two steps, of which the event loop gets one each second.
  const kernels: Record<string, { changes: Changes; skip?: object }> = {
    'of the smallest network on WebAssembly': { changes: { hyperparameters: { widths: [3, 8], batchSize: 4 } } },
    'of a large network on WebAssembly': { changes: { hyperparameters: { widths: [48, 128], batchSize: 32 } } },
    "of a large network in TensorFlow's own library": {
      changes: { hyperparameters: { widths: [96, 256], batchSize: 64 }, backend: 'native' },
      skip: needsNative,
    },
  };
  for (const [what, { changes, skip = {} }] of Object.entries(kernels)) {
    test(
      `the trainer exits 143 within seconds of SIGTERM, between two steps ${what}, and writes no result`,
      skip,
      async (t) => {
        const training = { epochs: 1000, trainingExamples: 200, validationFraction: 0.01 };
        const { result, child, ended } = await startOn(text({ ...changes, training }));
        await new Promise((resolve) => child.stdout?.once('data', resolve));
        const told = performance.now();
        child.kill('SIGTERM');
        const { code, signal } = await ended;
        const took = performance.now() - told;
        assert.deepEqual([code, signal, existsSync(result)], [143, null, false]);
        assert.ok(took < 5_000, `${took} ms`);
        t.diagnostic(`${Math.round(took)} ms`);
      },
    );
  }

  test('the trainer exits 0 although nobody reads its log', async () => {
    const { result, child, ended } = await startOn(text({ training: { trainingExamples: 10 } }));
    ended.catch(() => undefined); // what it would have written is lost, as is meant
    child.stdout?.destroy();
    child.stderr?.destroy();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    assert.equal(decodeResult(await readFile(result, 'utf8')).outcome, 'Succeeded');
  });

  test('the trainer exits 1 if the result cannot be written', async () => {
    const assignment = join(folder, 'short.json');
    await writeFile(assignment, text({ training: { trainingExamples: 10, epochs: 1 } }));
    const { code, stderr } = await start('main.ts', ['--assignment', assignment, '--result', '/nowhere/r.json']).ended;
    assert.equal(code, 1);
    assert.match(stderr, /ENOENT.*\/nowhere\/r\.json/);
  });
});

test("TensorFlow's start-up lines are chatter, its faults are not", () => {
  for (const line of [
    'WARNING: All log messages before absl::InitializeLog() is called are written to STDERR',
    'I0000 00:00:1700000000.123456    4711 cuda_executor.cc:1015] successful NUMA node read',
    '2026-01-02 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:151] This TensorFlow binary',
  ])
    assert.match(line, CHATTER);
  for (const line of ['RangeError: 2026', '2026-01-02 10:00:00.1: F tensorflow/core: Check failed'])
    assert.doesNotMatch(line, CHATTER);
});

describe('an error', () => {
  const stack = 'Error: broken\n    at here';
  const cases: Record<string, { error: unknown; want: ReturnType<typeof failureOf> }> = {
    'of the configuration is final and needs no stack': {
      error: new InvalidConfigError('backend gpu: none'),
      want: { exitCode: 2, words: 'backend gpu: none' },
    },
    'that has a name may pass, and needs no stack': {
      error: new SweepError('DatasetUnavailable', 'cannot be read'),
      want: { exitCode: 1, words: 'cannot be read' },
    },
    'that nobody planned for shows where it happened, and last what': {
      error: Object.assign(new Error('broken'), { stack }),
      want: { exitCode: 1, words: '    at here\nError: broken' },
    },
    'that is no Error is shown as it is': { error: 'broken', want: { exitCode: 1, words: 'broken' } },
  };
  for (const [sentence, { error, want }] of Object.entries(cases)) {
    test(sentence, () => assert.deepEqual(failureOf(error), want));
  }
});
