import { openToLoopback } from './access.ts';
import { buildApp } from './app.ts';
import { NO_MODELS } from './models.ts';
import { Store } from './store.ts';

/** openapi.json as it is committed: what `/api/v1/openapi.json` answers. */
export async function describeApi(): Promise<string> {
  const silent = { info() {}, warn() {}, error() {}, with: () => silent };
  const app = await buildApp({
    store: new Store(),
    access: openToLoopback(),
    models: NO_MODELS,
    log: silent,
    reportAssets: async () => ({ scripts: [], styles: [] }),
    machine: '',
  });
  await app.ready();
  const text = `${JSON.stringify(app.swagger(), null, 2)}\n`;
  await app.close();
  return text;
}
