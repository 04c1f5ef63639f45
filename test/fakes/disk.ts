import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { relative } from 'node:path';
import type { TestContext } from 'node:test';

/** What a power cut would ask for: every write, every wait for the disk and every rename below a folder, in order, each when it
 * was over. `sync .` is the folder itself; random parts of names are `*`.
 */
export function watchDisk(context: TestContext, folder: string): string[] {
  const log: string[] = [];
  const { open, rename } = fs.promises;
  const nameOf = (path: unknown) =>
    (relative(folder, String(path)) || '.').replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*');
  fs.promises.open = async (path, ...how) => {
    const handle = await open(path, ...how);
    const watched = (name: string, done: (...given: never[]) => Promise<unknown>) =>
      Object.defineProperty(handle, name, {
        value: async (...given: never[]) => {
          const answer = await done.apply(handle, given);
          log.push(`${name} ${nameOf(path)}`);
          return answer;
        },
      });
    watched('write', handle.write);
    watched('writeFile', handle.writeFile);
    watched('sync', handle.sync);
    watched('datasync', handle.datasync);
    return handle;
  };
  fs.promises.rename = async (from, to) => {
    await rename(from, to);
    log.push(`rename ${nameOf(from)} ${nameOf(to)}`);
  };
  syncBuiltinESMExports();
  context.after(() => {
    Object.assign(fs.promises, { open, rename });
    syncBuiltinESMExports();
  });
  return log;
}
