import type { CallOptions, Cluster } from '../shared/calls.ts';
import { PODS } from '../shared/kinds.ts';
import type { Job, Pod, SweepObject } from '../shared/objects.ts';
import { type CalloutFacts, type CalloutRules, controllerOf, podOf, type TokenReview } from './callout.ts';

interface Ref {
  readonly namespace: string;
  readonly name: string;
}

/** What the callout asks the cluster. */
export interface CalloutCluster {
  /** @throws ApiError */
  review(token: string, audience: string): Promise<TokenReview>;
  getPod(ref: Ref): Promise<Pod | undefined>;
  getJob(ref: Ref): Promise<Job | undefined>;
  getSweep(ref: Ref): Promise<SweepObject | undefined>;
}

/** Follows a token to its Sweep, as far as it leads. Live reads: a cache may be older than a deletion, and who stands by has none.
 * @throws ApiError if the API server does not answer
 */
export async function readFacts(cluster: CalloutCluster, token: string, rules: CalloutRules): Promise<CalloutFacts> {
  const review = await cluster.review(token, rules.audience);
  const at = podOf(review, rules);
  const pod = at && (await cluster.getPod(at));
  const jobOwner = pod && controllerOf(pod, 'Job');
  const job = at && jobOwner && (await cluster.getJob({ namespace: at.namespace, name: jobOwner.name }));
  const sweepOwner = job && controllerOf(job, 'Sweep');
  const sweep = at && sweepOwner && (await cluster.getSweep({ namespace: at.namespace, name: sweepOwner.name }));
  return { review, pod, job, sweep };
}

/** The server waits five seconds for an answer. */
const CALL: CallOptions = { timeoutMs: 2_000, tries: 2 };
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

/** @param cluster without a guard of the lease: every replica answers, the leader or not */
export function openCalloutCluster(cluster: Pick<Cluster, 'request' | 'get' | 'getJob' | 'getSweep'>): CalloutCluster {
  return {
    review: async (token, audience) => {
      const { body } = await cluster.request({
        ...CALL,
        method: 'POST',
        path: '/apis/authentication.k8s.io/v1/tokenreviews',
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token, audiences: [audience] },
        },
      });
      return readReview(body);
    },
    getPod: (ref) => cluster.get(PODS, ref, CALL),
    getJob: (ref) => cluster.getJob(ref, CALL),
    getSweep: (ref) => cluster.getSweep(ref, CALL),
  };
}

interface ReviewBody {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
    readonly error?: string;
  };
}

function readReview(body: unknown): TokenReview {
  const { authenticated = false, audiences = [], user = {}, error } = (body as ReviewBody).status ?? {};
  return {
    authenticated,
    audiences,
    username: user.username ?? '',
    podName: user.extra?.[POD_NAME]?.[0],
    podUID: user.extra?.[POD_UID]?.[0],
    error,
  };
}
