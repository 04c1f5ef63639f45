import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { unzipSync } from 'fflate';
import { makeFolder } from '../local/folders.ts';
import { PROGRAM, runProgram, sweepText, writeSweep } from './program.ts';

// Real processes, the real trainer, the real page's server.
const RUN = ['--backend', 'wasm', '--parallelism', '1', '--port', '0'];
const addressIn = (line: string) => /^page: (http:\/\/127\.0\.0\.1:\d+)\/\?sweep=local\/tiny/.exec(line)?.[1];
const api = async (url: string, path: string) => (await fetch(`${url}/api/v1/sweeps/local/tiny${path}`)).json();

/** A run that was watched while it trained. */
const watched = { cwd: '', folder: '', curves: [] as number[], page: '' };

before(async () => {
  watched.cwd = await mkdtemp(join(tmpdir(), 'cnn-sweep-test-'));
  watched.folder = join(watched.cwd, 'runs/tiny');
  const file = await writeSweep(watched.cwd, sweepText({ grid: '{widths: [[3], [4]]}' }));
  const looks: Promise<void>[] = [];
  const found: { url?: string | undefined } = {};
  const look = async (url: string) => {
    const { items } = (await api(url, '/curves?trials=0-1')) as { items: { epochs: number[] }[] };
    watched.curves.push(items.reduce((sum, { epochs }) => sum + epochs.length, 0));
  };
  const readPage = async (url: string) => {
    watched.page = await (await fetch(url)).text();
  };
  const end = await runProgram(['run', file, ...RUN], {
    cwd: watched.cwd,
    onLine(line) {
      found.url ??= addressIn(line);
      if (found.url !== undefined && watched.page === '') {
        watched.page = 'asked';
        looks.push(readPage(found.url));
      }
      if (found.url !== undefined && /: epoch \d\/2:/.test(line)) looks.push(look(found.url));
    },
  });
  assert.equal(end.code, 0, end.stderr);
  await Promise.allSettled(looks);
});
after(() => rm(watched.cwd, { recursive: true, force: true }));

