import type { Job, Pod, SliceObject, SweepObject } from '../shared/objects.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { type ClusterSweep, type InvalidSweep, isValid, readSweep } from './cluster-sweep.ts';
import { SliceCache } from './slice.ts';
import { buildSnapshot, type Snapshot } from './snapshot.ts';
import { type NamedBest, VerdictCache } from './verdict-cache.ts';
import type { SinceSeen } from './waits.ts';

/** What the controller remembers of one Sweep (by UID) between two turns: nothing that it could not find out again, but for
 * vanished Jobs and Pods, which leave no trace. Drop it when the Sweep is gone.
 */
export class SweepMemory {
  readonly slices = new SliceCache();
  readonly #podsSeen = new Map<string, Set<string>>();
  #read: { readonly generation: number; readonly sweep: ClusterSweep | InvalidSweep } | undefined;
  #snapshot: Snapshot | undefined;
  /** Jobs that were created since: one that vanishes before the next snapshot was there all the same. */
  readonly #created = new Map<string, { readonly trial: number; readonly name: string }>();
  readonly #verdicts = new VerdictCache();

  /** Parses the Sweep, once a generation. */
  read(object: SweepObject): ClusterSweep | InvalidSweep {
    const { generation = 0 } = object.metadata;
    const before = this.#read;
    if (before?.generation === generation) return before.sweep;
    const sweep = readSweep(object, before && isValid(before.sweep) ? before.sweep : undefined);
    this.#read = { generation, sweep };
    return sweep;
  }

  /** As buildSnapshot, with what is remembered. */
  snapshot(
    sweep: ClusterSweep,
    read: { readonly jobs: readonly Job[]; readonly pods: readonly Pod[]; readonly slices: readonly SliceObject[] },
    { sinceSeen, deleteDelayMs }: { readonly sinceSeen: SinceSeen; readonly deleteDelayMs: number },
  ): Snapshot {
    this.#notePods(read.jobs, read.pods);
    const podsSeen = (jobUID: string) => this.#podsSeen.get(jobUID)?.size ?? 0;
    const remembered = { previous: this.#previous(), cache: this.slices, podsSeen };
    this.#snapshot = buildSnapshot({ sweep, ...read, sinceSeen, deleteDelayMs, ...remembered });
    return this.#snapshot;
  }

  /** A Job is there that the last snapshot did not have. */
  created({ metadata: { uid, name } }: Job, trial: number): void {
    this.#created.set(uid, { trial, name });
  }

  #previous(): Snapshot | undefined {
    const previous = this.#snapshot;
    if (!previous || this.#created.size === 0) return previous;
    const unrecordedJobs = new Map([...previous.unrecordedJobs, ...this.#created]);
    this.#created.clear();
    return { ...previous, unrecordedJobs };
  }

  /** As judgeResults, of what the status shows. */
  verdict({ sweep }: ClusterSweep, records: ReadonlyMap<number, TrialRecord>): NamedBest {
    return this.#verdicts.judge(sweep, records);
  }

  #notePods(jobs: readonly Job[], pods: readonly Pod[]): void {
    const uids = new Set(jobs.map(({ metadata }) => metadata.uid));
    for (const uid of this.#podsSeen.keys()) if (!uids.has(uid)) this.#podsSeen.delete(uid);
    for (const { metadata } of pods) {
      const owner = metadata.ownerReferences?.find(({ kind, uid }) => kind === 'Job' && uids.has(uid));
      if (!owner) continue;
      const seen = this.#podsSeen.get(owner.uid);
      if (seen) seen.add(metadata.uid);
      else this.#podsSeen.set(owner.uid, new Set([metadata.uid]));
    }
  }
}
