import type { ListQuery } from '../shared/calls.ts';
import { JOBS, PODS } from '../shared/kinds.ts';
import type { Job } from '../shared/objects.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import { SWEEP_UID_LABEL, TRIAL_LABEL } from './labels.ts';
import type { Turn } from './turn.ts';

// What cannot be taken back is looked at once more: a watch may be half-open for a minute, and nobody can tell.

/** Whether the Sweep is still the one that was planned for: the same object, the same spec, not being deleted. */
export async function isCurrent({ cluster, object }: Turn): Promise<boolean> {
  const { uid, generation } = object.metadata;
  const live = await cluster.getSweep(object.metadata);
  return (
    live?.metadata.uid === uid &&
    live.metadata.generation === generation &&
    live.metadata.deletionTimestamp === undefined
  );
}

/** Whether the cache shows the Pods of a trial as they are: an attempt without a result is not given up, and no other one begun, as
 * long as there is a Pod whose end was not seen yet. Nor as long as one is shown that is gone: it may have been evicted, which is no failure.
 */
export async function podsAreSeen({ cluster, sweep, pods }: Turn, trial: number): Promise<boolean> {
  const cached = pods.filter(({ metadata }) => metadata.labels?.[TRIAL_LABEL] === `${trial}`);
  const seen = new Map(cached.map(({ metadata }) => [metadata.uid, metadata.resourceVersion]));
  const { items } = await cluster.list(PODS, ofTrial(sweep, trial));
  return (
    items.length === seen.size && items.every(({ metadata }) => seen.get(metadata.uid) === metadata.resourceVersion)
  );
}

/** The Job of a name that bears the labels of its trial; undefined if there is none: then the name is a stranger's, or free again. By a
 * list, as the Pods: whoever may list Jobs need not have the right to get them as well.
 */
export async function findJob({ cluster, sweep }: Turn, trial: number, name: string): Promise<Job | undefined> {
  const { items } = await cluster.list(JOBS, ofTrial(sweep, trial));
  return items.find(({ metadata }) => metadata.name === name);
}

function ofTrial({ namespace, uid }: ClusterSweep, trial: number): ListQuery {
  return { namespace, labelSelector: `${SWEEP_UID_LABEL}=${uid},${TRIAL_LABEL}=${trial}` };
}
