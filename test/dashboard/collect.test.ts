import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { cleanPayload, encodePayload } from '../../src/dashboard/faro-payload.ts';
import type { Observer } from '../../src/dashboard/observer.ts';
import { openLog } from '../../src/shared/log.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeApp, makeStore } from './builders.ts';

const TIME = '2026-11-25T12:00:00.000Z';

function makePayload(parts: Record<string, unknown> = {}) {
  return {
    meta: { app: { name: 'cnn-sweep', version: '0.1.0' }, session: { id: 'one' }, view: { name: 'curves' } },
    measurements: [{ type: 'web-vitals', values: { lcp: 1200 }, timestamp: TIME }],
    exceptions: [
      {
        type: 'TypeError',
        value: 'x is undefined',
        timestamp: TIME,
        stacktrace: { frames: [{ filename: 'a.js', function: 'f', lineno: 1, colno: 2 }] },
      },
    ],
    events: [
      { name: 'route_change', domain: 'browser', attributes: { fromRoute: 'a', toRoute: 'b' }, timestamp: TIME },
    ],
    logs: [],
    ...parts,
  };
}

async function open(t: TestContext, forward?: (body: string, signal: AbortSignal) => Promise<void>) {
  const lines: string[] = [];
  const counted: string[] = [];
  const observer: Observer = {
    answered: () => undefined,
    resynced: () => undefined,
    pageItem: (kind, result) => counted.push(`${kind} ${result}`),
    vital: (name, value) => counted.push(`${name} ${value}`),
  };
  const timers = new FakeTimers();
  const app = await makeApp(makeStore(), {
    collect: { forward },
    observer,
    timers,
    log: openLog((line) => lines.push(line)),
  });
  t.after(() => app.close());
  const post = (payload: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/collect',
      headers: { host: 'localhost', 'sec-fetch-site': 'same-origin', 'content-type': 'application/json', ...headers },
      payload: JSON.stringify(payload),
    });
  return { post, lines, counted, timers };
}

test('what a page tells is counted, and logged as a line each', async (t) => {
  const { post, lines, counted } = await open(t);
  const { statusCode, body } = await post(makePayload());
  assert.deepEqual([statusCode, body], [202, 'ok']);
  assert.deepEqual(counted, ['exception accepted', 'measurement accepted', 'lcp 1200', 'event accepted']);
  const [exception] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    [exception.event, exception.kind, exception.item.type, exception.item.value],
    ['page', 'exception', 'TypeError', 'x is undefined'],
  );
});

test('what a page sends is no part of the line’s own: its level stays ours', async (t) => {
  const { post, lines } = await open(t);
  const message = { level: 'error', message: 'seen', time: 'never', event: 'started', kind: 'exception' };
  await post(makePayload({ measurements: [], exceptions: [], events: [], logs: [message] }));
  const { time, meta, ...line } = JSON.parse(lines.join(''));
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
  assert.deepEqual(line, { level: 'info', event: 'page', kind: 'log', item: { message: 'seen', level: 'error' } });
  assert.deepEqual(meta.view, { name: 'curves' });
});

test('only what is on the lists passes: names, types, finite numbers, no user', () => {
  const { meta, items, rejected } = cleanPayload({
    meta: {
      user: { email: 'a@b.c', username: 'c4nary' },
      browser: { name: 'Firefox', secret: 'c4nary' },
      app: 'c4nary',
    },
    measurements: [
      { type: 'web-vitals', values: { lcp: 1, inp: '2', cls: Number.NaN, c4nary: 4 } },
      { type: 'web-vitals', values: {} },
      { type: 'c4nary', values: { lcp: 1 } },
      { type: '__proto__', values: { lcp: 1 } },
      'c4nary',
    ],
    events: [
      { name: 'c4nary' },
      { name: 'constructor' },
      { name: 'route_change', attributes: { toRoute: 'b', c4nary: 'x' } },
    ],
    exceptions: [
      { type: 'c4nary', value: 'x' },
      { type: 'Error', value: 7 },
    ],
    logs: [{ level: 'c4nary', message: 'x' }],
    c4nary: [1],
  });
  assert.deepEqual(rejected, { log: 1, exception: 2, measurement: 4, event: 2 });
  assert.deepEqual(
    items.map(({ kind, vitals }) => [kind, vitals]),
    [
      ['measurement', [['lcp', 1]]],
      ['event', []],
    ],
  );
  assert.deepEqual(meta.browser, { name: 'Firefox' });
  assert.doesNotMatch(JSON.stringify({ meta, items }), /c4nary|a@b/);
});

test('texts are cut, and lose what would break a line or colour a terminal', () => {
  const value = `a\u001b[31m\n\r\u202e\u0000${'x'.repeat(5_000)}`;
  const { items } = cleanPayload({ exceptions: [{ type: 'Error', value }] });
  const text = String(items[0]?.item.value);
  assert.equal(text.length, 1024);
  assert.match(text, /^a \[31m {4}x/);
});

test('at most a hundred items of a body count', () => {
  const { items, rejected } = cleanPayload({ events: Array.from({ length: 150 }, () => ({ name: 'session_start' })) });
  assert.deepEqual([items.length, rejected.event], [100, 50]);
});

test('twenty at once, then ten a second, of one address', async (t) => {
  const { post, timers } = await open(t);
  const burst = [];
  for (let time = 0; time < 21; time++) burst.push(await post({}));
  assert.deepEqual(
    burst.map(({ statusCode }) => statusCode),
    [...Array(20).fill(202), 429],
  );
  assert.equal(burst.at(-1)?.headers['retry-after'], '1');
  timers.advance(1_000);
  for (let time = 0; time < 10; time++) assert.equal((await post({})).statusCode, 202);
  assert.equal((await post({})).statusCode, 429);
});

test('what is passed on is the cleaned body; the page does not wait for it, and failures are counted', async (t) => {
  const sent: string[] = [];
  const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { post, counted } = await open(t, (body) => {
    sent.push(body);
    return answers[sent.length - 1]?.promise ?? Promise.resolve();
  });
  const payload = makePayload({ exceptions: [], events: [], meta: { user: { id: 'c4nary' } } });
  assert.equal((await post(payload)).statusCode, 202);
  assert.equal((await post(payload)).statusCode, 202);
  assert.equal(sent.length, 1, 'one after the other');
  assert.equal(sent[0], encodePayload(cleanPayload(payload)));
  assert.doesNotMatch(sent[0] ?? '', /c4nary/);
  answers[0]?.resolve();
  answers[1]?.reject(new Error('away'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    counted.filter((one) => /forwarded|failed/.test(one)),
    ['measurement forwarded', 'measurement failed'],
  );
});

test('without a collector there is no such address', async (t) => {
  const app = await makeApp(makeStore());
  t.after(() => app.close());
  const headers = { host: 'localhost', 'sec-fetch-site': 'same-origin' };
  assert.ok(
    [404, 405].includes((await app.inject({ method: 'POST', url: '/collect', headers, payload: {} })).statusCode),
  );
});
