import assert from 'node:assert/strict';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { writeReport } from '../../src/cli/write-report.ts';
import { runSweep } from '../../src/local/engine.ts';
import { openPool } from '../../src/local/pool.ts';
import { makeSweep } from '../fakes/trials.ts';
import { makeFolder } from '../local/folders.ts';

const SWEEP = makeSweep({ seeds: [0, 1], widths: [[4], [50]] });

/** A run of some trials or all, by a worker that trains nothing. */
async function makeRun(context: TestContext, trials?: readonly number[]): Promise<string> {
  const folder = join(await makeFolder(context), 'run');
  await runSweep(SWEEP, {
    folder,
    pool: openPool({ entry: new URL('../fakes/worker.ts', import.meta.url), env: process.env }),
    cacheFolder: folder,
    versions: { 'cnn-sweep': 'test' },
    onEvent: () => undefined,
    trials: trials && new Set(trials),
  });
  return folder;
}

async function reportOf(folder: string, options: Parameters<typeof writeReport>[1] = {}): Promise<string> {
  return readFile((await writeReport(folder, options)).path, 'utf8');
}

/** Where the report says that the weights lie. */
const weights = (page: string) => /the weights lie in <code>(.*?)\/<\/code>/.exec(page)?.[1];
const sweepOf = (page: string) => /<pre tabindex="0" class="long"><code>(.*?)<\/code>/s.exec(page)?.[1] ?? '';

test('the report of a finished run shows its sweep.yaml byte for byte, and its model beside it', async (context) => {
  const folder = await makeRun(context);
  const page = await reportOf(folder);
  assert.equal(sweepOf(page), await readFile(join(folder, 'sweep.yaml'), 'utf8'));
  assert.equal(weights(page), 'model');
});

test('a report that is written elsewhere finds the weights from there', async (context) => {
  const folder = await makeRun(context);
  await mkdir(join(folder, '../shared'));
  assert.equal(weights(await reportOf(folder, { output: join(folder, '../shared/x.html') })), '../run/model');
});

test('with other thresholds the report shows these, as YAML of the same sweep', async (context) => {
  const folder = await makeRun(context);
  const selection = { ...SWEEP.spec.selection, maxLossRise: 0.37 };
  const page = await reportOf(folder, { selection });
  assert.deepEqual(parse(sweepOf(page)), { ...SWEEP, spec: { ...SWEEP.spec, selection } });
});

test('a run that goes on has the weights of its best so far, and its report says where', async (context) => {
  const folder = await makeRun(context, [0, 2]);
  assert.match(weights(await reportOf(folder)) ?? '', /^models\/\d-[\w-]+$/);
  await rm(join(folder, 'models'), { recursive: true });
  assert.match(await reportOf(folder), /The weights of this network are not there/);
});

test('weights that were removed from a finished run are no longer promised', async (context) => {
  const folder = await makeRun(context);
  await rm(join(folder, 'models'), { recursive: true });
  await rm(join(folder, 'model'), { recursive: true });
  assert.match(await reportOf(folder), /The weights of this network were not kept/);
});
