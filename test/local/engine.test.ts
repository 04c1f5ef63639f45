import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Job, type Pool, type RunDeps, type RunEnd, type RunEvent, runSweep } from '../../src/local/engine.ts';
import { readJournal } from '../../src/local/journal.ts';
import { openPool } from '../../src/local/pool.ts';
import { codeOf } from '../../src/shared/durable.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import { crash, FakePool, succeed, succeedWithModel } from '../fakes/pool.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeSweep } from '../fakes/trials.ts';
import { makeFolder, makeSmallDisk } from './folders.ts';

interface Ran {
  readonly end: RunEnd;
  readonly events: readonly RunEvent[];
}

async function run(folder: string, sweep: Sweep, pool: Pool, deps: Partial<RunDeps> = {}): Promise<Ran> {
  const events: RunEvent[] = [];
  const end = await runSweep(sweep, {
    folder,
    pool,
    parallelism: 2,
    cacheFolder: '/nowhere',
    versions: { 'cnn-sweep': 'test' },
    backoffMs: () => 0,
    ...deps,
    onEvent: (event) => {
      events.push(event);
      deps.onEvent?.(event);
    },
  });
  return { end, events };
}

function of<Kind extends RunEvent['kind']>(events: readonly RunEvent[], kind: Kind) {
  return events.filter((event): event is Extract<RunEvent, { kind: Kind }> => event.kind === kind);
}

const verdictBytes = (folder: string) => readFile(join(folder, 'verdict.json'), 'utf8');

async function undisturbedVerdict(context: TestContext, sweep: Sweep, makePool: () => Pool): Promise<string> {
  const folder = await makeFolder(context);
  await run(folder, sweep, makePool());
  return verdictBytes(folder);
}

test('a sweep trains every trial once, at most as many at once as told, and names the best', async (context) => {
  const folder = await makeFolder(context);
  const pool = new FakePool(succeedWithModel);
  const { end, events } = await run(folder, makeSweep({ widths: [[4], [8]] }), pool);
  assert.equal(end.outcome, 'finished');
  assert.equal(end.complete, true);
  assert.deepEqual(end.counts, { total: 8, succeeded: 8, failed: 0, stopped: 0, waiting: 0 });
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial).sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(pool.mostAtOnce, 2);
  assert.equal(pool.closed, true);
  assert.equal(end.verdict.best?.trial, 4);
  assert.equal(await readFile(join(folder, 'model/model.json'), 'utf8'), '{"trial":4}');
  assert.equal(of(events, 'measurement').length, 8 * 3);
  assert.equal(of(events, 'recorded').length, 8);
});

test('a second call trains nothing and writes the same bytes', async (context) => {
  const folder = await makeFolder(context);
  await run(folder, makeSweep(), new FakePool());
  const before = await verdictBytes(folder);
  const pool = new FakePool();
  const { end } = await run(folder, makeSweep(), pool);
  assert.deepEqual(pool.ran, []);
  assert.equal(end.outcome, 'finished');
  assert.equal(await verdictBytes(folder), before);
});

