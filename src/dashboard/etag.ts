import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Store } from './store.ts';
import type { SweepEntry } from './sweep-entry.ts';

/** Of what has not changed since that revision. */
export function tagOf({ boot }: Store, revision: number): string {
  return `W/"${boot}-${revision}"`;
}

/** The list changes with any sweep in it, and with those that come and go. */
export function listTag(store: Store, readable: readonly SweepEntry[]): string {
  const newest = readable.reduce((most, { revision }) => Math.max(most, revision), 0);
  return `W/"${store.boot}-${newest}-${readable.length}"`;
}

/** Sets the tag; whether the client has that state already. */
export function isFresh(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header('etag', tag);
  const known = request.headers['if-none-match']?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? [];
  return known.includes('*') || known.includes(tag.replace(/^W\//, ''));
}
