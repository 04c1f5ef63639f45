import { ApiError } from '../shared/api-error.ts';
import { buildJob, isOurs } from './job.ts';
import type { Refusal } from './refusal.ts';
import { attemptFor } from './snapshot.ts';
import type { Turn } from './turn.ts';
import { laterVersion } from './turn-memory.ts';

/** Most Jobs that one turn creates, so that a large sweep leaves room for others (F27). */
const MAX_STARTS = 25;
/** Most Jobs of recorded trials that may wait for their delete; beyond, nothing new is started (F16). */
const MAX_RELEASED = 2_000;
const LOOK_AGAIN_MS = 250;

/** Creates the Jobs that the plan starts, lowest trial first.
 * @returns when to go on, undefined if nothing is left to start
 */
export async function startTrials(turn: Turn): Promise<number | undefined> {
  const { cluster, object, plan, memory, snapshot } = turn;
  if (plan.start.length === 0) return undefined;
  if (memory.refusals.leftMs > 0) return memory.refusals.leftMs;
  if (snapshot.released.length > MAX_RELEASED) return 1_000;

  // The cache may be older than a deletion, or than a Sweep of the same name created anew (F3, F15).
  const { uid, generation } = object.metadata;
  const live = await cluster.getSweep(object.metadata);
  const isSame = live?.metadata.uid === uid && live.metadata.generation === generation;
  if (!isSame || live.metadata.deletionTimestamp !== undefined) return LOOK_AGAIN_MS;

  // Where creates were refused one asks first.
  const count = memory.refusals.current.length > 0 ? 1 : MAX_STARTS;
  const starts = plan.start.slice(0, count);
  const answers = await Promise.all(starts.map((trial) => start(turn, trial)));
  const refusals = answers.filter((answer) => typeof answer === 'object');
  memory.refusals.note(refusals, answers.filter((answer) => answer === 'created').length);
  if (refusals.length > 0) return memory.refusals.leftMs;
  return plan.start.length > count ? 0 : undefined;
}

async function start(turn: Turn, index: number): Promise<'created' | 'there' | Refusal> {
  const { cluster, sweep, memory, snapshot, trainer, metrics, log } = turn;
  const trial = sweep.trials[index];
  if (!trial) return 'there';
  const attempt = attemptFor(snapshot, index);
  const job = buildJob(sweep, trial, attempt, trainer);
  try {
    const answer = await cluster.createJob(job);
    if (answer.kind === 'exists') {
      const other = await cluster.getJob(job.metadata);
      // Ours: the answer to an earlier try was lost, or another leader was faster. The cache will show it.
      if (!other || isOurs(other, sweep.uid, trial)) return 'there';
      const message = `Job "${job.metadata.name}" exists and is not ours`;
      return { trial: index, code: 409, reason: 'AlreadyExists', message };
    }
    memory.jobsWritten = laterVersion(memory.jobsWritten, answer.object.metadata.resourceVersion);
  } catch (error) {
    if (!(error instanceof ApiError) || error.passes) throw error;
    const { code, reason, message } = error;
    log.warn('job refused', {
      sweep: `${sweep.namespace}/${sweep.name}`,
      trial: index,
      attempt,
      code,
      reason,
      message,
    });
    return { trial: index, code, reason, message };
  }
  metrics.trials.created(sweep.namespace);
  log.info('trial started', {
    sweep: `${sweep.namespace}/${sweep.name}`,
    trial: index,
    attempt,
    job: job.metadata.name,
  });
  return 'created';
}