test('a trial that crashes has three attempts, each with a UID of its own, then it has failed with the reason', async (context) => {
  const folder = await makeFolder(context);
  const pool = new FakePool((job) =>
    job.assignment.trial === 1 ? crash('Crashed (signal SIGKILL): bye') : succeed(job),
  );
  const delays: number[] = [];
  const backoffMs = (attempt: number) => {
    delays.push(attempt);
    return 0;
  };
  const { end, events } = await run(folder, makeSweep(), pool, { backoffMs });
  const attempts = pool.ran.filter(({ trial }) => trial === 1);
  assert.deepEqual(
    attempts.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
  assert.equal(new Set(attempts.map(({ attemptUID }) => attemptUID)).size, 3);
  assert.deepEqual(delays, [1, 2]);
  assert.deepEqual(
    of(events, 'retrying').map(({ attempt }) => attempt),
    [1, 2],
  );
  const { results } = await readJournal(join(folder, 'journal'));
  assert.equal(results.get(1)?.outcome, 'Failed');
  assert.equal(results.get(1)?.reason, 'Crashed (signal SIGKILL): bye');
  assert.deepEqual(end.counts, { total: 4, succeeded: 3, failed: 1, stopped: 0, waiting: 0 });
  assert.equal(end.outcome, 'finished');
});

test('a trial waits out its backoff while others start', async (context) => {
  const folder = await makeFolder(context);
  const timers = new FakeTimers();
  const pool = new FakePool((job) =>
    job.assignment.trial === 0 && job.assignment.attempt === 1 ? crash() : succeed(job),
  );
  let recorded = 0;
  let secondAttemptAt: number | undefined;
  const { end } = await run(folder, makeSweep(), pool, {
    timers,
    backoffMs: () => 5_000,
    onEvent: (event) => {
      if (event.kind === 'recorded' && ++recorded === 3) setImmediate(() => timers.advance(5_000));
      if (event.kind === 'started' && event.attempt === 2) secondAttemptAt = timers.now();
    },
  });
  assert.equal(secondAttemptAt, 5_000);
  assert.equal(end.complete, true);
});

test('a worker that can train nothing here ends the run: running trials finish, and no trial is to blame', async (context) => {
  const folder = await makeFolder(context);
  const refused = Promise.withResolvers<void>();
  const pool = new FakePool(async (job) => {
    if (job.assignment.trial === 0) {
      await refused.promise;
      return succeed(job);
    }
    return { kind: 'refused', message: '/cache/test_batch.bin: found no file' };
  });
  const onEvent = (event: RunEvent) => event.kind === 'note' && refused.resolve();
  const want = { name: 'WorkerRefusedError', message: '/cache/test_batch.bin: found no file' };
  await assert.rejects(run(folder, makeSweep(), pool, { onEvent }), want);
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial),
    [0, 1],
  );
  assert.deepEqual([...(await readJournal(join(folder, 'journal'))).results.keys()], [0]);
  assert.equal((await run(folder, makeSweep(), new FakePool())).end.counts.succeeded, 4);
});

test('a run in which trials failed and none succeeded has failed', async (context) => {
  const { end } = await run(await makeFolder(context), makeSweep(), new FakePool(() => crash()));
  assert.deepEqual([end.outcome, end.complete, end.counts.failed], ['failed', true, 4]);
  assert.equal(end.verdict.reason, 'NoEligibleModel');
});

/** Trials 0 and 1 crash, 2 runs until it is stopped, the others succeed. */
const twoCrash = () =>
  new FakePool((job) => {
    if (job.assignment.trial === 2) return new Promise(() => undefined);
    return job.assignment.trial < 2 ? crash() : succeed(job);
  });

test('more failed trials than allowed stop the sweep, and running trials are recorded as stopped', async (context) => {
  const folder = await makeFolder(context);
  const sweep = makeSweep({ seeds: [0, 1, 2, 3, 4, 5], maxFailedTrials: 1 });
  const trials = new Set([0, 1, 2, 3, 4]);
  const { end } = await run(folder, sweep, twoCrash(), { parallelism: 3, trials });
  assert.equal(end.outcome, 'failed');
  assert.equal(end.complete, false);
  assert.deepEqual(end.counts, { total: 6, succeeded: 2, failed: 2, stopped: 1, waiting: 1 });

  const same = new FakePool();
  const again = await run(folder, sweep, same);
  assert.deepEqual([same.ran, again.end.outcome, again.end.file.test], [[], 'failed', null]);
});

test('a stopped trial is only cut off: with a higher limit it runs again, and its new record counts', async (context) => {
  const folder = await makeFolder(context);
  const seeds = [0, 1, 2, 3];
  await run(folder, makeSweep({ seeds, maxFailedTrials: 1 }), twoCrash(), { parallelism: 3 });
  const raised = makeSweep({ seeds, maxFailedTrials: 2 });
  const others = await run(folder, raised, new FakePool(), { trials: new Set([0, 3]) });
  assert.deepEqual([others.end.complete, others.end.left, others.end.file.test], [false, 1, null]);
  const pool = new FakePool();
  const { end, events } = await run(folder, raised, pool);
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial),
    [2],
  );
  assert.deepEqual(
    of(events, 'opened').map(({ recorded }) => recorded.length),
    [3],
  );
  assert.deepEqual([end.outcome, end.complete, end.left], ['finished', true, 0]);
  assert.deepEqual(end.counts, { total: 4, succeeded: 2, failed: 2, stopped: 0, waiting: 0 });
  const { results, notes } = await readJournal(join(folder, 'journal'));
  assert.deepEqual([results.get(2)?.outcome, notes], ['Succeeded', []]);
});

