import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { readReportAssets } from '../../src/dashboard/report-assets.ts';
import { buildReport, type ReportInput } from '../../src/report/report.ts';
import { launchBrowser, skipWithoutBrowser } from '../browser.ts';
import { makeLargeReport, makeSmallReport, makeStudyReport, makeTroubledReport } from '../builders.ts';
import { makeBegunReport, makeCloseReport } from './close.ts';

const PAYLOADS = [
  '</script><script>pwned()</script>',
  '<!--<script>pwned()</script>',
  '<img src=x onerror=pwned()>',
  '"><svg onload=pwned()>',
  "'><svg/onload=pwned()>",
  '" autofocus onfocus=pwned() x="',
  '</option></select><img src=x onerror=pwned()>',
  '</title><script>pwned()</script>',
  '</textarea><script>pwned()</script>',
  '</noscript><script>pwned()</script>',
  '</style><script>pwned()</script>',
  '</pre></code><script>pwned()</script>',
  '<iframe srcdoc="<script>parent.pwned()</script>">',
  '<a href="javascript:pwned()">x</a>',
  'javascript:pwned()',
  '<math><mtext></table><mglyph><style><img src onerror=pwned()>',
  '\u2028pwned()\u2029',
  '\\u003cscript>pwned()\\u003c/script>',
  `${'$'}{pwned()}`,
  '{{constructor.constructor("pwned()")()}}',
  '&lt;script&gt;pwned()&lt;/script&gt;',
  ']]><script>pwned()</script>',
  '<script\u0000>pwned()</script>',
  '<base href="//example.invalid/"><meta http-equiv=refresh content="0;url=javascript:pwned()">',
  '\u202e<b onmouseover=pwned()>\ud800',
];

