import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type Journal, JournalUnwritableError, openJournal, readJournal } from '../../src/local/journal.ts';
import { realTimers } from '../../src/shared/timers.ts';
import { buildAssignment } from '../../src/sweep/assignment.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeMeasurements, makeResult, makeSweep } from '../fakes/trials.ts';
import { makeFolder, makeSmallDisk } from './folders.ts';

const sweep = makeSweep({ seeds: Array.from({ length: 40 }, (_, seed) => seed) });
const results = expandTrials(sweep).map((trial) => {
  const assignment = buildAssignment(sweep, trial, { attempt: 1, attemptUID: `uid-${trial.trial}` });
  return makeResult(assignment, makeMeasurements(assignment));
});
const quiet = { timers: realTimers, onBlocked: () => undefined };

/** A journal with the first `count` results, closed. */
async function writeJournal(path: string, count: number): Promise<Buffer> {
  const { journal } = await openJournal(path, sweep, quiet);
  for (const result of results.slice(0, count)) await journal.append(result);
  await journal.close();
  return readFile(path);
}

function changeSpec(change: Partial<Sweep['spec']>): Sweep {
  return { ...sweep, spec: { ...sweep.spec, ...change } };
}

async function reopen(path: string, as = sweep): Promise<{ trials: number[]; notes: readonly string[] }> {
  const opened = await openJournal(path, as, quiet);
  await opened.journal.close();
  return { trials: [...opened.results.keys()], notes: opened.notes };
}

test('what was appended is there when the journal is opened again', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  await writeJournal(path, 3);
  const { results: found } = await readJournal(path);
  assert.deepEqual([...found.values()], results.slice(0, 3));
});

test('appends in flight at the same time are all recorded, each once', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const { journal } = await openJournal(path, sweep, quiet);
  await Promise.all(results.map((result) => journal.append(result)));
  await journal.close();
  assert.deepEqual((await reopen(path)).trials, [...results.keys()]);
});

test('a torn last line is dropped with a note and cut off, and the next record follows a whole line', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const whole = await writeJournal(path, 3);
  await writeFile(path, whole.subarray(0, -20));
  const { journal, notes } = await openJournal(path, sweep, quiet);
  assert.deepEqual(notes, ['journal:4: torn last line dropped; its trial runs again']);
  await journal.append(results[3] as TrialResult);
  await journal.close();
  assert.deepEqual(await reopen(path), { trials: [0, 1, 3], notes: [] });
});

test('a damaged line in the middle is named and nothing is changed', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const bytes = await writeJournal(path, 20);
  const line17 = bytes.toString('latin1').split('\n').slice(0, 16).join('\n').length + 1;
  bytes[line17 + 100] = 0x7f;
  await writeFile(path, bytes);
  await assert.rejects(openJournal(path, sweep, quiet), {
    name: 'InvalidConfigError',
    message: 'journal:17: damaged; delete the line to run its trial again',
  });
  assert.deepEqual(await readFile(path), bytes);
});

test('a line that a person deleted is a trial that runs again', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const lines = (await writeJournal(path, 4)).toString().split('\n');
  await writeFile(path, lines.toSpliced(2, 1).join('\n'));
  assert.deepEqual(await reopen(path), { trials: [0, 2, 3], notes: [] });
});

test('a later record replaces one that Failed or was Stopped, and none that Succeeded', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const { journal } = await openJournal(path, sweep, quiet);
  const whole = results[0] as TrialResult;
  const short = { ...whole, summary: null, test: null };
  await journal.append({ ...short, outcome: 'Stopped', attemptUID: 'a' });
  await journal.append({ ...short, outcome: 'Failed', attemptUID: 'b' });
  await journal.append({ ...whole, attemptUID: 'c' });
  await journal.append({ ...short, outcome: 'Failed', attemptUID: 'd' });
  await journal.close();
  const { results: found, notes } = await readJournal(path);
  assert.deepEqual([found.get(0)?.outcome, found.get(0)?.attemptUID], ['Succeeded', 'c']);
  assert.deepEqual(notes, ['journal:5: a second record of trial 0; the first counts']);
});

test('of two records of a trial that succeeded the first counts', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const { journal } = await openJournal(path, sweep, quiet);
  const first = results[0] as TrialResult;
  await journal.append(first);
  await journal.append({ ...first, attemptUID: 'later' });
  await journal.close();
  const { results: found, notes } = await readJournal(path);
  assert.equal(found.get(0)?.attemptUID, first.attemptUID);
  assert.deepEqual(notes, ['journal:3: a second record of trial 0; the first counts']);
});

const otherSweeps: Record<string, { as: Sweep; want: string }> = {
  'other epochs': {
    as: changeSpec({ training: { ...sweep.spec.training, epochs: 20 } }),
    want: 'spec.training.epochs: 20: this folder was started with 3',
  },
  'another name': {
    as: makeSweep({ name: 'other', seeds: [...results.keys()] }),
    want: 'metadata.name: "other": this folder was started with "fake"',
  },
  'another checkpoint rule': {
    as: changeSpec({ selection: { ...sweep.spec.selection, checkpoint: 'BestEpoch' } }),
    want: 'spec.selection.checkpoint: "BestEpoch": this folder was started with "LastEpoch"',
  },
  'another point of the grid': {
    as: makeSweep({ seeds: [...results.keys(), 99] }),
    want: 'spec.grid[0].seed[40]: 99: this folder was started with nothing',
  },
};
for (const [what, { as, want }] of Object.entries(otherSweeps)) {
  test(`a folder started with ${what} is refused by the path and both values`, async (context) => {
    const path = join(await makeFolder(context), 'journal');
    await writeJournal(path, 1);
    await assert.rejects(openJournal(path, as, quiet), { name: 'InvalidSweepError', message: want });
  });
}

