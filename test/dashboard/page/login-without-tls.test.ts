import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { openToTokens } from '../../../src/dashboard/known-users.ts';
import { launchBrowser, skipWithoutBrowser } from '../../browser.ts';
import { makeInput } from '../builders.ts';
import { openPage } from './opened.ts';
import { type BuiltPage, buildPage, type Served, servePage } from './served.ts';

/** An address of this machine that other machines have for it. */
const outer = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

// As docs/dashboard.md says.
describe('the login without TLS', { skip: skipWithoutBrowser }, () => {
  let browser: Browser;
  let built: BuiltPage;
  let served: Served;
  /** Takes connections at every address of this machine. */
  const relay = createServer((socket) => {
    const on = connect(Number(new URL(served.url).port), '127.0.0.1');
    for (const each of [socket, on]) each.on('error', () => undefined);
    socket.pipe(on).pipe(socket);
  });

  before(async () => {
    [browser, built] = await Promise.all([launchBrowser(), buildPage()]);
    const userOf = async (token: string) => (token === 'good' ? { name: 'ada', groups: [] } : undefined);
    served = await servePage(built.folder, { access: openToTokens({ userOf, mayList: async () => true }) });
    served.store.putSweep(makeInput({ name: 'study-of-ada' }));
    await once(relay.listen(0, '0.0.0.0'), 'listening');
  });
  after(async () => {
    await browser?.close();
    relay.close();
    await served?.close();
    await built?.remove();
  });

  async function logInAt(host: string) {
    const { page } = await openPage(browser, `http://${host}:${(relay.address() as AddressInfo).port}/`, '');
    await page.getByLabel('A token of Kubernetes').fill('good');
    const answer = page.waitForResponse((response) => response.url().endsWith('/login'));
    const looked = answer.then(() => page.waitForResponse((response) => response.url().endsWith('/api/v1/whoami')));
    await page.getByRole('button', { name: 'Log in' }).click();
    assert.equal((await answer).status(), 204);
    return { page, whoami: (await looked).status(), cookies: await page.context().cookies() };
  }

  for (const host of ['127.0.0.1', 'localhost']) {
    test(`lasts at http://${host}`, async () => {
      const { page, whoami, cookies } = await logInAt(host);
      await page.getByRole('link', { name: 'study-of-ada' }).waitFor();
      assert.equal(whoami, 200);
      assert.deepEqual(
        cookies.map(({ name, secure, httpOnly }) => [name, secure, httpOnly]),
        [['__Host-cnn-sweep', true, true]],
      );
      await page.close();
    });
  }

  test('does not last at an address of the network: the cookie is dropped', {
    skip: outer === undefined && 'this machine has no other address',
  }, async () => {
    const { page, whoami, cookies } = await logInAt(`${outer}`);
    assert.deepEqual([whoami, cookies], [401, []]);
    await page.getByLabel('A token of Kubernetes').waitFor();
    await page.close();
  });
});
