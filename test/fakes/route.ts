import type { WireRequest } from '../../src/shared/wire.ts';
import type { Json } from './patches.ts';

/** What goes wrong with one request. */
export type Fault =
  /** Answered without being done. */
  | { readonly kind: 'refuse'; readonly status: number; readonly reason?: string; readonly retryAfter?: string }
  /** Never arrives. */
  | { readonly kind: 'lost' }
  /** Done, and the answer is lost. */
  | { readonly kind: 'cut' }
  /** No answer at all until the client gives up; done or not. */
  | { readonly kind: 'hang'; readonly done: boolean }
  /** On its way for so long. */
  | { readonly kind: 'late'; readonly ms: number }
  /** Done at once; the answer is on its way for so long. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** A list as it was at a version. */
  | { readonly kind: 'stale'; readonly version: number };

/** A request as faults and tests see it. */
export interface Seen {
  /** Who sent it: the name given to `wire`. */
  readonly client: string;
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'replace' | 'patch' | 'apply' | 'delete';
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly body: Json | undefined;
  /** A list without all but metadata. */
  readonly isMetadata: boolean;
  readonly at: number;
}

export interface Write extends Seen {
  /** HTTP status of the answer, whether it arrived or not; 0 if the request never arrived. */
  readonly status: number;
}

export interface Route extends Seen {
  readonly query: URLSearchParams;
}

/** What a request asks for. */
export function routeOf({ method, path, body, contentType, accept }: WireRequest): Omit<Route, 'client' | 'at'> {
  const url = new URL(path, 'http://fake');
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  const [namespace, plural = '', name] =
    rest[0] === 'namespaces' ? rest.slice(1).map(decodeURIComponent) : [undefined, ...rest.map(decodeURIComponent)];
  const many = url.searchParams.get('watch') === 'true' ? 'watch' : 'list';
  const verb = {
    GET: name === undefined ? many : 'get',
    POST: 'create',
    PUT: 'replace',
    PATCH: contentType?.includes('apply-patch') ? 'apply' : 'patch',
    DELETE: 'delete',
  }[method] as Seen['verb'];
  return {
    verb,
    plural,
    namespace,
    name,
    query: url.searchParams,
    isMetadata: accept?.includes('as=PartialObjectMetadataList') ?? false,
    body: body === undefined ? undefined : JSON.parse(body),
  };
}

export function isWrite({ verb }: Seen): boolean {
  return !['get', 'list', 'watch'].includes(verb);
}
