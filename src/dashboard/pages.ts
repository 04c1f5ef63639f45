import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { notFound, ProblemError, sendProblem } from './problems.ts';

const YEAR_SECONDS = 31_536_000;

/** The page as vite built it, at `/`: what it shows stands in its query. Its assets bear a hash in their names and never change.
 * @param folder absent, or without index.html: the API works alone
 */
export async function addPages(app: FastifyInstance, folder: string | undefined): Promise<void> {
  if (folder !== undefined && existsSync(join(folder, 'index.html'))) await addFiles(app, folder);
  else {
    app.get('/', { schema: { hide: true } }, async () => {
      throw new ProblemError('not-found', 'the page is not built; the API is at /api/v1');
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const problem = isRead ? notFound() : new ProblemError('method-not-allowed', 'expected GET');
    return sendProblem(reply, problem, request.url);
  });
}

async function addFiles(app: FastifyInstance, root: string): Promise<void> {
  await app.register(fastifyStatic, {
    root,
    index: 'index.html',
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders(reply, path) {
      const isHashed = path.startsWith(join(root, 'assets/'));
      reply.header('cache-control', isHashed ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
    },
  });
}
