import type { Timers } from '../../../src/shared/timers.ts';
import type { FakeApiServer } from '../../fakes/api-server.ts';
import type { Stored, StoredEvent } from '../../fakes/api-store.ts';
import { isObject, type Json, type JsonObject } from '../../fakes/patches.ts';
import type { Dice } from './random.ts';

/** What becomes of one Pod. */
export type PodFate =
  | { readonly kind: 'result' }
  /** Exit 0, and nothing or garbage in its termination message. */
  | { readonly kind: 'empty'; readonly message: string }
  | { readonly kind: 'exit'; readonly code: number; readonly reason?: string }
  /** Evicted, preempted, or its node is lost: not counted. */
  | { readonly kind: 'disrupted' };

export interface WorkloadOptions {
  readonly server: FakeApiServer;
  readonly timers: Timers;
  readonly dice: Dice;
  readonly fateOf: (trial: number, dice: Dice) => PodFate;
  /** What the trainer of that Pod writes at its end. */
  readonly resultOf: (pod: Stored) => string;
  /** From its node to its container. */
  readonly startMs: readonly [number, number];
  readonly runMs: () => number;
  /** Whether the Pod is removed soon after its end. */
  readonly isCollected: (dice: Dice) => boolean;
  /** From the end of an owner to the end of what it owned. */
  readonly garbageMs: readonly [number, number];
}

/** Of what is nobody's any more: how much stays for another round. */
const LATER_GARBAGE = 0.3;

/** Job controller, scheduler, kubelet and garbage collector, as far as a controller of Jobs sees them. They act through the store,
 * some time after what they act on.
 */
