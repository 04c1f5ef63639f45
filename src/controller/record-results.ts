import { ApiError } from '../shared/api-error.ts';
import { SLICES } from '../shared/kinds.ts';
import type { SliceObject } from '../shared/objects.ts';
import { isOverLimit } from '../sweep/plan.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { hasEndedWell } from './attempt-end.ts';
import { limitsOf } from './cluster-sweep.ts';
import type { RunningAttempt } from './fate.ts';
import { gpusOf } from './gpus.ts';
import { isOwnedBy } from './job.ts';
import { isCurrent, podsAreSeen } from './look-again.ts';
import { stoppedRecord } from './record.ts';
import { explainJobRefusal } from './refusal.ts';
import { buildSlice, planRecords, type SliceWrite } from './slice.ts';
import { all } from './steps.ts';
import type { Stuck } from './stuck.ts';
import type { Turn } from './turn.ts';
import { laterVersion } from './turn-memory.ts';

/** Until the caches show what stood in the way. */
const LOOK_AGAIN_MS = 250;
/** A person has to remove what has the slice's name. */
const TAKEN_MS = 30_000;

/** Writes what has ended, and what the plan stops, into slices: at most once a second, all together.
 * @returns when to try again, undefined if nothing is left
 */
export async function record(turn: Turn): Promise<number | undefined> {
  const { memory } = turn;
  const doubts: ApiError[] = [];
  let againInMs: number | undefined;
  try {
    againInMs = await recordAll(turn, doubts);
  } catch (error) {
    if (error instanceof ApiError) memory.unrecorded = sayUnrecorded('results cannot be recorded', error);
    throw error;
  }
  // What is sure is recorded by now: one Pod that nobody can ask for holds up no other trial's result.
  const [doubt] = doubts;
  if (!doubt) return againInMs;
  memory.unrecorded = sayUnrecorded('failures cannot be confirmed', doubt);
  throw doubt;
}

/** Where nothing runs, no more will come to be written with it. */
function waitOf({ memory: { sliceWrites }, plan, snapshot }: Turn): number {
  const isDrained = snapshot.planState.running.size === 0 && plan.start.length === 0;
  return isDrained ? sliceWrites.leastMs : sliceWrites.leftMs;
}

function sayUnrecorded(what: string, error: ApiError): Stuck {
  const reason = explainJobRefusal(error) ?? 'NoProgress';
  return { reason, message: `${what}: ${error.message}` };
}

async function recordAll(turn: Turn, doubts: ApiError[]): Promise<number | undefined> {
  const { memory, sweep, snapshot, slices, log, timers } = turn;
  const stops = stopsOf(turn);
  if (snapshot.toRecord.length === 0 && stops.length === 0) {
    memory.unrecorded = undefined; // whatever it was, nothing waits for it any more
    return undefined;
  }
  const waitMs = waitOf(turn);
  if (waitMs > 0) return waitMs;

  const ended = await withoutDoubtful(turn, doubts);
  const stopped = (await isOverFor(turn, ended)) ? await stopAll(turn, stops, doubts) : [];
  const records = [...ended, ...stopped];
  const left = snapshot.toRecord.length + stops.length > records.length ? LOOK_AGAIN_MS : undefined;
  if (records.length === 0) return left;
  memory.unrecorded = undefined;
  const [write, ...later] = planRecords(slices, records, sweep, memory.sweep.slices);
  if (!write) return left;
  const began = timers.now();
  // The API server checks a whole slice for each append: on one that is busy fewer and larger ones are better. Where more is left than
  // the slice had room for, the next is as large as it can be.
  const pace = () => memory.sliceWrites.took(later.length > 0 ? 0 : timers.now() - began);
  const version = await writeSlice(turn, write).finally(pace);
  if (version === undefined) return memory.sliceWrites.leftMs;
  memory.slicesWritten = laterVersion(memory.slicesWritten, version);
  for (const each of write.records) noteRecorded(turn, each);
  const recorded = write.records.map(({ trial }) => trial);
  log.info('recorded', { sweep: `${sweep.namespace}/${sweep.name}`, trials: recorded });
  return later.length > 0 ? memory.sliceWrites.leftMs : left;
}

/** Without failures that may be none: of a trial with a Pod whose end was not seen. */
async function withoutDoubtful(turn: Turn, doubts: ApiError[]): Promise<TrialRecord[]> {
  const { toRecord } = turn.snapshot;
  const isSure = await all(
    toRecord.map(async ({ outcome, trial }) => outcome !== 'Failed' || (await isSeen(turn, trial, doubts))),
  );
  return toRecord.filter((_, at) => isSure[at]);
}

