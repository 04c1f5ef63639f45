import type { KubernetesObject } from './objects.ts';
import { errorOfStatus } from './requester.ts';

/** One line of a watch. */
export type WatchEvent<T extends KubernetesObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T; readonly version: bigint }
  | { readonly type: 'BOOKMARK'; readonly version: bigint };

/** Decodes one line of a watch.
 * @throws ApiError for an `ERROR` event, with its code; SyntaxError or TypeError for anything else that is no event
 */
export function decodeWatchEvent<T extends KubernetesObject>(line: string): WatchEvent<T> {
  const { type, object } = JSON.parse(line) as { type?: unknown; object?: T };
  if (type === 'ERROR') throw errorOfStatus(object);
  const version = parseVersion(object?.metadata?.resourceVersion);
  if (type === 'BOOKMARK') return { type, version };
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') throw new TypeError(`a watch event "${type}"`);
  if (!object?.metadata.name || !object.metadata.uid)
    throw new TypeError('a watch event of an object without name or UID');
  return { type, object, version };
}

/** Versions of one kind are comparable as whole numbers, of any length. @throws TypeError */
export function parseVersion(version: unknown): bigint {
  if (typeof version !== 'string' || !/^\d+$/.test(version)) throw new TypeError(`a resourceVersion "${version}"`);
  return BigInt(version);
}
