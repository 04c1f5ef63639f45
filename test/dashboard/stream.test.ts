import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { AppOptions } from '../../src/dashboard/app.ts';
import type { Store } from '../../src/dashboard/store.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeMeasurement, makeResult } from '../sweep/builders.ts';
import { makeApp, makeInput, makeStore, UID } from './builders.ts';
import { type Events, openEvents } from './events.ts';

/** A server on a port of its own over a store whose clock stands still. */
async function serve(t: TestContext, options: Partial<AppOptions> & { store?: Store; timers?: FakeTimers } = {}) {
  const { timers = new FakeTimers() } = options;
  const store = options.store ?? makeStore(timers);
  if (!options.store) store.putSweep(makeInput());
  timers.advance(1_000);
  const app = await makeApp(store, { ...options, timers });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const opened: Events[] = [];
  const open = async (topics: string, headers: Record<string, string> = {}) => {
    const events = await openEvents(port, topics, headers);
    opened.push(events);
    return events;
  };
  t.after(() => {
    for (const events of opened) events.close();
    return app.close();
  });
  return { store, timers, app, port, open };
}

test('a client gets a snapshot, then what changes and nothing else', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  const { name, id, data } = await events.next();
  assert.deepEqual(
    [name, data.topic, data.sweep?.trials.total, data.verdict?.isFinal],
    ['snapshot', 'sweep:local/study', 10, false],
  );
  assert.equal(id, `b00t-${store.revision}`);

  store.setTrial(UID, 3, { phase: 'Running', attempt: 1, attemptUID: 'first' });
  store.measure(UID, makeMeasurement({ trial: 3, epoch: 1 }));
  store.measure(UID, makeMeasurement({ trial: 3, epoch: 2, validationLoss: 0.5 }));
  timers.advance(500);
  const delta = await events.next();
  assert.equal(delta.name, 'delta');
  assert.deepEqual(
    delta.data.trials?.map(({ trial, phase, epochsDone }) => [trial, phase, epochsDone]),
    [[3, 'Running', 2]],
  );
  assert.deepEqual(delta.data.curves?.[0]?.points.epochs, [1, 2]);
  assert.equal(delta.data.verdict, undefined);

  store.measure(UID, makeMeasurement({ trial: 3, epoch: 3, validationLoss: 0.4 }));
  timers.advance(500);
  const next = await events.next();
  assert.deepEqual([next.data.curves?.[0]?.points.epochs, next.data.curves?.[0]?.points.validationLoss], [[3], [0.4]]);
});

test('many changes within half a second are one message', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  store.measure(UID, makeMeasurement({ epoch: 1 }));
  timers.advance(20);
  await events.next();
  for (let epoch = 2; epoch <= 6; epoch++) {
    store.measure(UID, makeMeasurement({ epoch }));
    timers.advance(60);
  }
  timers.advance(500);
  assert.deepEqual((await events.next()).data.curves?.[0]?.points.epochs, [2, 3, 4, 5, 6]);
});

test('a new attempt begins the curve anew, whole', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  for (const epoch of [1, 2, 3]) store.measure(UID, makeMeasurement({ epoch, attemptUID: 'first' }));
  timers.advance(500);
  await events.next();
  for (const epoch of [1, 2]) store.measure(UID, makeMeasurement({ epoch, attempt: 2, attemptUID: 'second' }));
  timers.advance(500);
  const { curves } = (await events.next()).data;
  assert.deepEqual([curves?.[0]?.attemptUID, curves?.[0]?.points.epochs], ['second', [1, 2]]);
});

test('a record of an attempt that was not shown brings its curve, whole, however old its epochs', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  for (const epoch of [1, 2, 3]) store.measure(UID, makeMeasurement({ epoch, attemptUID: 'first' }));
  store.measure(UID, makeMeasurement({ epoch: 1, attempt: 2, attemptUID: 'second' }));
  timers.advance(500);
  assert.equal((await events.next()).data.curves?.[0]?.attemptUID, 'second');
  store.record(UID, makeResult({ attempt: 1, attemptUID: 'first' }));
  timers.advance(500);
  const { curves } = (await events.next()).data;
  assert.deepEqual([curves?.[0]?.attemptUID, curves?.[0]?.points.epochs], ['first', [1, 2, 3]]);
});

test('a client that comes back is told what it missed; of another process, or too long ago, it gets a snapshot', async (t) => {
  const { store, timers, open } = await serve(t);
  const first = await open('sweep:local/study');
  const { id = '' } = await first.next();
  first.close();
  store.measure(UID, makeMeasurement({ epoch: 1 }));
  timers.advance(500);
  const back = await open('sweep:local/study', { 'last-event-id': id });
  const missed = await back.next();
  assert.deepEqual([missed.name, missed.data.trials?.length], ['delta', 1]);
  for (const strange of ['0ther-5', 'b00t-999999', 'b00t-x', 'b00t--1', '../../etc']) {
    const other = await open('sweep:local/study', { 'last-event-id': strange });
    assert.equal((await other.next()).name, 'snapshot', strange);
  }
});

