import type { Random } from '../shared/backoff.ts';
import type { Cluster, Ref } from '../shared/calls.ts';
import { LEASES } from '../shared/kinds.ts';
import type { LeaseObject } from '../shared/objects.ts';
import { pause, realTimers, type Timers } from '../shared/timers.ts';
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

const LEASE_MS = 15_000;
const RENEW_MS = 10_000;
const RETRY_MS = 2_000;

/** Runs for the lease until it is held, and renews it from then on. Nobody's wall clock decides: a lease is free when its
 * record stood still for its whole time on our own monotonic clock. @see reliability.md section 4
 */
export function startElector(options: ElectorOptions): Elector {
  const elector = new LeaseElector(options);
  void elector.run();
  return elector;
}

class LeaseElector implements Elector {
  readonly #options: ElectorOptions;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #retryMs: number;
  /** The record as last seen, and since when it stands still. */
  #seen: { readonly lease: StoredLease | undefined; readonly since: number } | undefined;
  #state: 'candidate' | 'leader' | 'lost' | 'released' = 'candidate';
  /** When the last renewal that succeeded was sent: others count from later, since they must see it first. */
  #renewed = Number.NEGATIVE_INFINITY;
  #claimed: boolean = false;
  #writes = 0;
  #cancelDeadline = () => {};
  readonly #ended = new AbortController();
  #round: Promise<void> = Promise.resolve();

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#timers = options.timers ?? realTimers;
    this.#random = options.random ?? Math.random;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#renewMs = options.renewMs ?? RENEW_MS;
    this.#retryMs = options.retryMs ?? RETRY_MS;
  }

  get leads(): boolean {
    return this.#state === 'leader';
  }

  renewedWithin(ms: number): boolean {
    return this.leads && this.#timers.now() - this.#renewed < ms;
  }

  assertLeading(): void {
    if (this.renewedWithin(this.#renewMs)) return;
    const age = Math.round((this.#timers.now() - this.#renewed) / 1000);
    throw new LeaseLostError(this.leads ? `the lease was last renewed ${age} s ago` : 'the lease is not held');
  }

  async run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const begun = this.#timers.now();
      this.#round = this.#try();
      await this.#round;
      // Between once and 1.2 times the retry period, so that candidates do not march in step. Counted from the beginning:
      // a slow answer has used up part of the renew deadline already.
      const spent = this.#timers.now() - begun;
      const waitMs = this.#retryMs * (1 + 0.2 * this.#random()) - spent;
      await pause(this.#timers, Math.max(0, waitMs), this.#ended.signal);
    }
  }

  async release(): Promise<void> {
    const led = this.leads;
    if (this.#state !== 'lost') this.#state = 'released';
    this.#cancelDeadline();
    this.#ended.abort();
    await this.#round; // its write must not come after ours
    const lease = this.#seen?.lease;
    if (!led || lease?.holder !== this.#options.identity) return;
    try {
      await this.#options.store.write(
        { ...lease, holder: '', leaseSeconds: 1, renewTime: this.#time() },
        lease.version,
      );
    } catch (error) {
      this.#options.onProblem?.(error); // then it runs out by itself
    }
  }

  /** One look at the lease, and one write if it is ours or free. */
  async #try(): Promise<void> {
    try {
      if (this.leads) await this.#renew();
      else await this.#acquire();
    } catch (error) {
      this.#options.onProblem?.(error);
    }
  }

  async #acquire(): Promise<void> {
    const lease = await this.#look();
    const ours = this.#claimed && lease?.holder === this.#options.identity; // a claim of ours whose answer was lost
    if (lease && lease.holder !== '' && !ours && !this.#stoodStill()) return;
    if (this.#ended.signal.aborted) return;
    this.#claimed = true;
    const sent = this.#timers.now();
    const time = this.#time();
    const transitions = lease ? lease.transitions + 1 : 0;
    if (!(await this.#write({ ...this.#ours(), acquireTime: time, renewTime: time, transitions }))) return;
    if (this.#state !== 'candidate') return; // released meanwhile: it runs out by itself
    this.#state = 'leader';
    this.#renewedAt(sent);
    if (this.leads) this.#options.onElected();
  }

  async #renew(): Promise<void> {
    for (let tries = 0; tries < 2 && this.leads; tries++) {
      const sent = this.#timers.now();
      const time = this.#time();
      const { acquireTime = time, transitions = 0 } = this.#seen?.lease ?? {};
      if (await this.#write({ ...this.#ours(), acquireTime, renewTime: time, transitions }))
        return this.#renewedAt(sent);
      // Another version is stored: ours, of a write whose answer was lost, or somebody else's.
      const stored = await this.#look();
      if (stored && stored.holder !== this.#options.identity) this.#lose(`the lease is held by "${stored.holder}"`);
    }
  }

  async #look(): Promise<StoredLease | undefined> {
    const lease = await this.#options.store.read();
    if (!this.#seen || this.#seen.lease?.version !== lease?.version) {
      this.#seen = { lease, since: this.#timers.now() };
    }
    return lease;
  }

  #stoodStill(): boolean {
    return this.#seen !== undefined && this.#timers.now() - this.#seen.since >= this.#leaseMs;
  }

  /** @returns false if another version is stored than the one that was last seen */
  async #write(lease: Lease): Promise<boolean> {
    const stored = await this.#options.store.write(lease, this.#seen?.lease?.version);
    if (stored === 'conflict') return false;
    this.#seen = { lease: stored, since: this.#timers.now() };
    return true;
  }

  #renewedAt(sent: number): void {
    if (!this.leads) return;
    this.#renewed = sent;
    this.#cancelDeadline();
    const left = sent + this.#renewMs - this.#timers.now();
    const why = `the lease was not renewed in ${this.#renewMs / 1000} s`;
    // Also at once, if the answer took that long.
    this.#cancelDeadline = this.#timers.after(Math.max(0, left), () => this.#lose(why));
    if (left <= 0) this.#lose(why);
  }

  #lose(why: string): void {
    if (!this.leads) return;
    this.#state = 'lost';
    this.#cancelDeadline();
    this.#ended.abort();
    this.#options.onLost(why);
  }

  #ours() {
    return { holder: this.#options.identity, leaseSeconds: Math.ceil(this.#leaseMs / 1000) };
  }

  /** No two are the same: a write that changes nothing is none to the API server, and the lease would seem to stand still. */
  #time(): string {
    const now = this.#options.wallClock?.() ?? new Date();
    const microseconds = `${this.#writes++ % 1000}`.padStart(3, '0'); // Kubernetes' MicroTime has six digits
    return now.toISOString().replace('Z', `${microseconds}Z`);
  }
}

/** The lease as an object of the API server. @param timeoutMs of each request; it is sent once */
export function leaseIn(
  cluster: Pick<Cluster, 'get' | 'create' | 'replace'>,
  { namespace, name }: Ref,
  timeoutMs: number,
): LeaseStore {
  const options = { tries: 1, timeoutMs };
  return {
    async read() {
      const object = await cluster.get(LEASES, { namespace, name }, options);
      return object && decodeLease(object);
    },
    async write(lease, version) {
      const { apiVersion, kind } = LEASES;
      const metadata = { namespace, name };
      const spec = {
        holderIdentity: lease.holder,
        leaseDurationSeconds: lease.leaseSeconds,
        acquireTime: lease.acquireTime,
        renewTime: lease.renewTime,
        leaseTransitions: lease.transitions,
      };
      if (version === undefined) {
        const object = { apiVersion, kind, metadata, spec };
        const created = await cluster.create(LEASES, object, options);
        return created.kind === 'created' ? decodeLease(created.object) : 'conflict';
      }
      const object = { apiVersion, kind, metadata: { ...metadata, resourceVersion: version }, spec };
      const written = await cluster.replace(LEASES, object, options);
      // Deleted by somebody: the next look finds none, and it is created anew.
      return written.kind === 'written' ? decodeLease(written.object) : 'conflict';
    },
  };
}

function decodeLease({ metadata, spec = {} }: LeaseObject): StoredLease {
  return {
    holder: spec.holderIdentity ?? '',
    leaseSeconds: spec.leaseDurationSeconds ?? 0,
    acquireTime: spec.acquireTime ?? '',
    renewTime: spec.renewTime ?? '',
    transitions: spec.leaseTransitions ?? 0,
    version: metadata.resourceVersion,
  };
}
