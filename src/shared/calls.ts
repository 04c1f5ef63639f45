import { type ApiError, isApiError } from './api-error.ts';
import { JOBS, type Kind, pathOf, SLICES, SWEEPS } from './kinds.ts';
import type { Job, KubernetesObject, SliceObject, SweepObject } from './objects.ts';
import { type ApiRequest, type ApiResponse, openRequester, type RequesterOptions } from './requester.ts';
import type { Wire } from './wire.ts';

/** Which object. */
export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

/** Bounds of one call, where they are not the usual ones. */
export type CallOptions = Pick<ApiRequest, 'signal' | 'timeoutMs' | 'tries'>;

/** What to create: no UID, no version. */
export interface NewObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
}

export interface ListQuery {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly continue?: string | undefined;
  /** Absent: the kind's page size. */
  readonly limit?: number | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Absent on the last page. */
  readonly continue?: string;
}

export interface WatchQuery extends Pick<ListQuery, 'namespace' | 'labelSelector'> {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/** `exists`: somebody has the name, perhaps we ourselves in a try whose answer was lost. Whose it is, a look at it tells. */
export type Created<T> = { readonly kind: 'created'; readonly object: T } | { readonly kind: 'exists' };

/** `conflict`: another version or another UID than the one meant; look again. `gone`: no such object. */
export type Written<T> =
  | { readonly kind: 'written'; readonly object: T }
  | { readonly kind: 'conflict'; readonly error: ApiError }
  | { readonly kind: 'gone' };

/** An object that was seen. With the version: as it was then, and no other. */
export interface Known extends Ref {
  readonly uid: string;
  readonly resourceVersion?: string | undefined;
}

/** `conflict`: the name now belongs to another UID, or the object to another version; look again. */
export type Deleted = 'deleted' | 'gone' | 'conflict';

/** The few calls we make on the Kubernetes API. All may be repeated, and are. Everything that is not named as an answer
 * is an ApiError. The server's word is taken for an object's shape; what users write in it is `unknown` to us.
 */
export interface Cluster {
  get<T extends KubernetesObject>(kind: Kind<T>, ref: Ref, options?: CallOptions): Promise<T | undefined>;
  /** One page of the most recent state. @throws ApiError 410 if the `continue` token is too old */
  list<T extends KubernetesObject>(kind: Kind<T>, query: ListQuery, options?: CallOptions): Promise<Page<T>>;
  /** The same of nothing but metadata: what the objects hold is neither encoded nor sent. Pages are full ones, however large the objects. */
  listMetadata(kind: Kind<KubernetesObject>, query: ListQuery, options?: CallOptions): Promise<Page<KubernetesObject>>;
  /** The bytes of a watch, once it began. Sent once: who watches has a backoff of its own. */
  watch(kind: Kind<KubernetesObject>, query: WatchQuery): Promise<AsyncIterable<Uint8Array>>;
  create<T extends KubernetesObject>(
    kind: Kind<T>,
    object: NewObject,
    options?: CallOptions & { readonly dryRun?: boolean },
  ): Promise<Created<T>>;
  /** Replaces the object of this version. */
  replace<T extends KubernetesObject>(
    kind: Kind<T>,
    object: NewObject & { readonly metadata: { readonly resourceVersion: string } },
    options?: CallOptions,
  ): Promise<Written<T>>;
  /** Changes some fields, whatever the version (JSON Merge Patch). */
  mergePatch<T extends KubernetesObject>(
    kind: Kind<T>,
    ref: Ref,
    patch: unknown,
    options?: CallOptions,
  ): Promise<Written<T>>;
  /** Deletes the object of this UID in the background: what it owns follows. */
  delete(kind: Kind<KubernetesObject>, known: Known, options?: CallOptions): Promise<Deleted>;

  getSweep(ref: Ref, options?: CallOptions): Promise<SweepObject | undefined>;
  createJob(job: NewObject, options?: CallOptions): Promise<Created<Job>>;
  getJob(ref: Ref, options?: CallOptions): Promise<Job | undefined>;
  deleteJob(job: Known, options?: CallOptions): Promise<Deleted>;
  createSlice(slice: NewObject, options?: CallOptions): Promise<Created<SliceObject>>;
  /** Appends to the slice as it was read: nothing else has been written to it since, or it is a conflict.
   * @throws ApiError 422 if a trial has a record in it already
   */
  appendRecords(
    slice: KubernetesObject,
    records: readonly unknown[],
    options?: CallOptions,
  ): Promise<Written<SliceObject>>;
  /** Makes the status of the Sweep as it was read ours, by server-side apply: what we no longer name goes. The version is the
   * only guard against a Sweep that was created again: so it is a conflict after any change, our own last status included.
   */
  applySweepStatus(sweep: KubernetesObject, status: unknown, options?: CallOptions): Promise<Written<SweepObject>>;

