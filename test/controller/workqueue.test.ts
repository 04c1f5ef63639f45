import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type QueueOptions,
  restAfter,
  startQueue,
  type TurnEnd,
  type WorkQueue,
} from '../../src/controller/workqueue.ts';
import { settle, VirtualClock } from '../fakes/virtual-clock.ts';

/** Turns that end when the test says so. */
class Turns {
  readonly clock = new VirtualClock();
  readonly started: string[] = [];
  readonly #open = new Map<string, PromiseWithResolvers<TurnEnd>>();
  readonly queue: WorkQueue;

  constructor(options: Partial<QueueOptions> = {}) {
    this.queue = startQueue({
      turn: (key) => {
        assert.ok(!this.#open.has(key), `two turns of ${key} at a time`);
        this.started.push(key);
        const turn = Promise.withResolvers<TurnEnd>();
        this.#open.set(key, turn);
        return turn.promise;
      },
      timers: this.clock,
      random: () => 0.5,
      ...options,
    });
  }

  get running(): string[] {
    return [...this.#open.keys()];
  }

  async end(key: string, end?: TurnEnd): Promise<void> {
    this.#take(key).resolve(end);
    await settle();
  }

  async fail(key: string): Promise<void> {
    this.#take(key).reject(new Error('it failed'));
    await settle();
  }

  #take(key: string): PromiseWithResolvers<TurnEnd> {
    const turn = this.#open.get(key);
    assert.ok(turn, `no turn of ${key}`);
    this.#open.delete(key);
    return turn;
  }
}

test('a key that is added many times while it waits has one turn', async () => {
  const turns = new Turns({ concurrency: 1 });
  for (const key of ['a', 'b', 'b', 'c', 'b', 'a']) turns.queue.add(key);
  assert.deepEqual(turns.running, ['a']);
  for (const key of ['a', 'b', 'c', 'a']) await turns.end(key);
  assert.deepEqual(turns.started, ['a', 'b', 'c', 'a'], 'a was added again while its turn ran');
  assert.equal(turns.running.length, 0);
});

test('adds during a turn cause one more, after those that waited before', async () => {
  const turns = new Turns({ concurrency: 1 });
  turns.queue.add('a');
  turns.queue.add('a');
  turns.queue.add('b');
  turns.queue.add('a');
  await turns.end('a');
  await turns.end('b');
  await turns.end('a');
  assert.deepEqual(turns.started, ['a', 'b', 'a']);
});

test('a key rests after its turn: what is added meanwhile is one turn, and nobody else waits', async () => {
  const turns = new Turns({ restMs: () => 100 });
  const { queue, started, clock } = turns;
  queue.add('a');
  assert.deepEqual(started, ['a']); // at once
  queue.add('a');
  await turns.end('a');
  for (let count = 0; count < 10; count++) queue.add('a');
  queue.add('b');
  assert.deepEqual(started, ['a', 'b']);
  await clock.advance(99);
  assert.deepEqual(started, ['a', 'b']);
  await clock.advance(1);
  assert.deepEqual(started, ['a', 'b', 'a']);
  await turns.end('a');
  await clock.advance(100);
  queue.add('a');
  assert.deepEqual(started, ['a', 'b', 'a', 'a']);
  await turns.end('a', { againAfterMs: 10 });
  await clock.advance(99);
  assert.equal(started.length, 4);
  await clock.advance(1);
  assert.equal(started.length, 5);
  await turns.end('a');
  queue.add('a');
  const stopped = queue.stop(10);
  await clock.advance(1_000);
  assert.equal(await stopped, false); // b
  assert.equal(started.length, 5);
});

test('eight keys at once, the ninth when one ends', async () => {
  const turns = new Turns();
  const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);
  for (const key of keys) turns.queue.add(key);
  assert.deepEqual(turns.running, keys.slice(0, 8));
  assert.equal(turns.queue.figures().depth, 2);
  await turns.end('k3');
  assert.equal(turns.running.at(-1), 'k8');
});

test('a failed key waits a random part of 1 s, 2 s, 4 s, … up to 5 min, and is forgiven by a success', async () => {
  const waits: number[] = [];
  const turns = new Turns({ onError: (_key, _error, _failures, waitMs) => waits.push(waitMs) });
  turns.queue.add('a');
  for (let failures = 0; failures < 11; failures++) {
    await turns.fail('a');
    const wait = waits.at(-1) ?? 0;
    await turns.clock.advance(wait - 1);
    assert.deepEqual(turns.running, [], 'not before its time');
    await turns.clock.advance(1);
    assert.deepEqual(turns.running, ['a']);
  }
  assert.deepEqual(waits.slice(0, 4), [500, 1_000, 2_000, 4_000]);
  assert.equal(waits.at(-1), 150_000);
  await turns.end('a');
  turns.queue.add('a');
  await turns.fail('a');
  assert.equal(waits.at(-1), 500);
});

test('events do not end the wait of a failed key, a change that may mend it does', async () => {
  const turns = new Turns();
  turns.queue.add('a');
  await turns.fail('a');
  turns.queue.add('a');
  assert.deepEqual(turns.running, []);
  turns.queue.addNow('a');
  assert.deepEqual(turns.running, ['a']);
  await turns.end('a');
  await turns.clock.advance(600_000);
  assert.deepEqual(turns.started, ['a', 'a'], 'the wait is gone');
});

