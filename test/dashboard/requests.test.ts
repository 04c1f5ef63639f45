import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openLog } from '../../src/shared/log.ts';
import { makeApp, makeInput, makeStore, STUDY, tell } from './builders.ts';
import { askMuch } from './requests.ts';

/** Of the long form: `node test/dashboard/ask-much.ts 50000`. */
const REQUESTS = 4_000;

async function open(t: TestContext) {
  const store = makeStore();
  tell(store, STUDY);
  store.putSweep(makeInput({ namespace: 'team-a', name: 'other', uid: 'other' }));
  const lines: string[] = [];
  const app = await makeApp(store, { log: openLog((line) => lines.push(line)) });
  await app.ready();
  t.after(() => app.close());
  return { app, lines };
}

test(`${REQUESTS} requests made from the API's own description: no 5xx, nothing told that was sent`, async (t) => {
  const { app, lines } = await open(t);
  const { faults, answers } = await askMuch(app, REQUESTS, 1);
  assert.deepEqual(faults.slice(0, 5), []);
  assert.deepEqual(lines, []);
  for (const status of [200, 304, 400, 404]) assert.ok((answers[status] ?? 0) > 20, JSON.stringify(answers));
});

test('the same seed asks the same', async (t) => {
  const { app } = await open(t);
  assert.deepEqual((await askMuch(app, 200, 7)).answers, (await askMuch(app, 200, 7)).answers);
});

test('a route that fails is found', async (t) => {
  const broken = await makeApp(makeStore(), {
    access: {
      mode: 'loopback',
      who: async () => ({ name: 'x', groups: [] }),
      mayRead: () => Promise.reject(new Error('broken')),
    },
  });
  await broken.ready();
  t.after(() => broken.close());
  const { faults } = await askMuch(broken, 100, 1);
  assert.ok(faults.length > 10);
});
