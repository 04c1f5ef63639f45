// The page in a real browser, over the real server: first paint, many curves, a long table. See operations.md section 6, "Budget".
import type { Browser, Page } from 'playwright-core';
import { Store } from '../../src/dashboard/store.ts';
import { launchBrowser } from '../browser.ts';
import { makeLarge, tell } from '../dashboard/builders.ts';
import { buildPage, servePage } from '../dashboard/page/served.ts';
import { readStudy, tellStudy } from '../dashboard/page/study.ts';
import { type Figure, figure, median } from './figure.ts';

const ROUNDS = 5;
const LARGE = { name: 'large', uid: 'e8b07a0c-0000-4000-8000-000000000002' };

/** A browser on a server that shows what `fill` tells it. */
async function withPage<Answer>(
  fill: (store: Store) => void,
  measure: (browser: Browser, url: string) => Promise<Answer>,
): Promise<Answer> {
  const store = new Store();
  fill(store);
  const built = await buildPage();
  const served = await servePage(built.folder, { store });
  const browser = await launchBrowser();
  try {
    return await measure(browser, served.url);
  } finally {
    await browser.close();
    await served.close();
    await built.remove();
  }
}

async function openAfresh(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  return page;
}

/** Largest contentful paint of the landing view of the study, nothing cached: median of five. */
export async function measureFirstPaint(): Promise<Figure> {
  const paints = await withPage(
    (store) => tellStudy(store, readStudy()),
    async (browser, url) => {
      const values: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const page = await openAfresh(browser, `${url}?sweep=local/study`);
        await page.locator('.curve-chart canvas').waitFor();
        values.push(
          await page.evaluate(
            () =>
              new Promise<number>((resolve) => {
                const observer = new PerformanceObserver((list) =>
                  resolve((list.getEntries().at(-1)?.startTime ?? Number.NaN) / 1000),
                );
                observer.observe({ type: 'largest-contentful-paint', buffered: true });
              }),
          ),
        );
        await page.close();
      }
      return values;
    },
  );
  return figure('page: first paint of the landing view', median(paints), 's', '<=', 1.5);
}

/** From asking for the page until 200 curves of 200 epochs are on the canvas: median of five. */
export async function measureManyCurves(): Promise<Figure> {
  const large = makeLarge(200, 200);
  const seconds = await withPage(
    (store) => tell(store, large, LARGE),
    async (browser, url) => {
      const values: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
        const begin = performance.now();
        await page.goto(`${url}?sweep=local/large`);
        await page.waitForFunction(() =>
          /, 200 trials/.test(document.querySelector('.curve-chart:has(canvas)')?.getAttribute('aria-label') ?? ''),
        );
        await page.evaluate(
          () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
        );
        values.push((performance.now() - begin) / 1000);
        await page.close();
      }
      return values;
    },
  );
  return figure('page: 200 curves of 200 epochs drawn', median(seconds), 's', '<=', 2);
}

/** Frames while a table of 10,000 trials scrolls for three seconds, a screen every 100 ms. */
export async function measureScroll(): Promise<Figure> {
  const large = makeLarge(10_000, 5);
  const frames = await withPage(
    (store) => tell(store, large, LARGE),
    async (browser, url) => {
      const page = await openAfresh(browser, `${url}?sweep=local/large&view=trials`);
      await page.locator('.trials tbody th').first().waitFor();
      return page.evaluate(scrollTable);
    },
  );
  const sorted = frames.toSorted((a, b) => a - b);
  return figure(
    'page: 10,000 trials scroll, 95 % of frames within',
    sorted[Math.floor(0.95 * (sorted.length - 1))] ?? Number.NaN,
    'ms',
    '<=',
    50,
  );
}

/** In the page. @returns the time between frames, in ms */
async function scrollTable(): Promise<number[]> {
  const box = document.querySelector('.trials');
  const frames: number[] = [];
  const begin = performance.now();
  let last = begin;
  while (box && last - begin < 3000) {
    box.scrollTop += 90;
    const now = await new Promise<number>(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames.slice(1);
}

/** All of them, for `make bench-live`. */
export async function measurePage(): Promise<Figure[]> {
  return [await measureFirstPaint(), await measureManyCurves(), await measureScroll()];
}
