import type { Cluster } from '../shared/calls.ts';
import type { User } from './access.ts';
import type { Reviews } from './reviews.ts';

/** Tokens are for us alone: one for the API server is refused here. */
export const AUDIENCE = 'cnn-sweep';

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string; readonly groups?: readonly string[] };
  };
}

interface SubjectAccessReview {
  readonly status?: { readonly allowed?: boolean };
}

/** Asks the API server; a request waits at most a few seconds. */
export function openClusterReviews(cluster: Pick<Cluster, 'request'>): Reviews {
  const post = async (path: string, body: unknown): Promise<unknown> =>
    (await cluster.request({ method: 'POST', path, body, timeoutMs: 3_000, tries: 2 })).body;
  return {
    async userOf(token): Promise<User | undefined> {
      const review = (await post('/apis/authentication.k8s.io/v1/tokenreviews', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [AUDIENCE] },
      })) as TokenReview;
      const { authenticated, audiences, user } = review.status ?? {};
      // An authenticator that knows no audiences names none: its token was meant for the API server.
      if (!authenticated || !audiences?.includes(AUDIENCE) || !user?.username) return undefined;
      return { name: user.username, groups: user.groups ?? [] };
    },
    async mayList({ name, groups }, namespace): Promise<boolean> {
      const review = (await post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: name,
          groups,
          resourceAttributes: { group: 'cnn-sweep.dev', resource: 'sweeps', verb: 'list', namespace },
        },
      })) as SubjectAccessReview;
      return review.status?.allowed === true;
    },
  };
}
