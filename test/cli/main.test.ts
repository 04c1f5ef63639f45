import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeFolder } from '../local/folders.ts';
import { PROGRAM, runProgram, sweepText, writeSweep } from './program.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const STUDY = join(ROOT, 'k8s/sweep.yaml');
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));

describe('help', () => {
  const commands: Record<string, RegExp> = {
    run: /--folder.*--parallelism.*--backend.*--trials.*--require-model.*--json/s,
    validate: /--json/,
    plan: /--json/,
    verdict: /--sweep.*--json/s,
    report: /--sweep.*--output/s,
    data: /cifar10 or mnist/,
    doctor: /--namespace.*--lease-namespace.*--controller-url.*--dashboard-url.*--streams.*--sweep/s,
  };
  for (const [command, options] of Object.entries(commands)) {
    test(`of ${command} names its options and gives examples that begin with the command`, async () => {
      const { code, stdout, stderr } = await runProgram([command, '--help']);
      assert.equal(code, 0);
      assert.equal(stderr, '');
      assert.match(stdout, options);
      const [, examples = ''] = stdout.split('Examples:\n');
      assert.ok(examples.split('\n').filter(Boolean).length > 0);
      for (const line of examples.split('\n').filter(Boolean))
        assert.match(line, new RegExp(`^  cnn-sweep ${command} `));
    });
  }

  test('names every command', async () => {
    const { code, stdout } = await runProgram(['--help']);
    assert.equal(code, 0);
    for (const command of Object.keys(commands)) assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
  });

  test('is shown, as an error, to who gives no command', async () => {
    const { code, stdout, stderr } = await runProgram([]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^Usage: cnn-sweep/);
  });

  test('has the version', async () => {
    assert.equal((await runProgram(['--version'])).stdout, `${version}\n`);
  });
});

describe('bad input', () => {
  const cases: Record<string, { args: string[]; want: RegExp }> = {
    'an unknown command is named, with the one that was meant': {
      args: ['plam', 'x'],
      want: /unknown command 'plam'\n\(Did you mean plan\?\)/,
    },
    'an unknown option is named, with the one that was meant': {
      args: ['plan', STUDY, '--jsn'],
      want: /unknown option '--jsn'\n\(Did you mean --json\?\)/,
    },
    'a missing argument is named': { args: ['plan'], want: /missing required argument 'file'/ },
    'one argument too many is named': { args: ['plan', STUDY, 'y'], want: /too many arguments/ },
    'a verdict on curves needs a sweep': {
      args: ['verdict', 'x'],
      want: /--sweep: missing; curves need the sweep file/,
    },
    'parallelism is a whole number from 1 to 1000': {
      args: ['run', STUDY, '--parallelism', '0'],
      want: /'0' is invalid. expected a whole number from 1 to 1000/,
    },
    'parallelism is no text': { args: ['run', STUDY, '--parallelism', '2x'], want: /'2x' is invalid/ },
    'parallelism has an upper bound': { args: ['run', STUDY, '--parallelism', '1001'], want: /'1001' is invalid/ },
    'a backend is one of five': { args: ['run', STUDY, '--backend', 'tpu'], want: /auto, gpu, native, wasm, cpu/ },
    'a list of trials is of indexes and ranges': {
      args: ['run', STUDY, '--trials', '1,x'],
      want: /'1,x' is invalid. expected indexes and ranges, as 0-3,6/,
    },
    'a range runs upwards': { args: ['run', STUDY, '--trials', '3-1'], want: /'3-1' is invalid/ },
    'a trial beyond the grid is told before anything starts': {
      args: ['run', STUDY, '--trials', '0-10'],
      want: /^cnn-sweep: --trials: 10: the sweep has trials 0 to 9\n$/,
    },
    'a sweep that is not there': { args: ['run', 'nowhere.yaml'], want: /^nowhere.yaml: no such file\n$/ },
    'a data set that is not there, with the one that was meant': {
      args: ['data', 'cifar'],
      want: /^cnn-sweep: "cifar": expected cifar10 or mnist; did you mean "cifar10"\?\n$/,
    },
    'a data set that nobody could mean': {
      args: ['data', 'toString'],
      want: /^cnn-sweep: "toString": expected cifar10 or mnist\n$/,
    },
  };
  for (const [sentence, { args, want }] of Object.entries(cases)) {
    test(sentence, async () => {
      const { code, stdout, stderr } = await runProgram(args);
      assert.match(stderr, want);
      assert.equal(code, 2);
      assert.equal(stdout, '');
    });
  }
});

