import type { SweepStatus } from '../sweep/status.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import { gpusOf } from './gpus.ts';
import type { Snapshot } from './snapshot.ts';
import type { SweepSeen } from './sweep-metrics.ts';
import type { SinceSeen } from './waits.ts';

/** A Sweep as the gauges show it. */
export function sightOf(
  { namespace, name, sweep }: ClusterSweep,
  { running }: Pick<Snapshot, 'running'>,
  status: SweepStatus,
  sinceSeen: SinceSeen,
): SweepSeen {
  const pending = [...running.values()].filter(({ state }) => state === 'Pending' || state === 'Queued');
  const ages = pending.map(({ job }) => sinceSeen(`pending/${job.metadata.uid}`) / 1000);
  return {
    namespace,
    name,
    status,
    gpusRequested: running.size * gpusOf({ sweep }),
    oldestPendingSeconds: Math.max(0, ...ages),
  };
}
