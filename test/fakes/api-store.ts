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

export interface DeleteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagation?: Propagation;
  readonly usual?: Propagation;
}

/** A PUT creates what is not there. */
const IS_CREATED_BY_PUT = new Set(['leases', 'events']);
/** A PUT must name the version that it replaces. */
const IS_REPLACED_BY_VERSION = new Set(['sweeps', 'trialresultslices', 'leases']);
/** Garbage collection knows nothing of them. */
const IS_IGNORED = new Set(['events']);

/** What a kind's create fills in; as little as the tests see a difference in. */
const DEFAULTS: Readonly<Record<string, (object: JsonObject) => JsonObject>> = {
  jobs: (object) => mergePatch(object, { spec: { suspend: suspendOf(object) } }) as JsonObject,
};

/** What never changes, by path. */
const IMMUTABLE: Readonly<Record<string, readonly string[]>> = {
  sweeps: ['spec.grid', 'spec.training', 'spec.selection.checkpoint', 'spec.trainer'],
  trialresultslices: ['slice', 'sweep'],
  jobs: ['spec.template'],
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
    const uid = this.#uidOf(++this.#uids);
    const { status: _, ...rest } = DEFAULTS[where.plural]?.(object) ?? object;
    const { namespace, name } = where;
    const metadata = {
      ...(isObject(rest.metadata) ? rest.metadata : {}),
      ...{ namespace, name, uid, generation: 1, creationTimestamp: this.#now() },
    };
    const made = { ...rest, metadata };
    this.#check(where.plural, undefined, made);
    if (this.#objects.has(keyOf(where))) {
      throw new Refusal(409, 'AlreadyExists', `${where.plural} "${where.name}" already exists`);
    }
    if (dryRun) return made as unknown as Stored;
    return this.#store(where.plural, made, 'ADDED');
  }

  /** Replaces all but the status. @throws Refusal 409 for another version or UID than the stored one */
  replace(where: Where, object: JsonObject): Stored {
    const given = isObject(object.metadata) ? object.metadata : {};
    const isThere = this.#objects.has(keyOf(where));
    // Whatever version it names.
    const isCreate = IS_CREATED_BY_PUT.has(where.plural) && !isThere;
    if (isCreate && given.uid === undefined) return this.create(where, object);
    const stored = isCreate ? undefined : this.get(where);
    if (!stored || (given.uid !== undefined && given.uid !== stored.metadata.uid)) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": another UID`);
    }
    if (given.resourceVersion === undefined && IS_REPLACED_BY_VERSION.has(where.plural)) {
      throw new Refusal(422, 'Invalid', 'metadata.resourceVersion: must be specified for an update');
    }
    if (given.resourceVersion !== undefined && given.resourceVersion !== stored.metadata.resourceVersion) {
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": the object has been modified`);
    }
    const { namespace, name, uid, generation, creationTimestamp, deletionTimestamp } = stored.metadata;
    const fixed = { namespace, name, uid, generation, creationTimestamp };
    const metadata = { ...given, ...fixed, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) };
    const { status: _, ...rest } = object;
    return this.#change(where, stored, { ...rest, ...withoutUndefined({ status: stored.status }), metadata });
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

  /** @param propagation absent: what an earlier delete asked for, else `usual` */
  delete(where: Where, { propagation, usual = 'Background', ...asked }: DeleteOptions = {}): Stored {
    const stored = this.get(where);
    for (const what of ['uid', 'resourceVersion'] as const) {
      if (asked[what] === undefined || asked[what] === stored.metadata[what]) continue;
      throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": the ${what} in the precondition is another`);
    }
    const before = stored.metadata.finalizers ?? [];
    const earlier = (Object.keys(WAITS) as Propagation[]).find((one) =>
      WAITS[one].some((name) => before.includes(name)),
    );
    const waits = IS_IGNORED.has(where.plural) ? [] : WAITS[propagation ?? earlier ?? usual];
    const finalizers = [...before.filter((name) => !OF_GARBAGE.includes(name)), ...waits];
    if (finalizers.length === 0) {
      // The real one compares the version with that of an update which did not take place: whoever names one, cannot delete this.
      if (asked.resourceVersion !== undefined && before.length > 0) {
        throw new Refusal(409, 'Conflict', `${where.plural} "${where.name}": its last finalizer goes with it`);
      }
      return this.#drop(where.plural, stored);
    }
    const { deletionTimestamp = this.#now(), generation } = stored.metadata;
    const wanted = { ...stored, metadata: { ...stored.metadata, finalizers, deletionTimestamp } };
    // Its being deleted is a change of what is asked for.
    const isNew = stored.metadata.deletionTimestamp === undefined;
    return this.#change(where, stored, wanted, generation + (isNew ? 1 : 0));
  }

  /** One round of the garbage collector. @param isLater what is nobody's may stay for another round @returns whether it did something */
  collectGarbage(isLater: (object: Stored) => boolean = () => false): boolean {
    const uids = new Set([...this.#objects.values()].map(({ metadata }) => metadata.uid));
    let worked = false;
    for (const [key, object] of [...this.#objects]) {
      const { metadata } = object;
      const where = whereOf(key, metadata);
      if (IS_IGNORED.has(where.plural)) continue;
      const owners = metadata.ownerReferences ?? [];
      const isDying = metadata.deletionTimestamp !== undefined;
      if (!isDying && owners.length > 0 && owners.every(({ uid }) => !uids.has(uid) || this.#isForeground(uid))) {
        if (isLater(object)) continue;
        this.delete(where);
        worked = true;
      } else if (isDying) {
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
        finalizers: finalizers.filter((name) => !OF_GARBAGE.includes(name)),
      },
    }));
    return true;
  }

  #isForeground(uid: string): boolean {
    const owner = [...this.#objects.values()].find(({ metadata }) => metadata.uid === uid)?.metadata;
    return owner?.deletionTimestamp !== undefined && owner.finalizers?.includes('foregroundDeletion') === true;
  }

  /** A change without effect is none: no version, no event. The last finalizer of a deleted object ends it. */
  #change(where: Where, stored: Stored, wanted: JsonObject, minGeneration = 0): Stored {
    const { metadata: before, status: statusBefore, ...bodyBefore } = stored;
    const { metadata, status, ...body } = wanted as Stored;
    const { resourceVersion: _, ...wantedMeta } = withoutEmpty(metadata);
    const { resourceVersion: __, ...storedMeta } = before;
    const bodyChanged = !isDeepStrictEqual(body, bodyBefore);
    if (!bodyChanged && isDeepStrictEqual(status, statusBefore) && isDeepStrictEqual(wantedMeta, storedMeta)) {
      return stored;
    }
    const generation = Math.max(minGeneration, before.generation + (bodyChanged ? 1 : 0));
    const changed = { ...body, ...withoutUndefined({ status }), metadata: { ...wantedMeta, generation } };
    this.#check(where.plural, stored, changed);
    if (before.deletionTimestamp !== undefined) {
      const finalizers: readonly string[] = metadata.finalizers ?? [];
      const allowed = [...OF_GARBAGE, ...(before.finalizers ?? [])];
      if (!finalizers.every((name) => allowed.includes(name)))
        throw new Refusal(422, 'Invalid', 'metadata.finalizers: no new ones on an object that is being deleted');
      if (finalizers.length === 0) {
        this.#drop(where.plural, stored);
        // What was asked for, and never stored.
        return { ...changed, metadata: { ...changed.metadata, resourceVersion: before.resourceVersion } } as Stored;
      }
    }
    return this.#store(where.plural, changed, 'MODIFIED');
  }

  #store(plural: string, object: JsonObject, type: 'ADDED' | 'MODIFIED'): Stored {
    const version = ++this.#version;
    const given = isObject(object.metadata) ? withoutEmpty(object.metadata) : {};
    const metadata = { ...given, resourceVersion: `${version}` };
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

  /** What never changes; and the rules of the slices: a trial has one record in it, which never changes. */
  #check(plural: string, before: Stored | undefined, object: JsonObject): void {
    for (const path of before ? (IMMUTABLE[plural] ?? []) : []) {
      if (!isDeepStrictEqual(at(before, path), at(object, path)))
        throw new Refusal(422, 'Invalid', `${path}: immutable`);
    }
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

const WAITS: Readonly<Record<Propagation, readonly string[]>> = {
  Background: [],
  Foreground: ['foregroundDeletion'],
  Orphan: ['orphan'],
};

const OF_GARBAGE: readonly string[] = ['foregroundDeletion', 'orphan'];

function at(object: Json | undefined, path: string): Json | undefined {
  return path.split('.').reduce<Json | undefined>((value, key) => (isObject(value) ? value[key] : undefined), object);
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

/** The API server keeps no empty list or map of an object's metadata. */
function withoutEmpty(metadata: JsonObject): JsonObject {
  const isEmpty = (value: Json | undefined) =>
    typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return Object.fromEntries(Object.entries(metadata).filter(([, value]) => !isEmpty(value)));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
