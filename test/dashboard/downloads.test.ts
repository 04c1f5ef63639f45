import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { local, makeApp, makeStore, STUDY, tell, UID } from './builders.ts';

test('eight models at once, the next one later; who is gone gives the place back when nothing is read for them', {
  timeout: 15_000,
}, async (t) => {
  const asked: PromiseWithResolvers<Uint8Array | 'missing'>[] = [];
  const eight = Promise.withResolvers<void>();
  const models = {
    zip: () => {
      const one = Promise.withResolvers<Uint8Array | 'missing'>();
      if (asked.push(one) === 8) eight.resolve();
      return one.promise;
    },
  };
  const store = makeStore();
  tell(store, STUDY);
  store.setModel(UID, 2, 'first-2');
  const app = await makeApp(store, { models });
  t.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const path = '/api/v1/sweeps/local/study/trials/2/model';
  const get = () => app.inject(local(path));
  const closes: Promise<unknown>[] = [];
  app.server.on('connection', (socket) => closes.push(once(socket, 'close')));
  const requests = Array.from({ length: 8 }, () =>
    request({ host: '127.0.0.1', port, path, agent: false, headers: { host: 'localhost' } }).end(),
  );
  for (const each of requests) each.on('error', () => undefined);
  await eight.promise;
  const refused = await get();
  assert.deepEqual([refused.statusCode, refused.headers['retry-after']], [503, '5']);
  for (const each of requests) each.destroy();
  await Promise.all(closes);
  assert.equal((await get()).statusCode, 503, 'they are still being read');
  for (const { resolve } of asked) resolve(Buffer.from('zip'));
  await setImmediate();
  // The places are free again, also those of what is sent.
  for (let count = 1; count <= 20; count++) {
    let isAnswered: boolean = false;
    const answer = get().finally(() => {
      isAnswered = true;
    });
    while (!isAnswered && asked.length < 8 + count) await setImmediate();
    asked.at(-1)?.resolve(count % 2 === 0 ? 'missing' : Buffer.from('zip'));
    assert.equal((await answer).statusCode, count % 2 === 0 ? 404 : 200);
  }
});
