import { isDeepStrictEqual } from 'node:util';
import { apply, isObject, type Json, type JsonObject, jsonPatch, mergePatch, type PatchStep } from './patches.ts';

/** An object as the API server keeps it. */
export type Stored = JsonObject & {
  readonly metadata: JsonObject & {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly { readonly uid: string; readonly blockOwnerDeletion?: boolean }[];
  };
};

export interface StoredEvent {
  readonly version: number;
  readonly plural: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored;
  readonly before: Stored | undefined;
}

/** A refusal, as the Status that is answered. */
export class Refusal extends Error {
  readonly code: number;
  readonly reason: string;
  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export interface Where {
  readonly plural: string;
  readonly namespace: string;
  readonly name: string;
}

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

const HAS_STATUS = new Set(['sweeps', 'jobs', 'pods']);

/** What a kind's create fills in, and what a change must not do; as little as the tests see a difference in. */
const DEFAULTS: Readonly<Record<string, (object: JsonObject, uid: string, name: string) => JsonObject>> = {
  jobs: (object, uid, name) => {
    const labels = { 'batch.kubernetes.io/controller-uid': uid, 'controller-uid': uid };
    const names = { 'batch.kubernetes.io/job-name': name, 'job-name': name };
    return mergePatch(object, {
      metadata: { labels: { ...labels, ...names } },
      spec: { suspend: suspendOf(object) },
    }) as JsonObject;
  },
};

function suspendOf({ spec }: JsonObject): Json {
  return (isObject(spec) ? spec.suspend : undefined) ?? false;
}

/** The objects, with every version that they ever had. */
export class ApiStore {
  readonly #objects = new Map<string, Stored>();
  readonly #history: StoredEvent[] = [];
  /** What we applied last, by UID. */
  readonly #applied = new Map<string, Json>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  readonly #time: () => Date;
  readonly #uidOf: (number: number) => string;
  #version = 100;
  #compacted = 0;
  #uids = 0;

  constructor(
    time: () => Date,
    uidOf = (number: number) => `00000000-0000-4000-8000-${`${number}`.padStart(12, '0')}`,
  ) {
    this.#time = time;
    this.#uidOf = uidOf;
  }

  get version(): number {
    return this.#version;
  }

  /** Versions before this one have been forgotten. */
  get compacted(): number {
    return this.#compacted;
  }

  compact(): void {
    this.#compacted = this.#version;
  }

  /** Moves the version as writes to other kinds do. */
  skip(versions: number): void {
    this.#version += versions;
  }

  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  eventsAfter(version: number): StoredEvent[] {
    return this.#history.filter((event) => event.version > version);
  }

  get(where: Where): Stored {
    const stored = this.#objects.get(keyOf(where));
    if (!stored) throw new Refusal(404, 'NotFound', `${where.plural} "${where.name}" not found`);
    return stored;
  }

