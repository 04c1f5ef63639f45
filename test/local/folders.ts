import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A folder of its own for a test, removed afterwards. */
export async function makeFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-test-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A disk of a few KiB, to be filled. Only root can mount one; under CI=true it must be there. */
export async function makeSmallDisk(context: TestContext, kibibytes: number): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    await rm(folder, { recursive: true });
    if (process.env.CI === 'true') throw error;
    context.skip('needs root and tmpfs, to fill a small disk');
    return undefined;
  }
  context.after(async () => {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  });
  return folder;
}
