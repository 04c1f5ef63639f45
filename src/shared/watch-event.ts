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
  const { type, object } = JSON.parse(withoutManagedFields(line)) as { type?: unknown; object?: T };
  if (type === 'ERROR') throw errorOfStatus(object);
  const version = parseVersion(object?.metadata?.resourceVersion);
  if (type === 'BOOKMARK') return { type, version };
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') throw new TypeError(`a watch event "${type}"`);
  if (!object?.metadata.name || !object.metadata.uid)
    throw new TypeError('a watch event of an object without name or UID');
  return { type, object, version };
}

/** Who set which field is the larger part of a Job and of a Pod, and nobody reads it here: not to parse it makes a line a third cheaper.
 * The API server writes it as the last of the metadata of its own kinds; a custom resource's stands elsewhere, and stays.
 */
function withoutManagedFields(line: string): string {
  // With its quotes it is a key: inside of a text they would be escaped.
  const from = line.indexOf(',"managedFields":[');
  const to = from < 0 ? -1 : line.indexOf(END_OF_METADATA, from);
  return to < 0 ? line : line.slice(0, from) + line.slice(to + 1);
}

const END_OF_METADATA = ']},"spec":';

/** Versions of one kind are comparable as whole numbers, of any length. @throws TypeError */
export function parseVersion(version: unknown): bigint {
  if (typeof version !== 'string' || !/^\d+$/.test(version)) throw new TypeError(`a resourceVersion "${version}"`);
  return BigInt(version);
}