export class Workload {
  readonly #options: WorkloadOptions;
  /** Who acts at this moment; undefined: a client of the API server. */
  actor: string | undefined;
  #collecting: boolean = false;
  #pods = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    options.server.store.onEvent((event) => this.#onEvent(event));
  }

  /** Does something to the store in somebody's name. What is gone meanwhile is nobody's fault. */
  as(actor: string, act: () => void): void {
    const before = this.actor;
    this.actor = actor;
    try {
      act();
    } catch (error) {
      if (!(error instanceof Error && /not found/.test(error.message))) throw error;
    } finally {
      this.actor = before;
    }
  }

  #later(actor: string, lowMs: number, highMs: number, act: () => void): void {
    const { timers, dice } = this.#options;
    timers.after(dice.between(lowMs, highMs), () => this.as(actor, act));
  }

  #onEvent({ plural, type, object, before }: StoredEvent): void {
    const sync = () => this.#sync(object.metadata.namespace, object.metadata.name, object.metadata.uid);
    if (plural === 'jobs' && type === 'ADDED') this.#later('job-controller', 20, 800, sync);
    if (plural === 'jobs' && type === 'MODIFIED' && isSuspended(object) !== isSuspended(before))
      this.#later('job-controller', 20, 800, sync);
    if (plural === 'pods' && type === 'ADDED') this.#later('scheduler', 20, 400, () => this.#schedule(object));
    // Also what was created for an owner that is gone by now.
    const isOwned = type === 'ADDED' && object.metadata.ownerReferences !== undefined;
    if (type === 'DELETED' || isOwned || object.metadata.deletionTimestamp !== undefined) this.#collect();
  }

  #collect(): void {
    if (this.#collecting) return;
    this.#collecting = true;
    this.#later('garbage-collector', ...this.#options.garbageMs, () => {
      this.#collecting = false;
      // One by one, in no order.
      const later = new Map<string, boolean>();
      const isLater = ({ metadata: { uid } }: Stored) => {
        const known = later.get(uid) ?? this.#options.dice.chance(LATER_GARBAGE);
        later.set(uid, known);
        return known;
      };
      while (this.#options.server.store.collectGarbage(isLater));
      if ([...later.values()].includes(true)) this.#collect();
    });
  }

  /** One look at a Job, as its controller takes it after each change. */
  #sync(namespace: string, name: string, uid: string): void {
    const { store } = this.#options.server;
    const job = store.get({ plural: 'jobs', namespace, name });
    if (job.metadata.uid !== uid || job.metadata.deletionTimestamp !== undefined || isOver(job)) return;
    const pods = store.list('pods').filter(({ metadata }) => metadata.ownerReferences?.some((o) => o.uid === uid));
    const again = () => this.#sync(namespace, name, uid);
    if (isSuspended(job)) {
      for (const { metadata } of pods) store.delete({ plural: 'pods', ...metadata });
      return;
    }
    const ended = pods.filter((pod) => isEnded(pod) && !isDisrupted(pod));
    const [end] = ended;
    if (end) {
      const code = exitCodeOf(end);
      if (code === 0) this.#end(job, 'Complete', 'CompletionsReached');
      else this.#end(job, 'Failed', code === 2 ? 'PodFailurePolicy' : 'BackoffLimitExceeded');
      return;
    }
    if (pods.every(isEnded)) {
      this.#createPod(job);
      this.#later('job-controller', 50, 100, again);
    }
  }

  #end(job: Stored, type: string, reason: string): void {
    const { server, dice, isCollected } = this.#options;
    const conditions = [{ type, status: 'True', reason, message: 'as it ended' }];
    server.store.edit({ plural: 'jobs', ...job.metadata }, (stored) => ({ ...stored, status: { conditions } }));
    const { ttlSecondsAfterFinished: ttl } = asObject(job.spec);
    if (typeof ttl === 'number')
      this.#later('ttl', ttl * 1000, ttl * 1000 + 500, () => server.store.delete({ plural: 'jobs', ...job.metadata }));
    if (!isCollected(dice)) return;
    this.#later('pod-gc', 100, 20_000, () => {
      for (const { metadata } of server.store.list('pods'))
        if (metadata.ownerReferences?.some(({ uid }) => uid === job.metadata.uid))
          server.store.delete({ plural: 'pods', ...metadata });
    });
  }

  #createPod(job: Stored): void {
    const { metadata, spec } = job;
    const template = isObject(spec) && isObject(spec.template) ? spec.template : {};
    const given = isObject(template.metadata) ? template.metadata : {};
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: metadata.name, uid: metadata.uid, controller: true };
    const { namespace } = metadata;
    const name = `${metadata.name}-${(this.#pods++).toString(36).padStart(5, '0')}`;
    this.#options.server.store.create(
      { plural: 'pods', namespace, name },
      { metadata: { ...given, ownerReferences: [owner] }, spec: {} },
    );
    // A Pod's status begins with its phase.
    this.#edit({ metadata: { ...metadata, name } }, () => ({ status: { phase: 'Pending' } }));
  }

  #schedule(pod: Stored): void {
    const conditions = [{ type: 'PodScheduled', status: 'True' }];
    this.#edit(pod, () => ({ spec: { nodeName: 'n1' }, status: { phase: 'Pending', conditions } }));
    this.#later('kubelet', ...this.#options.startMs, () => this.#run(pod));
  }

  #run(pod: Stored): void {
    const { dice, runMs, fateOf } = this.#options;
    const containerStatuses = [{ name: 'trainer', state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }];
    this.#edit(pod, ({ status }) => ({ status: { ...asObject(status), phase: 'Running', containerStatuses } }));
    const trial = Number(pod.metadata.labels?.['cnn-sweep.dev/trial'] ?? 0);
    const fate = fateOf(trial, dice);
    const ms = runMs();
    this.#later('kubelet', ms, ms + 1, () => this.#stop(pod, fate));
  }

  #stop(pod: Stored, fate: PodFate): void {
    const { server } = this.#options;
    const owner = pod.metadata.ownerReferences?.[0];
    const again = () => {
      const { namespace, ownerReferences } = pod.metadata;
      const name = ownerReferences?.map((reference) => (reference as { name?: string }).name ?? '')[0] ?? '';
      this.#sync(namespace, name, owner?.uid ?? '');
    };
    if (fate.kind === 'disrupted') {
      this.#edit(pod, ({ status }) => ({ status: terminated(status, { exitCode: 137 }, DISRUPTED) }));
      this.#later('pod-gc', 10, 500, () => server.store.delete({ plural: 'pods', ...pod.metadata }));
      this.#later('job-controller', 600, 1_500, again);
      return;
    }
    const code = fate.kind === 'exit' ? fate.code : 0;
    const message = fate.kind === 'result' ? this.#options.resultOf(pod) : fate.kind === 'empty' ? fate.message : '';
    const reason = fate.kind === 'exit' ? (fate.reason ?? 'Error') : 'Completed';
    this.#edit(pod, ({ status }) => ({
      status: terminated(status, { exitCode: code, reason, ...(message && { message }) }),
    }));
    this.#later('job-controller', 20, 1_500, again);
  }

  #edit({ metadata }: Pick<Stored, 'metadata'>, change: (pod: Stored) => JsonObject): void {
    const { namespace, name } = metadata;
    const { store } = this.#options.server;
    store.edit({ plural: 'pods', namespace, name }, (pod) => ({ ...pod, ...change(pod) }));
  }
}

const DISRUPTED = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' };

function terminated(status: Json | undefined, state: JsonObject, condition?: JsonObject): JsonObject {
  const before = asObject(status);
  const conditions = Array.isArray(before.conditions) ? before.conditions : [];
  return {
    ...before,
    phase: state.exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions: condition ? [...conditions, condition] : conditions,
    containerStatuses: [{ name: 'trainer', state: { terminated: state } }],
  };
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isSuspended(job: Stored | undefined): boolean {
  return asObject(job?.spec).suspend === true;
}

function conditionsOf({ status }: Stored): readonly JsonObject[] {
  const { conditions } = asObject(status);
  return Array.isArray(conditions) ? conditions.filter(isObject) : [];
}

/** Whether the Job has ended. */
export function isOver(job: Stored): boolean {
  return conditionsOf(job).some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
}

function isDisrupted(pod: Stored): boolean {
  return conditionsOf(pod).some(({ type }) => type === 'DisruptionTarget');
}

/** Whether the Pod has ended. */
export function isEnded({ status }: Stored): boolean {
  const { phase } = asObject(status);
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Of the container that trains: what it ended with, if it did. */
export function terminatedOf({ status }: Stored): JsonObject | undefined {
  const { containerStatuses } = asObject(status);
  const [container] = Array.isArray(containerStatuses) ? containerStatuses : [];
  const state = asObject(asObject(container).state);
  return isObject(state.terminated) ? state.terminated : undefined;
}

function exitCodeOf(pod: Stored): number {
  return Number(terminatedOf(pod)?.exitCode ?? -1);
}
