import { isDeepStrictEqual } from 'node:util';
import { Compile } from 'typebox/compile';
import { InvalidMessageError } from '../../../src/sweep/errors.ts';
import { decodeResult } from '../../../src/sweep/result.ts';
import type { TrialRecord } from '../../../src/sweep/slice.ts';
import { MAX_STATUS_BYTES, type SweepStatus, SweepStatusSchema } from '../../../src/sweep/status.ts';
import type { FakeApiServer, Seen, Write } from '../../fakes/api-server.ts';
import type { Stored, StoredEvent } from '../../fakes/api-store.ts';
import { isObject, type JsonObject } from '../../fakes/patches.ts';
import { isEnded, isOver, terminatedOf, type Workload } from './workload.ts';

export interface OracleOptions {
  readonly server: FakeApiServer;
  readonly workload: Workload;
  readonly now: () => number;
  readonly deleteDelayMs: number;
  /** Absent: nobody runs for a lease. */
  readonly renewMs: number | undefined;
  readonly startDeadlineMs: number;
}

interface Spec {
  readonly at: number;
  readonly parallelism: number;
  readonly suspend: boolean;
  /** Without a limit: Infinity. */
  readonly maxFailedTrials: number;
}

interface Recorded {
  readonly at: number;
  readonly record: TrialRecord;
}

/** What the oracle knows of one Sweep, by UID: from the API server's own events, never from a controller. */
export interface KnownSweep {
  readonly uid: string;
  readonly specs: Spec[];
  readonly recorded: Map<number, Recorded>;
  /** Jobs by trial and attempt, with who removed the last of them. */
  readonly jobs: Map<string, { removedBy: string | undefined; readonly uid: string }>;
  status: SweepStatus | undefined;
  /** It is being deleted, or was: its records go with it. */
  isLeaving: boolean;
  isDeleted: boolean;
  /** Somebody deleted a slice of it. */
  isRobbed: boolean;
}

/** A look at the Sweep that planned a create may be that old when the create is sent: a process may be frozen for as long as its lease lasts. */
const LOOK_MS = 10_000;
const CLIENT = 'a controller';
const isStatus = Compile(SweepStatusSchema);

/** Watches the API server and says what must never be seen there. @see reliability.md section 2 */
export class Oracle {
  readonly violations: string[] = [];
  readonly sweeps = new Map<string, KnownSweep>();
  readonly #options: OracleOptions;
  /** Events whose request is being answered. */
  #unclaimed: StoredEvent[] = [];
  readonly #renewed = new Map<string, number>();
  readonly #paced = new Map<string, number>();
  /** Pods and Jobs, by UID. */
  readonly #ended = new Map<string, { readonly at: number; readonly sweepUID: string | undefined }>();
  /** When a Pod got its node, and how long after that its container began, by UID. */
  readonly #scheduled = new Map<string, number>();
  readonly #startMs = new Map<string, number>();

  constructor(options: OracleOptions) {
    this.#options = options;
    options.server.store.onEvent((event) => {
      if (options.workload.actor === undefined) this.#unclaimed.push(event);
      else this.#look(event, options.workload.actor, undefined);
    });
  }

  /** To be told of every write that was answered. */
  onWrite(write: Write): void {
    const events = this.#unclaimed;
    this.#unclaimed = [];
    for (const event of events) this.#look(event, CLIENT, write);
    if (write.plural === 'leases' && write.status < 300 && write.status > 0) this.#noteLease(write);
  }

  /** To be told of every request that is sent. INV-11: nothing leaves a process that has not renewed its lease in time. */
  onSend({ verb, plural, client, at, name = '' }: Seen): void {
    const { renewMs } = this.#options;
    if (renewMs === undefined || plural === 'leases' || ['get', 'list', 'watch'].includes(verb)) return;
    const renewed = this.#renewed.get(client);
    if (renewed === undefined || at - renewed >= renewMs)
      this.say('INV-11', `${client}: ${verb} ${plural} ${name} without lease`);
  }

  say(invariant: string, words: string): void {
    if (this.violations.length < 20)
      this.violations.push(`${invariant} at ${this.#options.now().toFixed(0)} ms: ${words}`);
  }

