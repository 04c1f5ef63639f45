import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFolder, readCurves, readFolder } from '../../src/local/folder.ts';
import { isHeld, lockFolder } from '../../src/local/lock.ts';
import { realTimers } from '../../src/shared/timers.ts';
import { buildAssignment } from '../../src/sweep/assignment.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { makeMeasurements, makeResult, makeSweep } from '../fakes/trials.ts';
import { makeFolder } from './folders.ts';

const sweep = makeSweep();
const trials = expandTrials(sweep);
const quiet = { timers: realTimers, onBlocked: () => undefined };
const assignments = trials.map((trial) =>
  buildAssignment(sweep, trial, { attempt: 1, attemptUID: `uid-${trial.trial}` }),
);
const measurements = assignments.flatMap(makeMeasurements);
const results = assignments.map((assignment) => makeResult(assignment, makeMeasurements(assignment)));

test('what one run kept, the next one and those who only look find', async (context) => {
  const path = await makeFolder(context);
  const folder = await openFolder(path, sweep, trials, quiet);
  for (const measurement of measurements) folder.keepMeasurement(measurement);
  for (const result of results) await folder.journal.append(result);
  await folder.close();
  const read = await readFolder(path);
  assert.deepEqual(read.measurements, measurements);
  assert.deepEqual([...read.results.values()], results);
  const again = await openFolder(path, sweep, trials, quiet);
  assert.deepEqual([...again.results.values()], results);
  await again.close();
});

test('a torn last line of the curves is no news, and the next line begins a new one', async (context) => {
  const path = await makeFolder(context);
  const first = await openFolder(path, sweep, trials, quiet);
  for (const measurement of measurements.slice(0, 2)) first.keepMeasurement(measurement);
  await first.close();
  await appendFile(join(path, 'curves.ndjson'), '{"sweep":"fake","tri');
  assert.deepEqual(await readCurves(join(path, 'curves.ndjson')), {
    measurements: measurements.slice(0, 2),
    damaged: 0,
  });
  const second = await openFolder(path, sweep, trials, quiet);
  for (const measurement of measurements.slice(2, 3)) second.keepMeasurement(measurement);
  await second.close();
  assert.deepEqual((await readFolder(path)).measurements, measurements.slice(0, 3));
});

test('a damaged line of the curves is left out and counted', async (context) => {
  const path = await makeFolder(context);
  await (await openFolder(path, sweep, trials, quiet)).close();
  await writeFile(join(path, 'curves.ndjson'), `{"epoch":NaN}\n${JSON.stringify(measurements[0])}\n`);
  const { measurements: found, notes } = await readFolder(path);
  assert.deepEqual(found, measurements.slice(0, 1));
  assert.deepEqual(notes, ['curves.ndjson: 1 damaged lines left out']);
});

const UID = '00000000-0000-0000-0000-000000000000';

test('weights without a record and half-written files of ours are removed when a folder is opened, others stay', async (context) => {
  const path = await makeFolder(context);
  const first = await openFolder(path, sweep, trials, quiet);
  for (const result of results.slice(0, 1)) await first.journal.append({ ...result, attemptUID: UID });
  await first.close();
  const other = UID.replaceAll('0', 'a');
  const weights = [`0-${UID}`, `0-${other}`, `1-${UID}`, '.installing-1-ab-host', 'mine', '1-mine', `${UID}.tmp`];
  for (const name of weights) await mkdir(join(path, 'models', name));
  const files = [
    `verdict.json.${UID}.tmp`,
    `report.html.${UID}.tmp`,
    `probe.${UID}.tmp`,
    'verdict.json.tmp',
    'notes.tmp',
    `mine.${UID}.tmp`,
  ];
  for (const name of files) await writeFile(join(path, name), '{');
  const second = await openFolder(path, sweep, trials, quiet);
  assert.deepEqual(
    (await readdir(join(path, 'models'))).sort((a, b) => (a < b ? -1 : 1)),
    [`0-${UID}`, `${UID}.tmp`, '1-mine', 'mine'].sort((a, b) => (a < b ? -1 : 1)),
  );
  assert.deepEqual(
    (await readdir(path)).filter((name) => name.endsWith('.tmp')),
    [`mine.${UID}.tmp`, 'notes.tmp', 'verdict.json.tmp'],
  );
  await second.close();
});

/** All that is in a folder, by path. */
async function contentOf(path: string): Promise<Record<string, string>> {
  const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(await Promise.all(paths.map(async (file) => [file, await readFile(file, 'utf8')])));
}

const strangers: Record<string, { files: string[]; want: RegExp }> = {
  'weights of somebody else': { files: ['models/resnet/weights.h5'], want: /^not empty and not a run folder; / },
  'a file that ends in .tmp': { files: ['notes.tmp'], want: /^not empty and not a run folder; / },
  'a sweep file': { files: ['sweep.yaml'], want: /^not empty and not a run folder; choose another --folder$/ },
  'a diary named journal': { files: ['journal', 'sweep.yaml'], want: /^journal:1: the header is damaged; / },
  'a folder named journal': { files: ['journal/monday'], want: /^not empty and not a run folder; / },
};
for (const [what, { files, want }] of Object.entries(strangers)) {
  test(`a folder with ${what} is refused, and nothing in it is touched`, async (context) => {
    const path = await makeFolder(context);
    for (const file of files) {
      await mkdir(join(path, file, '..'), { recursive: true });
      await writeFile(join(path, file), 'dear diary');
    }
    const before = await contentOf(path);
    await assert.rejects(openFolder(path, sweep, trials, quiet), { name: 'InvalidConfigError', message: want });
    assert.deepEqual(await contentOf(path), before);
  });
}

