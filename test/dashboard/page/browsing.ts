import { after, before } from 'node:test';
import type { Browser } from 'playwright-core';
import type { AppOptions } from '../../../src/dashboard/app.ts';
import type { Store } from '../../../src/dashboard/store.ts';
import { launchBrowser } from '../../browser.ts';
import { type Opened, type OpenOptions, openPage } from './opened.ts';
import { type BuiltPage, buildPage, type Served, servePage } from './served.ts';

export interface BrowsingOptions extends Partial<AppOptions> {
  /** Fills the store of the server that all tests share. */
  readonly tell?: (store: Store) => void;
  /** More arguments of the browser's command line. */
  readonly browserArgs?: readonly string[];
}

/** What the tests of one suite share: a browser, the page as it is shipped, and servers of it. */
export interface Browsing {
  readonly browser: Browser;
  readonly served: Served;
  /** One more server, of a single test. */
  serve(options?: Partial<AppOptions>): Promise<Served>;
  /** A tab on the server that all share. */
  open(query: string, options?: OpenOptions): Promise<Opened>;
}

/** To be called in a `describe`: opened before its tests, closed after them, also where opening failed. */
export function browsing({ tell, browserArgs, ...app }: BrowsingOptions = {}): Browsing {
  let browser: Browser | undefined;
  let built: BuiltPage | undefined;
  let served: Served | undefined;
  const others: Served[] = [];
  before(async () => {
    [browser, built] = await Promise.all([launchBrowser(browserArgs), buildPage()]);
    served = await servePage(built.folder, app);
    tell?.(served.store);
  });
  after(async () => {
    await browser?.close();
    for (const server of [served, ...others]) await server?.close();
    await built?.remove();
  });
  return {
    get browser() {
      return there(browser);
    },
    get served() {
      return there(served);
    },
    serve: async (options) => {
      const server = await servePage(there(built).folder, options);
      others.push(server);
      return server;
    },
    open: (query, options) => openPage(there(browser), there(served).url, query, options),
  };
}

function there<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error('only in a test');
  return thing;
}