  #noteLease({ client, body, at }: Write): void {
    const spec = isObject(body) && isObject(body.spec) ? body.spec : {};
    if (spec.holderIdentity === client) this.#renewed.set(client, at);
    else this.#renewed.delete(client);
  }

  #look(event: StoredEvent, actor: string, write: Write | undefined): void {
    if (event.plural === 'sweeps') this.#sweep(event, write);
    if (event.plural === 'jobs') this.#job(event, actor, write);
    if (event.plural === 'trialresultslices') this.#slice(event, actor, write);
    if (event.plural === 'pods') this.#noteStart(event.object);
    if (event.plural === 'pods' && isEnded(event.object)) this.#noteEnd(event.object);
    if (event.plural === 'jobs' && isOver(event.object)) this.#noteEnd(event.object);
  }

  #noteStart(pod: Stored): void {
    const { uid } = pod.metadata;
    const now = this.#options.now();
    const spec = isObject(pod.spec) ? pod.spec : {};
    if (spec.nodeName !== undefined && !this.#scheduled.has(uid)) this.#scheduled.set(uid, now);
    const status = isObject(pod.status) ? pod.status : {};
    if (status.containerStatuses === undefined || this.#startMs.has(uid)) return;
    this.#startMs.set(uid, now - (this.#scheduled.get(uid) ?? now));
  }

  #noteEnd({ metadata: { uid, labels } }: Stored): void {
    if (this.#ended.has(uid)) return;
    this.#ended.set(uid, { at: this.#options.now(), sweepUID: labels?.['cnn-sweep.dev/sweep-uid'] });
  }

  #sweep({ type, object, before }: StoredEvent, write: Write | undefined): void {
    const { uid, generation } = object.metadata;
    if (type === 'ADDED') {
      const maps = { specs: [], recorded: new Map(), jobs: new Map() };
      this.sweeps.set(uid, { uid, ...maps, status: undefined, isLeaving: false, isDeleted: false, isRobbed: false });
    }
    const sweep = this.sweeps.get(uid);
    if (!sweep) return;
    if (type === 'DELETED') sweep.isDeleted = true;
    if (type === 'DELETED' || object.metadata.deletionTimestamp !== undefined) sweep.isLeaving = true;
    if (before?.metadata.generation !== generation) {
      const { parallelism = 10, suspend = false, maxFailedTrials = Infinity } = object.spec as Partial<Spec>;
      sweep.specs.push({ at: this.#options.now(), parallelism, suspend, maxFailedTrials });
    }
    if (write && object.status !== undefined && object.status !== before?.status) this.#status(sweep, object, write);
  }

  #status(sweep: KnownSweep, { metadata, status }: Stored, write: Write): void {
    if (!isStatus.Check(status)) {
      this.say('INV-10', `a status of another shape: ${JSON.stringify(status).slice(0, 300)}`);
      return;
    }
    if (Buffer.byteLength(JSON.stringify(status)) > MAX_STATUS_BYTES) this.say('INV-10', 'a status above 8 KiB');
    const { total, waiting, running, succeeded, failed, stopped } = status.trials;
    if (waiting + running + succeeded + failed + stopped !== total)
      this.say('INV-9', `${JSON.stringify(status.trials)}`);
    if (status.observedGeneration > metadata.generation) this.say('INV-9', 'a generation that is not there yet');
    for (const count of ['succeeded', 'failed', 'stopped'] as const) {
      const before = sweep.status?.trials[count] ?? 0;
      // Records that somebody deleted are not counted any more.
      if (status.trials[count] < before && !sweep.isRobbed && this.#options.renewMs !== undefined)
        this.say('INV-9', `${count} fell from ${before} to ${status.trials[count]}`);
    }
    sweep.status = status;
    this.#pace(`status of ${sweep.uid} by ${write.client}`, write.at);
  }

  /** INV-16 */
  #pace(what: string, at: number): void {
    const last = this.#paced.get(what) ?? Number.NEGATIVE_INFINITY;
    if (at - last < 999) this.say('INV-16', `${what}: twice in ${(at - last).toFixed(0)} ms`);
    this.#paced.set(what, at);
  }

  #job({ type, object, before }: StoredEvent, actor: string, write: Write | undefined): void {
    const { name } = object.metadata;
    const sweep = this.sweeps.get(ownerOf(object) ?? '');
    if (write && type === 'MODIFIED') this.say('INV-15', `Job ${name} was changed: ${diffOf(before, object)}`);
    if (!sweep) {
      if (write) this.say('INV-15', `Job ${name} was ${type.toLowerCase()} for no Sweep`);
      return;
    }
    const trial = Number(object.metadata.labels?.['cnn-sweep.dev/trial']);
    const attempt = Number(object.metadata.labels?.['cnn-sweep.dev/attempt'] ?? 1);
    const key = `${trial}/${attempt}`;
    if (type === 'ADDED') {
      if (write) this.#created(sweep, object, { trial, key }, write);
      sweep.jobs.set(key, { removedBy: undefined, uid: object.metadata.uid });
    } else if (type === 'DELETED') {
      const known = sweep.jobs.get(key);
      if (known?.uid === object.metadata.uid) known.removedBy = actor;
      if (write || actor === 'ttl') this.#deleted(sweep, object, trial);
    }
  }

  #created(sweep: KnownSweep, job: Stored, { trial, key }: { trial: number; key: string }, write: Write): void {
    const { name, namespace } = job.metadata;
    const now = this.#options.now();
    const recorded = sweep.recorded.get(trial);
    // A request that was under way when the record was made is met by the delete on sight.
    // Two that both act without a lease may each know less than the other: what they start too much is deleted on sight as well.
    if (recorded && write.at >= recorded.at && this.#options.renewMs !== undefined)
      this.say('INV-2', `Job ${name} was created: its trial is recorded`);
    if (sweep.jobs.get(key)?.removedBy === CLIENT && !recorded)
      this.say('INV-1', `Job ${name} was created, deleted and created`);
    const jobs = this.#options.server.store
      .list('jobs')
      .filter((other) => ownerOf(other) === sweep.uid && !isOver(other) && other.metadata.namespace === namespace);
    const twin = jobs.find((other) => other.metadata.name !== name && trialOf(other) === trial);
    if (twin && twin.metadata.deletionTimestamp === undefined)
      this.say('INV-1', `Job ${name} beside the live ${twin.metadata.name}`);
    const specs = sweep.specs.filter(
      ({ at }, index) => (sweep.specs[index + 1]?.at ?? now) >= write.at - LOOK_MS && at <= now,
    );
    const most = Math.max(0, ...specs.map(({ parallelism, suspend }) => (suspend ? 0 : parallelism)));
    // Two without a lease wait for their own clocks before another attempt, so that each may take another trial for the next.
    const allowed = this.#options.renewMs === undefined ? 2 * most : most;
    if (jobs.length > allowed) this.say('INV-7', `Job ${name} is live Job ${jobs.length} of ${allowed}`);
  }

  #deleted(sweep: KnownSweep, job: Stored, trial: number): void {
    const { name } = job.metadata;
    const recorded = sweep.recorded.get(trial);
    if (!recorded) this.say('INV-3', `Job ${name} was deleted: its trial is not recorded`);
    // One that still ran when its trial was recorded is deleted on sight, and may end between sight and delete.
    else if (this.#wasOver(job, recorded.at) && this.#options.now() - recorded.at < this.#options.deleteDelayMs)
      this.say('INV-3', `Job ${name} was deleted too soon after its record`);
    if (!new RegExp(`-${trial}(-r\\d+)?$`).test(name))
      this.say('INV-15', `Job ${name} was deleted: somebody had relabelled it`);
  }

  #wasOver({ metadata }: Stored, at: number): boolean {
    return (this.#ended.get(metadata.uid)?.at ?? Number.POSITIVE_INFINITY) <= at;
  }

  #slice({ type, object, before }: StoredEvent, actor: string, write: Write | undefined): void {
    const sweep = this.sweeps.get(ownerOf(object) ?? '');
    const { name } = object.metadata;
    if (!sweep) {
      if (write) this.say('INV-15', `TrialResultSlice ${name} was ${type.toLowerCase()} for no Sweep`);
      return;
    }
    if (type === 'DELETED') {
      if (actor === CLIENT) this.say('INV-2', `TrialResultSlice ${name} was deleted`);
      sweep.isRobbed = true;
      return;
    }
    const records = recordsOf(object);
    const old = before ? recordsOf(before) : [];
    if (!isDeepStrictEqual(records.slice(0, old.length), old)) this.say('INV-2', `a record of ${name} was changed`);
    if (!sweep.isLeaving) for (const record of records.slice(old.length)) this.#record(sweep, record);
    if (records.length > 200) this.say('INV-10', `${name} has ${records.length} records`);
    if (write) this.#pace(`slices of ${sweep.uid} by ${write.client}`, write.at);
  }

  #record(sweep: KnownSweep, record: TrialRecord): void {
    const { trial, outcome, attemptUID, reason } = record;
    if (sweep.recorded.has(trial)) this.say('INV-2', `trial ${trial} has a second record`);
    else sweep.recorded.set(trial, { at: this.#options.now(), record });
    const pods = this.#options.server.store.list('pods').filter((pod) => isOfSweep(pod, sweep.uid));
    if (outcome === 'Stopped') {
      // Of the same write those that came before count. A limit that was raised meanwhile may have been met by then.
      const failed = [...sweep.recorded.values()].filter((known) => known.record.outcome === 'Failed').length;
      const limit = Math.min(...sweep.specs.map(({ maxFailedTrials }) => maxFailedTrials));
      if (failed <= limit) this.say('1.2', `trial ${trial} was stopped, although no more than ${failed} failed`);
      const result = pods.find(
        (pod) => trialOf(pod) === trial && resultOf(pod)?.trial === trial && this.#hasLasted(pod, 500),
      );
      if (result) this.say('1.2', `trial ${trial} was stopped beside the result of ${result.metadata.name}`);
    } else if (outcome === 'Succeeded') {
      // Its Pod may be gone: then what is there must still have been a result of that trial, which its hash and UID say.
      const pod = pods.find(({ metadata }) => metadata.uid === attemptUID);
      const { hyperparameters: _, ...result } = record;
      // The record names its Pod, also where the trainer could not.
      const said = pod && resultOf(pod);
      if (pod && !isDeepStrictEqual(result, said && { ...said, attemptUID }))
        this.say('INV-2', `trial ${trial}: not the result of its Pod`);
      if (!pod && this.#ended.get(attemptUID)?.sweepUID !== sweep.uid)
        this.say('INV-2', `trial ${trial}: the result of no Pod of this Sweep`);
    } else if (outcome === 'Failed') {
      const isLate = /^StartDeadlineExceeded/.test(reason);
      const startMs = this.#startMs.get(attemptUID);
      if (isLate && startMs !== undefined && startMs < this.#options.startDeadlineMs)
        this.say('1.2', `trial ${trial}: recorded as never started, although its Pod began in time`);
      // What a Pod says whose Job somebody has deleted is garbage: the trial was lost with the Job, and ran again.
      const jobs = new Set(this.#options.server.store.list('jobs').map(({ metadata }) => metadata.uid));
      const lost = pods.find(
        (pod) =>
          trialOf(pod) === trial &&
          resultOf(pod)?.trial === trial &&
          this.#hasLasted(pod) &&
          pod.metadata.ownerReferences?.some(({ uid }) => jobs.has(`${uid}`)) &&
          // One that began too late may have a result by the time the record arrives.
          !(isLate && pod.metadata.uid === attemptUID),
      );
      if (lost)
        this.say(
          '1.2',
          `trial ${trial}: recorded as failed (${record.reason}) beside the result of ${lost.metadata.name}`,
        );
    }
  }

  /** Nobody can see what ended a moment ago. */
  #hasLasted({ metadata }: Stored, ms = 2_000): boolean {
    return this.#options.now() - (this.#ended.get(metadata.uid)?.at ?? 0) > ms;
  }
}

/** The Sweep that owns an object, by UID. */
export function ownerOf({ metadata }: Stored): string | undefined {
  const owner = metadata.ownerReferences?.find((reference) => (reference as { kind?: string }).kind === 'Sweep');
  return owner?.uid;
}

export function trialOf({ metadata }: Stored): number {
  return Number(metadata.labels?.['cnn-sweep.dev/trial'] ?? Number.NaN);
}

export function recordsOf({ records }: Stored): readonly TrialRecord[] {
  return (Array.isArray(records) ? records : []) as unknown as TrialRecord[];
}

function isOfSweep({ metadata }: Stored, uid: string): boolean {
  return metadata.labels?.['cnn-sweep.dev/sweep-uid'] === uid;
}

function resultOf(pod: Stored) {
  const message = terminatedOf(pod)?.message;
  if (typeof message !== 'string' || message === '') return undefined;
  try {
    return decodeResult(message);
  } catch (error) {
    if (error instanceof InvalidMessageError) return undefined;
    throw error;
  }
}

function diffOf(before: Stored | undefined, after: JsonObject): string {
  const keys = Object.keys(after).filter((key) => !isDeepStrictEqual(before?.[key], after[key]));
  return keys.join(', ');
}
