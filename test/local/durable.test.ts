import assert from 'node:assert/strict';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AppendLog } from '../../src/local/append-log.ts';
import { openFolder } from '../../src/local/folder.ts';
import { makeFolder as makeDurableFolder, writeWhole } from '../../src/shared/durable.ts';
import { realTimers } from '../../src/shared/timers.ts';
import { buildAssignment } from '../../src/sweep/assignment.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { watchDisk } from '../fakes/disk.ts';
import { makeMeasurements, makeResult, makeSweep } from '../fakes/trials.ts';
import { makeFolder } from './folders.ts';

// Who removes a wait for the disk sees no difference before the next power cut: here the waits themselves are counted.

const sweep = makeSweep();
const trials = expandTrials(sweep);
const quiet = { timers: realTimers, onBlocked: () => undefined };
const UID = '00000000-0000-0000-0000-000000000000';

async function openRun(context: TestContext) {
  const path = await makeFolder(context);
  return { path, folder: await openFolder(path, sweep, trials, quiet) };
}

test('a record counts only when the disk has it: the journal is written, then synced, then the append resolves', async (context) => {
  const path = await makeFolder(context);
  const log = watchDisk(context, path);
  const folder = await openFolder(path, sweep, trials, quiet);
  log.splice(0);
  for (const trial of trials.slice(0, 2)) {
    const assignment = buildAssignment(sweep, trial, { attempt: 1, attemptUID: UID });
    await folder.journal.append(makeResult(assignment, makeMeasurements(assignment)));
    assert.deepEqual(log.splice(0), ['write journal', 'datasync journal']);
  }
  await folder.close();
});

test('a disk that cannot promise a line rejects its append, and the line is cut off', async (context) => {
  const path = join(await makeFolder(context), 'lines');
  const log = await AppendLog.open(path, 0);
  await log.append('kept');
  const handle = await open(path);
  await handle.close();
  context.mock.method(Object.getPrototypeOf(handle), 'datasync', () => Promise.reject(new Error('EIO')));
  await assert.rejects(log.append('lost'), /EIO/);
  await log.close();
  assert.equal(await readFile(path, 'utf8'), 'kept\n');
});

test('a journal begins as a whole file: its content is on the disk before its name, and its name before the first record', async (context) => {
  const path = await makeFolder(context);
  const log = watchDisk(context, path);
  const folder = await openFolder(path, sweep, trials, quiet);
  await folder.close();
  const journal = log.indexOf('writeFile journal.*.tmp');
  assert.deepEqual(log.slice(journal, journal + 4), [
    'writeFile journal.*.tmp',
    'sync journal.*.tmp',
    'rename journal.*.tmp journal',
    'sync .',
  ]);
});

test('a file that is written whole is on the disk before its name is', async (context) => {
  const path = await makeFolder(context);
  const log = watchDisk(context, path);
  await writeWhole(join(path, 'verdict.json'), '{}');
  assert.deepEqual(log, [
    'writeFile verdict.json.*.tmp',
    'sync verdict.json.*.tmp',
    'rename verdict.json.*.tmp verdict.json',
    'sync .',
  ]);
});

test('a new folder is on the disk with all that were made for it, before anything is put into it', async (context) => {
  const path = await makeFolder(context);
  const log = watchDisk(context, path);
  await makeDurableFolder(join(path, 'a/b/c'));
  assert.deepEqual(log, ['sync .', 'sync a', 'sync a/b']);
  await makeDurableFolder(join(path, 'a/b/c'));
  assert.equal(log.length, 3, 'one that is there costs nothing');
});

test('the winner is published with every file on the disk before its folder has its name', async (context) => {
  const { path, folder } = await openRun(context);
  const name = { trial: 0, attemptUID: UID };
  await mkdir(folder.modelFolder(name));
  for (const file of ['model.json', 'weights.bin']) await writeFile(join(folder.modelFolder(name), file), 'x');
  const log = watchDisk(context, path);
  await folder.publishModel(name, '# a card');
  const renamed = log.indexOf('rename model.*.tmp model');
  for (const file of ['/README.md', '/model.json', '/weights.bin', '']) {
    const synced = log.indexOf(`sync model.*.tmp${file}`);
    assert.ok(synced >= 0 && synced < renamed, `model${file} is synced before the rename: ${log.join(', ')}`);
  }
  assert.deepEqual(log.slice(renamed + 1), ['sync .']);
  await folder.close();
});
