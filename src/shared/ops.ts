import Fastify, { type FastifyInstance } from 'fastify';
import type { Telemetry } from './telemetry.ts';

export interface OpsOptions {
  readonly telemetry: Telemetry;
  /** The parts that must be in order before work is sent here, each in words: `true`, or what is missing. */
  readonly ready: () => Readonly<Record<string, true | string>>;
  /** What is wrong for good, so that a restart is the only help; undefined while all is well. */
  readonly unhealthy?: () => string | undefined;
}

/** `/metrics`, `/healthz` and `/readyz`. Never listens: main does. */
export function buildOps({ telemetry, ready, unhealthy = () => undefined }: OpsOptions): FastifyInstance {
  const app = Fastify({ requestTimeout: 15_000, bodyLimit: 1024 });
  app.get('/metrics', async ({ headers }, reply) => {
    const { contentType, body } = await telemetry.expose(headers.accept);
    return reply.type(contentType).send(body);
  });
  app.get('/healthz', async (_request, reply) => {
    const wrong = unhealthy();
    return reply
      .code(wrong === undefined ? 200 : 503)
      .type('text/plain')
      .send(wrong ?? 'ok');
  });
  app.get('/readyz', async (_request, reply) => {
    const parts = ready();
    const isReady = Object.values(parts).every((part) => part === true);
    return reply.code(isReady ? 200 : 503).send(parts);
  });
  return app;
}
