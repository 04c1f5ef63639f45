import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { isApi } from './gate.ts';
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
  app.setNotFoundHandler((request, reply) => {
    const { method, url } = request;
    if (isApi(url) || !isPage(url)) return sendProblem(reply, notFound(), url);
    if (method !== 'GET' && method !== 'HEAD') {
      return sendProblem(reply, new ProblemError('method-not-allowed', 'expected GET'), url);
    }
    if (!hasPage)
      return sendProblem(reply, new ProblemError('not-found', 'the page is not built; the API is at /api/v1'), url);
    return reply.header('cache-control', 'no-cache').redirect(pageFor(pathOf(url)));
  });
}

/** Relative, since a proxy may have taken a path away: `../../?sweep=team-a/study` for `/sweeps/team-a/study`. */
function pageFor(path: string): string {
  const up = '../'.repeat(path.split('/').length - 2) || './';
  const [, namespace, name] = /^\/sweeps\/([^/]+)\/([^/]+)\/?$/.exec(path) ?? [];
  return name === undefined ? up : `${up}?sweep=${namespace}/${name}`;
}

/** `/sweeps/team-a/study`: no ending, as files have. */
function isPage(url: string): boolean {
  return !/\.[a-z0-9]+$/i.test(pathOf(url));
}
