import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Access } from './access.ts';
import { COOKIE } from './gate.ts';
import { notFound, ProblemError } from './problems.ts';

const Login = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 8192, description: 'As kubectl create token gives it.' }) },
  { additionalProperties: false },
);

const OPTIONS = { path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const;

/** The page trades a token for a cookie that no script can read. The cookie is the token: nothing is kept here, so that any replica
 * knows it, and the API server decides how long it is good.
 */
export function addLogin(app: FastifyInstance, access: Access): void {
  app.post<{ Body: Static<typeof Login> }>(
    '/login',
    { schema: { body: Login, hide: true } },
    async ({ body, ip }, reply) => {
      if (!access.login) throw notFound();
      const user = await access.login(body.token, ip);
      if (!user) throw new ProblemError('unauthenticated', 'the token is not, or no longer, good');
      return reply.setCookie(COOKIE, body.token, OPTIONS).code(204).send();
    },
  );
  app.post('/logout', { schema: { hide: true } }, async (_request, reply) => {
    if (!access.login) throw notFound();
    return reply.clearCookie(COOKIE, OPTIONS).code(204).send();
  });
}
