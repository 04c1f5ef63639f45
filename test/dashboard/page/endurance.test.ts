import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CDPSession, Page } from 'playwright-core';
import { skipWithoutBrowser } from '../../browser.ts';
import { browsing } from './browsing.ts';
import { readStudy, tellStudy } from './study.ts';

/** Of deltas, before heap is measured and after. */
const WARM = 800;
const MORE = 800;
/** What the engine may keep of so many: seen are 30 KiB. One row that is kept of each delta would be 400 KiB. */
const MOST_BYTES = 150_000;

describe('a page that stays open', { skip: skipWithoutBrowser }, () => {
  const opened = browsing({ tell: (store) => tellStudy(store, readStudy()) });

  test('its heap is flat over many deltas, in which curves grow and begin anew', async (t) => {
    const { page, complaints } = await opened.open('?sweep=local/study', {
      prepare: async (fresh) => {
        await fresh.addInitScript(takeOverStream);
      },
    });
    await page.locator('.curve-chart canvas').waitFor();
    const session = await page.context().newCDPSession(page);
    await sendDeltas(page, WARM, 0);
    const before = await heapOf(session);
    await sendDeltas(page, MORE, WARM);
    const grown = (await heapOf(session)) - before;
    t.diagnostic(`${MORE} deltas: ${(grown / 1024).toFixed(0)} KiB more of ${(before / 1024 / 1024).toFixed(1)} MiB`);
    assert.match((await page.locator('.top').textContent()) ?? '', new RegExp(`delta ${WARM + MORE - 1}`));
    assert.ok(grown < MOST_BYTES, `${grown} bytes`);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('who listens is told at most once in ten seconds, and of the newest', async () => {
    const { page } = await opened.open('?sweep=local/study', {
      prepare: async (fresh) => {
        await fresh.clock.install();
        await fresh.addInitScript(takeOverStream);
      },
    });
    await page.locator('.curve-chart canvas').waitFor();
    await page.clock.runFor(20);
    const said = page.locator('[aria-live=polite]');
    assert.match((await said.textContent()) ?? '', /^10 of 10 trials ended\. \(12,32\) relu max is the best/);
    await page.evaluate('sendRunning(3)');
    await page.clock.runFor(100);
    await page.evaluate('sendRunning(4)');
    await page.clock.runFor(5000);
    assert.match((await said.textContent()) ?? '', /^10 of 10/);
    await page.clock.runFor(6000);
    assert.match((await said.textContent()) ?? '', /^4 of 10/);
    await page.close();
  });
});

async function heapOf(session: CDPSession): Promise<number> {
  for (let round = 0; round < 3; round++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

function sendDeltas(page: Page, count: number, from: number): Promise<void> {
  return page.evaluate(`sendDeltas(${count}, ${from})`);
}

/** In the page, before its scripts: a stream that this test speaks. It knows the study by GET, as the page does. */
const takeOverStream = `
  const streams = [];
  globalThis.EventSource = class extends EventTarget {
    static CLOSED = 2;
    readyState = 1;
    constructor() { super(); streams.push(this); }
    close() { this.readyState = 2; }
  };
  const say = (data) => {
    for (const stream of streams) stream.dispatchEvent(new MessageEvent('delta', { data: JSON.stringify(data) }));
  };
  const read = (path) => fetch('/api/v1/sweeps/local/study' + path).then((response) => response.json());
  const cut = (curve, from, to) => Object.fromEntries(Object.entries(curve).map(([key, value]) => [key, Array.isArray(value) ? value.slice(from, to) : value]));
  globalThis.sendRunning = async (ended) => {
    const sweep = await read('');
    say({ topic: 'sweep:local/study', sweep: { ...sweep, trials: { ...sweep.trials, succeeded: ended, running: 10 - ended } } });
  };
  globalThis.sendDeltas = async (count, first) => {
    const [{ items: rows }, { items: curves }] = await Promise.all([read('/trials?limit=1000'), read('/curves?trials=0-9')]);
    for (let at = first; at < first + count; at++) {
      const epoch = at % 15;
      const attempt = 'attempt-' + Math.floor(at / 15);
      say({
        topic: 'sweep:local/study',
        trials: rows.map((row) => ({ ...row, network: row.network + ', delta ' + at, epochsDone: epoch + 1 })),
        curves: curves.map((curve) => ({ trial: curve.trial, attemptUID: attempt, points: { ...cut(curve, epoch, epoch + 1), attemptUID: attempt } })),
      });
      await new Promise(requestAnimationFrame);
    }
  };
`;