  /** All of a kind, by namespace and name, as they were at a version. */
  list(plural: string, version = this.#version): Stored[] {
    const found = new Map<string, Stored>();
    if (version >= this.#version) {
      for (const [key, object] of this.#objects)
        if (key.startsWith(`${plural}/`)) found.set(key.slice(plural.length + 1), object);
    } else
      for (const event of this.#history) {
        if (event.plural !== plural || event.version > version) continue;
        const { namespace, name } = event.object.metadata;
        if (event.type === 'DELETED') found.delete(`${namespace}/${name}`);
        else found.set(`${namespace}/${name}`, event.object);
      }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  create(where: Where, object: JsonObject, { dryRun = false } = {}): Stored {
    if (this.#objects.has(keyOf(where))) {
      throw new Refusal(409, 'AlreadyExists', `${where.plural} "${where.name}" already exists`);
    }
    const uid = this.#uidOf(++this.#uids);
    const { status, ...rest } = DEFAULTS[where.plural]?.(object, uid, where.name) ?? object;
    const { namespace, name } = where;
    const metadata = {
      ...(isObject(rest.metadata) ? rest.metadata : {}),
      ...{ namespace, name, uid, generation: 1, creationTimestamp: this.#now() },
    };
    const made = HAS_STATUS.has(where.plural) ? { ...rest, metadata } : { ...object, ...rest, metadata };
    this.#check(where.plural, undefined, made);
    if (dryRun) return made as unknown as Stored;
    return this.#store(where.plural, made, 'ADDED');
  }

  /** Replaces all but the status. @throws Refusal 409 for another version or UID than the stored one */
  replace(where: Where, object: JsonObject): Stored {
    // Of a Lease a PUT is a create where there is none, whatever version it names.
    if (where.plural === 'leases' && !this.#objects.has(keyOf(where))) return this.create(where, object);
    const stored = this.get(where);
    const given = isObject(object.metadata) ? object.metadata : {};
    if (given.resourceVersion !== undefined && given.resourceVersion !== stored.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": the object has been modified`);
    }
    if (given.uid !== undefined && given.uid !== stored.metadata.uid) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": another UID`);
    }
    const { namespace, name, uid, generation, creationTimestamp, deletionTimestamp } = stored.metadata;
    const fixed = { namespace, name, uid, generation, creationTimestamp };
    const metadata = { ...given, ...fixed, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) };
    const { status: _, ...rest } = object;
    const kept = HAS_STATUS.has(where.plural) ? { status: stored.status } : { status: object.status };
    return this.#change(where, stored, { ...rest, ...withoutUndefined(kept), metadata });
  }

  mergePatch(where: Where, patch: Json): Stored {
    return this.replace(where, mergePatch(this.get(where), patch) as JsonObject);
  }

  jsonPatch(where: Where, steps: readonly PatchStep[]): Stored {
    const stored = this.get(where);
    try {
      return this.replace(where, jsonPatch(stored, steps) as JsonObject);
    } catch (error) {
      if (error instanceof RangeError) throw new Refusal(422, 'Invalid', error.message);
      throw error;
    }
  }

  applyStatus(where: Where, object: JsonObject): Stored {
    const stored = this.get(where);
    const { resourceVersion } = isObject(object.metadata) ? object.metadata : {};
    if (resourceVersion !== undefined && resourceVersion !== stored.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": the object has been modified`);
    }
    const applied = object.status ?? {};
    const status = apply(stored.status, applied, this.#applied.get(stored.metadata.uid));
    this.#applied.set(stored.metadata.uid, applied);
    return this.#change(where, stored, { ...stored, status });
  }

  /** As a controller, a kubelet or a person changes it: any field, at any time. */
  edit(where: Where, change: (object: Stored) => JsonObject): Stored {
    const stored = this.get(where);
    return this.#change(where, stored, change(stored));
  }

  delete(where: Where, { uid, propagation = 'Background' }: { uid?: string; propagation?: Propagation } = {}): Stored {
    const stored = this.get(where);
    if (uid !== undefined && uid !== stored.metadata.uid) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": the UID in the precondition is another`);
    }
    const waits = { Background: [], Foreground: ['foregroundDeletion'], Orphan: ['orphan'] }[propagation];
    const finalizers = [...new Set([...(stored.metadata.finalizers ?? []), ...waits])];
    if (finalizers.length === 0) return this.#drop(where.plural, stored);
    const deletionTimestamp = stored.metadata.deletionTimestamp ?? this.#now();
    return this.#change(where, stored, { ...stored, metadata: { ...stored.metadata, finalizers, deletionTimestamp } });
  }

  /** One round of the garbage collector. @returns whether it found work */
  collectGarbage(): boolean {
    const uids = new Set([...this.#objects.values()].map(({ metadata }) => metadata.uid));
    let worked = false;
    for (const [key, { metadata }] of [...this.#objects]) {
      const where = whereOf(key, metadata);
      const owners = metadata.ownerReferences ?? [];
      if (owners.length > 0 && owners.every(({ uid }) => !uids.has(uid) || this.#isForeground(uid))) {
        if (metadata.deletionTimestamp !== undefined) continue;
        this.delete(where);
        worked = true;
      } else if (metadata.deletionTimestamp !== undefined) {
        worked = this.#finish(where, metadata) || worked;
      }
    }
    return worked;
  }

  #finish(where: Where, { uid, finalizers = [] }: Stored['metadata']): boolean {
    const owned = [...this.#objects].filter(([, { metadata }]) => isOwnedBy(metadata, uid));
    if (finalizers.includes('orphan')) {
      for (const [key, { metadata }] of owned) {
        const left = metadata.ownerReferences?.filter((owner) => owner.uid !== uid) ?? [];
        this.edit(whereOf(key, metadata), (object) => ({
          ...object,
          metadata: { ...object.metadata, ownerReferences: left },
        }));
      }
    } else if (
      !finalizers.includes('foregroundDeletion') ||
      owned.some(([, { metadata }]) => isBlocking(metadata, uid))
    ) {
      return false;
    }
    this.edit(where, (object) => ({
      ...object,
      metadata: {
        ...object.metadata,
        finalizers: finalizers.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion'),
      },
    }));
    return true;
  }

  #isForeground(uid: string): boolean {
    const owner = [...this.#objects.values()].find(({ metadata }) => metadata.uid === uid)?.metadata;
    return owner?.deletionTimestamp !== undefined && owner.finalizers?.includes('foregroundDeletion') === true;
  }

  /** A change without effect is none: no version, no event. The last finalizer of a deleted object ends it. */
  #change(where: Where, stored: Stored, wanted: JsonObject): Stored {
    const { metadata: before, status: statusBefore, ...bodyBefore } = stored;
    const { metadata, status, ...body } = wanted as Stored;
    const { resourceVersion: _, ...wantedMeta } = metadata;
    const { resourceVersion: __, ...storedMeta } = before;
    const statusCounts = !HAS_STATUS.has(where.plural) && !isDeepStrictEqual(status, statusBefore);
    const bodyChanged = !isDeepStrictEqual(body, bodyBefore) || statusCounts;
    if (!bodyChanged && isDeepStrictEqual(status, statusBefore) && isDeepStrictEqual(wantedMeta, storedMeta)) {
      return stored;
    }
    const generation = before.generation + (bodyChanged ? 1 : 0);
    const changed = { ...body, ...withoutUndefined({ status }), metadata: { ...wantedMeta, generation } };
    this.#check(where.plural, stored, changed);
    if (before.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0) {
      return this.#drop(where.plural, stored);
    }
    return this.#store(where.plural, changed, 'MODIFIED');
  }

  #store(plural: string, object: JsonObject, type: 'ADDED' | 'MODIFIED'): Stored {
    const version = ++this.#version;
    const metadata = { ...(isObject(object.metadata) ? object.metadata : {}), resourceVersion: `${version}` };
    const stored = deepFreeze(structuredClone({ ...object, metadata })) as unknown as Stored;
    const key = keyOf({ plural, ...stored.metadata });
    const before = this.#objects.get(key);
    this.#objects.set(key, stored);
    this.#emit({ version, plural, type, object: stored, before });
    return stored;
  }

  #drop(plural: string, stored: Stored): Stored {
    const version = ++this.#version;
    const object = { ...stored, metadata: { ...stored.metadata, resourceVersion: `${version}` } } as Stored;
    this.#objects.delete(keyOf({ plural, ...stored.metadata }));
    this.#applied.delete(stored.metadata.uid);
    this.#emit({ version, plural, type: 'DELETED', object, before: stored });
    return object;
  }

  #emit(event: StoredEvent): void {
    this.#history.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** The rules of the slices: a trial has one record in it, which never changes. */
  #check(plural: string, before: Stored | undefined, object: JsonObject): void {
    if (plural !== 'trialresultslices') return;
    const records = recordsOf(object);
    const trials = new Set(records.map((record) => (isObject(record) ? record.trial : undefined)));
    if (trials.size < records.length) throw new Refusal(422, 'Invalid', 'records: Duplicate value');
    if (records.length > 200) throw new Refusal(422, 'Invalid', 'records: Too many');
    for (const record of before ? recordsOf(before) : []) {
      if (!records.some((other) => isDeepStrictEqual(record, other))) {
        throw new Refusal(422, 'Invalid', 'records: a record never changes');
      }
    }
  }

  #now(): string {
    return this.#time()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
  }
}

function recordsOf({ records }: JsonObject): readonly Json[] {
  return Array.isArray(records) ? records : [];
}

function keyOf({ plural, namespace, name }: Where): string {
  return `${plural}/${namespace}/${name}`;
}

function whereOf(key: string, { namespace, name }: Stored['metadata']): Where {
  return { plural: key.slice(0, key.indexOf('/')), namespace, name };
}

function isOwnedBy({ ownerReferences }: Stored['metadata'], uid: string): boolean {
  return ownerReferences?.some((owner) => owner.uid === uid) ?? false;
}

/** In the foreground an owner waits only for those that say so. */
function isBlocking({ ownerReferences }: Stored['metadata'], uid: string): boolean {
  return ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) ?? false;
}

function withoutUndefined(object: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as JsonObject;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
