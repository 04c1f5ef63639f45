import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../shared/durable.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import { checkOurs, checkRecords, FILES } from './folder.ts';
import { checkSweep, readJournal } from './journal.ts';
import { checkUnused } from './lock.ts';

/** Refuses a folder that could not be opened now, with the words of `openFolder`: so that nobody waits for images first. It
 * takes no lock and leaves nothing behind.
 * @throws as openFolder
 */
export async function checkFolder(path: string, sweep: Sweep, trials: readonly Trial[]): Promise<void> {
  const made = await makeFolder(path);
  try {
    await checkOurs(path);
    await checkUnused(path);
    const fold = await readJournal(join(path, FILES.journal));
    checkSweep(fold, sweep);
    checkRecords(fold.results, trials);
  } finally {
    for (const folder of made.toReversed()) await rmdir(folder).catch(() => undefined); // somebody may use it by now
  }
}