/** `cnn-sweep open`, until the test ends it. */
async function openFolder(folder: string, ...args: string[]) {
  const child = spawn(PROGRAM, ['open', folder, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'close');
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
  for await (const line of createInterface({ input: child.stdout })) {
    const url = addressIn(line);
    assert.ok(url, line);
    const end = async () => {
      child.kill('SIGINT');
      return (await exit)[0];
    };
    return { url, said, end };
  }
  throw new Error(`it ended without an address: ${said.join('')}`);
}

describe('the page of this machine', () => {
  test('while a run trains its curves grow, and the page is there', () => {
    assert.match(watched.page, /<title>cnn-sweep<\/title>/);
    assert.ok(watched.curves.length > 0);
    assert.ok(
      watched.curves.every((count) => count >= 1 && count <= 4),
      watched.curves.join(),
    );
    assert.ok(new Set(watched.curves).size > 1, `${watched.curves}`);
  });

  test('open shows the verdict of a finished run, and ends with Ctrl-C', async () => {
    const { verdict, test: tested } = JSON.parse(await readFile(join(watched.folder, 'verdict.json'), 'utf8'));
    const page = await openFolder(watched.folder);
    const shown = (await api(page.url, '/verdict')) as Record<string, unknown> & { best: { trial: number } };
    assert.equal(shown.isFinal, true);
    assert.equal(shown.message, verdict.message);
    assert.deepEqual((shown.test as { accuracy: number }).accuracy, tested.accuracy);
    const archive = await fetch(`${page.url}/api/v1/sweeps/local/tiny/trials/${shown.best.trial}/model`);
    const files = unzipSync(new Uint8Array(await archive.arrayBuffer()));
    for (const name of ['model.json', 'weights.bin']) {
      const zipped = files[name] ?? files[`model/${name}`];
      assert.deepEqual(Buffer.from(zipped ?? []), await readFile(join(watched.folder, 'model', name)), name);
    }
    assert.equal(await page.end(), 0);
  });

  test('what a page tells of itself is taken, and shown to nobody', async () => {
    const page = await openFolder(watched.folder);
    const answer = await fetch(`${page.url}/collect`, {
      method: 'POST',
      headers: { origin: page.url, 'content-type': 'application/json' },
      body: JSON.stringify({ logs: [{ level: 'error', message: 'c4nary' }] }),
    });
    assert.deepEqual([answer.status, await answer.text()], [202, 'ok']);
    assert.equal(await page.end(), 0);
    assert.deepEqual(page.said, []);
  });

  test('open shows what a run adds meanwhile', async (context) => {
    const cwd = await makeFolder(context);
    const file = await writeSweep(cwd, sweepText({ grid: '{widths: [[3], [4]]}' }));
    await runProgram(['run', file, ...RUN, '--trials', '0', '--no-page'], { cwd });
    const page = await openFolder(join(cwd, 'runs/tiny'));
    assert.equal(((await api(page.url, '')) as { trials: { succeeded: number } }).trials.succeeded, 1);
    await runProgram(['run', file, ...RUN, '--no-page'], { cwd });
    for (;;) {
      const { phase, trials } = (await api(page.url, '')) as { phase: string; trials: { succeeded: number } };
      if (phase === 'Complete' && trials.succeeded === 2) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(await page.end(), 0);
  });

  test('open tells a run that goes on from one that was killed: of that nothing runs, and nobody waits for its end', async (context) => {
    const cwd = await makeFolder(context);
    const file = await writeSweep(cwd, sweepText({ training: '' }).replace('epochs: 2', 'epochs: 1000'));
    const looks: Promise<unknown>[] = [];
    type Summary = { phase: string; secondsLeft: number | null; trials: { running: number; waiting: number } };
    const look = async (child: ChildProcess) => {
      const page = await openFolder(join(cwd, 'runs/tiny'));
      const during = (await api(page.url, '')) as Summary;
      child.kill('SIGKILL');
      await once(child, 'exit');
      let after = during;
      while (after.phase === 'Running') {
        await new Promise((resolve) => setTimeout(resolve, 100));
        after = (await api(page.url, '')) as Summary;
      }
      assert.deepEqual([during.phase, during.trials.running], ['Running', 1]);
      assert.ok((during.secondsLeft ?? 0) > 0);
      assert.deepEqual([after.phase, after.trials.running, after.trials.waiting], ['Suspended', 0, 2]);
      assert.equal(after.secondsLeft, null);
      const { items } = (await api(page.url, '/curves?trials=0-1')) as { items: { epochs: number[] }[] };
      assert.ok(
        items.some(({ epochs }) => epochs.length > 0),
        'its curve is still there',
      );
      assert.equal(await page.end(), 0);
    };
    const end = await runProgram(['run', file, ...RUN, '--no-page'], {
      cwd,
      onLine: (line, child) => {
        if (/: epoch \d+\/1000:/.test(line) && looks.length === 0) looks.push(look(child));
      },
    });
    assert.equal(end.signal, 'SIGKILL', end.stderr);
    await Promise.all(looks);
  });

  test('a port that is taken is said before anything trains; nobody asked for it: another one is found', async (context) => {
    const server = createServer().listen(0, '127.0.0.1');
    context.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const cwd = await makeFolder(context);
    const file = await writeSweep(cwd);
    const refused = await runProgram(['run', file, ...RUN.slice(0, 4), '--port', `${port}`], { cwd });
    assert.equal(refused.code, 2);
    assert.equal(refused.stderr, `cnn-sweep: --port: ${port}: in use by another program\n`);
    assert.deepEqual(await readdir(cwd), ['sweep.yaml']);
  });

  test('--no-page and --json serve none', async (context) => {
    const cwd = await makeFolder(context);
    await cp(watched.folder, join(cwd, 'runs/tiny'), { recursive: true });
    const file = await writeSweep(cwd, sweepText({ grid: '{widths: [[3], [4]]}' }));
    for (const args of [['--no-page'], ['--json']]) {
      const { stdout, stderr } = await runProgram(['run', file, '--backend', 'wasm', ...args], { cwd });
      assert.doesNotMatch(stdout + stderr, /page: http/);
    }
  });

  test('open says what is wrong with a folder', async (context) => {
    const cwd = await makeFolder(context);
    const { code, stderr } = await runProgram(['open', 'nothing'], { cwd });
    assert.equal(code, 2);
    assert.equal(stderr, 'cnn-sweep: nothing: no such folder\n');
  });
});
