import { isApiError } from '../shared/api-error.ts';
import { SWEEPS } from '../shared/kinds.ts';
import type { SweepObject } from '../shared/objects.ts';
import { pause, realTimers } from '../shared/timers.ts';
import { messageOf } from '../sweep/errors.ts';
import type { SweepStatus } from '../sweep/status.ts';
import { type Checking, type Finding, failed, ok } from './check.ts';
import { buildSample, LIMITS } from './doctor-checks.ts';

/** With the delete that follows it is below eight minutes. */
const TRAIN_MS = 430_000;
const DELETE_MS = 40_000;
const LOOK_AGAIN_MS = 2_000;

/** Trains two small trials; whatever comes of it, the Sweep is deleted. Only creates, gets and deletes. */
export async function checkSweep(checking: Checking): Promise<Finding> {
  const { cluster, namespace, name } = checking;
  const signal = AbortSignal.any([checking.signal, AbortSignal.timeout(TRAIN_MS)]);
  let finding: Finding;
  try {
    // `exists` is ours, too: of a try whose answer was lost. Nobody else has the name.
    await cluster.create(SWEEPS, buildSample({ namespace, name }), { signal, ...LIMITS });
    finding = await train({ ...checking, signal });
  } catch (error) {
    finding = failed(messageOf(error));
  }
  const left = await remove(checking);
  if (left === undefined) return finding;
  return failed(`${finding.said}; not deleted (${left}): kubectl delete sweep ${name} --namespace ${namespace}`);
}

async function train({ cluster, namespace, name, signal }: Checking): Promise<Finding> {
  let last = 'no status yet; see whether the controller watches this namespace';
  while (!signal.aborted) {
    const object: SweepObject | undefined = await cluster.get(SWEEPS, { namespace, name }, LIMITS);
    if (!object) return failed(`Sweep ${name} was deleted by somebody else`);
    const status = object.status as SweepStatus | undefined;
    if (status?.phase === 'Complete') return ok(`two trials were trained: ${status.message}`);
    if (status) last = describe(status);
    if (status?.phase === 'Failed') return failed(last);
    await pause(realTimers, LOOK_AGAIN_MS, signal);
  }
  const isOurs = signal.reason instanceof Error && signal.reason.name !== 'TimeoutError';
  return failed(`${isOurs ? signal.reason.message : `not complete after ${TRAIN_MS / 1000} s`}: ${last}`);
}

function describe({ phase, message, conditions }: SweepStatus): string {
  const stuck = conditions.find(({ type, status }) => type === 'Degraded' && status === 'True');
  return stuck ? `${phase}: ${stuck.reason}: ${stuck.message}` : `${phase}: ${message}`;
}

/** @returns what is in the way, undefined once the Sweep is deleted, or was not there */
async function remove({ cluster, namespace, name }: Checking): Promise<string | undefined> {
  const signal = AbortSignal.timeout(DELETE_MS);
  try {
    const object = await cluster.get(SWEEPS, { namespace, name }, { signal });
    if (object) await cluster.delete(SWEEPS, { namespace, name, uid: object.metadata.uid }, { signal });
    return undefined;
  } catch (error) {
    if (isApiError(error, 404)) return undefined;
    return messageOf(error);
  }
}
