import { isJobOver } from './attempt-end.ts';
import { isOurs } from './job.ts';
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

async function release(
  { cluster, sweep, memory }: Turn,
  { trial: index, job, live: wasLive }: ReleasedJob,
): Promise<void> {
  const { namespace, name, uid } = job.metadata;
  const trial = sweep.trials[index];
  // As it stands now: the cache may be older than a person's edit.
  const live = await cluster.getJob({ namespace, name });
  if (live && (live.metadata.uid !== uid || !trial || !isOurs(live, sweep.uid, trial))) return;
  // Over by now: it waits for its delay like any other.
  if (live && wasLive && isJobOver(live)) return;
  const answer = live ? await cluster.deleteJob({ namespace, name, uid }) : 'gone';
  if (answer !== 'conflict') memory.deletedJobs.add(uid);
}