test('the list of sweeps: what changed, and what is gone', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweeps');
  assert.deepEqual(
    (await events.next()).data.sweeps?.map(({ name }) => name),
    ['study'],
  );
  store.putSweep(makeInput({ name: 'other', uid: 'other' }));
  timers.advance(500);
  assert.deepEqual(
    (await events.next()).data.sweeps?.map(({ name }) => name),
    ['other'],
  );
  store.removeSweep('other');
  timers.advance(500);
  assert.deepEqual((await events.next()).data, { topic: 'sweeps', sweeps: [], gone: ['local/other'] });
});

test('a sweep that was deleted and created again is another one: a snapshot', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  store.removeSweep(UID);
  timers.advance(500);
  assert.deepEqual((await events.next()).data.gone, ['local/study']);
  store.putSweep(makeInput({ uid: 'again' }));
  timers.advance(500);
  const { name, data } = await events.next();
  assert.deepEqual([name, data.sweep?.uid], ['snapshot', 'again']);
});

test('a record reaches the client at once, and the verdict that it changes right after', async (t) => {
  const { store, timers, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  store.record(UID, makeResult({ trial: 2 }));
  timers.advance(20);
  assert.equal((await events.next()).data.trials?.[0]?.phase, 'Succeeded');
  timers.advance(700);
  const { trials, verdict } = (await events.next()).data;
  assert.deepEqual([trials, verdict?.best?.trial], [undefined, 2]);
});

test('several topics arrive one event each; only the last bears the id', async (t) => {
  const { open } = await serve(t);
  const events = await open('sweeps,sweep:local/study');
  const [first, second] = [await events.next(), await events.next()];
  assert.deepEqual([first.data.topic, first.id], ['sweeps', undefined]);
  assert.equal(second.data.topic, 'sweep:local/study');
  assert.match(second.id ?? '', /^b00t-\d+$/);
});

test('more changes than a message holds: lagged, then a snapshot', async (t) => {
  const { makeLarge, tell } = await import('./builders.ts');
  const timers = new FakeTimers();
  const store = makeStore(timers);
  const large = makeLarge(2_000, 3);
  store.putSweep(makeInput({ sweep: large.sweep }));
  const { open } = await serve(t, { store, timers });
  const events = await open('sweep:local/study');
  await events.next();
  tell(store, large);
  timers.advance(2_500);
  assert.equal((await events.next()).name, 'lagged');
  const { name, data } = await events.next();
  assert.deepEqual([name, data.trials], ['snapshot', undefined]);
});

test('a silent stream is kept alive by comments', async (t) => {
  const { timers, open, store } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  timers.advance(26_000);
  store.measure(UID, makeMeasurement({ epoch: 1 }));
  timers.advance(500);
  await events.next();
  assert.equal(events.text.match(/^:$/gm)?.length, 1);
  assert.match(events.text, /^retry: [1-5]\d{3}$/m);
});

test('what is asked for must be there', async (t) => {
  const { open } = await serve(t);
  const cases = { 'sweep:local/nothing': 404, 'sweep:else/study': 404, nonsense: 400, 'sweep:a': 400, '': 400 };
  for (const [topics, status] of Object.entries(cases)) {
    assert.equal((await open(topics)).response.statusCode, status, topics);
  }
});

test('who is gone before it is known what they may read takes no place', async (t) => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<boolean>();
  let asking = 0;
  const access: AppOptions['access'] = {
    mode: 'token',
    who: async () => ({ name: 'ann', groups: [] }),
    mayRead: () => {
      if (++asking === 20) asked.resolve();
      return answer.promise;
    },
  };
  const { app, port, open } = await serve(t, { access });
  const closes: Promise<unknown>[] = [];
  app.server.on('connection', (socket) => closes.push(once(socket, 'close')));
  const path = '/api/v1/events?topics=sweep:local/study';
  const requests = Array.from({ length: 20 }, () => get({ host: '127.0.0.1', port, path, agent: false }));
  for (const request of requests) request.on('error', () => undefined);
  await asked.promise;
  for (const request of requests) request.destroy();
  await Promise.all(closes);
  await setImmediate();
  answer.resolve(true);
  // As many as one user may have, and none is there.
  for (let count = 0; count < 20; count++) {
    assert.equal((await open('sweep:local/study')).response.statusCode, 200);
  }
  assert.equal((await open('sweep:local/study')).response.statusCode, 503);
});

test('what changed last is told before the goodbye: how a run ended', async (t) => {
  const { app, store, open } = await serve(t);
  const events = await open('sweep:local/study');
  await events.next();
  store.changeSweep(UID, { phase: 'Complete' });
  const closing = app.close();
  const { name, data } = await events.next();
  assert.deepEqual([name, data.sweep?.phase], ['delta', 'Complete']);
  assert.equal((await events.next()).name, 'bye');
  await closing;
});

test('when the server stops it says goodbye and ends the stream', async (t) => {
  const { app, open } = await serve(t);
  const events = await open('sweeps');
  await events.next();
  const closing = app.close();
  assert.equal((await events.next()).name, 'bye');
  await events.ended;
  await closing;
});
