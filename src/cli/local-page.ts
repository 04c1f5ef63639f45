import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openToLoopback } from '../dashboard/access.ts';
import { buildApp } from '../dashboard/app.ts';
import { LOCAL } from '../dashboard/local-source.ts';
import { type Models, zipModel } from '../dashboard/models.ts';
import { readReportAssets } from '../dashboard/report-assets.ts';
import type { Store } from '../dashboard/store.ts';
import { FILES } from '../local/folder.ts';
import { codeOf, exists } from '../shared/durable.ts';
import { openLog } from '../shared/log.ts';
import { ROOT } from '../shared/package.ts';
import type { Timers } from '../shared/timers.ts';
import { InvalidConfigError } from '../sweep/errors.ts';

/** Where the page is looked for first: what the dashboard's Pod uses, too. */
const USUAL_PORT = 8080;
const LOOPBACK = '127.0.0.1';
const PAGE_FOLDER = join(ROOT, 'dist/page');

export interface LocalPageOptions {
  /** Absent: the usual one, or any that is free. */
  readonly port: number | undefined;
  readonly models: Models;
  readonly machine: string;
  readonly note: (line: string) => void;
  readonly timers?: Timers;
}

/** The dashboard's page on this machine. */
export interface LocalPage {
  readonly url: string;
  /** Browsers are told, and then let go. */
  close(): Promise<void>;
}

/** Where the page shows a sweep of this machine (src/dashboard/page/address.ts). */
export function addressOf(url: string, sweep: string): string {
  return `${url}/?sweep=${LOCAL}/${sweep}`;
}

/** Whether vite has built it: without, a run goes on without a page. */
export function isPageBuilt(): Promise<boolean> {
  return exists(join(PAGE_FOLDER, 'index.html'));
}

/** Serves what a store holds to the browsers of this machine.
 * @throws InvalidConfigError if the port that was asked for is taken
 */
export async function openLocalPage(store: Store, options: LocalPageOptions): Promise<LocalPage> {
  const { port, models, machine, note, timers } = options;
  const app = await buildApp({
    store,
    models,
    machine,
    access: openToLoopback(),
    // A mistake of ours in a page must not go unseen, and must not end a training.
    log: openLog((line) => JSON.parse(line).level === 'error' && note(line.trimEnd())),
    // A page that has nobody to tell of itself has an error in the browser's console. What it tells is dropped with the log's other lines.
    collect: {},
    reportAssets: readReportAssets,
    pageFolder: PAGE_FOLDER,
    ...(timers && { timers }),
  });
  const listen = (number: number) => app.listen({ host: LOOPBACK, port: number });
  try {
    const url = await listen(port ?? USUAL_PORT).catch((error: unknown) => {
      if (port !== undefined || codeOf(error) !== 'EADDRINUSE') throw error;
      return listen(0);
    });
    return { url, close: () => app.close() };
  } catch (error) {
    await app.close();
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    throw new InvalidConfigError(`--port: ${port}: in use by another program`, { cause: error });
  }
}

/** The weights in a run folder: of every trial that can still win, and the winner's own at the end. */
export function modelsOf(folder: string): Models {
  return {
    async zip({ trial, attemptUID }) {
      const kept = join(folder, FILES.models, `${trial}-${attemptUID}`);
      return (await zipFolder(kept)) ?? 'missing';
    },
  };
}

/** Attempts whose weights are kept, by trial. */
export async function keptModels(folder: string): Promise<Map<number, string>> {
  const names = await readdir(join(folder, FILES.models)).catch(() => []);
  return new Map(
    names.flatMap((name) => {
      const [, trial, attemptUID] = /^(\d+)-([0-9a-f-]{36})$/.exec(name) ?? [];
      return trial === undefined || attemptUID === undefined ? [] : [[Number(trial), attemptUID] as const];
    }),
  );
}

/** Undefined if it is not there, or goes while it is read. */
async function zipFolder(folder: string): Promise<Uint8Array | undefined> {
  try {
    const names = await readdir(folder);
    const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const));
    return zipModel(Object.fromEntries(files));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
