import type { ReleasedJob } from './snapshot.ts';
import { all } from './steps.ts';
import type { Turn } from './turn.ts';

/** Most Jobs that one turn deletes. */
const MAX_DELETES = 50;

/** Deletes Jobs whose trial is recorded: those that still run at once, the others after their delay.
 * @returns 0 if more are due, else undefined
 */
export async function releaseJobs(turn: Turn): Promise<number | undefined> {
  const due = turn.snapshot.released.filter(({ deleteInMs }) => deleteInMs === 0);
  await all(due.slice(0, MAX_DELETES).map((released) => release(turn, released)));
  return due.length > MAX_DELETES ? 0 : undefined;
}

async function release({ cluster, memory }: Turn, { job }: ReleasedJob): Promise<void> {
  const { namespace, name, uid, resourceVersion } = job.metadata;
  // As it was read or not at all: the cache may be older than a person's edit, or than the end of a Job that waits for its delay.
  const answer = await cluster.deleteJob({ namespace, name, uid, resourceVersion });
  if (answer !== 'conflict') memory.deletedJobs.add(uid);
}