describe('validate', () => {
  test('says every violation, one a line, on standard output', async (context) => {
    const folder = await makeFolder(context);
    const file = await writeSweep(folder, sweepText({ grid: '{widths: [[3, 5000]]}', rest: '  paralelism: 3\n' }));
    const { code, stdout, stderr } = await runProgram(['validate', file]);
    assert.equal(code, 2);
    assert.equal(stderr, '');
    assert.deepEqual(stdout.trim().split('\n').toSorted(), [
      'spec.grid[0].widths[0][1]: 5000: expected an integer from 1 to 1024',
      'spec.paralelism: unknown field; did you mean "parallelism"?',
    ]);
  });

  test('has the same violations as JSON, each with its line', async (context) => {
    const file = await writeSweep(await makeFolder(context), sweepText({ rest: '  paralelism: 3\n' }));
    const { code, stdout } = await runProgram(['validate', file, '--json']);
    assert.equal(code, 2);
    assert.deepEqual(JSON.parse(stdout), {
      valid: false,
      violations: [{ path: 'spec.paralelism', message: 'unknown field; did you mean "parallelism"?', line: 9 }],
      notes: [],
    });
  });

  test('says how many trials a valid sweep has', async (context) => {
    const file = await writeSweep(await makeFolder(context), sweepText({ grid: '{widths: [[3]]}' }));
    assert.deepEqual(await runProgram(['validate', file]), {
      code: 0,
      signal: null,
      stdout: `${file}: valid; 1 trial\n`,
      stderr: '',
    });
    const { stdout } = await runProgram(['validate', STUDY, '--json']);
    assert.deepEqual(JSON.parse(stdout), { valid: true, trials: 10, violations: [], notes: [] });
  });

  test('says which points are given twice', async (context) => {
    const file = await writeSweep(await makeFolder(context), sweepText({ grid: '{widths: [[3], [3]]}' }));
    const { code, stdout } = await runProgram(['validate', file]);
    assert.equal(code, 0);
    assert.match(stdout, /^note: spec\.grid\[0\]: .*merged\n.*valid; 1 trial\n$/);
  });

  test('reads a pipe', { skip: process.platform === 'win32' }, async () => {
    const command = 'cat | "$0" validate /dev/stdin';
    const { stdout, status } = spawnSync('sh', ['-c', command, PROGRAM], { input: sweepText(), encoding: 'utf8' });
    assert.equal(stdout, '/dev/stdin: valid; 2 trials\n');
    assert.equal(status, 0);
  });

  test('does not let a file name command the terminal', async () => {
    const { stdout } = await runProgram(['validate', '/nowhere/\x1b[31mred\n\u009b2J']);
    assert.equal(stdout, '/nowhere/ [31mred 2J: no such file\n');
  });
});

describe('plan', () => {
  test('lists the trials in the order of their index', async (context) => {
    const { code, stdout } = await runProgram(['plan', STUDY]);
    assert.equal(code, 0);
    context.assert.snapshot(stdout.split('\n'));
  });

  test('has them as JSON, with hyperparameters and parameter count', async () => {
    const { stdout } = await runProgram(['plan', STUDY, '--json']);
    const trials = JSON.parse(stdout);
    assert.equal(trials.length, 10);
    assert.equal(trials[2].trial, 2);
    assert.equal(trials[2].parameterCount, 18_554);
    assert.deepEqual(trials[2].hyperparameters.widths, [12, 32]);
  });

  test('keeps notes out of its JSON', async (context) => {
    const file = await writeSweep(await makeFolder(context), sweepText({ grid: '{widths: [[3], [3]]}' }));
    const { stdout, stderr } = await runProgram(['plan', file, '--json']);
    assert.equal(JSON.parse(stdout).length, 1);
    assert.match(stderr, /^note: spec\.grid\[0\]/);
  });
});

describe('the program', () => {
  test('works from any folder, through links, and with blanks in paths', async (context) => {
    const folder = join(await makeFolder(context), 'a folder', '-odd');
    await mkdir(folder, { recursive: true });
    await symlink(PROGRAM, join(folder, 'first'));
    await symlink('first', join(folder, 'second link'));
    await writeFile(join(folder, 'my sweep.yaml'), sweepText());
    for (const program of [join(folder, 'second link'), './second link']) {
      const { code, stdout, stderr } = await runProgram(['validate', 'my sweep.yaml'], { cwd: folder, program });
      assert.equal(stderr, '');
      assert.equal(stdout, 'my sweep.yaml: valid; 2 trials\n');
      assert.equal(code, 0);
    }
  });

  test('says what to do where its packages are not installed', async (context) => {
    const folder = await makeFolder(context);
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/cnn-sweep'), await readFile(PROGRAM), { mode: 0o755 });
    const { code, stderr } = await runProgram(['plan'], { program: join(folder, 'bin/cnn-sweep') });
    assert.equal(code, 1);
    assert.equal(stderr, `cnn-sweep: its packages are not installed; run: npm ci --prefix ${folder}\n`);
  });

  test('ends well when its reader has seen enough', async (context) => {
    const values = Array.from({ length: 60 }, (_, seed) => seed);
    const grid = `{widths: [[3], [4], [5], [6]], seed: [${values}], momentum: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}`;
    const file = await writeSweep(await makeFolder(context), sweepText({ grid }));
    const child = spawn(PROGRAM, ['plan', file, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [code] = await once(child, 'close');
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });

  test('does its work where standard output or standard error is closed', () => {
    for (const closed of ['>&-', '2>&-']) {
      const { status } = spawnSync('sh', ['-c', `"$0" plan "$1" ${closed}`, PROGRAM, STUDY], { stdio: 'ignore' });
      assert.equal(status, 0, closed);
    }
  });

  test('says so where standard output cannot be written', { skip: process.platform !== 'linux' }, async () => {
    const { stderr, status } = spawnSync('sh', ['-c', '"$0" plan "$1" >/dev/full', PROGRAM, STUDY], {
      encoding: 'utf8',
    });
    assert.match(stderr, /^cnn-sweep: standard output: no space left on the disk/);
    assert.equal(status, 1);
  });
});