test('failed trials run again if asked for, to the verdict of a run in which none failed', async (context) => {
  const folder = await makeFolder(context);
  const first = await run(
    folder,
    makeSweep(),
    new FakePool((job) => (job.assignment.trial < 2 ? crash() : succeed(job))),
  );
  assert.equal(first.end.counts.failed, 2);
  const idle = new FakePool();
  await run(folder, makeSweep(), idle);
  assert.deepEqual(idle.ran, []);
  const pool = new FakePool();
  const some = await run(folder, makeSweep(), pool, { retryFailed: true, trials: new Set([1, 3]) });
  assert.deepEqual([some.end.counts.failed, some.end.outcome], [1, 'finished']);
  await run(folder, makeSweep(), pool, { retryFailed: true });
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial),
    [1, 0],
  );
  assert.equal(await verdictBytes(folder), await undisturbedVerdict(context, makeSweep(), () => new FakePool()));
});

test('failed trials that run again do not count against the limit, and may be interrupted', async (context) => {
  const folder = await makeFolder(context);
  const sweep = makeSweep({ maxFailedTrials: 0 });
  const crashes = new FakePool((job) => (job.assignment.trial === 0 ? crash() : succeed(job)));
  assert.equal((await run(folder, sweep, crashes)).end.outcome, 'failed');
  const kill = new AbortController();
  const onEvent = (event: RunEvent) => event.kind === 'started' && kill.abort();
  const stuck = new FakePool(() => new Promise(() => undefined));
  const { end } = await run(folder, sweep, stuck, { retryFailed: true, kill: kill.signal, onEvent });
  assert.deepEqual([end.outcome, end.left, end.counts.failed], ['interrupted', 1, 1]);
  const last = await run(folder, sweep, new FakePool(), { retryFailed: true });
  assert.deepEqual([last.end.outcome, last.end.counts.succeeded], ['finished', 4]);
});

test('suspend starts nothing and says so', async (context) => {
  const pool = new FakePool();
  const { end, events } = await run(await makeFolder(context), makeSweep({ suspend: true }), pool);
  assert.deepEqual(pool.ran, []);
  assert.equal(end.complete, false);
  assert.deepEqual(
    of(events, 'note').map(({ message }) => message),
    ['spec.suspend is true: nothing is started'],
  );
});

test('an interrupt lets running trials finish; the same command goes on to the same verdict', async (context) => {
  const folder = await makeFolder(context);
  const sweep = makeSweep({ seeds: [0, 1, 2, 3, 4, 5, 6, 7] });
  const interrupt = new AbortController();
  const onEvent = (event: RunEvent) => {
    if (event.kind === 'started' && event.trial === 3) interrupt.abort();
  };
  const first = await run(folder, sweep, new FakePool(succeedWithModel), { interrupt: interrupt.signal, onEvent });
  assert.equal(first.end.outcome, 'interrupted');
  assert.deepEqual(first.end.counts, { total: 8, succeeded: 4, failed: 0, stopped: 0, waiting: 4 });
  assert.equal(first.end.file.test, null);
  const pool = new FakePool(succeedWithModel);
  const second = await run(folder, sweep, pool);
  assert.equal(second.end.outcome, 'finished');
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial),
    [4, 5, 6, 7],
  );
  assert.equal(
    await verdictBytes(folder),
    await undisturbedVerdict(context, sweep, () => new FakePool(succeedWithModel)),
  );
});

test('a kill ends running trials without a record, and they run again', async (context) => {
  const folder = await makeFolder(context);
  const kill = new AbortController();
  const stuck = new FakePool((job) => (job.assignment.trial < 2 ? succeed(job) : new Promise(() => undefined)));
  const onEvent = (event: RunEvent) => {
    if (event.kind === 'started' && event.trial === 3) kill.abort();
  };
  const { end } = await run(folder, makeSweep(), stuck, { kill: kill.signal, onEvent });
  assert.equal(end.outcome, 'interrupted');
  assert.equal(end.counts.stopped, 0);
  const pool = new FakePool();
  await run(folder, makeSweep(), pool);
  assert.deepEqual(
    pool.ran.map(({ trial }) => trial),
    [2, 3],
  );
});

