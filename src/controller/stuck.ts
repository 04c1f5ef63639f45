import type { EventObject, SweepObject } from '../shared/objects.ts';
import type { StuckReason } from '../sweep/reasons.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import type { Refusal } from './refusal.ts';
import type { Snapshot } from './snapshot.ts';
import type { SinceSeen } from './waits.ts';

/** One thing that does not get on: the object and what to do. */
export interface Stuck {
  readonly reason: StuckReason;
  /** In a sentence, with the object's name. */
  readonly message: string;
}

export interface StuckInput {
  readonly sweep: ClusterSweep;
  /** As read: whether it is being deleted, and who holds it. */
  readonly object: SweepObject;
  readonly snapshot: Snapshot;
  /** The latest answers to our creates that were no success. */
  readonly refusals: readonly Refusal[];
  /** Of the objects that `eventsWanted` named. */
  readonly events: readonly EventObject[];
  /** Kueue's LocalQueue was asked for and is not there. */
  readonly queueMissing?: boolean;
  readonly sinceSeen: SinceSeen;
}

/** Whose Events would tell more. */
export interface EventsWanted {
  readonly kind: 'Job' | 'Pod';
  readonly name: string;
  readonly uid: string;
}

export interface StuckStates {
  /** Worst first. */
  readonly stuck: readonly Stuck[];
  readonly eventsWanted: readonly EventsWanted[];
  /** When something will be named although nothing happens. */
  readonly wakeInMs: number | undefined;
}

export function stuckStates(_: StuckInput): StuckStates {
  return { stuck: [], eventsWanted: [], wakeInMs: undefined };
}
