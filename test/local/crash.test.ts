import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import type { RunEvent } from '../../src/local/engine.ts';
import { readJournal } from '../../src/local/journal.ts';
import { makeFolder } from './folders.ts';

const MAIN = new URL('../fakes/main.ts', import.meta.url).pathname;
const SWEEP = { seeds: [0, 1, 2, 3, 4, 5, 6, 7], widths: [[4], [50]], seconds: 0.02, parallelism: 2 };
const KILLS = 20;

/** Runs the main process; `onEvent` may kill. @returns the events that it told */
async function runMain(
  folder: string,
  onEvent: (event: RunEvent, main: ChildProcess, count: number) => void = () => {},
) {
  const main = spawn(process.execPath, [MAIN, folder, JSON.stringify(SWEEP)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(main, 'exit');
  const events: RunEvent[] = [];
  for await (const line of createInterface({ input: main.stdout })) {
    if (!line.endsWith('}')) break; // cut by the kill
    const event: RunEvent = JSON.parse(line);
    events.push(event);
    onEvent(event, main, events.length);
  }
  const [code, signal] = await exit;
  return { events, code, signal };
}

/** Random, but the same each time; a kill falls where the event of that number is told, and what follows races with it. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function startedTrials(events: readonly RunEvent[]): number[] {
  return events.flatMap((event) => (event.kind === 'started' ? [event.trial] : []));
}

async function undisturbedVerdict(context: TestContext): Promise<string> {
  const folder = await makeFolder(context);
  assert.equal((await runMain(folder)).code, 0);
  return readFile(join(folder, 'verdict.json'), 'utf8');
}

/** The records as they stand, each trial once. */
async function recordLines(folder: string): Promise<string[]> {
  const lines = (await readFile(join(folder, 'journal'), 'utf8').catch(() => '')).split('\n').slice(1, -1);
  assert.deepEqual(
    (await readJournal(join(folder, 'journal'))).notes.filter((note) => note.includes('second record')),
    [],
  );
  return lines;
}

test(`a main process killed ${KILLS} times at random reaches the verdict of an undisturbed run, byte for byte`, async (context) => {
  const folder = await makeFolder(context);
  const random = makeRandom(20_260_101);
  for (let kills = 0; kills < KILLS; ) {
    const before = await recordLines(folder);
    const recorded = new Set((await readJournal(join(folder, 'journal'))).results.keys());
    // One event is told before any trial ends, so the sweep cannot end before it has been killed often enough.
    const last = kills < KILLS - 1 && recorded.size > 10 ? 3 : 16;
    const at = 1 + Math.floor(random() * last);
    const run = await runMain(folder, (_, main, count) => void (count === at && main.kill('SIGKILL')));
    assert.deepEqual(
      startedTrials(run.events).filter((trial) => recorded.has(trial)),
      [],
      'a recorded trial ran again',
    );
    assert.deepEqual((await recordLines(folder)).slice(0, before.length), before, 'a record changed');
    kills++;
  }
  const end = await runMain(folder);
  assert.equal(end.code, 0);
  assert.equal((await recordLines(folder)).length, 16);
  assert.equal(await readFile(join(folder, 'verdict.json'), 'utf8'), await undisturbedVerdict(context));
});

test('workers end when their main process is killed', async (context) => {
  if (process.platform !== 'linux') return context.skip('reads /proc');
  let workers: number[] = [];
  await runMain(await makeFolder(context), (event, main) => {
    if (event.kind !== 'measurement' || main.killed) return;
    workers = childrenOf(main.pid);
    main.kill('SIGKILL');
  });
  assert.ok(workers.length > 0);
  const deadline = performance.now() + 5_000;
  while (workers.some(isAlive)) {
    assert.ok(performance.now() < deadline, 'a worker outlived its main process by 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
});

test(`${KILLS} kills of workers at random cost attempts only: the same verdict`, async (context) => {
  if (process.platform !== 'linux') return context.skip('reads /proc');
  const folder = await makeFolder(context);
  const random = makeRandom(7);
  const killed = new Map<number, number>();
  let kills = 0;
  const run = await runMain(folder, (event, main) => {
    // A trial that lost two attempts is spared: the third one must do. A busy one loses its worker, an idle one dies unnoticed.
    if (event.kind === 'retrying') killed.set(event.trial, event.attempt);
    if (kills >= KILLS || random() < 0.4 || (event.kind !== 'started' && event.kind !== 'measurement')) return;
    if ([...killed.values()].some((attempts) => attempts >= 2)) return;
    for (const worker of childrenOf(main.pid).slice(0, 1)) {
      process.kill(worker, 'SIGKILL');
      kills++;
    }
  });
  assert.equal(run.code, 0);
  assert.ok(kills > 0 && killed.size > 0);
  const lines = await recordLines(folder);
  assert.equal(lines.length, 16);
  assert.equal(await readFile(join(folder, 'verdict.json'), 'utf8'), await undisturbedVerdict(context));
});

function childrenOf(parent: number | undefined): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.[1] === String(parent));
}

function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z';
}

function statOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
}