test('only the trials asked for run; the others stay for the next call', async (context) => {
  const folder = await makeFolder(context);
  const first = new FakePool();
  const { end } = await run(folder, makeSweep(), first, { trials: new Set([1, 3]) });
  assert.deepEqual(
    first.ran.map(({ trial }) => trial),
    [1, 3],
  );
  assert.equal(end.outcome, 'finished');
  assert.equal(end.complete, false);
  const second = new FakePool();
  assert.equal((await run(folder, makeSweep(), second)).end.complete, true);
  assert.deepEqual(
    second.ran.map(({ trial }) => trial),
    [0, 2],
  );
});

test('a second run on the same folder is refused while the first one goes on', async (context) => {
  const folder = await makeFolder(context);
  const release = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const slow = new FakePool(async (job) => {
    started.resolve();
    await release.promise;
    return succeed(job);
  });
  const first = run(folder, makeSweep(), slow);
  await started.promise;
  const second = new FakePool();
  await assert.rejects(run(folder, makeSweep(), second), /^InvalidConfigError: in use by process \d+ since/);
  assert.equal(second.closed, true);
  release.resolve();
  assert.equal((await first).end.complete, true);
});

test('a folder of another sweep is refused, and nothing is started', async (context) => {
  const folder = await makeFolder(context);
  await run(folder, makeSweep({ epochs: 3 }), new FakePool());
  const pool = new FakePool();
  await assert.rejects(
    run(folder, makeSweep({ epochs: 4 }), pool),
    /spec.training.epochs: 4: this folder was started with 3/,
  );
  assert.deepEqual(pool.ran, []);
});

test('test figures of all but the winner stay sealed in the journal', async (context) => {
  const folder = await makeFolder(context);
  const { end, events } = await run(folder, makeSweep(), new FakePool(succeedWithModel));
  const winner = end.verdict.best?.trial;
  assert.equal(winner, 0);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const told = [JSON.stringify(events)];
  for (const { name, parentPath } of files)
    if (name !== 'journal') told.push(await readFile(join(parentPath, name), 'utf8'));
  for (const loser of ['2.234567', '3.234567', '4.234567']) assert.ok(!told.join().includes(loser), `${loser} is told`);
  assert.deepEqual(end.file.test, { loss: 1.234567, accuracy: 0.25 });
});

test('the weights are on disk before the record is', async (context) => {
  const folder = await makeFolder(context);
  const pool = new FakePool(async (job) => {
    const { results } = await readJournal(join(folder, 'journal'));
    assert.ok(!results.has(job.assignment.trial));
    return succeedWithModel(job);
  });
  const onEvent = (event: RunEvent) => {
    if (event.kind !== 'recorded') return;
    assert.ok(existsSync(join(folder, 'models', `${event.result.trial}-${event.result.attemptUID}`, 'model.json')));
  };
  await run(folder, makeSweep(), pool, { onEvent });
});

test('at most ten models are kept, always that of the best so far', async (context) => {
  const folder = await makeFolder(context);
  const widths = Array.from({ length: 30 }, (_, at) => [((at * 7) % 30) + 1]);
  const { end } = await run(folder, makeSweep({ seeds: [0], widths }), new FakePool(succeedWithModel));
  assert.equal((await readdir(join(folder, 'models'))).length, 10);
  assert.equal(end.file.model, 'model');
  assert.equal(await readFile(join(folder, 'model/model.json'), 'utf8'), `{"trial":${end.verdict.best?.trial}}`);
});

test('a winner without weights is said so', async (context) => {
  const folder = await makeFolder(context);
  const { end, events } = await run(folder, makeSweep(), new FakePool());
  assert.equal(end.file.model, 'none kept');
  assert.deepEqual(
    of(events, 'note').map(({ message }) => message),
    ['model: none kept of trial 0'],
  );
});

test('a trial whose weights could not be saved counts, and its reason is noted', async (context) => {
  const folder = await makeFolder(context);
  const pool = new FakePool((job) => {
    const end = succeed(job);
    assert.ok(end.kind === 'result');
    const reason = job.assignment.trial === 0 ? 'ModelNotSaved: ENOSPC' : '';
    return { ...end, result: { ...end.result, reason } };
  });
  const { end, events } = await run(folder, makeSweep(), pool);
  assert.equal(end.counts.succeeded, 4);
  assert.deepEqual(
    of(events, 'note').map(({ message }) => message),
    ['trial 0: ModelNotSaved: ENOSPC', 'model: none kept of trial 0'],
  );
});

