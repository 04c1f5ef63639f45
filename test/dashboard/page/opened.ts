import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

/** A tab on the page, with all that it complained of. */
export interface Opened {
  readonly page: Page;
  /** Of the console, the policy, scripts, and requests to elsewhere. */
  readonly complaints: string[];
  /** Bodies that were sent to /collect. */
  readonly collected: string[];
}

export type OpenOptions = BrowserContextOptions & { readonly prepare?: (page: Page) => Promise<unknown> };

/** @param query as the address has it; `prepare` runs before the page is asked for */
export async function openPage(
  browser: Browser,
  url: string,
  query: string,
  options: OpenOptions = {},
): Promise<Opened> {
  const { prepare, ...context } = options;
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...context });
  page.setDefaultTimeout(10_000);
  const [complaints, collected]: [string[], string[]] = [[], []];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url()))
      complaints.push(`request ${request.url()}`);
  });
  await page.exposeFunction('pwned', () => complaints.push('pwned'));
  await page.route('**/collect', (route) => {
    collected.push(route.request().postData() ?? '');
    return route.fulfill({ status: 202, body: 'ok' });
  });
  await prepare?.(page);
  await page.goto(url + query);
  return { page, complaints, collected };
}

/** The views of a sweep, with what is there once they are drawn. */
export const VIEWS: Readonly<Record<string, { readonly query: string; readonly drawn: string }>> = {
  'the list of sweeps': { query: '', drawn: 'table' },
  'the learning curves': { query: '?sweep=local/study', drawn: '.curve-chart canvas' },
  'the trials': { query: '?sweep=local/study&view=trials', drawn: '.trials tbody th' },
  'a trial': { query: '?sweep=local/study&view=trial&trial=4', drawn: '.curve-chart canvas' },
  'the trade-offs': { query: '?sweep=local/study&view=tradeoffs', drawn: '.two section:nth-child(2) svg' },
  'the heat map': { query: '?sweep=local/study&view=heatmap', drawn: '.chart svg' },
  'the parallel coordinates': { query: '?sweep=local/study&view=parallel', drawn: '.parallel canvas' },
  'the timeline': { query: '?sweep=local/study&view=timeline', drawn: '.chart svg' },
};
