import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { User } from '../../../src/dashboard/access.ts';
import { openToProxy, openToTokens } from '../../../src/dashboard/known-users.ts';
import type { Reviews } from '../../../src/dashboard/reviews.ts';
import { skipWithoutBrowser } from '../../browser.ts';
import { makeInput } from '../builders.ts';
import { browsing } from './browsing.ts';
import { openPage } from './opened.ts';
import { growStudy, readStudy } from './study.ts';

/** An API server's word on two tokens, each good for a namespace of its own. */
class FakeReviews implements Reviews {
  readonly owners = new Map<string, User>([
    ['token-of-ada', { name: 'ada', groups: [] }],
    ['token-of-bob', { name: 'bob', groups: [] }],
  ]);

  async userOf(token: string): Promise<User | undefined> {
    return this.owners.get(token);
  }

  async mayList({ name }: User, namespace: string): Promise<boolean> {
    return namespace === `team-${name}`;
  }
}

describe('the login in a browser', { skip: skipWithoutBrowser }, () => {
  const opened = browsing();

  async function serve() {
    const reviews = new FakeReviews();
    const served = await opened.serve({ access: openToTokens(reviews) });
    for (const name of ['ada', 'bob']) {
      const { uid, ...input } = makeInput({ namespace: `team-${name}`, uid: name });
      growStudy(served.store, readStudy(), { uid, ...input, name: `study-of-${name}` }).to(3);
    }
    return { reviews, served };
  }

  async function logIn(page: Page, token: string): Promise<void> {
    await page.getByLabel('A token of Kubernetes').fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
  }

  test('a token that is not good says so; a good one shows what its owner may read, and no script finds it', async () => {
    const { served } = await serve();
    const { page } = await openPage(opened.browser, served.url, '');
    await page.getByText('kubectl create token').waitFor();
    await logIn(page, 'token-of-mallory');
    await page.getByRole('alert').getByText('not, or no longer, good').waitFor();
    await logIn(page, 'token-of-ada');
    await page.getByRole('link', { name: 'study-of-ada' }).waitFor();
    assert.equal(await page.locator('.user').textContent(), 'ada');
    assert.doesNotMatch((await page.locator('main').textContent()) ?? '', /bob/);
    assert.equal(
      await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })),
      '{}',
    );
    await page.reload();
    await page.locator('.connection.live').waitFor();
    await page.goto(`${served.url}?sweep=team-bob/study-of-bob`);
    await page.getByText('There is no sweep team-bob/study-of-bob, or you may not see it.').waitFor();
    await page.close();
  });

  test('after logging out the token is asked for again, on the same view, and another one may log in', async () => {
    const { served } = await serve();
    const { page } = await openPage(opened.browser, served.url, '?sweep=team-ada/study-of-ada&show=accuracy');
    await logIn(page, 'token-of-ada');
    await page.locator('.curve-chart canvas').waitFor();
    assert.equal(await page.getByRole('radio', { name: 'Accuracy' }).isChecked(), true);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('A token of Kubernetes').waitFor();
    assert.match(page.url(), /show=accuracy/);
    await logIn(page, 'token-of-bob');
    await page.getByText('There is no sweep team-ada/study-of-ada').waitFor();
    await page.close();
  });

  test('behind a proxy there is no login: who gets past it is told so', async () => {
    const served = await opened.serve({ access: openToProxy(new FakeReviews()) });
    const { page } = await openPage(opened.browser, served.url, '');
    await logIn(page, 'token-of-ada');
    await page.getByRole('alert').getByText('a proxy logs people in').waitFor();
    await page.close();
  });

  test('a proxy that names nobody any more is told of as such: no token would help', async () => {
    let user: User | undefined = { name: 'ada', groups: [] };
    const served = await opened.serve({ access: { mode: 'proxy', who: async () => user, mayRead: async () => true } });
    growStudy(served.store, readStudy(), makeInput({ namespace: 'team-ada', name: 'study', uid: 'ada' })).to(3);
    const { page } = await openPage(opened.browser, served.url, '?sweep=team-ada/study');
    await page.locator('.connection.live').waitFor();
    user = undefined;
    served.drop();
    await page.getByText('The proxy before this page does not say any more who you are').waitFor({ timeout: 30_000 });
    assert.equal(await page.getByLabel('A token of Kubernetes').count(), 0);
    user = { name: 'ada', groups: [] };
    await page.getByRole('button', { name: 'Reload' }).click();
    await page.locator('.connection.live').waitFor();
    assert.equal(new URL(page.url()).search, '?sweep=team-ada/study');
    await page.close();
  });

  test('a token that ends while the page is open is asked for again, and nothing is lost', async () => {
    const { served, reviews } = await serve();
    for (const query of ['?sweep=team-ada/study-of-ada&trial=4', '']) {
      reviews.owners.set('token-of-ada', { name: 'ada', groups: [] });
      const { page } = await openPage(opened.browser, served.url, query);
      await logIn(page, 'token-of-ada');
      await page.locator('.connection.live').waitFor();
      reviews.owners.delete('token-of-ada');
      served.drop();
      await page.getByText('Your login has ended').waitFor({ timeout: 30_000 });
      assert.equal(await page.getByRole('button', { name: 'Log out' }).count(), 0);
      assert.equal(new URL(page.url()).search, query);
      reviews.owners.set('token-of-ada', { name: 'ada', groups: [] });
      await logIn(page, 'token-of-ada');
      await page.locator('.connection.live').waitFor();
      await page.close();
    }
  });
});
