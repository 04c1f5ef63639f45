import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { codeOf, makeFolder, sync } from '../shared/durable.ts';

/** Two empty folders: `content` gets the final name, `scratch` is thrown away. */
export interface Workplace {
  readonly scratch: string;
  readonly content: string;
}

/** Makes a folder of plain files that is either there as a whole or not at all, even after a power cut.
 * Files of the same names that are there already are replaced. Several processes may install the same content at once.
 * @param fill writes and syncs (writeDurably) the files; if it throws, nothing is installed and nothing stays behind
 * @throws whatever `fill` throws, or an error of the file system */
export async function installFolder(folder: string, fill: (workplace: Workplace) => Promise<void>): Promise<void> {
  const parent = dirname(folder);
  await makeFolder(parent);
  await removeStale(parent);
  // In the same file system as the target, since only there is a rename atomic.
  const temporary = join(parent, temporaryName());
  const workplace = { scratch: join(temporary, 'scratch'), content: join(temporary, basename(folder)) };
  try {
    await mkdir(workplace.scratch, { recursive: true });
    await mkdir(workplace.content);
    await fill(workplace);
    await sync(workplace.content);
    await moveIntoPlace(workplace.content, folder);
    await sync(parent);
  } finally {
    // A failure here must not hide the one that brought us here; what stays is removed by a later call.
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Moves the whole folder at once if there is none yet. Else (it was damaged, or another process was faster) each file replaces
 * its namesake atomically: the content is the same whoever wins, and a reader never meets a file that is half there. */
async function moveIntoPlace(content: string, folder: string): Promise<void> {
  try {
    await rename(content, folder);
    return;
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
  for (const file of await readdir(content)) await rename(join(content, file), join(folder, file));
  await sync(folder);
}

// Nothing takes a day: older folders belong to nobody, whatever machine or Pod on a shared cache they name.
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;
const TEMPORARY = /^\.installing-(\d+)-[0-9a-f]+-(.*)$/;

function temporaryName(): string {
  return `.installing-${process.pid}-${randomUUID().slice(0, 8)}-${hostname()}`;
}

/** Removes what killed processes left. A process of another machine cannot be asked, so its folder must be old. */
async function removeStale(parent: string): Promise<void> {
  for (const entry of await readdir(parent)) {
    const [, pid, host] = TEMPORARY.exec(entry) ?? [];
    if (pid === undefined) continue;
    const path = join(parent, entry);
    const ageMs = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
    const isAbandoned = ageMs > STALE_AFTER_MS || (host === hostname() && !isAlive(Number(pid)));
    if (isAbandoned) await rm(path, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