test('judged again without a best trial, the folder holds no model, and the weights are published again with one', async (context) => {
  const folder = await makeFolder(context);
  const judgeWith = (maxLossRise: number) => {
    const selection = { checkpoint: 'LastEpoch', maxLossRise, parsimony: 'None' } as const;
    return run(folder, makeSweep({ widths: [[50]], epochs: 10, selection }), new FakePool(succeedWithModel));
  };
  const models = async () => (await readdir(folder)).filter((name) => name.startsWith('model'));
  assert.equal((await judgeWith(0.5)).end.file.model, 'model');
  assert.equal((await judgeWith(0.1)).end.file.model, null);
  assert.deepEqual(await models(), ['models']);
  assert.equal((await judgeWith(0.5)).end.file.model, 'model');
  assert.deepEqual(await models(), ['model', 'models']);
});

test('a disk that is full and stays so ends the run and names what was not saved', async (context) => {
  const disk = await makeSmallDisk(context, 64);
  if (disk === undefined) return;
  // Each trial ends when something was recorded, so that the disk is full while trials still wait to start.
  let told = Promise.withResolvers<void>();
  const pool = new FakePool(async (job) => {
    if (job.assignment.trial > 1) await told.promise;
    return succeed(job);
  });
  const onEvent = ({ kind }: RunEvent) => {
    if (kind !== 'recorded' && kind !== 'note') return;
    told.resolve();
    if (kind === 'recorded') told = Promise.withResolvers();
  };
  const sweep = makeSweep({ seeds: Array.from({ length: 60 }, (_, seed) => seed), epochs: 1 });
  const { end, events } = await run(disk, sweep, pool, { onEvent });
  assert.equal(end.outcome, 'failed');
  const refused = events.findIndex((event) => event.kind === 'note' && event.message.includes('ENOSPC'));
  assert.deepEqual(of(events.slice(refused), 'started'), [], 'nothing new starts while the disk is full');
  const { results, notes } = await readJournal(join(disk, 'journal'));
  const { unsaved } = end;
  assert.deepEqual(notes, []);
  assert.ok(unsaved.length > 0 && unsaved.every((trial) => !results.has(trial)));
  assert.equal(results.size + unsaved.length, pool.ran.length, 'each trial that ran is saved or named');
});

