// Takes the pictures of the dashboard that the README shows, of the published study, by the real server and page:
// node scripts/dashboard-pictures.ts docs/images
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../test/browser.ts';
import { buildPage, servePage } from '../test/dashboard/page/served.ts';
import { growStudy, readStudy, tellStudy } from '../test/dashboard/page/study.ts';

interface Picture {
  readonly file: string;
  readonly query: string;
  readonly drawn: string;
  readonly theme: 'light' | 'dark';
  readonly width: number;
  readonly height: number;
}

const PICTURES: readonly Picture[] = [
  {
    file: 'dashboard.png',
    query: '?sweep=local/study',
    drawn: '.curve-chart canvas',
    theme: 'light',
    width: 1440,
    height: 1000,
  },
  {
    file: 'dashboard-dark.png',
    query: '?sweep=local/study',
    drawn: '.curve-chart canvas',
    theme: 'dark',
    width: 1440,
    height: 1000,
  },
  {
    file: 'dashboard-live.png',
    query: '?sweep=local/growing',
    drawn: '.curve-chart canvas',
    theme: 'light',
    width: 1440,
    height: 1000,
  },
  {
    file: 'dashboard-tradeoffs.png',
    query: '?sweep=local/study&view=tradeoffs',
    drawn: '.two section:nth-child(2) svg',
    theme: 'light',
    width: 1440,
    height: 840,
  },
];

const [folder = 'docs/images'] = process.argv.slice(2);
const built = await buildPage();
const served = await servePage(built.folder);
const browser = await launchBrowser();
try {
  const study = readStudy();
  tellStudy(served.store, study);
  const grow = growStudy(served.store, study, { name: 'growing', uid: 'e8b07a0c-0000-4000-8000-00000000000a' });
  grow.to(9);
  for (const trial of [0, 1, 3]) grow.record(trial);
  for (const picture of PICTURES) await take(browser, picture);
} finally {
  await browser.close();
  await served.close();
  await built.remove();
}

async function take(from: Browser, { file, query, drawn, theme, width, height }: Picture): Promise<void> {
  const page = await from.newPage({ viewport: { width, height }, colorScheme: theme });
  await page.goto(served.url + query);
  await page.locator(drawn).first().waitFor();
  await page.locator('.connection.live').waitFor();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  await page.screenshot({ path: path.join(folder, file) });
  await page.close();
}
