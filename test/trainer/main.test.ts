import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
import { makeAssignment, start } from './builders.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-main-'));
});
after(() => rm(folder, { recursive: true }));

/** Runs the program on an assignment, as text. */
async function startOn(assignment: string, env: Record<string, string> = {}) {
  const file = join(folder, 'assignment.json');
  const result = join(folder, 'result.json');
  await rm(result, { force: true });
  await writeFile(file, assignment);
  return { file, result, ...start('main.ts', ['--assignment', file, '--result', result], { env }) };
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

  const usage = /usage: main\.ts --assignment FILE --result FILE \[--model FOLDER\]\n$/;
  const calls: Record<string, { args: string[]; want: RegExp }> = {
    'if it is told nothing': { args: [], want: usage },
    'if it is not told where the result goes': { args: ['--assignment', 'a.json'], want: usage },
    'if it is told what it does not know': {
      args: ['--epochs', '3'],
      want: /^Unknown option '--epochs'.*usage: main\.ts/,
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

  test('the trainer exits 143 within 20 s of SIGTERM, in the middle of training, and writes no result', async () => {
    const { result, child, ended } = await startOn(text({ training: { epochs: 1000, trainingExamples: 50 } }));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const told = performance.now();
    child.kill('SIGTERM');
    const { code, signal } = await ended;
    assert.deepEqual([code, signal], [143, null]);
    assert.ok(performance.now() - told < 20_000);
    assert.equal(existsSync(result), false);
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
