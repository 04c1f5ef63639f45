import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import type { AppOptions } from '../../../src/dashboard/app.ts';
import { readReportAssets } from '../../../src/dashboard/report-assets.ts';
import { Store } from '../../../src/dashboard/store.ts';
import { realTimers } from '../../../src/shared/timers.ts';
import { makeApp } from '../builders.ts';

const configFile = fileURLToPath(new URL('../../../src/dashboard/page/vite.config.ts', import.meta.url));

/** The page, built as it is shipped, in a folder of its own. */
export interface BuiltPage {
  readonly folder: string;
  remove(): Promise<void>;
}

export async function buildPage(): Promise<BuiltPage> {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-page-'));
  await build({ configFile, logLevel: 'error', build: { outDir: folder, emptyOutDir: true } });
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** The real server with the page, listening; what it shows is told to `store`. */
export interface Served {
  readonly store: Store;
  /** `http://localhost:40123/` */
  readonly url: string;
  /** Cuts all connections; the server goes on. */
  drop(): void;
  close(): Promise<void>;
}

export async function servePage(pageFolder: string, options: Partial<AppOptions> = {}): Promise<Served> {
  const store = options.store ?? new Store();
  const app = await makeApp(store, { pageFolder, timers: realTimers, reportAssets: readReportAssets, ...options });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    store,
    url: `http://localhost:${port}/`,
    drop: () => app.server.closeAllConnections(),
    close: async () => {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}
