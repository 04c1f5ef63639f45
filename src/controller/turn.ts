import type { Cluster } from '../shared/calls.ts';
import type { Log } from '../shared/log.ts';
import type { Pod, SliceObject, SweepObject } from '../shared/objects.ts';
import type { Timers } from '../shared/timers.ts';
import type { Plan } from '../sweep/plan.ts';
import type { Caches } from './caches.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import type { EventRecorder } from './events.ts';
import type { TrainerOptions } from './job.ts';
import type { ControllerMetrics } from './metrics.ts';
import type { Recorded } from './retention.ts';
import type { Snapshot } from './snapshot.ts';
import type { TurnMemory } from './turn-memory.ts';

export interface ReconcilerDeps {
  readonly cluster: Cluster;
  readonly caches: Caches;
  readonly log: Log;
  readonly metrics: Pick<ControllerMetrics, 'trials' | 'turns' | 'sweepSeen' | 'sweepGone'>;
  readonly events: EventRecorder;
  readonly trainer: TrainerOptions;
  /** Whether LocalQueues may be read. */
  readonly kueue?: boolean;
  /** From the record of a trial to the delete of its Job: nobody's delayed request may find the name free (reliability.md, 4). */
  readonly deleteDelayMs: number;
  /** Told at each turn what is recorded of a Sweep. */
  readonly onRecorded?: ((sweepUID: string, recorded: Recorded) => void) | undefined;
  readonly timers?: Timers;
  /** Wall clock, for the times that people read. */
  readonly wallClock?: () => Date;
}

/** What every step of a turn is given. */
export interface Turn extends ReconcilerDeps {
  readonly timers: Timers;
  readonly sweep: ClusterSweep;
  readonly object: SweepObject;
  readonly memory: TurnMemory;
  readonly snapshot: Snapshot;
  /** As read at its beginning. */
  readonly slices: readonly SliceObject[];
  readonly pods: readonly Pod[];
  readonly plan: Plan;
}
