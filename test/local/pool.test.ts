import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AttemptEnd, Job, Pool } from '../../src/local/engine.ts';
import { openPool, type PoolOptions } from '../../src/local/pool.ts';
import { buildAssignment } from '../../src/sweep/assignment.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeSweep } from '../fakes/trials.ts';
import { MISBEHAVE } from '../fakes/worker.ts';
import { makeFolder } from './folders.ts';

const never = new AbortController().signal;
const nobody = () => undefined;
const entry = new URL('../fakes/worker.ts', import.meta.url);

function makePool(context: TestContext, options: PoolOptions = {}, execArgv: string[] = []): Pool {
  const pool = openPool({ entry, env: process.env, execArgv, chatter: /^CHATTER: / }, options);
  context.after(() => pool.close());
  return pool;
}

async function makeJob(context: TestContext, seed: number, { attempt = 1, seconds = 0.001 } = {}): Promise<Job> {
  const folder = await makeFolder(context);
  const sweep = makeSweep({ seeds: [seed], seconds });
  const [trial] = expandTrials(sweep);
  assert.ok(trial);
  const assignment = buildAssignment(sweep, trial, { attempt, attemptUID: `uid-${attempt}` });
  return { assignment, cacheFolder: folder, modelFolder: join(folder, 'model') };
}

function processOf(end: AttemptEnd): number {
  assert.equal(end.kind, 'result');
  return end.kind === 'result' ? end.result.seconds : 0;
}

test('one process trains trial after trial, and reports each epoch', async (context) => {
  const pool = makePool(context);
  const epochs: number[] = [];
  const first = await pool.run(
    await makeJob(context, 0),
    (report) => report.kind === 'measurement' && epochs.push(report.measurement.epoch),
    never,
  );
  const second = await pool.run(await makeJob(context, 1), nobody, never);
  assert.equal(processOf(first), processOf(second));
  assert.deepEqual(epochs, [1, 2, 3]);
});

test('attempts at the same time have a process each', async (context) => {
  const pool = makePool(context);
  const jobs = await Promise.all([makeJob(context, 0), makeJob(context, 1)]);
  const ends = await Promise.all(jobs.map((job) => pool.run(job, nobody, never)));
  assert.equal(new Set(ends.map(processOf)).size, 2);
});

const ends: Record<string, { seed: number; want: RegExp; execArgv?: string[] }> = {
  'a worker that is killed': { seed: MISBEHAVE.killsItself, want: /^Crashed \(signal SIGKILL\)$/ },
  'a worker that exits with 1': {
    seed: MISBEHAVE.exits1,
    want: /^Crashed \(exit 1\): first line \| Error: the disk is on fire$/,
  },
  'a worker whose stack is long and that talks at random': {
    seed: MISBEHAVE.showsItsStack,
    want: /^Crashed \(exit 1\): RangeError: offset is out of bounds$/,
  },
  'a worker that says what is no message': {
    seed: MISBEHAVE.talksGarbage,
    want: /^Crashed \(sent what does not decode: .*; signal SIGKILL\)$/,
  },
  'a worker out of memory': {
    seed: MISBEHAVE.eatsMemory,
    execArgv: ['--max-old-space-size=32'],
    want: /^Crashed \(signal SIG(ABRT|TRAP|ILL)\): /,
  },
};
for (const [who, { seed, want, execArgv }] of Object.entries(ends)) {
  test(`${who} costs one attempt, and the next has a new process`, async (context) => {
    const pool = makePool(context, {}, execArgv);
    const end = await pool.run(await makeJob(context, seed), nobody, never);
    assert.ok(end.kind === 'crashed');
    assert.match(end.reason, want);
    assert.equal((await pool.run(await makeJob(context, 0), nobody, never)).kind, 'result');
  });
}

test('a worker that exits with 2 refuses to train, in its own words', async (context) => {
  const end = await makePool(context).run(await makeJob(context, MISBEHAVE.exits2), nobody, never);
  assert.deepEqual(end, { kind: 'refused', message: 'native: no such backend' });
});

test('a program that cannot start costs an attempt', async () => {
  const pool = openPool({ entry: '/nowhere/worker.ts', env: process.env });
  const job: Job = { assignment: buildFirst(), cacheFolder: '/', modelFolder: '/nowhere' };
  const end = await pool.run(job, nobody, never);
  assert.match(end.kind === 'crashed' ? end.reason : '', /^Crashed \(exit 1\): .*/);
  await pool.close();
});

function buildFirst() {
  const sweep = makeSweep();
  const [trial] = expandTrials(sweep);
  assert.ok(trial);
  return buildAssignment(sweep, trial, { attempt: 1, attemptUID: 'uid' });
}

const hangs: Record<string, { seed: number; ms: number[]; want: RegExp }> = {
  'no step for 120 s is a hung worker: SIGTERM': {
    seed: MISBEHAVE.hangs,
    ms: [120_000],
    want: /^Crashed \(hung between two steps, no step for 120 s; signal SIGTERM\)$/,
  },
  'a hung worker that does not hear SIGTERM is killed 10 s later': {
    seed: MISBEHAVE.hangsDeaf,
    ms: [120_000, 10_000],
    want: /no step for 120 s; signal SIGKILL\)$/,
  },
  'a step may take 20 times the slowest so far': {
    seed: MISBEHAVE.hangsAfterASlowStep,
    ms: [1_199_999, 1],
    want: /no step for 1200 s; signal SIGTERM\)$/,
  },
  'the time before the first step has a limit of its own': {
    seed: MISBEHAVE.neverSteps,
    ms: [599_999, 1],
    want: /^Crashed \(hung before its first step, no step for 600 s; signal SIGTERM\)$/,
  },
};
for (const [sentence, { seed, ms, want }] of Object.entries(hangs)) {
  test(sentence, async (context) => {
    const timers = new FakeTimers();
    const pool = makePool(context, { timers });
    const stuck = Promise.withResolvers<void>();
    const run = pool.run(await makeJob(context, seed), () => stuck.resolve(), never);
    await stuck.promise;
    for (const step of ms) timers.advance(step);
    const end = await run;
    assert.match(end.kind === 'crashed' ? end.reason : end.kind, want);
  });
}

test('a warm worker has no more time before its first step than between two', async (context) => {
  const timers = new FakeTimers();
  const pool = makePool(context, { timers });
  await pool.run(await makeJob(context, 0), nobody, never);
  const stuck = Promise.withResolvers<void>();
  const run = pool.run(await makeJob(context, MISBEHAVE.neverSteps), () => stuck.resolve(), never);
  await stuck.promise;
  timers.advance(120_000);
  const end = await run;
  assert.match(end.kind === 'crashed' ? end.reason : end.kind, /hung before its first step, no step for 120 s/);
});

test('stopping an attempt ends its process at once', async (context) => {
  const pool = makePool(context);
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const run = pool.run(await makeJob(context, MISBEHAVE.hangsDeaf), () => started.resolve(), stop.signal);
  await started.promise;
  stop.abort();
  assert.deepEqual(await run, { kind: 'stopped' });
});

test('closing the pool leaves no process', async (context) => {
  const pool = makePool(context);
  const pid = processOf(await pool.run(await makeJob(context, 0), nobody, never));
  await pool.close();
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('a worker is in a process group of its own, so that Ctrl-C does not reach it', async (context) => {
  if (process.platform !== 'linux') return context.skip('reads /proc');
  const pool = makePool(context);
  const pid = processOf(await pool.run(await makeJob(context, 0), nobody, never));
  const [, , group] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  assert.equal(Number(group), pid);
});
