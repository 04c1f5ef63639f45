import { ApiError } from '../shared/api-error.ts';
import type { Job } from '../shared/objects.ts';
import type { EndedAttempt } from './fate.ts';
import { gpusOf } from './gpus.ts';
import { buildJob, isOurs, type JobManifest } from './job.ts';
import { findJob, isCurrent, podsAreSeen } from './look-again.ts';
import { explainJobRefusal, type Refusal } from './refusal.ts';
import { attemptFor } from './snapshot.ts';
import { all } from './steps.ts';
import type { Turn } from './turn.ts';
import { laterVersion } from './turn-memory.ts';

/** Most Jobs that one turn creates, so that a large sweep leaves room for others (F27). */
const MAX_STARTS = 25;
/** Most Jobs of recorded trials that may wait for their delete; beyond, nothing new is started (F16). */
const MAX_RELEASED = 2_000;
const LOOK_AGAIN_MS = 250;
/** More than an admission webhook takes by default (10 s): the API server's answer, which names it, comes first. */
const CREATE_TIMEOUT_MS = 12_000;
/** The same of the longest that one may take (30 s): for the one Job that asks whether others get through. */
const PATIENT_TIMEOUT_MS = 32_000;

/** Creates the Jobs that the plan starts, lowest trial first.
 * @returns when to go on, undefined if nothing is left to start
 */
export async function startTrials(turn: Turn): Promise<number | undefined> {
  const { plan, memory, snapshot } = turn;
  if (plan.start.length === 0) {
    memory.refusals.note([]); // whoever is not wanted any more was not refused
    return undefined;
  }
  if (memory.refusals.leftMs > 0) return memory.refusals.leftMs;
  if (snapshot.released.length > MAX_RELEASED) return 1_000;
  // Where creates were refused one asks first.
  const count = memory.refusals.areLikely ? 1 : MAX_STARTS;
  const answers = await startAll(turn, plan.start.slice(0, count));
  const refusals = answers.filter((answer) => typeof answer === 'object');
  if (answers.includes('there')) memory.refusals.gotThrough();
  if (refusals.length > 0 || !answers.includes('later')) memory.refusals.note(refusals);
  if (memory.refusals.leftMs > 0) return memory.refusals.leftMs;
  if (answers.includes('later')) return LOOK_AGAIN_MS;
  return plan.start.length > count ? 0 : undefined;
}

type Answer = 'there' | 'later' | Refusal;

async function startAll(turn: Turn, starts: readonly number[]): Promise<readonly Answer[]> {
  const [first = 0] = starts;
  // The cache may be older than a deletion, or than a Sweep of the same name created anew (F3, F15).
  const look = await answerTo(turn, first, async () => ((await isCurrent(turn)) ? 'there' : 'later'));
  return look === 'there' ? all(starts.map((trial) => answerTo(turn, trial, () => start(turn, trial)))) : [look];
}

/** What the API server says on the way to a trial's Job. */
async function answerTo(turn: Turn, trial: number, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    return refusalOf(turn, error, { trial, attempt: attemptFor(turn.snapshot, trial) });
  }
}

async function start(turn: Turn, index: number): Promise<Answer> {
  const { sweep, snapshot, trainer, memory } = turn;
  const trial = sweep.trials[index];
  if (!trial) return 'there';
  const attempt = attemptFor(snapshot, index);
  if (attempt > 1 && !(await podsAreSeen(turn, index))) return 'later';
  const { job, isNew } = await createJob(turn, index, buildJob(sweep, trial, attempt, trainer));
  // A stranger's of that name, or it went again: no refusal that others would wait for. The next turn sees it.
  if (!job || !isOurs(job, sweep.uid, trial)) return 'later';
  memory.sweep.created(job, index);
  if (isNew) noteStarted(turn, job, { trial: index, attempt });
  return 'there';
}

/** Nobody saw how long it ran. */
const LOST: EndedAttempt = { reason: 'Lost', seconds: 0 };

/** Asks once: what is asked for again minutes later may not be wanted any more. The next turn asks, if it still is. */
async function createJob(turn: Turn, trial: number, manifest: JobManifest) {
  const { cluster, memory } = turn;
  const timeoutMs = memory.refusals.areLikely ? PATIENT_TIMEOUT_MS : CREATE_TIMEOUT_MS;
  const answer = await cluster.createJob(manifest, { tries: 1, timeoutMs });
  const isNew = answer.kind === 'created';
  // Ours, if the answer to an earlier try was lost or another leader was faster.
  const job: Job | undefined = isNew ? answer.object : await findJob(turn, trial, manifest.metadata.name);
  if (job) memory.jobsWritten = laterVersion(memory.jobsWritten, job.metadata.resourceVersion);
  return { job, isNew };
}

/** @throws what is no answer of the API server */
function refusalOf({ sweep, memory, log }: Turn, error: unknown, who: { trial: number; attempt: number }): Answer {
  if (!(error instanceof ApiError)) throw error;
  const { code, reason, message, retryAfterMs } = error;
  const refusal = { trial: who.trial, code, reason, message };
  log.warn('job refused', { sweep: `${sweep.namespace}/${sweep.name}`, ...who, code, reason, message });
  // A webhook that is down answers as a server in trouble does, and has a name of its own.
  if (explainJobRefusal(error) !== undefined) return refusal;
  // No answer, a server in trouble, or a quota that many Jobs at once want to be counted in (409): soon again.
  memory.refusals.passing(refusal, retryAfterMs);
  return 'later';
}

function noteStarted(turn: Turn, { metadata }: Job, who: { trial: number; attempt: number }): void {
  const { sweep, snapshot, memory, metrics, log } = turn;
  metrics.trials.created(sweep.namespace);
  memory.pending.set(metadata.uid, metadata.creationTimestamp);
  const after = snapshot.lost.has(who.trial) ? LOST : snapshot.ended.get(who.trial);
  if (after) metrics.trials.retried(sweep.namespace, after.reason, after.seconds * gpusOf(sweep));
  log.info('trial started', { sweep: `${sweep.namespace}/${sweep.name}`, ...who, job: metadata.name });
}
