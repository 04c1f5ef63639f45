import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Timers } from '../shared/timers.ts';
import { type Access, isLoopbackHost, type User } from './access.ts';
import { LoopWatch } from './loop-watch.ts';
import { ProblemError, pathOf } from './problems.ts';
import { TokenBuckets } from './token-buckets.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; undefined where nobody has to say. */
    user: User | undefined;
  }
}

/** Of the login; the prefix binds it to this host, to TLS and to the root path. */
export const COOKIE = '__Host-cnn-sweep';
export const API = '/api/v1';
const MAX_URL = 4096;
const PER_SECOND = 100;

export interface GateOptions {
  readonly access: Access;
  readonly timers: Timers;
}

/** What every request has to pass before a route sees it, in this order: the address, the host, the origin, who asks, how often. */
export function addGate(app: FastifyInstance, { access, timers }: GateOptions): void {
  const loop = new LoopWatch(timers);
  const rates = new TokenBuckets({ perSecond: PER_SECOND, burst: PER_SECOND, timers });
  app.addHook('onClose', () => loop.stop());
  app.decorateRequest('user', undefined);
  app.addHook('onRequest', async (request) => {
    if ((request.raw.url?.length ?? 0) > MAX_URL) {
      throw new ProblemError('uri-too-long', `at most ${MAX_URL} characters are read`);
    }
    if (access.mode === 'loopback' && !isLoopbackHost(request.headers.host)) {
      throw new ProblemError('foreign-host', 'expected localhost, 127.0.0.1 or [::1]');
    }
    if (request.method === 'POST') checkOrigin(request);
    if (!isApi(request)) return;
    if (loop.isLate) throw new ProblemError('overloaded', 'the server is late', { retryAfterSeconds: 1 });
    request.user = await whoAsks(request, access);
    if (access.mode === 'loopback') return;
    const waitSeconds = rates.take(request.user?.name ?? `from ${request.ip}`);
    if (waitSeconds > 0) {
      const retryAfterSeconds = Math.ceil(waitSeconds);
      throw new ProblemError('too-many-requests', `at most ${PER_SECOND} a second`, { retryAfterSeconds });
    }
    if (!request.user) throw new ProblemError('unauthenticated', 'send a token, or log in');
  });
}

/** By the route that was found, too: `/%61pi/v1/sweeps` leads there as well. */
function isApi({ url, routeOptions }: FastifyRequest): boolean {
  return [routeOptions.url ?? '', pathOf(url)].some((path) => path.startsWith('/api/'));
}

/** A TLS 1.3 session that is resumed counts as authorised even if no certificate was ever shown: there must be one, too. */
function isProven(socket: object): boolean {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return false;
  return Object.keys(socket.getPeerCertificate() ?? {}).length > 0;
}

/** @throws ProblemError `unavailable` if nobody can tell now */
export function whoAsks(request: FastifyRequest, access: Access): Promise<User | undefined> {
  const { socket, headersDistinct } = request.raw;
  return access.who({
    headers: request.headers,
    isTwice: (header) => (headersDistinct[header]?.length ?? 0) > 1,
    address: request.ip,
    cookie: request.cookies[COOKIE],
    isProvenPeer: isProven(socket),
  });
}

/** A browser says where a request comes from; what says nothing is no browser of today, and is refused too. */
function checkOrigin({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  const { origin, host } = headers;
  const isSame =
    site !== undefined ? site === 'same-origin' : origin !== undefined && host !== undefined && hostOf(origin) === host;
  if (!isSame) throw new ProblemError('cross-site', 'expected a request of this page');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
