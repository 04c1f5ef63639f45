import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openToTokens } from '../../../src/dashboard/known-users.ts';
import { skipWithoutBrowser } from '../../browser.ts';
import { makeInput } from '../builders.ts';
import { browsing } from './browsing.ts';
import { openPage } from './opened.ts';

/** A name that leads here, and that no browser takes for the machine itself. */
const FOREIGN = 'sweeps.example';

// As docs/dashboard.md says.
describe('the login without TLS', { skip: skipWithoutBrowser }, () => {
  const userOf = async (token: string) => (token === 'good' ? { name: 'ada', groups: [] } : undefined);
  const opened = browsing({
    browserArgs: [`--host-resolver-rules=MAP ${FOREIGN} 127.0.0.1`],
    access: openToTokens({ userOf, mayList: async () => true }),
    tell: (store) => store.putSweep(makeInput({ name: 'study-of-ada' })),
  });

  async function logInAt(host: string) {
    const { page } = await openPage(opened.browser, `http://${host}:${new URL(opened.served.url).port}/`, '');
    await page.getByLabel('A token of Kubernetes').fill('good');
    const answer = page.waitForResponse((response) => response.url().endsWith('/login'));
    // The form is there because the first one was answered.
    const looked = page.waitForResponse((response) => response.url().endsWith('/api/v1/whoami'));
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

  test('does not last at an address of the network: the cookie is dropped, and the page says so', async () => {
    const { page, whoami, cookies } = await logInAt(FOREIGN);
    assert.deepEqual([whoami, cookies], [401, []]);
    await page
      .getByRole('alert')
      .getByText(/^The token is good, but .* only over HTTPS/)
      .waitFor();
    await page.close();
  });
});