describe('the page in a browser', { skip: skipWithoutBrowser }, () => {
  let browser: Browser;
  let folder: string;
  let assets: Awaited<ReturnType<typeof readReportAssets>>;

  before(async () => {
    [browser, folder, assets] = await Promise.all([
      launchBrowser(),
      mkdtemp(join(tmpdir(), 'cnn-sweep-report-')),
      readReportAssets(),
    ]);
  });
  after(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  /** Opens the report from the disk; whatever the console or the policy says ends up in `complaints`. */
  async function open(input: ReportInput, { width = 1280, hash = '' } = {}) {
    const file = join(folder, 'report.html');
    await writeFile(file, buildReport(input, assets));
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!request.url().startsWith('file://')) complaints.push(`request ${request.url()}`);
    });
    await page.exposeFunction('pwned', () => complaints.push('pwned'));
    await page.goto(pathToFileURL(file).href + hash);
    return { page, complaints };
  }

  const cases: Record<string, { input: () => ReportInput; charts: number }> = {
    'the study': { input: makeStudyReport, charts: 3 },
    'a study with failed, stopped and diverged trials': { input: makeTroubledReport, charts: 3 },
    'a study without an eligible network': {
      input: () => makeStudyReport({ selection: { maxLossRise: 0 } }),
      charts: 3,
    },
    'a study that has not begun': {
      input: () => makeStudyReport({ curves: () => new Map(), results: () => [] }),
      charts: 0,
    },
    'a study without a finished trial': { input: makeBegunReport, charts: 1 },
    'two networks that can hardly be told apart': { input: makeCloseReport, charts: 3 },
    'one network': { input: () => makeSmallReport(15), charts: 2 },
    'one network and one epoch': { input: () => makeSmallReport(1), charts: 2 },
    'a thousand epochs': { input: () => makeSmallReport(1000), charts: 2 },
    'two thousand trials': { input: () => makeLargeReport(2000), charts: 3 },
  };
  for (const [sentence, { input, charts }] of Object.entries(cases)) {
    test(`${sentence}: every chart is drawn, described and within the page, and nothing complains`, async () => {
      const { page, complaints } = await open(input());
      const images = page.locator('.chart svg[role=img]');
      assert.equal(await page.locator('.chart').count(), charts);
      assert.equal(await images.count(), charts);
      for (const image of await images.all()) {
        assert.match((await image.getAttribute('aria-label')) ?? '', /^[A-Z].{20,}\.$/);
        assert.ok((await image.locator('path, circle, rect, text, line').count()) > 3);
      }
      for (const width of [1920, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
      }
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test('draws a training and a validation line for each trial, and marks the gap, the kept epoch and t*', async () => {
    const { page } = await open(makeStudyReport());
    const chart = page.locator('#curves-chart svg');
    assert.equal(await chart.locator('g[data-mark=line] path').count(), 9 * 2 + 3);
    assert.equal(await chart.locator('g[data-mark=area] path').count(), 1);
    const text = await chart.textContent();
    assert.match(text ?? '', /kept, epoch 15/);
    assert.match(text ?? '', /turning point t\*, epoch 12/);
    await page.close();
  });

  test('error bars and the band of close candidates stay within the frame, and a clip holds them there', async () => {
    const { page } = await open(makeCloseReport());
    const svg = page.locator('#size-chart svg');
    const ends = await svg
      .locator('g[data-mark=rule] line')
      .evaluateAll((lines) => lines.flatMap((line) => [line.getAttribute('y1'), line.getAttribute('y2')]).map(Number));
    const band = await svg
      .locator('g[data-mark=rect] rect')
      .evaluateAll((rects) => rects.flatMap((r) => [Number(r.getAttribute('y')), Number(r.getAttribute('height'))]));
    const [top = Number.NaN, height = Number.NaN] = band;
    assert.equal(ends.length, 2 * (2 + 2));
    for (const y of [...ends, top, top + height]) assert.ok(y >= 16 && y <= 400 - 44, `${y}`);
    const marks = svg.locator('g[data-mark=rule], g[data-mark=rect]');
    assert.ok(await marks.evaluateAll((groups) => groups.every((g) => g.closest('[clip-path]') !== null)));
    await page.close();
  });

  test('on a narrow screen what scrolls can be reached, is named and shows that it goes on', async () => {
    const { page } = await open(makeStudyReport(), { width: 390 });
    const regions = await page.locator('#trials .scroll, #alternatives .scroll').evaluateAll((elements) =>
      elements.map((e) => ({
        scrolls: e.scrollWidth > e.clientWidth,
        reachable: e.getAttribute('tabindex') === '0' && e.getAttribute('role') === 'region',
        named: (e.getAttribute('aria-label') ?? '') !== '',
        shadows: getComputedStyle(e).backgroundAttachment,
      })),
    );
    const region = { scrolls: true, reachable: true, named: true, shadows: 'local, local, scroll, scroll' };
    assert.deepEqual(regions, [region, region]);
    const width = await page
      .locator('#trials-table td.finding')
      .first()
      .evaluate((cell) => cell.clientWidth);
    assert.ok(width <= 200, `${width}`);
    await page.close();
  });

  test('each chart’s table has a row for each of its data', async () => {
    const input = makeStudyReport();
    const { page } = await open(input);
    const rows = async (id: string) => {
      await page.locator(`${id} summary`).click();
      await page.locator(`${id} details table`).waitFor();
      return page.locator(`${id} details tbody tr`).count();
    };
    assert.equal(await rows('#curves-chart'), 150);
    assert.equal(await rows('#size-chart'), 10);
    assert.equal(
      await rows('#heat-chart'),
      await page.locator('#heat-chart g[data-mark=cell]').first().locator('rect').count(),
    );
    await page.close();
  });

  test('the keyboard chooses a trial: in the chart, in the select box and in the table', async () => {
    const { page } = await open(makeStudyReport());
    const chosen = () => page.locator('#trials-table tr[aria-current]').getAttribute('data-trial');
    assert.equal(await chosen(), '2');
    await page.locator('#curves-chart .chart').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await chosen(), '1');
    assert.match((await page.locator('#curves-chart figcaption').textContent()) ?? '', /Selected: \(6,16\) relu max/);
    assert.equal(new URL(page.url()).hash, '#trial=1');
    await page.locator('#trials-table tr[data-trial="1"] .pick').focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await chosen(), '0');
    assert.equal(await page.locator('#trial').inputValue(), '0');
    await page.locator('#trial').selectOption('9');
    assert.equal(await chosen(), '9');
    await page.close();
  });

  test('an address shows what it says, and one that makes no sense shows the first view', async () => {
    const input = makeStudyReport();
    const { page } = await open(input, { hash: '#trial=5&show=accuracy&across=1&sort=-seconds' });
    assert.match(
      (await page.locator('#curves-chart figcaption').textContent()) ?? '',
      /^Accuracy .*Selected: \(96,256\)/,
    );
    assert.equal(await page.locator('#trials-table tbody tr').first().getAttribute('data-trial'), '5');
    await page.close();
    const other = await open(input, { hash: '#trial=-1&show=%3Cb%3E&across=99&sort=__proto__&axis0=x' });
    assert.match(
      (await other.page.locator('#curves-chart figcaption').textContent()) ?? '',
      /^Loss .*Selected: \(12,32\) relu max/,
    );
    assert.deepEqual(other.complaints, []);
    await other.page.close();
  });

  test('a link to a place in the page leaves the view as it is', async () => {
    const { page } = await open(makeStudyReport(), { hash: '#trial=5' });
    await page.locator('.skip').focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash === '#trials');
    assert.equal(await page.locator('#trial').inputValue(), '5');
    await page.close();
  });

  test('header buttons sort, and say how; what is absent comes last both ways', async () => {
    const { page } = await open(makeTroubledReport());
    const order = () =>
      page.locator('#trials-table tbody tr').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-trial')));
    const header = page.getByRole('button', { name: 'Validation loss', exact: true });
    await header.focus();
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('th[aria-sort=ascending]').textContent(), 'Validation loss');
    assert.equal((await order())[0], '2');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('th[aria-sort=descending]').count(), 1);
    assert.equal((await order())[0], '9');
    assert.deepEqual((await order()).slice(-3).toSorted(), ['0', '5', '6']);
    await page.close();
  });

  test('of two thousand trials a hundred rows are laid out, a filter finds any of them, and sorting takes less than a second', async () => {
    const { page } = await open(makeLargeReport(2000));
    const visible = () => page.locator('#trials-table tbody tr:visible').count();
    assert.equal(await visible(), 100);
    const took = await page.locator('[data-sort=rise]').evaluate((button) => {
      const times = [0, 1, 2].map(() => {
        const begun = performance.now();
        if (button instanceof HTMLElement) button.click();
        return document.body.offsetHeight > 0 ? performance.now() - begun : Number.POSITIVE_INFINITY;
      });
      return Math.min(...times);
    });
    assert.ok(took < 1000, `sorting took ${took} ms`);
    await page.locator('#filter').fill('(3,8) relu max, lr 0.01, seed 15');
    assert.equal(await visible(), 1);
    await page.locator('#filter').fill('');
    await page.locator('#more').click();
    assert.equal(await visible(), 2048);
    await page.close();
  });

  test('no payload in a name, a reason or the machine runs, and each is shown as it is', async () => {
    const study = makeStudyReport();
    const half = Math.ceil(PAYLOADS.length / 2);
    for (const payloads of [PAYLOADS.slice(0, half), PAYLOADS.slice(half)]) {
      const payload = (at: number) => payloads[at % payloads.length] ?? '';
      const { page, complaints } = await open({
        ...study,
        sweep: { ...study.sweep, metadata: { name: payload(0) } },
        trials: study.trials.map((trial) => ({ ...trial, name: payload(trial.trial) })),
        results: study.results.map((result) => ({
          ...result,
          ...(result.trial !== 2 && { outcome: 'Failed' as const, reason: payloads.join(' ') }),
        })),
        machine: payloads.join(' '),
      });
      await exercise(page);
      assert.deepEqual(complaints, []);
      const shown = (await page.locator('#trials-table tr[data-trial="3"] .reason').textContent()) ?? '';
      const asParsed = (text: string) => text.replaceAll('\u0000', '\ufffd').replaceAll('\ud800', '\ufffd');
      assert.equal(shown, asParsed(payloads.join(' ')));
      assert.equal(await page.locator('main :is(img, iframe, base, meta, math, b)').count(), 0);
      assert.equal(await page.locator('script').count(), 4);
      await page.close();
    }
  });

  /** Touches everything that writes text into the page. */
  async function exercise(page: Page): Promise<void> {
    for (const summary of await page.locator('figure summary').all()) await summary.click();
    for (let at = 0; at < 10; at++) await page.locator('#next').click();
    await page.setViewportSize({ width: 360, height: 800 });
    await page.getByLabel('Accuracy', { exact: true }).check();
    for (const chart of await page.locator('.chart svg').all()) await chart.hover();
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }

  test('in print nothing scrolls, nothing is cut and every row is there', async () => {
    const { page } = await open(makeLargeReport(200));
    await page.emulateMedia({ media: 'print' });
    await page.setViewportSize({ width: 700, height: 900 });
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    const cut = await page.locator('main *:visible').evaluateAll((elements) =>
      elements
        .filter((element) => !element.closest('svg, thead button, select'))
        .filter(
          (e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).overflowX !== 'visible',
        )
        .map(({ tagName, id, className }) => `${tagName}#${id}.${className}`),
    );
    assert.deepEqual(cut, []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    assert.equal(await page.locator('#trials-table tbody tr:visible').count(), 256);
    assert.ok((await page.pdf({ format: 'A4', preferCSSPageSize: true })).byteLength > 10_000);
    await page.close();
  });

  test('the theme follows the system and the switch overrules it', async () => {
    const { page } = await open(makeStudyReport());
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: 'light' });
    const light = await background();
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await background();
    assert.notEqual(light, dark);
    await page.locator('#theme').selectOption('light');
    assert.equal(await background(), light);
    await page.close();
  });

  test('the colours of the heat map have a key with their losses, on the screen, in the dark and in print', async () => {
    const { page } = await open(makeStudyReport());
    const swatches = page.locator('#heat-chart .legend .swatch');
    const coloursNow = () => swatches.evaluateAll((all) => all.map((one) => getComputedStyle(one).backgroundColor));
    assert.equal(await swatches.count(), 5);
    assert.match((await page.locator('#heat-chart .legend').textContent()) ?? '', /^Validation loss\s*\d\.\d{3}/);
    const cellFills = () =>
      page
        .locator('#heat-chart svg g[data-mark=cell] rect')
        .evaluateAll((all) => all.map((one) => getComputedStyle(one).fill));
    const light = await coloursNow();
    assert.equal(new Set(light).size, 5);
    assert.ok((await cellFills()).includes(light[0] ?? ''), 'the first colour is that of a cell');
    await page.locator('#theme').selectOption('dark');
    const dark = await coloursNow();
    assert.notDeepEqual(dark, light);
    assert.ok((await cellFills()).includes(dark[0] ?? ''));
    await page.emulateMedia({ media: 'print' });
    assert.ok(await page.locator('#heat-chart .legend').isVisible());
    assert.deepEqual(await coloursNow(), light, 'print is always light');
    await page.close();
  });

  test('without scripts the verdict and the table are there, with a word about the charts', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    const file = join(folder, 'plain.html');
    await writeFile(file, buildReport(makeStudyReport(), assets));
    await page.goto(pathToFileURL(file).href);
    assert.equal(await page.locator('h1').textContent(), '(12,32) relu max is the best network that does not overfit');
    assert.equal(await page.locator('#trials-table tbody tr:visible').count(), 10);
    assert.equal(await page.locator('noscript').isVisible(), true);
    await context.close();
  });
});