test('parallelism, suspend, maxFailedTrials and the thresholds may differ', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  await writeJournal(path, 2);
  const selection = { ...sweep.spec.selection, maxLossRise: 0.5, maxAccuracyGap: 0.2, parsimony: 'None' as const };
  const as = changeSpec({ parallelism: 7, suspend: true, maxFailedTrials: 1, selection });
  assert.deepEqual((await reopen(path, as)).trials, [0, 1]);
});

test('a newer format is refused', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  await writeFile(path, '1c3a5bdd {"journal":2}\n'.replace('1c3a5bdd', await crcOf('{"journal":2}')));
  await assert.rejects(openJournal(path, sweep, quiet), { name: 'InvalidConfigError', message: /^journal: format 2;/ });
});

async function crcOf(text: string): Promise<string> {
  const { crc32 } = await import('node:zlib');
  return crc32(text).toString(16).padStart(8, '0');
}

test('a journal cut anywhere folds to a prefix of its records', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const whole = await writeJournal(path, 12);
  const cut = join(path, '..', 'cut');
  const header = whole.indexOf(10) + 1;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: header, max: whole.length }), async (length) => {
      await writeFile(cut, whole.subarray(0, length));
      const { trials } = await reopen(cut);
      const newlines = whole.subarray(0, length).filter((byte) => byte === 10).length;
      assert.deepEqual(trials, [...Array(newlines - 1).keys()]);
      assert.deepEqual(await reopen(cut), { trials, notes: [] }, 'the second opening finds nothing torn');
      await rm(cut);
    }),
  );
});

test('a header that is cut was not written by us: it is refused and left as it is', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const whole = await writeJournal(path, 0);
  for (const length of [0, 1, 100, whole.length - 1]) {
    await writeFile(path, whole.subarray(0, length));
    const want = { name: 'InvalidConfigError', message: /^journal:1: the header is damaged; / };
    await assert.rejects(openJournal(path, sweep, quiet), want);
    assert.deepEqual(await readFile(path), whole.subarray(0, length));
  }
});

test('any byte that flips is found, or was the end of the last line, or changes nothing', async (context) => {
  const path = join(await makeFolder(context), 'journal');
  const whole = await writeJournal(path, 6);
  const flipped = join(path, '..', 'flipped');
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 2), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ mask;
      await writeFile(flipped, bytes);
      await assert.rejects(readJournal(flipped), { name: 'InvalidConfigError', message: /^journal:\d: .*damaged/ });
    }),
    { numRuns: 500 },
  );
});

/** A journal on a disk of 64 KiB that a file has filled; `free` removes that file. */
async function fillDisk(context: TestContext, timers: FakeTimers, told: (string | null)[]) {
  const disk = await makeSmallDisk(context, 64);
  if (disk === undefined) return undefined;
  const path = join(disk, 'journal');
  const onBlocked = (error: Error | null) =>
    told.push(error && (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'full' : null);
  const { journal } = await openJournal(path, sweep, { timers, onBlocked });
  await journal.append(results[0] as TrialResult);
  await writeFile(join(disk, 'filler'), Buffer.alloc(65_536)).catch(() => undefined);
  return { path, journal, free: () => rm(join(disk, 'filler')) };
}

/** Appends until the disk refuses one; the last page of the file may hold a few more. */
async function appendUntilBlocked(journal: Journal): Promise<{ saved: number; waiting: Promise<void> }> {
  for (let trial = 1; trial < results.length; trial++) {
    const waiting = journal.append(results[trial] as TrialResult);
    waiting.catch(() => undefined);
    while (!journal.blocked && !(await isSettled(waiting))) await new Promise((resolve) => setImmediate(resolve));
    if (journal.blocked) return { saved: trial, waiting };
  }
  throw new Error('the disk is not full');
}

async function isSettled(promise: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)]).catch(() => undefined)) !== pending;
}

test('a full disk cuts the journal back, and the record is written when there is room', async (context) => {
  const timers = new FakeTimers();
  const told: (string | null)[] = [];
  const disk = await fillDisk(context, timers, told);
  if (!disk) return;
  const { saved, waiting } = await appendUntilBlocked(disk.journal);
  assert.deepEqual((await readJournal(disk.path)).notes, [], 'no torn line stays on the disk');
  await disk.free();
  while (timers.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  timers.advance(1_999);
  assert.equal(timers.waiting, 1, 'it waits for 2 s');
  timers.advance(1);
  await waiting;
  await disk.journal.close();
  assert.deepEqual(told, ['full', null]);
  assert.deepEqual((await reopen(disk.path)).trials, [...Array(saved + 1).keys()]);
});

test('a disk that stays full is given up with the error, and what was recorded stays', async (context) => {
  const disk = await fillDisk(context, new FakeTimers(), []);
  if (!disk) return;
  const { saved, waiting } = await appendUntilBlocked(disk.journal);
  disk.journal.giveUp();
  await assert.rejects(waiting, JournalUnwritableError);
  await disk.journal.close();
  assert.deepEqual(await reopen(disk.path), { trials: [...Array(saved).keys()], notes: [] });
});
