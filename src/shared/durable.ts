import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Suffix of what is still being written; whoever holds the lock of a folder may delete such leftovers. */
export const TEMPORARY = '.tmp';

/** Waits until the disk has what was written to a file, or the names in a folder (creations, renames). */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder, with those above it, and waits until the disk has their names: what is kept in it must not go with it.
 * Not Node's own `recursive`, which tries for ever where no folder can be made (`/proc/x`).
 * @returns the folders that were not there, from the top
 */
export async function makeFolder(path: string): Promise<string[]> {
  const folder = resolve(path);
  const parent = dirname(folder);
  let above: string[] = [];
  if (await isFolder(folder)) return [];
  if (!(await exists(parent))) above = await makeFolder(parent);
  try {
    await mkdir(folder);
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await isFolder(folder))) return above; // somebody was faster
    throw error;
  }
  await sync(parent);
  return [...above, folder];
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Writes a new file and waits until the disk has it: a rename that survives a power cut must not name a file that does not. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes a file whole or not at all: temporary name, fsync, rename. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`;
  try {
    await writeDurably(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await sync(dirname(path));
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** The system's name for an error (`ENOSPC`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
