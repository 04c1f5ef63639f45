import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { runSweep } from '../../src/local/engine.ts';
import { openPool } from '../../src/local/pool.ts';
import { makeSweep } from '../fakes/trials.ts';
import { makeFolder } from '../local/folders.ts';
import { runProgram } from './program.ts';

const SWEEP = makeSweep({ seeds: [0, 1], widths: [[4], [50]] });

/** A finished run, trained by a worker that trains nothing. */
async function makeRun(context: TestContext): Promise<string> {
  const folder = join(await makeFolder(context), 'run');
  await runSweep(SWEEP, {
    folder,
    pool: openPool({ entry: new URL('../fakes/worker.ts', import.meta.url), env: process.env }),
    cacheFolder: folder,
    versions: { 'cnn-sweep': 'test' },
    onEvent: () => undefined,
  });
  return folder;
}

/** As the folder's sweep, but for its selection. */
async function writeOther(folder: string, selection: object): Promise<string> {
  const path = join(folder, '../other.yaml');
  const sweep = { ...SWEEP, spec: { ...SWEEP.spec, selection: { ...SWEEP.spec.selection, ...selection } } };
  await writeFile(path, stringify(sweep));
  return path;
}

test('report writes report.html into the folder and changes nothing else', async (context) => {
  const folder = await makeRun(context);
  const files = ['journal', 'curves.ndjson', 'verdict.json', 'sweep.yaml'];
  const before = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  const { code, stdout, stderr } = await runProgram(['report', folder]);
  assert.equal(stderr, '');
  assert.equal(stdout, `report: ${join(folder, 'report.html')}\n`);
  assert.equal(code, 0);
  assert.match(await readFile(join(folder, 'report.html'), 'utf8'), /is the best network that does not overfit/);
  assert.deepEqual(await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8'))), before);
});

test('report writes elsewhere if told so', async (context) => {
  const folder = await makeRun(context);
  const path = join(folder, '../a report.html');
  const { stdout } = await runProgram(['report', folder, '--output', path]);
  assert.equal(stdout, `report: ${path}\n`);
  assert.match(await readFile(path, 'utf8'), /^<!doctype html>/);
  await assert.rejects(stat(join(folder, 'report.html')));
});

test('verdict judges a run folder as the run did, or by other thresholds, and changes nothing', async (context) => {
  const folder = await makeRun(context);
  const everything = async () =>
    Promise.all((await readdir(folder)).map((name) => stat(join(folder, name)).then(({ mtimeMs }) => [name, mtimeMs])));
  const before = await everything();
  const recorded = JSON.parse(await readFile(join(folder, 'verdict.json'), 'utf8'));
  const { code, stdout, stderr } = await runProgram(['verdict', folder, '--json']);
  assert.deepEqual([code, stderr], [0, '']);
  const { selection, bySeed, ...verdict } = JSON.parse(stdout);
  assert.deepEqual([verdict, selection], [recorded.verdict, recorded.sweep.spec.selection]);
  assert.deepEqual(
    bySeed.map(({ trials }: { trials: number[] }) => trials),
    [
      [0, 1],
      [2, 3],
    ],
  );
  const strict = await runProgram(['verdict', folder, '--max-accuracy-gap', '0.01']);
  assert.match(strict.stdout, /maxAccuracyGap 1 point \(not none\)/);
  assert.match(strict.stdout, /\nno eligible model: /);
  const other = await writeOther(folder, { maxAccuracyGap: 0.01 });
  const byFile = await runProgram(['verdict', folder, '--sweep', other, '--csv']);
  assert.equal(byFile.stdout.match(/,Overfit,/g)?.length, 4);
  assert.match(byFile.stdout, /,Succeeded,1,cpu,\d+\n/);
  assert.deepEqual(await everything(), before);
});

test('report judges by the thresholds of another file', async (context) => {
  const folder = await makeRun(context);
  const other = await writeOther(folder, { maxAccuracyGap: 0.01 });
  assert.equal((await runProgram(['report', folder, '--sweep', other])).code, 0);
  assert.match(await readFile(join(folder, 'report.html'), 'utf8'), /No network qualifies/);
});

test('report does not judge by another checkpoint rule than the weights were kept by', async (context) => {
  const folder = await makeRun(context);
  const other = await writeOther(folder, { checkpoint: 'BestEpoch' });
  const { code, stderr } = await runProgram(['report', folder, '--sweep', other]);
  assert.equal(code, 2);
  assert.equal(stderr, 'spec.selection.checkpoint: "BestEpoch": this folder was started with "LastEpoch"\n');
});

test('report says how many damaged lines of curves it left out', async (context) => {
  const folder = await makeRun(context);
  await appendFile(join(folder, 'curves.ndjson'), 'garbage\n');
  const { code, stderr } = await runProgram(['report', folder]);
  assert.equal(code, 0);
  assert.equal(stderr, 'note: curves.ndjson: 1 damaged lines left out\n');
});

test('report names a damaged verdict file and what to do', async (context) => {
  const folder = await makeRun(context);
  await writeFile(join(folder, 'verdict.json'), '{"sweep"');
  const { code, stderr } = await runProgram(['report', folder]);
  assert.equal(code, 2);
  assert.equal(
    stderr,
    `cnn-sweep: ${join(folder, 'verdict.json')}: damaged; delete it, and the next run of the sweep writes it again\n`,
  );
});

test('report of a folder that is none, or has no run, says so', async (context) => {
  const folder = await makeFolder(context);
  assert.deepEqual(await runProgram(['report', join(folder, 'x')]), {
    code: 2,
    signal: null,
    stdout: '',
    stderr: `cnn-sweep: ${join(folder, 'x')}: no such folder\n`,
  });
  assert.equal(
    (await runProgram(['report', folder])).stderr,
    `cnn-sweep: ${folder}: not a run folder; it has no journal\n`,
  );
});

test('report names the place where it cannot write', async (context) => {
  const folder = await makeRun(context);
  const { code, stderr } = await runProgram(['report', folder, '--output', '/nowhere/report.html']);
  assert.equal(code, 2);
  assert.equal(stderr, 'cnn-sweep: /nowhere/report.html: no such file or folder (ENOENT)\n');
});
