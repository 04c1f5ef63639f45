import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { VERSION } from '../../src/shared/package.ts';
import { makeFolder } from '../local/folders.ts';
import { testModel } from '../trainer/read-model.ts';
import { type ProgramOptions, runProgram, sweepText, writeSweep } from './program.ts';

// Real processes, the real trainer, real images; only few of them.
const WASM = ['--backend', 'wasm'];
const EVERYTHING = '{widths: [[3], [4], [5]]}';

/** One undisturbed run that the tests look at from all sides; what they change they copy first. */
const undisturbed = { cwd: '', folder: '', stdout: '', stderr: '', code: null as number | null, verdict: '' };

before(async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'cnn-sweep-test-'));
  const file = await writeSweep(cwd, sweepText({ grid: EVERYTHING }));
  const end = await runProgram(['run', file, ...WASM, '--parallelism', '1'], { cwd });
  const folder = join(cwd, 'runs/tiny');
  const verdict = await readFile(join(folder, 'verdict.json'), 'utf8').catch(() => '');
  Object.assign(undisturbed, { cwd, folder, ...end, verdict });
});
after(() => rm(undisturbed.cwd, { recursive: true, force: true }));

/** Runs the same sweep in a folder of its own. */
async function runIn(cwd: string, args: readonly string[] = [], options: ProgramOptions = {}) {
  const file = await writeSweep(cwd, sweepText({ grid: EVERYTHING }));
  const end = await runProgram(['run', file, ...WASM, '--parallelism', '1', ...args], { cwd, ...options });
  const verdict = await readFile(join(cwd, 'runs/tiny/verdict.json'), 'utf8').catch(() => '');
  return { ...end, verdict };
}

