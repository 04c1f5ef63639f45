import { join } from 'node:path';
import type { LocalEnd } from '../dashboard/local-source.ts';
import { openLocalRun } from '../dashboard/local-source.ts';
import { Store } from '../dashboard/store.ts';
import type { RunEvent } from '../local/engine.ts';
import { FILES } from '../local/folder.ts';
import { thisMachine } from '../local/machine.ts';
import { exists } from '../shared/durable.ts';
import { realTimers, type Timers } from '../shared/timers.ts';
import { messageOf } from '../sweep/errors.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import { addressOf, isPageBuilt, keptModels, modelsOf, openLocalPage } from './local-page.ts';
import { describeMachine, readRunFolder } from './write-report.ts';

export interface RunPageOptions {
  readonly folder: string;
  readonly trials: readonly Trial[];
  readonly parallelism: number;
  readonly backend: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly port: number | undefined;
  readonly note: (line: string) => void;
}

/** The page of a run while it trains. */
export interface RunPage {
  readonly url: string;
  show(event: RunEvent): void;
  end(end: LocalEnd): Promise<void>;
  /** Never fails: how the run ended is what counts. */
  close(): Promise<void>;
}

/** Serves the curves of a run as they grow, those of earlier runs of the folder included.
 * @returns undefined if the page is not built
 */
export async function openRunPage(sweep: Sweep, options: RunPageOptions): Promise<RunPage | undefined> {
  const { folder, trials, parallelism, backend, versions, port, note } = options;
  if (!(await isPageBuilt())) {
    note('note: no page while it trains: `npm run page` builds it');
    return undefined;
  }
  /** A mistake in what is shown must not reach who trains. */
  function guarded(show: () => void): void {
    try {
      show();
    } catch (error) {
      note(`page: ${messageOf(error)}`);
    }
  }

  const timers: Timers = {
    now: realTimers.now,
    after: (ms, callback) => realTimers.after(ms, () => guarded(callback)),
  };
  const store = new Store({ timers });
  const machine = describeMachine({ machine: thisMachine(), versions });
  const isOld = await exists(join(folder, FILES.journal));
  const { measurements: earlier } = isOld ? await readRunFolder(folder) : { measurements: [] };
  // Before there is a server: whatever is wrong here leaves none behind.
  const run = openLocalRun(store, { sweep, trials, parallelism, backend, earlier });
  const page = await openLocalPage(store, { port, models: modelsOf(folder), machine, note, timers });
  let shown = new Map<number, string>();

  /** A record may free the weights of others. */
  async function lookForModels(): Promise<void> {
    const kept = await keptModels(folder);
    for (const [trial] of shown) if (!kept.has(trial)) run.setModel(trial, null);
    for (const [trial, attemptUID] of kept) run.setModel(trial, attemptUID);
    shown = kept;
  }

  let looking = Promise.resolve();
  /** One after the other: of two the later must be the last to speak. */
  function lookAgain(): Promise<void> {
    looking = looking.then(lookForModels).catch((error: unknown) => note(`page: ${messageOf(error)}`));
    return looking;
  }

  return {
    url: addressOf(page.url, sweep.metadata.name),
    show(event) {
      guarded(() => run.show(event));
      if (event.kind === 'opened' || event.kind === 'recorded') void lookAgain();
    },
    async end(end) {
      await lookAgain();
      guarded(() => run.end(end));
    },
    close: () => page.close().catch((error: unknown) => note(`page: not closed: ${messageOf(error)}`)),
  };
}