test('a run that was killed before its first line leaves a folder to begin in', async (context) => {
  const path = await makeFolder(context);
  await leaveLock(path, { pid: await pidOfTheDead() }, `lock-1-${UID}`);
  for (const name of [`journal.${UID}.tmp`, `lock-1-${UID}.${UID}.tmp`]) await writeFile(join(path, name), '');
  await (await openFolder(path, sweep, trials, quiet)).close();
  assert.ok(!(await readdir(path)).includes(`journal.${UID}.tmp`));
});

test('a record of other hyperparameters is refused', async (context) => {
  const path = await makeFolder(context);
  const folder = await openFolder(path, sweep, trials, quiet);
  for (const result of results.slice(0, 1))
    await folder.journal.append({ ...result, hyperparametersHash: '0'.repeat(16) });
  await folder.close();
  await assert.rejects(openFolder(path, sweep, trials, quiet), /trial 0 was recorded with other hyperparameters/);
});

test('a model is published with its card, in place of an earlier one', async (context) => {
  const path = await makeFolder(context);
  const folder = await openFolder(path, sweep, trials, quiet);
  const attempt = { trial: 0, attemptUID: 'uid-0' };
  for (const weights of ['old', 'new']) {
    await mkdir(folder.modelFolder(attempt), { recursive: true });
    await writeFile(join(folder.modelFolder(attempt), 'model.json'), weights);
    await folder.publishModel(attempt, `# ${weights}\n`);
  }
  await folder.close();
  assert.equal(await readFile(join(path, 'model/model.json'), 'utf8'), 'new');
  assert.equal(await readFile(join(path, 'model/README.md'), 'utf8'), '# new\n');
  assert.deepEqual(
    (await readdir(path)).filter((name) => name.startsWith('model')),
    ['model', 'models'],
  );
});

test('a folder in use says by whom and since when, and is free after release', async (context) => {
  const path = await makeFolder(context);
  const release = await lockFolder(path);
  const since = new Date().toTimeString().slice(0, 2);
  await assert.rejects(lockFolder(path), {
    name: 'InvalidConfigError',
    message: new RegExp(`^in use by process ${process.pid} since ${since}:\\d\\d$`),
  });
  await release();
  await (await lockFolder(path))();
  assert.deepEqual(await readdir(path), []);
});

test('of many that come at once at most one gets the folder', async (context) => {
  const path = await makeFolder(context);
  const locks = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(path)));
  assert.ok(locks.filter(({ status }) => status === 'fulfilled').length <= 1);
});

/** A lock as a process would have left it, changed in one point. */
async function leaveLock(path: string, change: Record<string, unknown>, left = 'lock-left'): Promise<string> {
  const release = await lockFolder(path);
  const [name = ''] = await readdir(path);
  const holder = JSON.parse(await readFile(join(path, name), 'utf8'));
  await release();
  const file = join(path, left);
  await writeFile(file, JSON.stringify({ ...holder, ...change }));
  return file;
}

async function pidOfTheDead(): Promise<number> {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
}

test('the lock of a dead process is taken over', async (context) => {
  const path = await makeFolder(context);
  await leaveLock(path, { pid: await pidOfTheDead() });
  await (await lockFolder(path))();
  assert.deepEqual(await readdir(path), []);
});

test('a living process that only has the number of the dead one does not block', async (context) => {
  if (process.platform !== 'linux') return context.skip('reads /proc');
  const path = await makeFolder(context);
  await leaveLock(path, { started: '1' });
  await (await lockFolder(path))();
});

test('the lock of another host is never taken over, and the file to delete is named', async (context) => {
  const path = await makeFolder(context);
  const file = await leaveLock(path, { host: `not-${hostname()}`, pid: 4711, since: '2020-01-02T10:02:00' });
  await assert.rejects(lockFolder(path), {
    message: `in use by process 4711 of host not-${hostname()} since 2020-01-02 10:02; if it is gone, delete ${file}`,
  });
  assert.deepEqual(await readdir(path), ['lock-left']);
});

test('a lock that cannot be read is not taken over', async (context) => {
  const path = await makeFolder(context);
  await writeFile(join(path, 'lock-odd'), '{');
  await assert.rejects(lockFolder(path), /if no run is going on, delete .*lock-odd$/);
});

test('who only looks sees whether somebody holds a folder, and leaves every lock where it is', async (context) => {
  const path = await makeFolder(context);
  assert.equal(await isHeld(path), false);
  const release = await lockFolder(path);
  assert.equal(await isHeld(path), true);
  await release();
  assert.equal(await isHeld(path), false);
  await leaveLock(path, { pid: await pidOfTheDead() }, 'lock-dead');
  assert.equal(await isHeld(path), false);
  await writeFile(join(path, 'lock-odd'), '{');
  assert.equal(await isHeld(path), true, 'by whom is unknown');
  assert.deepEqual((await readdir(path)).sort(), ['lock-dead', 'lock-odd']);
});
