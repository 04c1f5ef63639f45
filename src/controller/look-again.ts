import { PODS } from '../shared/kinds.ts';
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
 * long as there is a Pod whose end was not seen yet.
 */
export async function podsAreSeen({ cluster, sweep, pods }: Turn, trial: number): Promise<boolean> {
  const seen = new Map(pods.map(({ metadata }) => [metadata.uid, metadata.resourceVersion]));
  const { items } = await cluster.list(PODS, {
    namespace: sweep.namespace,
    labelSelector: `${SWEEP_UID_LABEL}=${sweep.uid},${TRIAL_LABEL}=${trial}`,
  });
  return items.every(({ metadata }) => seen.get(metadata.uid) === metadata.resourceVersion);
}
