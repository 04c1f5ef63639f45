import type { Random } from '../shared/backoff.ts';
import type { Cluster, Ref } from '../shared/calls.ts';
import type { Timers } from '../shared/timers.ts';
import { SweepError } from '../sweep/errors.ts';

/** Who leads, as kept in the cluster. */
export interface Lease {
  /** Empty: released. */
  readonly holder: string;
  readonly leaseSeconds: number;
  /** For people; nobody's clock decides. */
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly transitions: number;
}

export interface StoredLease extends Lease {
  /** Changes with every write. */
  readonly version: string;
}

/** Where the lease is kept. Sends each request once, and gives up after half the renew deadline. */
export interface LeaseStore {
  read(): Promise<StoredLease | undefined>;
  /** @param version that is replaced; undefined: there is none yet */
  write(lease: Lease, version: string | undefined): Promise<StoredLease | 'conflict'>;
}

export interface ElectorOptions {
  readonly store: LeaseStore;
  /** Of this process alone: two with the same would both lead. */
  readonly identity: string;
  readonly onElected: () => void;
  /** Once. The program exits at once, without clean-up. */
  readonly onLost: (why: string) => void;
  /** A failed request; the elector tries again. */
  readonly onProblem?: (error: unknown) => void;
  readonly leaseMs?: number;
  readonly renewMs?: number;
  readonly retryMs?: number;
  readonly timers?: Timers;
  readonly random?: Random;
  /** Wall clock, for the two times that people read. */
  readonly wallClock?: () => Date;
}

export interface Elector {
  readonly leads: boolean;
  /** Whether we lead and the last renewal was sent less than `ms` ago. */
  renewedWithin(ms: number): boolean;
  /** The guard of every write. @throws LeaseLostError if the last renewal is as old as the renew deadline */
  assertLeading(): void;
  /** Gives the lease up, so that another one need not wait; or stops asking for it. */
  release(): Promise<void>;
}

/** The lease is another's, or was not renewed in time: nothing may be sent. */
export class LeaseLostError extends SweepError {
  constructor(message: string) {
    super('LeaseLost', message);
  }
}

/** Runs for the lease until it is held, and renews it from then on. */
export declare function startElector(options: ElectorOptions): Elector;
/** The lease as an object of the API server. */
export declare function leaseIn(
  cluster: Pick<Cluster, 'get' | 'create' | 'replace'>,
  ref: Ref,
  timeoutMs: number,
): LeaseStore;
