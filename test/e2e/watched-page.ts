import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../browser.ts';

/** The dashboard's page in a real browser, looked at as a sweep goes on. */
export class WatchedPage {
  /** What the console, the policy or a script complained of. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
    page.setDefaultTimeout(60_000);
    page.on('console', (message) => this.complaints.push(message.text()));
    page.on('pageerror', (error) => this.complaints.push(String(error)));
  }

  static async open(url: string): Promise<WatchedPage> {
    const browser = await launchBrowser();
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const watched = new WatchedPage(browser, page);
    await page.goto(url);
    return watched;
  }

  /** What it says at first, before there is anything to show. */
  async emptyText(): Promise<string> {
    await this.#page.locator('main').waitFor();
    return textOf(await this.#page.locator('main').textContent());
  }

  /** Follows a link as a person does. */
  async follow(name: string): Promise<void> {
    await this.#page.getByRole('link', { name, exact: true }).first().click();
    await this.#page.locator('h1').waitFor();
  }

  /** Epochs that its list of networks shows, a number for each change, until the verdict is final. Without a reload.
   * @param planned epochs of each trial
   */
  async epochsUntilTheEnd(planned: number, ms: number): Promise<number[]> {
    const seen: number[] = [];
    const loaded = await this.#loadCount();
    for (const end = Date.now() + ms; Date.now() < end; ) {
      const states = await this.#page.locator('.top .state').allInnerTexts();
      const done = states.reduce((sum, state) => sum + epochsOf(state, planned), 0);
      if (done !== seen.at(-1)) seen.push(done);
      if (/ is the best network that does not overfit/.test(await this.headline())) {
        if ((await this.#loadCount()) !== loaded) throw new Error('the page was loaded again');
        return seen;
      }
      await this.#page.waitForTimeout(100);
    }
    throw new Error(`no final verdict on the page: ${await this.headline()}`);
  }

  async headline(): Promise<string> {
    return textOf(await this.#page.locator('h1').textContent());
  }

  /** The verdict's panel. */
  async verdict(): Promise<string> {
    return textOf(await this.#page.locator('.verdict').textContent());
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  #loadCount(): Promise<number> {
    return this.#page.evaluate(() => performance.timeOrigin);
  }
}

/** `▶ epoch 2 of 4`; one that has ended tells its finding. */
function epochsOf(state: string, planned: number): number {
  const [, epoch] = /epoch (\d+) of \d+/.exec(state) ?? [];
  if (epoch !== undefined) return Number(epoch);
  return /Pending|Waiting|Running|Retrying/.test(state) ? 0 : planned;
}

function textOf(text: string | null): string {
  return (text ?? '').replaceAll('\u00a0', ' ');
}