  /** For what has no call of its own. @throws ApiError */
  request(request: ApiRequest): Promise<ApiResponse>;
  /** Requests that were sent and have no full answer yet; watches aside. */
  readonly inFlight: number;
}

/** The owner, in managedFields, of what we apply. */
export const FIELD_MANAGER = 'cnn-sweep-controller';

/** A server that does not know the form refuses with 406, rather than send pages of whole objects. */
const METADATA_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
const METADATA_PAGE = 500;

/** The calls over a wire. A second one over the same wire has limits and a guard of its own: the lease is renewed by it. */
export function openCluster(wire: Wire, options: RequesterOptions = {}): Cluster {
  const requester = openRequester(wire, options);

  async function get<T extends KubernetesObject>(kind: Kind<T>, ref: Ref, options: CallOptions = {}) {
    try {
      const { body } = await requester.request({ method: 'GET', path: pathOf(kind, ref), ...options });
      return body as T;
    } catch (error) {
      if (isApiError(error, 404)) return undefined;
      throw error;
    }
  }

  async function list<T extends KubernetesObject>(
    kind: Kind<T>,
    query: ListQuery,
    options: CallOptions & Pick<ApiRequest, 'accept'> = {},
  ): Promise<Page<T>> {
    const { namespace, labelSelector, limit = kind.pageSize } = query;
    const { body } = await requester.request({
      method: 'GET',
      path: pathOf(kind, { namespace }),
      query: { limit, labelSelector, continue: query.continue },
      ...options,
    });
    const page = body as { items?: T[] | null; metadata: { resourceVersion: string; continue?: string } };
    const next = page.metadata.continue;
    return {
      items: page.items ?? [],
      resourceVersion: page.metadata.resourceVersion,
      ...(next ? { continue: next } : {}),
    };
  }

  async function create<T extends KubernetesObject>(
    kind: Kind<T>,
    object: NewObject,
    { dryRun, ...options }: CallOptions & { readonly dryRun?: boolean } = {},
  ): Promise<Created<T>> {
    const { namespace } = object.metadata;
    const path = pathOf(kind, { namespace });
    const query = { fieldManager: FIELD_MANAGER, dryRun: dryRun ? 'All' : undefined };
    try {
      const { body } = await requester.request({ method: 'POST', path, query, body: object, ...options });
      return { kind: 'created', object: body as T };
    } catch (error) {
      // A quota that is being counted answers 409 too, with `Conflict`.
      if (isApiError(error, 409) && error.reason === 'AlreadyExists') return { kind: 'exists' };
      throw error;
    }
  }

  async function write<T extends KubernetesObject>(request: ApiRequest): Promise<Written<T>> {
    try {
      const { body } = await requester.request(request);
      return { kind: 'written', object: body as T };
    } catch (error) {
      if (isApiError(error, 409)) return { kind: 'conflict', error };
      if (isApiError(error, 404)) return { kind: 'gone' };
      throw error;
    }
  }

  async function remove(
    kind: Kind<KubernetesObject>,
    { uid, resourceVersion, ...ref }: Known,
    options: CallOptions = {},
  ): Promise<Deleted> {
    const preconditions = { uid, resourceVersion };
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions, propagationPolicy: 'Background' };
    const { kind: how } = await write({ method: 'DELETE', path: pathOf(kind, ref), body, ...options });
    return how === 'written' ? 'deleted' : how;
  }

  return {
    get,
    list,
    listMetadata: (kind, query, options) =>
      list(kind, { limit: METADATA_PAGE, ...query }, { ...options, accept: METADATA_ONLY }),
    create,
    delete: remove,
    watch: (kind, { namespace, labelSelector, resourceVersion, timeoutSeconds, signal }) =>
      requester.stream({
        method: 'GET',
        path: pathOf(kind, { namespace }),
        query: { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds, labelSelector },
        signal,
      }),
    replace: (kind, object, options) =>
      write({ method: 'PUT', path: pathOf(kind, object.metadata), body: object, ...options }),
    mergePatch: (kind, ref, patch, options) =>
      write({
        method: 'PATCH',
        path: pathOf(kind, ref),
        contentType: 'application/merge-patch+json',
        body: patch,
        ...options,
      }),
    getSweep: (ref, options) => get(SWEEPS, ref, options),
    createJob: (job, options) => create(JOBS, job, options),
    getJob: (ref, options) => get(JOBS, ref, options),
    deleteJob: (job, options) => remove(JOBS, job, options),
    createSlice: (slice, options) => create(SLICES, slice, options),
    appendRecords: ({ metadata }, records, options) =>
      write({
        method: 'PATCH',
        path: pathOf(SLICES, metadata),
        query: { fieldManager: FIELD_MANAGER },
        contentType: 'application/json-patch+json',
        body: [
          // A version that is not the stored one is a conflict: so the patch holds for the slice that was read, or not at all.
          { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion },
          ...records.map((value) => ({ op: 'add', path: '/records/-', value })),
        ],
        ...options,
      }),
    applySweepStatus: ({ metadata: { namespace, name, resourceVersion } }, status, options) =>
      write({
        method: 'PATCH',
        path: pathOf(SWEEPS, { namespace, name, subresource: 'status' }),
        query: { fieldManager: FIELD_MANAGER, force: true },
        contentType: 'application/apply-patch+yaml', // JSON is YAML
        body: {
          ...{ apiVersion: SWEEPS.apiVersion, kind: SWEEPS.kind, status },
          // The API server looks at no UID here (tried), and would give a Sweep that was created again the status of the old one.
          metadata: { namespace, name, resourceVersion },
        },
        ...options,
      }),
    request: requester.request,
    get inFlight() {
      return requester.inFlight;
    },
  };
}
