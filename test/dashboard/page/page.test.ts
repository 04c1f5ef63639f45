import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import type { Page, Route } from 'playwright-core';
import { cleanPayload } from '../../../src/dashboard/faro-payload.ts';
import { Store } from '../../../src/dashboard/store.ts';
import { skipWithoutBrowser } from '../../browser.ts';
import { makeInput, tell, UID } from '../builders.ts';
import { browsing } from './browsing.ts';
import { openPage, VIEWS } from './opened.ts';
import { PAYLOADS } from './payloads.ts';
import { ATTEMPTS_FROM_MS, growStudy, readStudy, tellAttempts, tellStudy } from './study.ts';

const study = readStudy();

describe('the page in a browser', { skip: skipWithoutBrowser }, () => {
  const opened = browsing({ tell: (store) => tellStudy(store, study) });
  const { open } = opened;
  const serve = (store = new Store()) => opened.serve({ store });
  const drawn = (page: Page, query: string) =>
    page
      .locator(Object.values(VIEWS).find((view) => view.query === query)?.drawn ?? 'main')
      .first()
      .waitFor();

  for (const [sentence, view] of Object.entries(VIEWS)) {
    test(`${sentence}: drawn within the page from 360 to 1920 pixels, every chart described, and nothing complains`, async () => {
      const { page, complaints } = await open(view.query);
      await page.locator(view.drawn).first().waitFor();
      for (const image of await page.locator('[role=img]').all()) {
        assert.match((await image.getAttribute('aria-label')) ?? '', /^[A-Z].{20,}\.$/);
      }
      for (const width of [1920, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth);
      }
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test('the landing view says which network, why and how sure, beside the curves, and what other rules would pick', async () => {
    const { page } = await open('?sweep=local/study');
    await page.getByRole('heading', { level: 1 }).waitFor();
    assert.equal(
      await page.getByRole('heading', { level: 1 }).textContent(),
      '(12,32) relu max is the best network that does not overfit',
    );
    const verdict = ((await page.locator('.verdict').textContent()) ?? '').replaceAll('\u00a0', ' ');
    for (const words of ['1.077 ± 0.021', '65.3 %', '64.7 %', '7.9 points', 'How sure:', 'its optimism']) {
      assert.ok(verdict.includes(words), `${words} is missing in ${verdict}`);
    }
    const chart = page.locator('.curve-chart');
    assert.match((await chart.getAttribute('aria-label')) ?? '', /10 trials\..*turns at epoch 7\./);
    const [left, right] = [await chart.boundingBox(), await page.locator('.verdict').boundingBox()];
    assert.ok(left && right && left.x + left.width <= right.x, 'the verdict stands beside the curves');
    assert.match(
      (await page.locator('table.words').textContent()) ?? '',
      /Best epoch of every network.*\(96,256\) relu max/s,
    );
    await page.close();
  });

  test('no name, state or price of the landing view is cut off or beyond the edge, however wide the screen', async () => {
    const { page } = await open('?sweep=local/study');
    for (const width of [360, 700, 1280, 1920]) {
      await page.setViewportSize({ width, height: 900 });
      const cut = await page.locator('.top li span, table.words :is(th, td)').evaluateAll((elements) =>
        elements
          .filter(
            (element) =>
              element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline',
          )
          .concat(elements.filter((element) => element.getBoundingClientRect().right > innerWidth))
          .map(({ textContent }) => textContent),
      );
      assert.deepEqual(cut, [], `${width} pixels`);
    }
    await page.close();
  });

  test('the name at the end of every curve is drawn whole, also of the one that is chosen', async () => {
    const { page } = await open('?sweep=local/study');
    for (let trial = 0; trial < 10; trial++) {
      await page.goto(`${new URL(page.url()).origin}/?sweep=local/study&trial=${trial}`);
      await page.locator('.curve-chart canvas').waitFor();
      await page.waitForTimeout(500); // until its curves are drawn
      const [all, edge] = await page.locator('.curve-chart canvas').evaluate((element) => {
        const { width, height } = element as HTMLCanvasElement;
        const ctx = (element as HTMLCanvasElement).getContext('2d');
        return [0, width - 1].map((from) => {
          const { data = [] } = ctx?.getImageData(from, 0, width - from, height) ?? {};
          return data.filter((value, at) => at % 4 === 3 && value > 0).length;
        });
      });
      assert.ok(all && all > 10_000, `trial ${trial}: nothing is drawn yet`);
      assert.equal(edge, 0, `trial ${trial}: its name runs into the edge`);
    }
    await page.close();
  });

  test('while curves are on their way nobody says that there is none, and what stands below does not move', async () => {
    let answer = () => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const { page } = await open('?sweep=local/study', {
      prepare: (tab: Page) => tab.route('**/curves?*', (route) => held.then(() => route.continue())),
    });
    await page.locator('.top').waitFor();
    assert.equal(await page.getByText('No curve yet').count(), 0);
    const before = await page.locator('.top').boundingBox();
    answer();
    await page.locator('.curve-chart canvas').waitFor();
    const after = await page.locator('.top').boundingBox();
    assert.ok(before && after && Math.abs(before.y - after.y) < 3, `${before?.y} ${after?.y}`);
    await page.close();
  });

  test('the canvas shows lines: another figure and another trial look otherwise', async () => {
    const { page } = await open('?sweep=local/study');
    await drawn(page, '?sweep=local/study');
    const pixels = () =>
      page.locator('.curve-chart canvas').evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL().length);
    const loss = await pixels();
    await page.getByLabel('Accuracy').check();
    await page.waitForFunction(
      (before) => document.querySelector<HTMLCanvasElement>('.curve-chart canvas')?.toDataURL().length !== before,
      loss,
    );
    assert.match((await page.locator('.curve-chart').getAttribute('aria-label')) ?? '', /^Accuracy/);
    await page.close();
  });

  test('what is chosen stands in the address, a link shows the same, and Back undoes a step', async () => {
    const { page } = await open('');
    await page.getByRole('link', { name: 'study', exact: true }).click();
    await page.getByLabel('Accuracy').check();
    await page.getByLabel('Over').selectOption('time');
    await page.getByRole('checkbox', { name: 'Smooth' }).check();
    await page.getByRole('button', { name: '(24,64) relu max' }).click();
    assert.equal(new URL(page.url()).search, '?sweep=local/study&trial=3&show=accuracy&x=time&smooth=1');
    const sentence = await page.locator('.curve-chart').getAttribute('aria-label');
    assert.match(sentence ?? '', /Accuracy by time, smoothed.*Selected: \(24,64\) relu max/);
    await page.reload();
    await page.locator('.curve-chart').waitFor();
    assert.equal(await page.locator('.curve-chart').getAttribute('aria-label'), sentence);
    await page.getByRole('link', { name: 'Heat map' }).click();
    await page.getByLabel('Shows').selectOption('gap');
    assert.match(page.url(), /view=heatmap.*cell=gap/);
    await page.goBack();
    await page.locator('.curve-chart').waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Sweeps' }).waitFor();
    await page.close();
  });

  test('a keyboard alone chooses trials in the chart and in the table, sorts, and opens one', async () => {
    const { page } = await open('?sweep=local/study');
    await page.locator('.focusable').focus();
    await page.keyboard.press('ArrowRight');
    assert.match(page.url(), /trial=1/);
    await page.keyboard.press('ArrowLeft');
    assert.match(page.url(), /trial=2/);
    await page.getByRole('link', { name: 'Trials', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Gap' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('[aria-sort=ascending]', { hasText: 'Gap' }).waitFor();
    await page.waitForFunction(() => document.querySelector('.trials tbody th')?.textContent === '(12,32) linear avg');
    await page.locator('.trials').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowDown');
    assert.match(page.url(), /trial=0/);
    assert.match((await page.locator('.trials [aria-current]').textContent()) ?? '', /\(3,8\) relu max/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: '(3,8) relu max' }).waitFor();
    await page.getByRole('link', { name: 'Trade-offs' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('.chart svg').first().waitFor();
    await page.locator('.focusable').last().focus();
    await page.keyboard.press('ArrowUp');
    assert.match(page.url(), /trial=1/);
    await page.close();
  });

  test('the server filters the table, and an empty answer leads on', async () => {
    const { page } = await open('?sweep=local/study&view=trials');
    await page.getByLabel('Finding').selectOption('Overfit');
    await page.getByText('5 trials match').waitFor();
    await page.getByLabel('Find', { exact: true }).fill('nobody');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByText('10 trials').first().waitFor();
    await page.close();
  });

  test('a brush on the parallel coordinates is in the address and filters every view', async () => {
    const { page } = await open('?sweep=local/study&view=parallel');
    await drawn(page, '?sweep=local/study&view=parallel');
    const axis = await page.locator('.brush').first().boundingBox();
    assert.ok(axis);
    await page.mouse.move(axis.x + 16, axis.y + 0.36 * axis.height);
    await page.mouse.down();
    await page.mouse.move(axis.x + 16, axis.y + 2, { steps: 4 });
    await page.mouse.up();
    await page.getByText('3 of 10 trials within the brushes').waitFor();
    assert.match(page.url(), /brush=widths:4~6|brush=widths%3A4~6/);
    await page.getByRole('link', { name: 'Trials', exact: true }).click();
    assert.equal(await page.locator('.trials tbody th').count(), 3);
    await page.getByRole('link', { name: 'Curves', exact: true }).click();
    assert.match((await page.locator('.curve-chart').getAttribute('aria-label')) ?? '', /3 trials/);
    await page.getByRole('button', { name: 'Remove the brushes' }).click();
    await page.waitForFunction(() =>
      document.querySelector('.curve-chart')?.getAttribute('aria-label')?.includes('10 trials'),
    );
    await page.getByRole('link', { name: 'Parallel' }).click();
    await page.getByText('Brushes by hand').click();
    await page.getByLabel('widths from').selectOption({ label: '(24,64)' });
    await page.getByText('3 of 10 trials within the brushes').waitFor();
    await page.close();
  });

  async function taken(page: Page, name: string): Promise<{ name: string; bytes: Buffer }> {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page
        .getByRole('button', { name, exact: true })
        .or(page.getByRole('link', { name, exact: true }))
        .first()
        .click(),
    ]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  }

  test('curves, verdict and configuration can be taken away: CSV, PNG with title and legend, JSON, YAML', async () => {
    const { page, complaints } = await open('?sweep=local/study');
    await drawn(page, '?sweep=local/study');
    const csv = await taken(page, 'CSV');
    assert.equal(csv.name, 'study-loss.csv');
    const lines = csv.bytes.toString().trim().split('\r\n');
    assert.equal(lines.length, 1 + 10 * 15);
    assert.equal(lines[0], 'trial,network,epoch,epoch,training loss,validation loss');
    const chart = await page.locator('.curve-chart').boundingBox();
    const png = await taken(page, 'PNG');
    assert.equal(png.name, 'study-loss.png');
    assert.equal(png.bytes.toString('latin1', 1, 4), 'PNG');
    assert.ok(
      chart && png.bytes.readUInt32BE(16) > 2 * chart.width && png.bytes.readUInt32BE(20) > 2 * chart.height + 100,
    );
    const json = JSON.parse((await taken(page, 'verdict.json')).bytes.toString());
    assert.equal(json.verdict.best.trial, 2);
    assert.equal(json.configuration.checkpoint, 'LastEpoch');
    assert.match((await taken(page, 'sweep.yaml')).bytes.toString(), /kind: Sweep/);
    assert.match((await taken(page, 'trials.csv')).bytes.toString(), /\(12,32\) relu max/);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('the winner’s weights can be taken away, and a curve with holes says so', async () => {
    const store = new Store();
    const live = await opened.serve({
      store,
      models: { zip: async ({ trial }) => new TextEncoder().encode(`weights of trial ${trial}`) },
    });
    tell(store, { ...study, measurements: study.measurements.filter(({ trial, epoch }) => trial !== 3 || epoch < 9) });
    store.setModel(UID, 2, study.results[2]?.attemptUID ?? '');
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    const model = await taken(page, 'Download the model');
    assert.equal(model.bytes.toString(), 'weights of trial 2');
    assert.match(model.name, /\.zip$/);
    assert.match(
      (await page.locator('.verdict .exports').textContent()) ?? '',
      /model\.json, weights\.bin; on this machine also in model\/ of the run folder/,
    );
    await page.getByText('One curve is incomplete').waitFor();
    await page.getByRole('button', { name: '(24,64) relu max' }).click();
    await page.getByRole('link', { name: 'Trials', exact: true }).click();
    await page.getByRole('link', { name: '(24,64) relu max' }).click();
    await page.getByText('15 epochs were trained, and the stream holds 8 of them').waitFor();
    await page.close();
  });

  test('what arrives between drawing and looking is drawn, too', async () => {
    // Effects run after the frame, or 35 ms later; on a busy machine an answer comes sooner.
    const prepare = (page: Page) =>
      page.addInitScript(() => {
        const later = window.setTimeout;
        const patient = (ms: number | undefined) => (ms === 35 ? 500 : ms);
        window.setTimeout = ((run: () => void, ms?: number) => later(run, patient(ms))) as typeof later;
        window.requestAnimationFrame = (run) => later(() => run(performance.now()), 500);
      });
    for (const { query } of Object.values(VIEWS)) {
      const { page, complaints } = await open(query, { prepare });
      await drawn(page, query);
      assert.deepEqual(complaints, [], query);
      await page.close();
    }
  });

  for (const view of ['tradeoffs', 'heatmap', 'parallel', 'timeline', 'trials']) {
    test(`what ${view} shows can be taken away as a picture or as figures`, async () => {
      const query = `?sweep=local/study&view=${view}`;
      const { page, complaints } = await open(query);
      await drawn(page, query);
      const csv = await taken(page, 'CSV');
      assert.ok(csv.bytes.toString().split('\r\n').length > 5, csv.bytes.toString());
      if (view !== 'trials') {
        const png = await taken(page, 'PNG');
        assert.ok(png.bytes.length > 10_000 && png.bytes.readUInt32BE(16) > 1000);
      }
      assert.deepEqual(complaints, []);
      await page.close();
    });
  }

  test('curves grow while trials train, the verdict follows, and nothing moves', async () => {
    const store = new Store();
    const live = await serve(store);
    const grow = growStudy(store, study);
    const { page, complaints } = await openPage(opened.browser, live.url, '?sweep=local/study');
    await page.getByText('No curve yet.').waitFor();
    assert.match((await page.locator('h1').textContent()) ?? '', /No verdict yet/);
    await page.evaluate(watchShifts);
    grow.to(3);
    await page.locator('.curve-chart canvas').waitFor();
    await page.waitForFunction(() =>
      document.querySelector('.curve-chart')?.getAttribute('aria-label')?.includes('10 trials'),
    );
    await page.waitForFunction(() => document.querySelector('.top')?.textContent?.includes('epoch 3 of 15'));
    grow.to(7);
    await page.waitForFunction(() => document.querySelector('.top')?.textContent?.includes('epoch 7 of 15'));
    grow.record(2);
    await page.getByRole('heading', { level: 1, name: '(12,32) relu max is so far the best network' }).waitFor();
    await page.getByText('Verdict so far').waitFor();
    grow.to(15);
    grow.recordAll();
    await page
      .getByRole('heading', { level: 1, name: '(12,32) relu max is the best network that does not overfit' })
      .waitFor();
    await page.getByText('64.7 %').first().waitFor();
    const shifted: { value: number; what: string[] }[] = await page.evaluate('shifts');
    assert.deepEqual(
      shifted.filter(({ what }) =>
        what.some((name) => /^(curve-chart|focusable|landing|tabs|top|progress|FIG\w+)$/.test(name)),
      ),
      [],
    );
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('it works under a path that a proxy gives it', async () => {
    const proxy = createServer((request, response) => {
      const path = (request.url ?? '').replace(/^\/tools\/cnn\//, '');
      const forwarded = get(opened.served.url + path, { headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      response.on('close', () => forwarded.destroy());
      forwarded.on('error', () => response.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const { page, complaints } = await openPage(
      opened.browser,
      `http://localhost:${port}/`,
      'tools/cnn/?sweep=local/study',
    );
    await page.locator('.curve-chart canvas').waitFor();
    await page.locator('.connection.live').waitFor();
    await page.getByRole('link', { name: 'Heat map' }).click();
    await page.locator('.chart svg').waitFor();
    assert.equal(page.url(), `http://localhost:${port}/tools/cnn/?sweep=local/study&view=heatmap`);
    assert.deepEqual(complaints, []);
    await page.close();
    proxy.closeAllConnections();
    proxy.close();
  });

  test('a lost connection is shown, and is live again by itself', async () => {
    const store = new Store();
    const live = await serve(store);
    const grow = growStudy(store, study);
    grow.to(2);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    await page.locator('.connection.live').waitFor();
    live.drop();
    await page.locator('.connection.reconnecting', { hasText: 'not live since' }).waitFor();
    grow.to(5);
    await page.locator('.connection.live').waitFor();
    await page.waitForFunction(() => document.querySelector('.top')?.textContent?.includes('epoch 5 of 15'));
    await page.close();
  });

  test('a run on this machine that is over takes its server along: the page says so, and offers no file that nobody gives', async () => {
    const store = new Store();
    const live = await serve(store);
    const grow = growStudy(store, study);
    grow.to(15);
    for (const { trial, attemptUID } of study.results) store.setModel(UID, trial, attemptUID);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    await page.locator('.connection.live').waitFor();
    // A reading that is cut off is told, too.
    await page.waitForLoadState('networkidle');
    live.drop();
    await page.locator('.connection.reconnecting').waitFor();
    assert.equal(await page.locator('.warnings').count(), 0, 'one that trains is only out of reach');
    await page.locator('.connection.live').waitFor();
    grow.recordAll();
    await page.getByRole('link', { name: 'Download the model' }).waitFor();
    await page.waitForFunction(() =>
      performance.getEntriesByType('resource').some(({ name }) => /plot-.*js$/.test(name)),
    );
    await page.waitForLoadState('networkidle');
    const before = await page.locator('.curve-chart').boundingBox();
    await live.close();
    await page.getByText('The run has ended, and its page is served no more.').waitFor();
    assert.match((await page.locator('.verdict').textContent()) ?? '', /bin\/cnn-sweep open runs\/study/);
    assert.match((await page.locator('.connection').textContent()) ?? '', /the run is over/);
    assert.deepEqual(await page.locator('.curve-chart').boundingBox(), before);
    assert.equal(await page.locator('.verdict a').count(), 0);
    assert.equal((await taken(page, 'verdict.json')).name, 'study-verdict.json');
    await page.getByRole('link', { name: 'Trials', exact: true }).click();
    await page.getByLabel('Finding').selectOption('Overfit');
    await page.getByText('5 trials match').waitFor();
    assert.match((await page.locator('.warnings').textContent()) ?? '', /The run has ended/);
    await page.getByRole('link', { name: 'Heat map' }).click();
    await page.locator('.chart svg').waitFor();
    await page.close();
  });

  test('a run on this machine that was interrupted says how it goes on', async () => {
    const store = new Store();
    const live = await serve(store);
    const grow = growStudy(store, study);
    grow.to(3);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    await page.locator('.connection.live').waitFor();
    store.changeSweep(UID, { phase: 'Suspended' });
    grow.record(2);
    await page.getByText('(12,32) relu max is so far the best').first().waitFor();
    await live.close();
    await page.getByText('the same command goes on where it was').waitFor();
    await page.close();
  });

  test('what the stream told while an older answer was on its way is kept, even if it is the last that is ever told', async () => {
    const store = new Store();
    const live = await serve(store);
    const grow = growStudy(store, study);
    grow.to(3);
    const [read, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const others: Promise<unknown>[] = [];
    const prepare = async (page: Page) => {
      await page.addInitScript(() => {
        const Browsers = EventSource;
        const told: string[] = [];
        Object.assign(window, { told });
        window.EventSource = class extends Browsers {
          constructor(url: string | URL) {
            super(url);
            for (const type of ['snapshot', 'delta']) this.addEventListener(type, ({ data }) => told.push(data));
          }
        };
      });
      const hold = async (route: Route) => {
        const response = await route.fetch();
        read.resolve();
        await ended.promise;
        await route.fulfill({ response });
      };
      await page.route('**/sweeps/local/study', hold, { times: 1 });
      await page.route('**/curves?*', (route) => route.abort());
      for (const path of ['/verdict', '/trials?'])
        others.push(page.waitForResponse((answer) => answer.url().includes(path)));
    };
    const isTold = (page: Page, words: string) =>
      page.waitForFunction((part) => (window as unknown as { told: string[] }).told.join().includes(part), words);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study', { prepare });
    await Promise.all([read.promise, ...others, isTold(page, 'Running')]);
    store.changeSweep(UID, { phase: 'Suspended' });
    await isTold(page, 'Suspended');
    await live.close();
    ended.resolve();
    await page.getByText('the same command goes on where it was').waitFor();
    await page.close();
  });

  test('one trial tells when it began and where, of every attempt how far it came and why it ended, and how to read its log', async () => {
    const store = new Store();
    const live = await serve(store);
    store.putSweep(makeInput({ sweep: study.sweep, phase: 'Running' }));
    const attempt = (number: number, epochs: number) => {
      const attemptUID = `e8b07a0c-0000-4000-8000-00000000002${number}`;
      const [createdAt, startedAt] = [`2026-11-25T09:0${number}:00Z`, `2026-11-25T09:0${number}:15Z`];
      const pod = `study-4-${number}`;
      store.setTrial(UID, 4, { phase: 'Running', attempt: number, attemptUID });
      store.seeAttempt(UID, 4, { attempt: number, attemptUID, node: `node-${number}`, pod, createdAt, startedAt });
      for (const measurement of study.measurements)
        if (measurement.trial === 4 && measurement.epoch <= epochs)
          store.measure(UID, { ...measurement, attempt: number, attemptUID });
    };
    attempt(1, 5);
    const endedAt = '2026-11-25T09:01:45Z';
    store.seeAttempt(UID, 4, { attempt: 1, endedAt, reason: 'DisruptionTarget: node-1 was drained' });
    attempt(2, 3);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study&view=trial&trial=4', {
      timezoneId: 'UTC',
    });
    await page.locator('.curve-chart canvas').waitFor();
    const rows = await page.getByRole('region', { name: 'Table of attempts' }).locator('tbody tr').allTextContents();
    assert.deepEqual(
      rows.map((row) => row.replace(/e8b07a0c-[0-9a-f-]{27}/, ' ')),
      ['1node-115 s30 s5DisruptionTarget: node-1 was drained ', '2node-215 sstill runs3its curve is shown '],
    );
    const happened = await page.getByRole('list', { name: 'What happened' }).locator('li').allTextContents();
    assert.deepEqual(happened, [
      '25 Nov 2026, 09:01:00: attempt 1 created',
      '25 Nov 2026, 09:01:15: attempt 1 began on node-1 after 15 s',
      '25 Nov 2026, 09:01:45: attempt 1 ended: DisruptionTarget: node-1 was drained',
      '25 Nov 2026, 09:02:00: attempt 2 created',
      '25 Nov 2026, 09:02:15: attempt 2 began on node-2 after 15 s',
    ]);
    const facts = (await page.locator('.facts').allTextContents()).join();
    assert.match(facts, /Nodenode-2.*Began25 Nov 2026, 09:02:15/);
    assert.match((await page.locator('pre').textContent()) ?? '', /^kubectl logs .*study-4-2/);
    await page.close();
  });

  test('the timeline names who does not run yet, and what for: what holds up first; a folder without times leads on', async () => {
    const store = new Store();
    const live = await serve(store);
    store.putSweep(makeInput({ sweep: study.sweep, phase: 'Running' }));
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study&view=timeline');
    await page.getByText('No trial has begun yet').waitFor();
    await page.getByText('10 trials not running yet').waitFor();
    store.setTrial(UID, 7, { phase: 'Pending', attempt: 1, reason: 'Unschedulable: 0/3 nodes have a GPU' });
    store.setTrial(UID, 2, { phase: 'Running', attempt: 1 });
    store.seeAttempt(UID, 2, { attempt: 1, startedAt: new Date().toISOString() });
    await page.locator('.chart svg').waitFor();
    await page.getByText('9 trials not running yet').waitFor();
    const first = page.locator('.waiting tbody tr').first();
    assert.match((await first.textContent()) ?? '', /linear avg.*Pending.*0\/3 nodes have a GPU/);
    assert.match((await page.locator('.waiting tbody tr').nth(1).textContent()) ?? '', /Waiting.*its turn/);
    const told = await serve();
    tell(told.store, study);
    await page.goto(`${told.url}?sweep=local/study&view=timeline`);
    await page.getByText('was not written down').waitFor();
    await page.getByRole('link', { name: 'table of trials' }).click();
    await page.locator('[aria-sort=descending]', { hasText: 'Time' }).waitFor();
    await page.close();
  });

  test('the timeline draws every attempt: what waits hatched, what ended early marked and with its reason in the tip', async () => {
    const live = await serve();
    const input = { namespace: 'team-a', name: 'tries', uid: 'tries', source: 'cluster' } as const;
    tellAttempts(live.store, study, input);
    const { page, complaints } = await openPage(opened.browser, live.url, '?sweep=team-a/tries&view=timeline', {
      prepare: (tab: Page) => tab.clock.setFixedTime(new Date(ATTEMPTS_FROM_MS + 1_200_000)),
    });
    const chart = page.locator('.chart svg');
    await chart.waitFor();
    const sentence = (await chart.getAttribute('aria-label')) ?? '';
    for (const words of [
      '11 attempts at 9 trials on 3 lanes over 20 min.',
      '1 bar is a later attempt, marked ↻.',
      '3 attempts ended early: faint, with ! at the end.',
      'Hatched is the wait before it runs, 8 min at most.',
      '2 attempts have no node yet.',
    ])
      assert.ok(sentence.includes(words), `${words} is missing in ${sentence}`);
    const texts = await chart.locator('text').allTextContents();
    assert.deepEqual(
      ['!', 'no node yet', '2 attempts without a node'].map((text) => texts.filter((one) => one === text).length),
      [3, 1, 1],
    );
    assert.match((await page.locator('.legend').textContent()) ?? '', /running.*pending.*! ended early.*↻2 second/);
    await page.waitForLoadState('networkidle'); // what comes later would draw anew
    const bare = await taken(page, 'PNG');
    const early = chart.locator('[data-mark=bar] rect[fill-opacity="0.15"]').nth(1);
    const box = await early.boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await chart.locator('[data-mark=tip]', { hasText: 'Ended early: ' }).waitFor();
    assert.match((await chart.locator('[data-mark=tip]').textContent()) ?? '', /attempt 1.*node-\d, waited .*, ran /);
    // Whoever takes the picture by keyboard meanwhile gets it without the tip.
    await page.getByRole('button', { name: 'PNG', exact: true }).focus();
    const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    assert.ok((await chart.locator('[data-mark=tip] text').count()) > 0);
    assert.ok(bare.bytes.equals(await readFile(await download.path())));
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('a namespace may be called local: a sweep of a cluster is no run on this machine', async () => {
    const live = await serve();
    tell(live.store, study, { source: 'cluster' });
    live.store.setModel(UID, 2, study.results[2]?.attemptUID ?? '');
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    await page.getByRole('link', { name: 'Download the model' }).waitFor();
    assert.doesNotMatch((await page.locator('.verdict').textContent()) ?? '', /on this machine/);
    await page.locator('.connection.live').waitFor();
    await live.close();
    await page.locator('.connection.reconnecting').waitFor();
    assert.equal(await page.getByText('The run has ended').count(), 0);
    assert.equal(await page.getByRole('link', { name: 'Download the model' }).count(), 1);
    await page.close();
  });

  test('what is stale says since when, and what a person should know stands above', async () => {
    const store = new Store();
    const live = await serve(store);
    tell(store, study, { conditions: [DEGRADED] });
    store.setStale('nats', '2026-11-25T12:34:56Z');
    store.note('telemetry is off: the server is older than 2.12', UID);
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/study');
    const warnings = (await page.locator('.warnings').textContent()) ?? '';
    assert.match(warnings, /may be old: nothing new since 25 Nov 2026/);
    assert.match(warnings, /ImagePullFailed: no such image/);
    assert.match(warnings, /telemetry is off/);
    await page.close();
  });

  test('a sweep that is not there says so and leads to the list; an empty list says the next step', async () => {
    const live = await serve();
    const { page } = await openPage(opened.browser, live.url, '?sweep=local/nothing');
    await page.getByText('There is no sweep local/nothing').waitFor();
    await page.getByRole('link', { name: 'All sweeps' }).click();
    await page.getByText('kubectl apply -f sweep.yaml').waitFor();
    await page.close();
  });

  test('60 texts that would be script stay text wherever they stand: no call, no dialog, no word from the policy', async () => {
    assert.equal(new Set(PAYLOADS).size, 60);
    const { page, complaints } = await open('?sweep=local/study', { prepare: poison });
    for (const { query, drawn: what } of Object.values(VIEWS)) {
      await page.goto(opened.served.url + query);
      await page.locator(what).first().waitFor();
      for (const summary of await page.locator('summary').all()) await summary.click();
    }
    await page.goto(
      `${opened.served.url}?sweep=local/study&view=trials&q=${encodeURIComponent('<img src=x onerror=pwned()>')}`,
    );
    await page.goto(`${opened.served.url}?sweep=${encodeURIComponent('<svg onload=pwned()>/x')}`);
    await page.locator('main').waitFor();
    assert.deepEqual(
      complaints.filter((text) => !text.includes('404 (Not Found)') && !text.includes('400 (Bad Request)')),
      [],
    );
    await page.close();
  });

  test('what the page tells of itself holds vitals, routes and latencies, and neither names nor queries', async () => {
    const { page, collected } = await open('?sweep=local/study&q=secret');
    await drawn(page, '?sweep=local/study');
    await page.getByRole('link', { name: 'Trials', exact: true }).click();
    await page.evaluate(() => setTimeout(() => Promise.reject(new Error('went wrong at /x?q=secret'))));
    await waitUntil(page, () => collected.join().includes('went wrong') && collected.join().includes('ttfb'));
    const bodies = collected.map((body) => JSON.parse(body));
    for (const body of bodies) {
      assert.deepEqual(cleanPayload(body).rejected, { log: 0, exception: 0, measurement: 0, event: 0 });
    }
    const all = collected.join('\n');
    assert.doesNotMatch(all, /study|secret|local\//);
    const measurements = bodies.flatMap((body) => body.measurements ?? []);
    assert.ok(measurements.some(({ type, context }) => type === 'api' && context.route === 'curves'));
    assert.ok(measurements.some(({ type, values }) => type === 'web-vitals' && values.ttfb > 0));
    assert.ok(
      bodies.flatMap((body) => body.events ?? []).some(({ attributes }) => attributes.toRoute === 'sweep/trials'),
    );
    assert.deepEqual(bodies[0].meta.app.name, 'cnn-sweep');
    await page.close();
  });

  test('reduced motion and both themes: the switch is kept, and the canvas follows', async () => {
    const { page } = await open('?sweep=local/study', { colorScheme: 'light', reducedMotion: 'reduce' });
    await drawn(page, '?sweep=local/study');
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    const before = await page
      .locator('.curve-chart canvas')
      .evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    await page.getByLabel('Theme').selectOption('dark');
    assert.notEqual(await ground(), light);
    await page.waitForFunction(
      (then) => document.querySelector<HTMLCanvasElement>('.curve-chart canvas')?.toDataURL() !== then,
      before,
    );
    await page.reload();
    await page.locator('.curve-chart').waitFor();
    assert.notEqual(await ground(), light);
    await page.close();
  });
});

const DEGRADED = {
  type: 'Degraded',
  status: 'True',
  reason: 'ImagePullFailed',
  message: 'no such image',
  observedGeneration: 1,
  lastTransitionTime: '2026-11-25T12:00:00Z',
} as const;

/** Layout shifts from here on, in `shifts`, with the classes of what moved. */
const watchShifts = `
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries())
      shifts.push({ value, what: sources.map(({ node }) => node?.className ?? node?.nodeName ?? '') });
  }).observe({ type: 'layout-shift' });
`;

/** Waits for what happens in this process while the page runs. */
async function waitUntil(page: Page, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error('it did not come in 20 s');
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
}

/** Words of closed lists: another one there would not be of our API. */
const STRUCTURE = new Set([
  'phase',
  'finding',
  'mode',
  'type',
  'status',
  'rule',
  'name',
  'namespace',
  'checkpoint',
  'parsimony',
  'dataset',
  'continue',
]);

/** Puts a payload in the place of every text that the API answers; of the stream's too. */
async function poison(page: Page): Promise<void> {
  let next = 0;
  const payload = () => PAYLOADS[next++ % PAYLOADS.length] ?? '';
  const poisoned = (value: unknown, key = ''): unknown => {
    if (typeof value === 'string') return STRUCTURE.has(key) || /^\d{4}-\d\d-\d\dT/.test(value) ? value : payload();
    if (Array.isArray(value)) return value.map((part) => poisoned(part, key));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, poisoned(part, name)]));
  };
  await page.route('**/api/v1/**', async (route) => {
    if (route.request().url().includes('/events'))
      return route.fulfill({ contentType: 'text/event-stream', body: ': quiet\n\n' });
    const response = await route.fetch();
    if (!response.headers()['content-type']?.includes('application/json')) return route.fulfill({ response });
    const answer = poisoned(await response.json()) as { logCommand?: unknown; notes?: unknown };
    if ('notes' in answer) answer.notes = [...PAYLOADS];
    if ('logCommand' in answer) answer.logCommand = payload();
    return route.fulfill({ response, json: answer });
  });
}
