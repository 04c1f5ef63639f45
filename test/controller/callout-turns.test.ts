import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TokenReview } from '../../src/controller/callout.ts';
import type { CalloutCluster } from '../../src/controller/callout-facts.ts';
import { answerCallout, type CalloutDeps, type CalloutOutcome } from '../../src/controller/callout-responder.ts';
import { Turns } from '../../src/controller/callout-turns.ts';
import { openLog } from '../../src/shared/log.ts';
import { account, makeRequest } from './callout-request.ts';

const UNKNOWN: TokenReview = {
  authenticated: false,
  audiences: [],
  username: '',
  podName: undefined,
  podUID: undefined,
  error: 'unknown',
};

/** Lets what is due happen; no timer is waited for. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('of a crowd 32 tokens are reviewed at once and 256 wait; the others are unavailable at once, and come again', async () => {
  const waiting: ((review: TokenReview) => void)[] = [];
  const outcomes: CalloutOutcome[] = [];
  const cluster: CalloutCluster = {
    review: () => new Promise((resolve) => waiting.push(resolve)),
    getPod: async () => undefined,
    getJob: async () => undefined,
    getSweep: async () => undefined,
  };
  const deps: CalloutDeps = {
    account,
    cluster,
    turns: new Turns({ now: () => 0 }),
    rules: { audience: 'nats', serviceAccountName: 'cnn-sweep-trainer', namespaces: undefined },
    log: openLog(() => undefined),
    count: (outcome) => outcomes.push(outcome),
  };
  const payload = Buffer.from(makeRequest());
  const crowd = Array.from({ length: 32 + 256 + 12 }, () => answerCallout(payload, deps));
  await settled();
  assert.equal(waiting.length, 32);
  assert.deepEqual(
    outcomes,
    Array.from({ length: 12 }, () => 'Unavailable'),
  );

  let most = 0;
  while (waiting.length > 0) {
    most = Math.max(most, waiting.length);
    waiting.shift()?.(UNKNOWN);
    await settled();
  }
  assert.equal(most, 32);
  assert.ok((await Promise.all(crowd)).every((answer) => answer !== undefined));
  assert.equal(outcomes.filter((outcome) => outcome === 'TokenRejected').length, 32 + 256);
});

/** One at a time, at a clock that stands still. */
function makeTurns() {
  const clock = { ms: 0 };
  return { clock, turns: new Turns({ atOnce: 1, inLine: 9, patienceMs: 2_500, now: () => clock.ms }) };
}

/** Work that ends when it is told to. */
function makeWork() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { work: () => promise, end: resolve, fail: reject };
}

test('turns are taken in the order in which one came, also by who comes while others take theirs', async () => {
  const { turns } = makeTurns();
  const begun: string[] = [];
  const first = makeWork();
  const begin = (name: string) => turns.take(async () => begun.push(name));
  const others: Promise<unknown>[] = [turns.take(first.work)];
  let fourth: Promise<unknown> = Promise.resolve();
  const second = turns.take(async () => {
    begun.push('second');
    fourth = begin('fourth');
  });
  others.push(second, begin('third'));
  first.end('done');
  await Promise.all(others);
  await fourth;
  assert.deepEqual(begun, ['second', 'third', 'fourth']);
});

test('whoever has its turn too late is sent away, and no work is done for it', async () => {
  const { turns, clock } = makeTurns();
  const first = makeWork();
  const all = [turns.take(first.work), turns.take(async () => 'too late')];
  clock.ms = 2_501;
  all.push(turns.take(async () => 'in time'));
  first.end('done');
  assert.deepEqual(await Promise.all(all), ['done', 'crowded', 'in time']);
});

test('work that fails leaves its place to the next', async () => {
  const { turns } = makeTurns();
  const first = makeWork();
  const [failing, next] = [turns.take(first.work), turns.take(async () => 'next')];
  first.fail(new Error('the API server is away'));
  await assert.rejects(failing, /away/);
  assert.equal(await next, 'next');
  assert.equal(await turns.take(async () => 'later'), 'later');
});
