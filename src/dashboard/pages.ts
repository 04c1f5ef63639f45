import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { notFound, ProblemError, pathOf, sendProblem } from './problems.ts';

const YEAR_SECONDS = 31_536_000;

/** The page as vite built it, at `/`: what it shows stands in its query, so that it works under any path that a proxy gives it. Its assets
 * bear a hash in their names and never change. Another address without a file's ending leads to the page.
 * @param folder absent, or without index.html: the API works alone
 */
export async function addPages(app: FastifyInstance, folder: string | undefined): Promise<void> {
  const hasPage = folder !== undefined && existsSync(join(folder, 'index.html'));
  if (hasPage) {
    await app.register(fastifyStatic, {
      root: folder,
      index: false,
      dotfiles: 'ignore',
      cacheControl: false,
      setHeaders(reply, path) {
        const isHashed = path.startsWith(join(folder, 'assets/'));
        reply.header('cache-control', isHashed ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
      },
    });
    app.get('/', { schema: { hide: true } }, (_request, reply) =>
      reply.header('cache-control', 'no-cache').sendFile('index.html'),
    );
  }
  app.get('/', { schema: { hide: true } }, async (_request, reply) => {
    if (!hasPage) throw new ProblemError('not-found', 'the page is not built; the API is at /api/v1');
    return reply.sendFile('index.html');
  });
  app.setNotFoundHandler((request, reply) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const problem = isRead ? notFound() : new ProblemError('method-not-allowed', 'expected GET');
    return sendProblem(reply, problem, request.url);
  });
}
