import type { IncomingHttpHeaders } from 'node:http';
import type { Access, User, Visitor } from './access.ts';
import type { Reviews } from './reviews.ts';

/** Whoever has a token of the cluster for us, as `kubectl create token --audience cnn-sweep` gives it, in a header or from the login. */
export function openToTokens(reviews: Reviews): Access {
  const userOf = async (token: string | undefined, address: string) =>
    token === undefined ? undefined : reviews.userOf(token, address);
  return {
    mode: 'token',
    who: ({ headers, cookie, address }) => userOf(bearerOf(headers) ?? cookie, address),
    mayRead: (user, namespace) => reviews.mayList(user, namespace),
    login: userOf,
  };
}

/** Whom a proxy names that has logged them in. Its headers are believed if it proved itself with a certificate, and only then: anybody
 * can send a header.
 */
export function openToProxy(reviews: Pick<Reviews, 'mayList'>): Access {
  return {
    mode: 'proxy',
    who: async (visitor: Visitor) => (visitor.isProvenPeer ? namedUser(visitor) : undefined),
    mayRead: (user, namespace) => reviews.mayList(user, namespace),
  };
}

const MAX_TOKEN = 8192;

function bearerOf({ authorization }: IncomingHttpHeaders): string | undefined {
  const [, token] = /^Bearer ([\w.~+/-]+=*)$/i.exec(authorization ?? '') ?? [];
  return token !== undefined && token.length <= MAX_TOKEN ? token : undefined;
}

const USER = 'x-forwarded-user';
const GROUPS = 'x-forwarded-groups';

/** As oauth2-proxy names users: X-Forwarded-User, X-Forwarded-Groups with commas between them. */
function namedUser({ headers, isTwice }: Visitor): User | undefined {
  const { [USER]: name, [GROUPS]: groups } = headers;
  // Whoever could add a header to the proxy's own would be somebody else, or of one more group.
  if (isTwice(USER) || isTwice(GROUPS)) return undefined;
  if (typeof name !== 'string' || name === '' || name.includes(',')) return undefined;
  // `system:` is the API server's own.
  if (name.startsWith('system:')) return undefined;
  const list = typeof groups === 'string' ? groups.split(',').map((group) => group.trim()) : [];
  return { name, groups: list.filter((group) => group !== '' && !group.startsWith('system:')) };
}