test('events during a turn that fails do not shorten its wait either', async () => {
  const turns = new Turns();
  turns.queue.add('a');
  turns.queue.add('a');
  await turns.fail('a');
  assert.deepEqual(turns.running, []);
  await turns.clock.advance(500);
  assert.deepEqual(turns.running, ['a']);
  await turns.end('a');
  assert.deepEqual(turns.running, [], 'one turn covers both');
});

test('of several later times the earliest counts, and a turn can ask for one', async () => {
  const turns = new Turns();
  turns.queue.addAfter('a', 5_000);
  turns.queue.addAfter('a', 2_000);
  turns.queue.addAfter('a', 9_000);
  await turns.clock.advance(1_999);
  assert.deepEqual(turns.running, []);
  await turns.clock.advance(1);
  assert.deepEqual(turns.running, ['a']);
  await turns.end('a', { againAfterMs: 300_000 });
  await turns.clock.advance(299_999);
  assert.deepEqual(turns.running, []);
  await turns.clock.advance(1);
  assert.deepEqual(turns.running, ['a']);
});

test('a forgotten key has no turn any more', async () => {
  const turns = new Turns({ concurrency: 1 });
  turns.queue.add('a');
  turns.queue.add('b');
  turns.queue.addAfter('c', 1_000);
  turns.queue.forget('b');
  turns.queue.forget('c');
  await turns.fail('a');
  turns.queue.forget('a');
  await turns.clock.advance(1_000_000);
  assert.deepEqual(turns.started, ['a']);
});

test('a stopped queue starts nothing and waits for what runs', async () => {
  const turns = new Turns({ concurrency: 1 });
  turns.queue.add('a');
  turns.queue.add('b');
  const stopped = turns.queue.stop(10_000);
  turns.queue.add('c');
  await turns.end('a', { againAfterMs: 1 });
  assert.equal(await stopped, true);
  await turns.clock.advance(100_000);
  assert.deepEqual(turns.started, ['a']);
});

test('a turn that does not end in time is not waited for', async () => {
  const turns = new Turns();
  turns.queue.add('a');
  const stopped = turns.queue.stop(10_000);
  await turns.clock.advance(10_000);
  assert.equal(await stopped, false);
});

test('an idle queue stops at once', async () => {
  assert.equal(await new Turns().queue.stop(10_000), true);
});

test('a turn that throws before its first await counts as failed', async () => {
  const failed: string[] = [];
  const queue = startQueue({
    turn: () => {
      throw new Error('at once');
    },
    onError: (key) => failed.push(key),
    timers: new VirtualClock(),
  });
  queue.add('a');
  await settle();
  assert.deepEqual(failed, ['a']);
});

test('the metrics learn of adds, waits, ends and retries', async () => {
  const seen: string[] = [];
  const turns = new Turns({
    concurrency: 1,
    observer: {
      added: () => seen.push('added'),
      retried: () => seen.push('retried'),
      started: (seconds) => seen.push(`started after ${seconds}`),
      ended: (result, seconds) => seen.push(`${result} in ${seconds}`),
    },
  });
  turns.queue.add('a');
  turns.queue.add('b');
  turns.queue.add('b');
  await turns.clock.advance(3_000);
  assert.deepEqual(turns.queue.figures(), {
    depth: 1,
    activeWorkers: 1,
    unfinishedWorkSeconds: 3,
    longestRunningSeconds: 3,
  });
  await turns.end('a', { againAfterMs: 1e9 });
  await turns.fail('b');
  assert.deepEqual(seen, [
    'added',
    'started after 0',
    'added',
    'requeue_after in 3',
    'started after 3',
    'error in 0',
    'retried',
  ]);
});

test('a key rests as long as its last turn calls for', async () => {
  const turns = new Turns({ restMs: restAfter });
  const { queue, started, clock } = turns;
  queue.add('a');
  await clock.advance(150);
  await turns.end('a');
  queue.add('a');
  await clock.advance(299);
  assert.equal(started.length, 1);
  await clock.advance(1);
  assert.equal(started.length, 2);
});

test('a rest is twice the turn, at least 100 ms and at most a second', () => {
  assert.deepEqual([0, 50, 51, 200, 500, 501, 60_000].map(restAfter), [100, 100, 102, 400, 1_000, 1_000, 1_000]);
});

test('whatever the order of adds, ends and failures: never two turns of a key, and every add is followed by one', async () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const step = fc.record({ what: fc.constantFrom('add', 'end', 'fail', 'wait'), key });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 100), async (steps, restMs) => {
      const turns = new Turns({ concurrency: 2, restMs: () => restMs });
      const owed = new Set<string>();
      let counted = 0;
      for (const { what, key } of steps) {
        if (what === 'add') {
          owed.add(key);
          turns.queue.add(key);
        }
        if (what === 'wait') await turns.clock.advance(1_000);
        if (what === 'end' && turns.running.includes(key)) await turns.end(key);
        if (what === 'fail' && turns.running.includes(key)) await turns.fail(key);
        assert.ok(turns.running.length <= 2);
        for (; counted < turns.started.length; counted++) owed.delete(turns.started[counted] ?? '');
      }
      for (let round = 0; round < 50 && (turns.running.length > 0 || owed.size > 0); round++) {
        for (const running of turns.running) await turns.end(running);
        await turns.clock.advance(300_000);
        for (; counted < turns.started.length; counted++) owed.delete(turns.started[counted] ?? '');
      }
      assert.deepEqual([...owed], []);
    }),
    { numRuns: 200 },
  );
});