function startsIn(stdout: string): number[] {
  return [...stdout.matchAll(/^trial (\d+) .*: started/gm)].map(([, trial]) => Number(trial));
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

/** Ends running trials' worker processes. */
function childrenOf(parent: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/stat`, 'utf8')
            .replace(/^.*\) /s, '')
            .split(' ')[1] === String(parent)
        );
      } catch {
        return false;
      }
    });
}

describe('a run', () => {
  test('trains every trial and ends with the verdict', () => {
    const { code, stdout, stderr } = undisturbed;
    assert.equal(stderr, '');
    assert.equal(code, 0, stdout);
    assert.deepEqual(startsIn(stdout), [0, 1, 2]);
    assert.equal(stdout.match(/: epoch \d\/2: train loss/g)?.length, 6);
    assert.match(stdout, /^best: .*, kept at epoch \d: validation loss .* ± /m);
    assert.match(
      stdout,
      /^test accuracy of the kept weights: \d+\.\d %\nmodel: {2}runs\/tiny\/model\nreport: runs\/tiny\/report\.html\npage: {3}cnn-sweep open runs\/tiny\n$/m,
    );
  });

  test('leaves sweep, curves, verdict, model and report in its folder', async () => {
    const { folder } = undisturbed;
    const names = await readdir(folder);
    for (const name of ['sweep.yaml', 'curves.ndjson', 'verdict.json', 'model', 'report.html', 'journal']) {
      assert.ok(names.includes(name), `${name} in ${names}`);
    }
    assert.deepEqual(
      names.filter((name) => name.endsWith('.tmp') || name.startsWith('lock')),
      [],
    );
    assert.deepEqual((await readdir(join(folder, 'model'))).toSorted(), ['README.md', 'model.json', 'weights.bin']);
    assert.equal((await readFile(join(folder, 'curves.ndjson'), 'utf8')).trim().split('\n').length, 6);
    const { complete, trials, versions } = JSON.parse(undisturbed.verdict);
    assert.equal(complete, true);
    assert.deepEqual(trials, { total: 3, succeeded: 3, failed: 0, stopped: 0, waiting: 0 });
    assert.equal(versions['cnn-sweep'], VERSION);
    assert.match(await readFile(join(folder, 'report.html'), 'utf8'), /is the best network that does not overfit/);
  });

  test('leaves a model whose test accuracy is exactly the one reported', async () => {
    const { test: reported, verdict } = JSON.parse(undisturbed.verdict);
    const { images, parameterCount, test } = await testModel(join(undisturbed.folder, 'model'), 'wasm');
    assert.equal(parameterCount, verdict.best.parameterCount);
    assert.equal(images, 10_000);
    assert.deepEqual(test, reported);
  });

  test('agrees with the verdict command on its own files', async () => {
    const { folder } = undisturbed;
    const args = ['verdict', '--sweep', 'sweep.yaml', 'curves.ndjson', '--json'];
    const { stdout, stderr, code } = await runProgram(args, { cwd: folder });
    assert.equal(stderr, '');
    assert.equal(code, 0);
    const { selection, bySeed, ...said } = JSON.parse(stdout);
    const { verdict, sweep } = JSON.parse(undisturbed.verdict);
    assert.deepEqual([said, selection, bySeed], [verdict, sweep.spec.selection, []]);
  });

  test('of a finished folder trains nothing and says the same', async (context) => {
    const cwd = await makeFolder(context);
    await cp(undisturbed.cwd, cwd, { recursive: true });
    const { code, stdout, verdict } = await runIn(cwd);
    assert.equal(code, 0);
    assert.match(stdout, /^3 of 3 trials recorded already$/m);
    assert.deepEqual(startsIn(stdout), []);
    assert.equal(verdict, undisturbed.verdict);
    const ending = (text: string) => text.slice(text.indexOf('\n\n'));
    assert.equal(ending(stdout), ending(undisturbed.stdout));
  });

  test('with --json has the verdict file on standard output and all else on standard error', async (context) => {
    const cwd = await makeFolder(context);
    await cp(undisturbed.cwd, cwd, { recursive: true });
    const { stdout, stderr } = await runIn(cwd, ['--json']);
    assert.equal(stdout, undisturbed.verdict);
    assert.match(stderr, /3 of 3 trials recorded already/);
  });

  test('of some trials says that its verdict is partial, and goes on with the rest', async (context) => {
    const cwd = await makeFolder(context);
    const some = await runIn(cwd, ['--trials', '1']);
    assert.equal(some.code, 0);
    assert.deepEqual(startsIn(some.stdout), [1]);
    assert.match(some.stdout, /^This verdict is of 1 of 3 trials: it may still change\.$/m);
    assert.doesNotMatch(some.stdout, /test accuracy/);
    assert.equal(
      lastLine(some.stdout),
      'those asked for are done: 2 trials are left; the same command without --trials goes on with the rest',
    );
    assert.equal(JSON.parse(some.verdict).complete, false);
    assert.equal(JSON.parse(some.verdict).test, null);
    const rest = await runIn(cwd);
    assert.deepEqual(startsIn(rest.stdout), [0, 2]);
    assert.equal(rest.verdict, undisturbed.verdict);
  });

  test('goes on when its reader has seen enough', async (context) => {
    const cwd = await makeFolder(context);
    const { code, verdict } = await runIn(cwd, [], { onLine: (_, child) => child.stdout.destroy() });
    assert.equal(code, 0);
    assert.equal(verdict, undisturbed.verdict);
  });
});

test('a report that cannot be written costs the exit code, not the verdict', async (context) => {
  const cwd = await makeFolder(context);
  await cp(undisturbed.cwd, cwd, { recursive: true });
  await rm(join(cwd, 'runs/tiny/report.html'));
  await mkdir(join(cwd, 'runs/tiny/report.html'));
  const { code, stdout, stderr } = await runIn(cwd);
  assert.equal(code, 1);
  assert.match(stderr, /^report: not written: .*report\.html: .*; try again with: cnn-sweep report runs\/tiny\n$/);
  assert.match(stdout, /^best: /m);
});

describe('a run without an eligible model', () => {
  const strict = sweepText({ grid: '{widths: [[3]], learningRate: [10]}' });

  test('is finished, and ends with 3 if one is required', async (context) => {
    const cwd = await makeFolder(context);
    const file = await writeSweep(cwd, strict);
    const required = await runProgram(['run', file, ...WASM, '--require-model'], { cwd });
    assert.equal(required.code, 3, required.stdout);
    assert.match(required.stdout, /Diverged/);
    assert.match(required.stdout, /^no eligible model: the only trial is not eligible: try a smaller learning rate$/m);
    const plain = await runProgram(['run', file, ...WASM], { cwd });
    assert.equal(plain.code, 0);
    assert.deepEqual(startsIn(plain.stdout), []);
  });
});

describe('a disturbed run', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  test('one SIGINT saves what runs, says how to go on, and the next run ends as if nothing had been', async (context) => {
    const cwd = await makeFolder(context);
    const first = await runIn(cwd, [], {
      onLine: (line, child) => void (line.startsWith('trial 0') && line.includes('epoch 1/2') && child.kill('SIGINT')),
    });
    assert.equal(first.code, 130, first.stdout + first.stderr);
    assert.match(first.stdout, /^interrupted: running trials finish and are saved; Ctrl-C again ends them at once$/m);
    assert.match(first.stdout, /^trial 0 .*: done after/m);
    assert.equal(lastLine(first.stdout), 'interrupted: 2 trials are left; the same command goes on');
    const second = await runIn(cwd);
    assert.equal(second.code, 0);
    assert.deepEqual(startsIn(second.stdout), [1, 2]);
    assert.equal(second.verdict, undisturbed.verdict);
  });

  for (const [sentence, signals] of [
    ['two SIGINTs', ['SIGINT', 'SIGINT']],
    ['SIGTERM', ['SIGTERM']],
  ] as const) {
    test(`within two seconds of ${sentence} it is over, and the next run ends as if nothing had been`, async (context) => {
      const cwd = await makeFolder(context);
      let asked = 0;
      const first = await runIn(cwd, [], {
        onLine: (line, child) => {
          const isFirst = asked === 0 && line.includes('trial 0') && line.includes('epoch 1/2');
          const isSecond = asked > 0 && signals.length > 1 && line.startsWith('interrupted: running');
          if (isFirst) child.kill(signals[0]);
          if (isSecond) setTimeout(() => child.kill(signals[1]), 150); // sooner it would count as the same press
          if (isFirst || isSecond) asked = performance.now();
        },
      });
      const ms = performance.now() - asked;
      assert.equal(first.code, 130, first.stdout + first.stderr);
      assert.ok(ms <= 2_000, `${ms} ms`);
      assert.match(first.stdout + first.stderr, /the same command goes on\n$/);
      const second = await runIn(cwd);
      assert.deepEqual(startsIn(second.stdout), [0, 1, 2]);
      assert.equal(second.verdict, undisturbed.verdict);
    });
  }

  test('kill -9 of the main process loses nothing that was recorded, twice', async (context) => {
    const cwd = await makeFolder(context);
    for (const [trial, sign] of [
      [0, 'epoch 1/2'],
      [1, 'epoch 1/2'],
    ] as const) {
      const { signal } = await runIn(cwd, [], {
        onLine: (line, child) =>
          void (line.startsWith(`trial ${trial}`) && line.includes(sign) && child.kill('SIGKILL')),
      });
      assert.equal(signal, 'SIGKILL');
    }
    const end = await runIn(cwd);
    assert.equal(end.code, 0);
    assert.deepEqual(startsIn(end.stdout), [1, 2]);
    assert.equal(end.verdict, undisturbed.verdict);
  });

  test('kill -9 of a worker costs one attempt', async (context) => {
    const cwd = await makeFolder(context);
    let killed = false;
    const { code, stdout, verdict } = await runIn(cwd, [], {
      onLine: (line, child) => {
        if (killed || !line.includes('epoch 1/2')) return;
        killed = true;
        for (const worker of childrenOf(child.pid)) process.kill(worker, 'SIGKILL');
      },
    });
    assert.equal(code, 0);
    assert.match(stdout, /^trial 0 .*: attempt 1 .*SIGKILL.*; runs again in 1 s$/m);
    assert.match(stdout, /^trial 0 .*: started, attempt 2$/m);
    assert.equal(verdict, undisturbed.verdict);
  });

  test('a second run of the same folder is refused and does no harm', async (context) => {
    const cwd = await makeFolder(context);
    let second: ReturnType<typeof runIn> | undefined;
    const first = await runIn(cwd, [], {
      onLine: (line) => {
        if (line.includes('epoch 1/2')) second ??= runIn(cwd);
      },
    });
    assert.match((await second)?.stderr ?? '', /^cnn-sweep: runs\/tiny: in use by process \d+ since \d\d:\d\d\n$/);
    assert.equal((await second)?.code, 2);
    assert.equal(first.verdict, undisturbed.verdict);
  });
});

describe('a run that cannot begin', () => {
  test('says which folder holds another sweep, and what differs', async (context) => {
    const cwd = await makeFolder(context);
    await cp(undisturbed.cwd, cwd, { recursive: true });
    const text = sweepText({ grid: EVERYTHING }).replace('epochs: 2', 'epochs: 3');
    const { code, stderr } = await runProgram(['run', await writeSweep(cwd, text), ...WASM], { cwd });
    assert.equal(code, 2);
    assert.deepEqual(stderr.trim().split('\n'), [
      'runs/tiny holds another sweep: choose another --folder, or another metadata.name, or undo this:',
      'spec.training.epochs: 3: this folder was started with 2',
    ]);
  });

  const folders: Record<string, { folder: string; want: RegExp; linux?: true }> = {
    'a file in the place of the folder': {
      folder: 'sweep.yaml',
      want: /^cnn-sweep: sweep\.yaml: a file stands where a folder is needed \(EEXIST\); choose another --folder\n$/,
    },
    'a file on the way to it': {
      folder: 'sweep.yaml/run',
      want: /^cnn-sweep: sweep\.yaml\/run: a file stands where a folder is needed \(ENOTDIR\); choose another --folder\n$/,
    },
    'a folder of which no run is the owner': {
      folder: '.',
      want: /^cnn-sweep: \.: not empty and not a run folder; choose another --folder\n$/,
    },
    'a folder that may not be written': {
      folder: '/sys/run',
      want: /^cnn-sweep: \/sys\/run: permission denied \(E(PERM|ACCES)\); choose another --folder\n$/,
      linux: true,
    },
    'a folder where none can be made': {
      folder: '/proc/run/of/mine',
      want: /^cnn-sweep: \/proc\/run\/of\/mine: no folder can be made here \(ENOENT\); choose another --folder\n$/,
      linux: true,
    },
    'a folder without a name': { folder: '', want: /^cnn-sweep: --folder: empty; expected a path\n$/ },
    'a folder with too long a name': { folder: 'a'.repeat(300), want: /: the name is too long \(ENAMETOOLONG\); / },
  };
  for (const [sentence, { folder, want, linux }] of Object.entries(folders)) {
    test(`names ${sentence}`, { skip: linux && process.platform !== 'linux' }, async (context) => {
      const cwd = await makeFolder(context);
      const { code, stdout, stderr } = await runIn(cwd, ['--folder', folder]);
      assert.match(stderr, want);
      assert.equal(stdout, '', 'before a backend is tried or an image fetched');
      assert.equal(code, 2);
    });
  }

  test('leaves no folder behind if it is refused for another reason', async (context) => {
    const cwd = await makeFolder(context);
    const { code } = await runIn(cwd, ['--folder', 'a/b', '--backend', 'native'], { env: { XDG_CACHE_HOME: cwd } });
    assert.equal(code, 2);
    await assert.rejects(stat(join(cwd, 'a')));
  });

  test('names a cache in which no folder can be made', { skip: process.platform !== 'linux' }, async () => {
    const { code, stderr } = await runProgram(['data', 'mnist'], { env: { XDG_CACHE_HOME: '/proc/x' } });
    assert.match(
      stderr,
      /^cnn-sweep: fetching mnist: ENOENT: .*mkdir '\/proc\/x'; nothing was installed, try again with/,
    );
    assert.equal(code, 1);
  });

  test('gives the reason of a backend in one line', async (context) => {
    const cwd = await makeFolder(context);
    const { code, stderr } = await runIn(cwd, ['--backend', 'native'], { env: { XDG_CACHE_HOME: cwd } });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^cnn-sweep: .*native.*\n$/);
  });

  test('interrupted while it fetches the images, it says so and leaves nothing half-done', async (context) => {
    const cwd = await makeFolder(context);
    // An npm that never answers, as a network that hangs.
    await mkdir(join(cwd, 'bin'));
    await writeFile(join(cwd, 'bin/npm'), '#!/bin/sh\nexec sleep 600\n');
    await chmod(join(cwd, 'bin/npm'), 0o755);
    const env = { XDG_CACHE_HOME: cwd, PATH: `${join(cwd, 'bin')}:${process.env.PATH}` };
    const onLine: ProgramOptions['onLine'] = (line, child) =>
      void (line.startsWith('fetching cifar10') && child.kill('SIGINT'));
    const run = await runIn(cwd, [], { env, onLine });
    assert.equal(run.code, 130);
    assert.equal(run.stderr, 'interrupted\ninterrupted before any trial began; the same command goes on\n');
    await assert.rejects(stat(join(cwd, 'runs')));
    const data = await runProgram(['data', 'cifar10'], { env, onLine });
    assert.equal(data.code, 130);
    assert.equal(data.stderr, 'interrupted\nnothing was installed; try again with: cnn-sweep data cifar10\n');
    assert.deepEqual(await readdir(join(cwd, 'cnn-sweep/datasets')), []);
  });
});
