import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { skipWithoutBrowser } from '../../browser.ts';
import { makeInput } from '../builders.ts';
import { browsing } from './browsing.ts';
import { VIEWS } from './opened.ts';
import { growStudy, readStudy, tellAttempts, tellStudy } from './study.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: unknown; readonly failureSummary?: string }[];
}

describe('the page is accessible, says axe-core', { skip: skipWithoutBrowser }, () => {
  const opened = browsing({
    tell: (store) => {
      tellStudy(store, readStudy());
      store.putSweep(makeInput({ sweep: readStudy().sweep, name: 'waiting', uid: 'waiting' }));
      tellAttempts(store, readStudy(), { name: 'tries', uid: 'tries', source: 'cluster' });
      growStudy(store, readStudy(), { name: 'growing', uid: 'e8b07a0c-0000-4000-8000-00000000000a' }).to(4);
    },
  });

  /** What axe-core finds, one line a node; no rule is switched off. */
  async function complaintsOf(
    query: string,
    drawn: string,
    colorScheme: 'light' | 'dark',
    width: number,
    ready: (page: Page) => Promise<void> = async () => undefined,
  ): Promise<string[]> {
    const { page } = await opened.open(query, { colorScheme, viewport: { width, height: 900 } });
    await page.locator(drawn).first().waitFor();
    for (const summary of await page.locator('details > summary').all()) await summary.click();
    await ready(page);
    // Through the debugger: the page's own policy lets no script in.
    await page.evaluate(axe);
    const violations: Violation[] = await page.evaluate('axe.run().then(({ violations }) => violations)');
    await page.close();
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target}: ${failureSummary}`),
    );
  }

  const views = {
    ...VIEWS,
    'a growing sweep': { query: '?sweep=local/growing', drawn: '.curve-chart canvas' },
    'a sweep that has not begun': { query: '?sweep=local/waiting&view=timeline', drawn: '.waiting' },
    'the timeline of a sweep whose attempts failed': { query: '?sweep=local/tries&view=timeline', drawn: '.chart svg' },
    'a trial that is tried again': { query: '?sweep=local/tries&view=trial&trial=4', drawn: '#attempts-title' },
    'a sweep that is not there': { query: '?sweep=local/nothing', drawn: '.empty' },
  };
  for (const [sentence, { query, drawn }] of Object.entries(views))
    for (const { theme, width } of [
      { theme: 'light', width: 360 },
      { theme: 'dark', width: 1280 },
    ] as const)
      test(`${sentence}, ${theme}, ${width} pixels wide`, async () => {
        assert.deepEqual(await complaintsOf(query, drawn, theme, width), []);
      });

  test('a chart whose tip is shown', async () => {
    const [query, drawn] = ['?sweep=local/study&view=tradeoffs', '.two section:nth-child(2) svg'];
    const hover = async (page: Page) => {
      await page.locator('.chart [data-mark=dot] circle').first().hover({ force: true });
      await page.locator('.chart [data-mark=tip] text').first().waitFor();
    };
    assert.deepEqual(await complaintsOf(query, drawn, 'light', 1280, hover), []);
  });

  test('what is pressed measures 24 pixels at least, links within sentences aside', async () => {
    for (const { query, drawn } of Object.values(VIEWS)) {
      const { page } = await opened.open(query, { viewport: { width: 360, height: 800 } });
      await page.locator(drawn).first().waitFor();
      const small = await page
        .locator('button, select, input[type=search], a:not(td a):not(p a):not(.skip), summary')
        .evaluateAll((targets) =>
          targets
            .filter((target) => target.checkVisibility())
            .map((target) => ({ text: target.textContent, ...target.getBoundingClientRect().toJSON() }))
            .filter(({ width, height }) => width < 24 || height < 24)
            .map(({ text, width, height }) => `${text}: ${width} × ${height}`),
        );
      assert.deepEqual(small, [], query);
      await page.close();
    }
  });
});
