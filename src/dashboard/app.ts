import { constants } from 'node:crypto';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ReportAssets } from '../report/report.ts';
import type { Log } from '../shared/log.ts';
import { VERSION } from '../shared/package.ts';
import { realTimers, type Timers } from '../shared/timers.ts';
import type { Access } from './access.ts';
import { Problem } from './api.ts';
import { closeInTime } from './closing.ts';
import { addCollect, type CollectOptions } from './collect.ts';
import { addDownloads } from './downloads.ts';
import { API, addGate } from './gate.ts';
import { addLogin } from './login.ts';
import type { Models } from './models.ts';
import type { Observer } from './observer.ts';
import { addPages } from './pages.ts';
import { ProblemError, problemAnswers, sendProblem } from './problems.ts';
import { addRoutes } from './routes.ts';
import type { Store } from './store.ts';
import { Streams } from './stream.ts';

export interface AppOptions {
  readonly store: Store;
  readonly access: Access;
  readonly models: Models;
  readonly log: Log;
  readonly reportAssets: () => Promise<ReportAssets>;
  /** Built by vite; absent: the API alone. */
  readonly pageFolder?: string | undefined;
  /** `sha256-…` of the inline styles that the page's libraries hold. */
  readonly styleHashes?: readonly string[];
  /** For people, in the report. */
  readonly machine: string;
  /** PEM; absent: plain HTTP. With `ca` a client is asked for a certificate, and need not have one. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined;
  /** What pages tell of themselves is taken; absent: it is not. */
  readonly collect?: Pick<CollectOptions, 'forward'> | undefined;
  readonly observer?: Observer | undefined;
  readonly timers?: Timers;
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly streams: Streams;
  }
}

const TIMEOUT_MS = 15_000;
const MAX_BODY = 64 * 1024;
const MAX_HEADERS = 16 * 1024;

/** The dashboard's server: the API, its event stream, the page. Never listens: main does. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { timers = realTimers, access, store, log, observer } = options;
  const app = buildServer(options);
  app.setErrorHandler(problemAnswers(log));
  // Answers are built by us to their types; Fastify's own serialiser tries each side of "number or null" for every number.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  await app.register(helmet, { contentSecurityPolicy: policyOf(options.styleHashes), ...HEADERS });
  await app.register(cookie);
  app.addSchema({ ...Problem, $id: 'Problem' });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: INFO },
    refResolver: { buildLocalReference: ({ $id }) => `${$id}` },
  });
  const streams = new Streams({ store, access, timers, onResync: () => observer?.resynced() });
  app.decorate('streams', streams);
  closeInTime(app, timers);
  if (observer) observeAnswers(app, observer);
  addGate(app, { access, timers });
  addLogin(app, access);
  if (options.collect) {
    addCollect(app, {
      ...options.collect,
      log,
      timers,
      onItem: (kind, result) => observer?.pageItem(kind, result),
      onVital: (name, value) => observer?.vital(name, value),
    });
  }
  await app.register(
    async (api) => {
      api.addHook('onSend', async (_request, reply) => {
        if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache');
        reply.header('vary', 'Authorization, Cookie');
      });
      addRoutes(api, options);
      addDownloads(api, options);
      streams.addTo(api);
    },
    { prefix: API },
  );
  await addPages(app, options.pageFolder);
  return app;
}

/** By the pattern of the route: an address is nobody's label. */
function observeAnswers(app: FastifyInstance, observer: Observer): void {
  app.addHook('onResponse', async ({ method, routeOptions }, { statusCode, elapsedTime }) => {
    observer.answered({ route: routeOptions.url ?? 'other', method, status: statusCode, seconds: elapsedTime / 1000 });
  });
}

const INFO = {
  title: 'cnn-sweep',
  version: VERSION,
  description: 'What the dashboard shows, for programs. Reads only.',
};

function buildServer({ tls }: AppOptions): FastifyInstance {
  const limits = { headersTimeout: TIMEOUT_MS, maxHeaderSize: MAX_HEADERS, connectionsCheckingInterval: 1_000 };
  const options = {
    requestTimeout: TIMEOUT_MS,
    connectionTimeout: TIMEOUT_MS,
    keepAliveTimeout: TIMEOUT_MS,
    bodyLimit: MAX_BODY,
    routerOptions: { maxParamLength: 253 },
    forceCloseConnections: 'idle',
    frameworkErrors: refuseAddress,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true } },
  } as const;
  if (!tls) return Fastify({ ...options, http: limits });
  const secrets = { cert: tls.cert, key: tls.key, ...(tls.ca !== undefined && { ca: tls.ca, requestCert: true }) };
  // Who has no certificate may still ask for the page; whose headers are believed, the access decides. No session is resumed: one that
  // is says nothing of a certificate.
  const handshakes = {
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  } as const;
  return Fastify({
    ...options,
    https: { ...limits, ...secrets, ...handshakes },
  }) as unknown as FastifyInstance;
}

/** An address that does not decode, or has a part that is too long: the router finds out before any hook. */
function refuseAddress(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const isLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH';
  const problem = isLong
    ? new ProblemError('uri-too-long', 'a part of the address is too long')
    : new ProblemError('bad-request', 'the address does not decode');
  reply.header('x-content-type-options', 'nosniff');
  sendProblem(reply, problem, isLong ? API : '/');
}

function policyOf(styleHashes: readonly string[] = []) {
  return {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", ...styleHashes.map((hash) => `'${hash}'`)],
      imgSrc: ["'self'", 'data:', 'blob:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  };
}

const HEADERS = {
  crossOriginOpenerPolicy: { policy: 'same-origin' },
  crossOriginResourcePolicy: { policy: 'same-origin' },
  crossOriginEmbedderPolicy: false,
  referrerPolicy: { policy: 'no-referrer' },
  // Whoever puts TLS in front decides for how long.
  strictTransportSecurity: false,
} as const;
