import { isApiError } from '../shared/api-error.ts';
import { LOCAL_QUEUES, pathOf } from '../shared/kinds.ts';
import type { QueueMissing } from './stuck.ts';
import type { Turn } from './turn.ts';

export interface QueueSeen {
  /** Absent: it is there, or nobody can tell. */
  readonly missing?: QueueMissing | undefined;
  /** When it is asked for again. */
  readonly wakeInMs?: number | undefined;
}

/** Asks for the LocalQueue that a Sweep names, while Jobs of it could be waiting there. Kueue itself tells only its own objects. */
export async function readQueue({ kueue, cluster, sweep, snapshot, memory, log }: Turn): Promise<QueueSeen> {
  const { queueName: name } = sweep.sweep.spec.trainer;
  if (!kueue || name === undefined || snapshot.running.size === 0) return {};
  const { namespace } = sweep;
  const { queue } = memory;
  if (queue.pace.leftMs === 0) {
    queue.pace.took();
    try {
      await cluster.request({ method: 'GET', path: pathOf(LOCAL_QUEUES, { namespace, name }), tries: 1 });
      queue.missing = undefined;
    } catch (error) {
      if (!isApiError(error, 404)) log.warn('queue not read', { sweep: `${namespace}/${sweep.name}`, name, error });
      // Where nobody serves the kind the answer names no object.
      queue.missing = isApiError(error, 404) ? (error.details?.name === name ? 'LocalQueue' : 'Kueue') : undefined;
    }
  }
  return { missing: queue.missing, wakeInMs: queue.pace.leftMs };
}
