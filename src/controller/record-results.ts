import type { SliceObject } from '../shared/objects.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { stoppedRecord } from './record.ts';
import { buildSlice, planRecords, type SliceWrite } from './slice.ts';
import type { Turn } from './turn.ts';
import { laterVersion } from './turn-memory.ts';

/** Until the caches show what stood in the way. */
const LOOK_AGAIN_MS = 250;

/** Writes what has ended, and what the plan stops, into slices: at most once a second, all together.
 * @returns when to try again, undefined if nothing is left
 */
export async function record(turn: Turn, slices: readonly SliceObject[]): Promise<number | undefined> {
  const { memory, sweep, snapshot, plan, log } = turn;
  const stopped = plan.stop.flatMap((trial) => {
    const facts = snapshot.running.get(trial);
    const { maxFailedTrials = 0 } = sweep.sweep.spec;
    return facts ? stoppedRecord(facts, `more than ${maxFailedTrials} trials failed`) : [];
  });
  const records = [...snapshot.toRecord, ...stopped];
  if (records.length === 0) return undefined;
  const { leftMs } = memory.sliceWrites;
  if (leftMs > 0) return leftMs;
  memory.sliceWrites.took();
  for (const write of planRecords(slices, records, sweep, memory.sweep.slices)) {
    const version = await writeSlice(turn, slices, write);
    // Somebody else wrote: another leader, whose records we must see first.
    if (version === undefined) return LOOK_AGAIN_MS;
    memory.slicesWritten = laterVersion(memory.slicesWritten, version);
    for (const each of write.records) noteRecorded(turn, each);
  }
  log.info('recorded', { sweep: `${sweep.namespace}/${sweep.name}`, trials: records.map(({ trial }) => trial) });
  return undefined;
}

async function writeSlice(
  { cluster, sweep }: Turn,
  slices: readonly SliceObject[],
  write: SliceWrite,
): Promise<string | undefined> {
  if (write.kind === 'create') {
    const created = await cluster.createSlice(buildSlice(sweep, write.slice, write.records));
    return created.kind === 'created' ? created.object.metadata.resourceVersion : undefined;
  }
  const slice = slices.find(({ metadata }) => metadata.name === write.name);
  if (!slice) return undefined;
  const written = await cluster.appendRecords(slice, write.records);
  return written.kind === 'written' ? written.object.metadata.resourceVersion : undefined;
}

function noteRecorded(
  { sweep, metrics, log, object }: Turn,
  { trial, attempt, outcome, reason, seconds }: TrialRecord,
) {
  const gpus = Number(sweep.sweep.spec.trainer.resources?.limits?.['nvidia.com/gpu'] ?? 1);
  metrics.trials.finished(object.metadata.namespace, outcome, seconds, gpus);
  if (outcome !== 'Failed') return;
  metrics.trials.failed(reason.split(/[ :]/, 1)[0] ?? '');
  log.warn('trial failed', { sweep: `${sweep.namespace}/${sweep.name}`, trial, attempt, reason });
}