test('a disk with room again goes on where it was', async (context) => {
  const disk = await makeSmallDisk(context, 256);
  if (disk === undefined) return;
  await writeFile(join(disk, 'filler'), Buffer.alloc(208 * 1024));
  const timers = new FakeTimers();
  const running = Promise.withResolvers<void>();
  const pool = new FakePool(async (job) => {
    if (job.assignment.trial === 0) await running.promise; // a trial that runs on, so that writing is tried again
    return succeed(job);
  });
  const notes: string[] = [];
  const onEvent = (event: RunEvent) => {
    if (event.kind !== 'note') return;
    notes.push(event.message);
    if (event.message.includes('ENOSPC')) {
      rm(join(disk, 'filler'), { force: true }).then(async () => {
        while (timers.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
        timers.advance(2_000);
      });
    }
    if (event.message === 'journal: written again') running.resolve();
  };
  const sweep = makeSweep({ seeds: Array.from({ length: 60 }, (_, seed) => seed), epochs: 1 });
  const { end } = await run(join(disk, 'run'), sweep, pool, { timers, onEvent });
  assert.equal(end.complete, true);
  assert.equal(notes[1], 'journal: written again');
});

/** Trains a trial with a model of so many KiB, as the worker saves it: whole or not at all. */
async function succeedWithLargeModel(job: Job, kibibytes: number) {
  const end = succeed(job);
  assert.ok(end.kind === 'result');
  try {
    await mkdir(job.modelFolder);
    await writeFile(join(job.modelFolder, 'weights.bin'), Buffer.alloc(kibibytes * 1024));
    return end;
  } catch (error) {
    await rm(job.modelFolder, { recursive: true, force: true });
    return { ...end, result: { ...end.result, reason: `ModelNotSaved: ${codeOf(error)}` } };
  }
}

test('a model that has no room on the disk costs the model: the other trials start and are recorded', async (context) => {
  const disk = await makeSmallDisk(context, 512);
  if (disk === undefined) return;
  const { end, events } = await run(disk, makeSweep(), new FakePool((job) => succeedWithLargeModel(job, 600)));
  assert.deepEqual([end.outcome, end.complete, end.file.model, end.noRoom], ['finished', true, 'none kept', null]);
  const notes = of(events, 'note').map(({ message }) => message);
  assert.equal(notes.filter((message) => /^trial \d: ModelNotSaved: ENOSPC$/.test(message)).length, 4);
  assert.deepEqual(
    notes.filter((message) => message.startsWith('disk')),
    [],
  );
  assert.deepEqual(
    (await readdir(disk)).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('a disk that refused a model and has no room for anything starts nothing until a small write succeeds', async (context) => {
  const disk = await makeSmallDisk(context, 256);
  if (disk === undefined) return;
  await writeFile(join(disk, 'filler'), Buffer.alloc(208 * 1024));
  const timers = new FakeTimers();
  const running = Promise.withResolvers<void>();
  const pool = new FakePool(async (job) => {
    if (job.assignment.trial === 0) await running.promise; // a trial that runs on, so that writing is tried again
    return succeedWithLargeModel(job, job.assignment.trial === 1 ? 100 : 8);
  });
  const told: string[] = [];
  const onEvent = (event: RunEvent) => {
    if (event.kind === 'started') told.push(`started ${event.trial}`);
    if (event.kind !== 'note') return;
    told.push(event.message);
    if (event.message.startsWith('disk: ENOSPC')) {
      rm(join(disk, 'filler')).then(async () => {
        while (timers.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
        timers.advance(1_999);
        assert.equal(timers.waiting, 1, 'it waits for 2 s');
        timers.advance(1);
      });
    }
    if (event.message === 'disk: written again') running.resolve();
  };
  const { end } = await run(join(disk, 'run'), makeSweep({ epochs: 1 }), pool, { timers, onEvent });
  assert.deepEqual(told, [
    'started 0',
    'started 1',
    'trial 1: ModelNotSaved: ENOSPC',
    'disk: ENOSPC: no space left on device, write; nothing new starts, tried again every 2 s',
    'disk: written again',
    'started 2',
    'started 3',
  ]);
  assert.deepEqual([end.outcome, end.complete], ['finished', true]);
});

test('a disk that stays full after it refused a model ends the run when nothing runs any more; the same command goes on', async (context) => {
  const disk = await makeSmallDisk(context, 256);
  if (disk === undefined) return;
  await writeFile(join(disk, 'filler'), Buffer.alloc(208 * 1024));
  const folder = join(disk, 'run');
  const pool = new FakePool((job) => succeedWithLargeModel(job, 100));
  const { end } = await run(folder, makeSweep({ epochs: 1 }), pool);
  assert.deepEqual([end.outcome, end.left, end.unsaved, codeOf(end.noRoom)], ['failed', 2, [], 'ENOSPC']);
  assert.deepEqual(
    [...(await readJournal(join(folder, 'journal'))).results.keys()].toSorted((a, b) => a - b),
    [0, 1],
  );
  assert.ok(!existsSync(join(folder, 'verdict.json')));
  await rm(join(disk, 'filler'));
  const again = new FakePool();
  assert.equal((await run(folder, makeSweep({ epochs: 1 }), again)).end.complete, true);
  assert.deepEqual(
    again.ran.map(({ trial }) => trial),
    [2, 3],
  );
});

test('real workers that crash, hang or say nonsense cost attempts, not the sweep', async (context) => {
  const folder = await makeFolder(context);
  const entry = new URL('../fakes/worker.ts', import.meta.url);
  const sweep = makeSweep({ seeds: [0, 9001, 9004, 9006, 9007, 9009, 1] });
  const { end, events } = await run(folder, sweep, openPool({ entry, env: process.env }));
  const { results } = await readJournal(join(folder, 'journal'));
  const outcomes = [...results.values()]
    .sort((a, b) => a.trial - b.trial)
    .map(({ outcome, attempt }) => `${outcome} ${attempt}`);
  assert.deepEqual(outcomes, [
    'Succeeded 1',
    'Failed 3',
    'Failed 3',
    'Failed 3',
    'Succeeded 2',
    'Failed 3',
    'Succeeded 1',
  ]);
  assert.equal(end.verdict.best?.trial, 0);
  assert.equal(of(events, 'retrying').length, 4 * 2 + 1);
  assert.equal((await readdir(join(folder, 'models'))).length, 3);
  assert.ok((await stat(join(folder, 'model/README.md'))).size > 0);
});