/** The records of those that have no result: one that has ended well is not stopped any more, and its result comes with its Job's end. */
async function stopAll(turn: Turn, stops: readonly RunningAttempt[], doubts: ApiError[]): Promise<TrialRecord[]> {
  const isSure = await all(
    stops.map(async (facts) => !hasEndedWell(facts) && (await isSeen(turn, facts.trial.trial, doubts))),
  );
  return stops.filter((_, at) => isSure[at]).map((facts) => stoppedRecord(facts, sayStopped(turn)));
}

/** Whether the cache shows a trial's Pods as they are; not, if the API server does not say. */
async function isSeen(turn: Turn, trial: number, doubts: ApiError[]): Promise<boolean> {
  try {
    return await podsAreSeen(turn, trial);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    doubts.push(error);
    return false;
  }
}

/** Attempts that the plan stops; not of a trial whose record cannot be read: it has one. */
function stopsOf({ plan, snapshot }: Turn): RunningAttempt[] {
  return plan.stop.map((trial) => snapshot.running.get(trial)).filter((facts) => facts !== undefined);
}

/** Whether too many failed for sure: the plan counts failures that may be none, and a record of a trial that was stopped for one of those
 * could not be taken back.
 */
async function isOverFor(turn: Turn, ended: readonly TrialRecord[]): Promise<boolean> {
  const { plan, snapshot, sweep } = turn;
  const failed = snapshot.counts.failed + ended.filter(({ outcome }) => outcome === 'Failed').length;
  if (plan.stop.length === 0 || !isOverLimit(limitsOf(sweep), failed)) return false;
  // A limit that was raised a moment ago stops nothing.
  return isCurrent(turn);
}

function sayStopped({ sweep }: Turn): string {
  return `more than ${sweep.sweep.spec.maxFailedTrials} trials failed`;
}

/** @returns the slice's new version; undefined if somebody else wrote: another leader, whose records must be seen first, or a stranger */
async function writeSlice(turn: Turn, write: SliceWrite): Promise<string | undefined> {
  const { cluster, sweep, slices, memory } = turn;
  if (write.kind === 'append') {
    const slice = slices.find(({ metadata }) => metadata.name === write.name);
    const written = slice && (await cluster.appendRecords(slice, write.records));
    if (written?.kind === 'written') return written.object.metadata.resourceVersion;
    // It may have been ourselves, in a request whose answer was lost: nothing is decided before the cache shows it.
    const live = await cluster.get(SLICES, { namespace: sweep.namespace, name: write.name });
    if (live) memory.slicesWritten = laterVersion(memory.slicesWritten, live.metadata.resourceVersion);
    return undefined;
  }
  // A slice of a Sweep that is gone would be nobody's.
  if (!(await isCurrent(turn))) return undefined;
  // Whatever becomes of it, an answer that is lost included: from now on the Sweep may have a slice, and waits until slices are listed.
  memory.slicesWritten = laterVersion(memory.slicesWritten, '1');
  const created = await cluster.createSlice(buildSlice(sweep, write.slice, write.records));
  if (created.kind === 'created') return created.object.metadata.resourceVersion;
  const { namespace, uid } = sweep;
  const other: SliceObject | undefined = await cluster.get(SLICES, { namespace, name: write.name });
  if (!other) return undefined;
  if (isOwnedBy(other.metadata, uid)) {
    memory.slicesWritten = laterVersion(memory.slicesWritten, other.metadata.resourceVersion);
    return undefined;
  }
  const message = `TrialResultSlice ${write.name}: has the name that the next results need, and is not ours: delete it, or create the Sweep under another name`;
  memory.unrecorded = { reason: 'NameCollision', message };
  memory.sliceWrites.pause(TAKEN_MS);
  return undefined;
}

function noteRecorded(
  { sweep, metrics, log, object }: Turn,
  { trial, attempt, outcome, reason, seconds }: TrialRecord,
) {
  metrics.trials.finished(object.metadata.namespace, outcome, seconds, gpusOf(sweep));
  if (outcome !== 'Failed') return;
  metrics.trials.failed(reason.split(/[ :]/, 1)[0] ?? '');
  log.warn('trial failed', { sweep: `${sweep.namespace}/${sweep.name}`, trial, attempt, reason });
}
