import { ApiError } from '../shared/api-error.ts';
import type { ReleasedJob } from './snapshot.ts';
import { all } from './steps.ts';
import type { Undeleted } from './stuck.ts';
import type { Turn } from './turn.ts';

/** Most Jobs that one turn deletes. */
const MAX_DELETES = 50;

/** Deletes Jobs whose trial is recorded: those that still run at once, the others after their delay. That one cannot be deleted keeps
 * nothing else from getting on.
 * @returns when to go on, undefined if none is due
 */
export async function releaseJobs(turn: Turn): Promise<number | undefined> {
  const { snapshot, memory } = turn;
  const { undeletable } = memory;
  const due = snapshot.released.filter(({ deleteInMs }) => deleteInMs === 0);
  if (due.length === 0) {
    undeletable.note(undefined);
    return undefined;
  }
  if (undeletable.leftMs > 0) return undeletable.leftMs;
  // Where a delete failed one asks first, and that Job last: the others may be free to go.
  const isHeld = ({ job }: ReleasedJob) => job.metadata.name === undeletable.current?.job;
  const [held, others] = [due.filter(isHeld), due.filter((released) => !isHeld(released))];
  const asked = [...others, ...held].slice(0, undeletable.current ? 1 : MAX_DELETES);
  const answers = await all(asked.map((released) => release(turn, released)));
  const failed = answers.find((answer) => answer !== undefined);
  if (failed) {
    undeletable.note(failed);
    return undeletable.leftMs;
  }
  if (!held.some((released) => !asked.includes(released))) undeletable.note(undefined);
  return due.length > asked.length ? 0 : undefined;
}

async function release({ cluster, memory, log }: Turn, { job }: ReleasedJob): Promise<Undeleted | undefined> {
  const { namespace, name, uid, resourceVersion } = job.metadata;
  try {
    // As it was read or not at all: the cache may be older than a person's edit, or than the end of a Job that waits for its delay.
    const answer = await cluster.deleteJob({ namespace, name, uid, resourceVersion });
    if (answer !== 'conflict') memory.deletedJobs.add(uid);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, reason, message } = error;
    log.warn('job not deleted', { job: `${namespace}/${name}`, code, reason, message });
    return { job: name, code, reason, message };
  }
}
