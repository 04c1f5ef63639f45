import { type NewObject, openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { JOBS } from '../../src/shared/kinds.ts';
import { ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job } from '../../src/shared/objects.ts';
import { startReflector } from '../../src/shared/reflector.ts';

/** The rival: a loop that creates Jobs, so many at once, and deletes them when they are complete.
 * @returns Jobs a second
 */
export async function jobLoop(kubeconfig: string, atOnce: number, jobs: readonly NewObject[]): Promise<number> {
  const count = jobs.length;
  const wire = openWire(() => readKubeConfigFile(kubeconfig));
  const cluster = openCluster(wire);
  const complete = new Set<string>();
  const deletes: Promise<unknown>[] = [];
  let created = 0;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const create = async () => {
    const job = jobs[created++];
    if (job) await cluster.createJob(job);
  };
  const reflector = startReflector<Job>({
    cluster,
    kind: JOBS,
    namespaces: ['default'],
    cache: new ObjectCache(),
    project: ({ metadata, status }) => ({ metadata, ...(status && { status }) }),
    onChange: ({ metadata: { name, namespace, uid }, status }) => {
      if (complete.has(name) || !status?.conditions?.some(({ type }) => type === 'Complete')) return;
      complete.add(name);
      deletes.push(cluster.deleteJob({ namespace, name, uid }));
      if (created < count) void create();
      if (complete.size === count) finish();
    },
  });
  await reflector.synced;
  const began = performance.now();
  await Promise.all(Array.from({ length: atOnce }, create));
  await finished;
  const seconds = (performance.now() - began) / 1000;
  await Promise.all(deletes);
  await reflector.stop();
  await wire.close();
  return count / seconds;
}

/** With as little in it as a Job can have. */
export function bareJob(name: string) {
  const container = { name: 'trainer', image: 'trainer', resources: { limits: { 'nvidia.com/gpu': 1 } } };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: 'default' },
    spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
  };
}
