import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { skipWithoutBrowser } from '../../browser.ts';
import { browsing } from './browsing.ts';
import { openPage } from './opened.ts';
import { readStudy, tellStudy } from './study.ts';

describe('a part of the curves', { skip: skipWithoutBrowser }, () => {
  const opened = browsing({ tell: (store) => tellStudy(store, readStudy()) });

  async function open(query: string, options = {}): Promise<Page> {
    const { page } = await opened.open(query, options);
    await page.locator('.curve-chart canvas').waitFor();
    return page;
  }
  const sentence = async (page: Page) => (await page.locator('.curve-chart').getAttribute('aria-label')) ?? '';
  const wordsOf = (page: Page) => new URL(page.url()).searchParams;

  /** Draws a box over the frame, its corners in shares from the left and from above. */
  async function drag(page: Page, [x0, y0]: readonly [number, number], [x1, y1]: readonly [number, number]) {
    const box = await page.locator('.u-over').boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + x0 * box.width, box.y + y0 * box.height);
    await page.mouse.down();
    await page.mouse.move(box.x + x1 * box.width, box.y + y1 * box.height, { steps: 5 });
    return { release: () => page.mouse.up() };
  }

  test('a mouse draws it, a link shows the same, and a double click shows all again without another trial', async () => {
    const page = await open('?sweep=local/study&trial=3');
    const all = await sentence(page);
    const { release } = await drag(page, [0.25, 0.5], [0.5, 0.51]);
    assert.equal(await page.locator('.zoom-box').count(), 1);
    await release();
    await page.getByText('Zoomed to epochs 4.5 to 8, loss').waitFor();
    assert.equal(await page.locator('.zoom-box').count(), 0);
    assert.equal(wordsOf(page).get('trial'), '3');
    assert.equal(wordsOf(page).get('zoomX'), '4.5~8');
    const zoomed = await sentence(page);
    await page.reload();
    await page.locator('.curve-chart canvas').waitFor();
    assert.equal(await sentence(page), zoomed);
    const frame = await page.locator('.u-over').boundingBox();
    assert.ok(frame);
    await page.mouse.dblclick(frame.x + 0.5 * frame.width, frame.y + 0.5 * frame.height);
    await page.waitForFunction(() => !location.search.includes('zoom'));
    assert.equal(await sentence(page), all);
    assert.equal(wordsOf(page).get('trial'), '3');
    await page.close();
  });

  test('a box of both sides; what it cuts off is not called cut off; Escape gives it up, and a click still chooses', async () => {
    const page = await open('?sweep=local/study');
    const given = await drag(page, [0.2, 0.2], [0.6, 0.6]);
    await page.keyboard.press('Escape');
    await given.release();
    assert.equal(wordsOf(page).get('zoomX'), null);
    const { release } = await drag(page, [0.5, 0.4], [0.9, 0.8]);
    await release();
    await page.getByText(/Zoomed to epochs 8 to 13.6, loss \d\.\d+ to \d\.\d+\./).waitFor();
    assert.match(page.url(), /zoomX=8~13\.6&zoomY=/);
    assert.doesNotMatch(await sentence(page), /cut off/);
    const frame = await page.locator('.u-over').boundingBox();
    assert.ok(frame);
    await page.mouse.click(frame.x + 0.5 * frame.width, frame.y + 0.3 * frame.height);
    await page.waitForFunction(() => location.search.includes('trial='));
    assert.match(page.url(), /zoomX=8~13\.6/);
    await page.getByLabel('Accuracy').check();
    assert.deepEqual([wordsOf(page).get('zoomX'), wordsOf(page).get('zoomY')], ['8~13.6', null]);
    await page.close();
  });

  test('a button that was released outside draws no box behind it', async () => {
    const page = await open('?sweep=local/study');
    const frame = await page.locator('.u-over').boundingBox();
    assert.ok(frame);
    const [x, y] = [frame.x + frame.width / 2, frame.y + frame.height / 2];
    await page.mouse.move(frame.x + 2, y);
    await page.mouse.down();
    await page.mouse.move(frame.x - 100, y); // in one leap: the frame hears nothing of it
    await page.mouse.up();
    await page.mouse.move(x, y);
    await page.mouse.move(x + 50, y + 50);
    assert.equal(await page.locator('.zoom-box').count(), 0);
    await page.close();
  });

  test('a keyboard alone goes nearer about the turning point, to the side, and back; the trial stays chosen', async () => {
    const page = await open('?sweep=local/study');
    await page.locator('.focusable').focus();
    await page.keyboard.press('+');
    await page.keyboard.press('+');
    const near = wordsOf(page).get('zoomX')?.split('~').map(Number) ?? [];
    assert.ok((near[0] ?? 99) < 7 && (near[1] ?? 0) > 7 && (near[1] ?? 99) - (near[0] ?? 0) < 6, String(near));
    await page.keyboard.press('Shift+ArrowRight');
    const later = wordsOf(page).get('zoomX')?.split('~').map(Number) ?? [];
    assert.ok((later[0] ?? 0) > (near[0] ?? 99) && !wordsOf(page).has('trial'));
    await page.keyboard.press('0');
    assert.equal(wordsOf(page).get('zoomX'), null);
    await page.keyboard.press('ArrowRight');
    assert.equal(wordsOf(page).get('trial'), '1');
    const group = page.getByRole('group', { name: 'Zoom', exact: true });
    assert.equal(await group.getByRole('button', { name: 'Show all' }).isDisabled(), true);
    await group.getByRole('button', { name: 'Zoom in' }).press('Enter');
    await page.getByText('Zoomed to epochs').waitFor();
    await group.getByRole('button', { name: 'Zoom out' }).press('Enter');
    assert.doesNotMatch(await sentence(page), /Zoomed/);
    await page.close();
  });

  test('what is taken away is what is shown', async () => {
    const page = await open('?sweep=local/study&zoomX=4~8');
    await page.locator('summary', { hasText: 'The figures as a table' }).click();
    const rows = page.locator('figure tbody tr');
    await rows.first().waitFor();
    assert.equal(await rows.count(), 10 * 5);
    await page.close();
  });

  test('the rule of the kept epoch does not go through the name of the turning point beside it', async () => {
    const study = readStudy();
    const selection = { ...study.sweep.spec.selection, checkpoint: 'BestEpoch' } as const;
    const early = await opened.serve();
    tellStudy(early.store, { ...study, sweep: { ...study.sweep, spec: { ...study.sweep.spec, selection } } });
    const { page } = await openPage(opened.browser, early.url, '?sweep=local/study', { colorScheme: 'light' });
    await page.getByText('smoothed validation loss turns at epoch 4').waitFor();
    await page.getByText('not known').waitFor();
    const column = await page.locator('.u-over').evaluate((frame: HTMLElement) => {
      const canvas = frame.parentElement?.querySelector('canvas');
      const kept = Math.floor(frame.offsetLeft + ((5 - 1) / (15 - 1)) * frame.offsetWidth);
      // One pixel wide, as high as the letters of the lower name.
      const { data } = canvas?.getContext('2d')?.getImageData(kept, frame.offsetTop - 19, 1, 12) ?? { data: [] };
      return Array.from({ length: data.length / 4 }, (_, at) => data[4 * at] ?? 0);
    });
    assert.equal(column.length, 12);
    assert.ok(
      column.some((red) => red > 230),
      column.join(),
    );
    await page.close();
  });

  test('a finger scrolls the page and has buttons to zoom', async () => {
    const page = await open('?sweep=local/study', { viewport: { width: 360, height: 780 }, hasTouch: true });
    const chart = await page.locator('.u-over').boundingBox();
    assert.ok(chart);
    await page.touchscreen.tap(chart.x + chart.width / 2, chart.y + chart.height / 2);
    await page.waitForFunction(() => location.search.includes('trial='));
    assert.equal(wordsOf(page).get('zoomX'), null);
    await page.getByRole('button', { name: 'Zoom in' }).tap();
    await page.getByText('Zoomed to epochs').waitFor();
    await page.close();
  });
});
