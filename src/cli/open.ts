import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tellFolder } from '../dashboard/local-source.ts';
import { Store } from '../dashboard/store.ts';
import { FILES } from '../local/folder.ts';
import { isHeld } from '../local/lock.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { interrupts } from './interrupts.ts';
import { addressOf, isPageBuilt, keptModels, modelsOf, openLocalPage } from './local-page.ts';
import type { Output } from './output.ts';
import { readRunFolder } from './write-report.ts';

export interface OpenOptions {
  readonly port?: number;
}

const LOOK_MS = 1_000;

/** Shows a run folder in the browser until Ctrl-C; what a run adds to it meanwhile appears. @returns exit code 0 */
export async function open(folder: string, { port }: OpenOptions, output: Output): Promise<number> {
  const store = new Store();
  const tell = async () => {
    const found = await readRunFolder(folder);
    const uid = tellFolder(store, found, await isHeld(folder));
    for (const [trial, attemptUID] of await keptModels(folder)) store.setModel(uid, trial, attemptUID);
    return found.sweep.metadata.name;
  };
  let seen = await stampOf(folder);
  const name = await tell();
  if (!(await isPageBuilt())) throw new InvalidConfigError('the page is not built: `npm run page` builds it');
  const page = await openLocalPage(store, { port, models: modelsOf(folder), machine: folder, note: output.note });
  output.print(`page: ${addressOf(page.url, name)} (Ctrl-C ends it)`);

  const signals = interrupts(() => undefined);
  const look = async () => {
    const now = await stampOf(folder);
    if (now === seen) return;
    // A line that is being written is read at the next look.
    await tell().then(
      () => {
        seen = now;
      },
      () => undefined,
    );
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  try {
    await new Promise<void>((resolve) => signals.interrupt.addEventListener('abort', () => resolve()));
    return 0;
  } finally {
    clearInterval(timer);
    await page.close();
    signals.close();
  }
}

/** Changes with every record and every epoch, and when a run begins or ends: also one that is killed. */
async function stampOf(folder: string): Promise<string> {
  const sizes = [FILES.journal, FILES.curves].map(async (name) => {
    const found = await stat(join(folder, name)).catch(() => undefined);
    return `${found?.size} ${found?.mtimeMs}`;
  });
  const held = await isHeld(folder).catch(() => false);
  return `${held}, ${(await Promise.all(sizes)).join(', ')}`;
}
