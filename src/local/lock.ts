import { randomUUID } from 'node:crypto';
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf, writeWhole } from '../shared/durable.ts';
import { InvalidConfigError } from '../sweep/errors.ts';

const PREFIX = 'lock-';

/** Who holds a folder. `started` and `boot` tell a process from a later one with the same number; null where there is no /proc. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Containers share a host's name at times, never its numbering of processes. */
  readonly namespace: string | null;
  readonly boot: string | null;
  readonly started: string | null;
  readonly since: string;
}

/** Takes a folder for this process: writes a file of its own, then looks for others. Of two that come at once at least one
 * sees the other and withdraws; a file is removed only if its process is dead, and no name is ever used twice.
 * @returns release
 * @throws InvalidConfigError `in use by process 4711 since 10:02`
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const us = await describeProcess();
  const ours = `${PREFIX}${us.pid}-${randomUUID()}`;
  const release = () => rm(join(folder, ours), { force: true });
  await writeWhole(join(folder, ours), `${JSON.stringify(us)}\n`);
  try {
    await checkHolders(folder, us, ours);
  } catch (error) {
    await release();
    throw error;
  }
  return release;
}

/** @throws InvalidConfigError as lockFolder, if a process holds the folder now */
export async function checkUnused(folder: string): Promise<void> {
  await checkHolders(folder, await describeProcess());
}

/** Whether a process holds the folder now, or may: of another host's nobody here can tell. Changes nothing. */
export async function isHeld(folder: string): Promise<boolean> {
  const us = await describeProcess();
  for (const file of await locksOf(folder)) {
    const use = await useOf(file, us);
    if (use !== 'gone' && use !== 'dead') return true;
  }
  return false;
}

async function checkHolders(folder: string, us: Holder, ours?: string): Promise<void> {
  for (const file of await locksOf(folder)) {
    if (ours !== undefined && file === join(folder, ours)) continue;
    const use = await useOf(file, us);
    if (use === 'dead') await rm(file, { force: true });
    else if (use !== 'gone') throw new InvalidConfigError(use.words);
  }
}

async function locksOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(PREFIX) && !name.endsWith('.tmp'));
  return names.map((name) => join(folder, name));
}

/** What a file says of who holds its folder: nobody any more, or in words. */
async function useOf(file: string, us: Holder): Promise<'gone' | 'dead' | { readonly words: string }> {
  const holder = await readHolder(file);
  if (holder === 'gone') return 'gone';
  if (holder === undefined)
    return { words: `in use, but by whom is unreadable; if no run is going on, delete ${file}` };
  const since = `since ${clock(holder.since)}`;
  if (holder.host !== us.host || holder.namespace !== us.namespace)
    return { words: `in use by process ${holder.pid} of host ${holder.host} ${since}; if it is gone, delete ${file}` };
  return (await isAlive(holder, us)) ? { words: `in use by process ${holder.pid} ${since}` } : 'dead';
}

async function readHolder(file: string): Promise<Holder | 'gone' | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'gone' : undefined;
  }
}

async function isAlive(holder: Holder, us: Holder): Promise<boolean> {
  if (holder.boot !== us.boot) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  return holder.started === null || holder.started === (await startOf(holder.pid));
}

async function describeProcess(): Promise<Holder> {
  return {
    pid: process.pid,
    host: hostname(),
    namespace: await readlink('/proc/self/ns/pid').catch(() => null),
    boot: (await readIfAny('/proc/sys/kernel/random/boot_id'))?.trim() ?? null,
    started: await startOf(process.pid),
    since: new Date().toISOString(),
  };
}

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot; the name before it may hold spaces and parentheses.
 * Null for a zombie too: it is dead, if not yet buried.
 */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readIfAny(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' ? null : (fields?.[19] ?? null);
}

async function readIfAny(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

/** `10:02` of today, else with the date; in local time. */
function clock(since: string): string {
  const time = new Date(since);
  const hours = time.toTimeString().slice(0, 5);
  return time.toDateString() === new Date().toDateString() ? hours : `${time.toLocaleDateString('sv')} ${hours}`;
}
