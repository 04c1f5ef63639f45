import { readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Every cluster's folder begins so. */
export const FOLDER_PREFIX = path.join(tmpdir(), 'cnn-sweep-cluster-');

const CGROUPS = '/sys/fs/cgroup';
const TASKS = 'containerd-state/io.containerd.runtime.v2.task/k8s.io';

/** Notes whose cluster a folder is, so that another can tell when nobody will clean up after it. */
export async function claimFolder(folder: string): Promise<void> {
  await writeFile(path.join(folder, 'owner'), String(process.pid));
}

/** Removes a cluster's folder, and the cgroups of its containers that were killed with their namespaces: nobody else does. */
export async function removeCluster(folder: string): Promise<void> {
  const containers = await readdir(path.join(folder, TASKS)).catch(() => []);
  const hierarchies = containers.length > 0 ? await readdir(CGROUPS) : [];
  for (const hierarchy of ['', ...hierarchies]) {
    const parent = path.join(CGROUPS, hierarchy, 'k8s.io');
    for (const container of containers) await rmdir(path.join(parent, container)).catch(() => undefined);
    await rmdir(parent).catch(() => undefined); // empty, if no other cluster uses it
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}

/** Cleans up after clusters whose tests were killed. Their processes and mounts died with them. */
export async function removeAbandoned(): Promise<void> {
  const names = await readdir(path.dirname(FOLDER_PREFIX));
  for (const name of names.filter((each) => each.startsWith(path.basename(FOLDER_PREFIX)))) {
    const folder = path.join(path.dirname(FOLDER_PREFIX), name);
    const owner = Number(await readFile(path.join(folder, 'owner'), 'utf8').catch(() => Number.NaN));
    if (Number.isNaN(owner) || isAlive(owner)) continue;
    await removeCluster(folder);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
