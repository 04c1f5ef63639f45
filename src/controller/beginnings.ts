import type { Job, Pod } from '../shared/objects.ts';
import { trainerOf } from './attempt-end.ts';
import type { Snapshot } from './snapshot.ts';

/** Of the Jobs that were seen without a running container: the seconds from a Job's creation to its container's start, of each that
 * began since the last turn. Each Job counts once, whoever leads; one that began while nobody led counts not at all. The two times
 * are those of the API server and of the node: good enough to show, decided is nothing by them.
 * @param pending of the same Sweep, from turn to turn: Jobs that we created are in it already
 */
export function beginnings(
  pending: Map<string, string>,
  { running }: Pick<Snapshot, 'running'>,
  { jobs, pods }: { readonly jobs: readonly Job[]; readonly pods: readonly Pod[] },
): number[] {
  for (const { state, job, pods: its, podsSeen } of running.values()) {
    // Not one that ran, be it in a Pod that is gone.
    if (state === 'Running' || podsSeen > 1 || its.some((pod) => startOf(pod) !== undefined)) continue;
    pending.set(job.metadata.uid, job.metadata.creationTimestamp);
  }
  if (pending.size === 0) return [];
  const there = new Set(jobs.map(({ metadata }) => metadata.uid));
  for (const uid of pending.keys()) if (!there.has(uid)) pending.delete(uid);
  return pods.flatMap((pod) => {
    const owner = pod.metadata.ownerReferences?.find(({ uid }) => pending.has(uid));
    const startedAt = startOf(pod);
    if (!owner || startedAt === undefined) return [];
    const ms = Date.parse(startedAt) - Date.parse(pending.get(owner.uid) ?? '');
    pending.delete(owner.uid);
    return Number.isFinite(ms) ? [Math.max(0, ms) / 1000] : [];
  });
}

function startOf(pod: Pod): string | undefined {
  const { running, terminated } = trainerOf(pod)?.state ?? {};
  return running?.startedAt ?? terminated?.startedAt;
}
