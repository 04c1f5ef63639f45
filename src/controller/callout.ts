import type { Job, KubernetesObject, OwnerReference, Pod, SweepObject } from '../shared/objects.ts';
import { subjectsOfAttempt } from '../sweep/message.ts';
import type { Permissions } from './callout-token.ts';
import { parseJobName } from './job.ts';

/** What the API server says of a token. */
export interface TokenReview {
  readonly authenticated: boolean;
  /** Those of ours that the token is for. */
  readonly audiences: readonly string[];
  /** `system:serviceaccount:<namespace>:<name>`. */
  readonly username: string;
  /** The Pod that the token is bound to. */
  readonly podName: string | undefined;
  readonly podUID: string | undefined;
  readonly error: string | undefined;
}

/** Who presented a token, as far as the cluster could be asked; what is not there is undefined. */
export interface CalloutFacts {
  readonly review: TokenReview;
  readonly pod: Pod | undefined;
  /** The one that the Pod names as its controller. */
  readonly job: Job | undefined;
  /** The one that the Job names as its controller. */
  readonly sweep: SweepObject | undefined;
}

export interface CalloutRules {
  readonly audience: string;
  /** Of every trial's Pod. */
  readonly serviceAccountName: string;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
}

/** Why somebody may not connect. */
export const CALLOUT_REFUSALS = [
  'NoToken',
  'TokenRejected',
  'WrongAudience',
  'ForeignServiceAccount',
  'NotBoundToPod',
  'NamespaceNotWatched',
  'PodGone',
  'PodOver',
  'NoTrial',
  'SweepGone',
  'Unavailable',
] as const;
export type CalloutRefusal = (typeof CALLOUT_REFUSALS)[number];

/** The trial whose Pod it is. */
export interface TrialIdentity {
  readonly sweepUID: string;
  readonly trial: number;
  readonly podUID: string;
  readonly namespace: string;
  readonly podName: string;
  readonly sweep: string;
}

export type CalloutDecision =
  | { readonly kind: 'admitted'; readonly who: TrialIdentity }
  | { readonly kind: 'refused'; readonly reason: CalloutRefusal; readonly message: string };

/** Decides who may connect: the Pod of a Job that we made for a live Sweep, and nobody else. Pure and total. Names decide nothing
 * where there is a UID: a Pod, Job or Sweep that was created again under a name is another one.
 */
export function decideCallout(facts: CalloutFacts, rules: CalloutRules): CalloutDecision {
  const { review, pod, job, sweep } = facts;
  if (!review.authenticated) return refuse('TokenRejected', review.error || 'the API server does not know the token');
  if (!review.audiences.includes(rules.audience))
    return refuse('WrongAudience', `the token is not for the audience "${rules.audience}"`);
  const account = accountOf(review.username);
  if (account?.name !== rules.serviceAccountName)
    return refuse('ForeignServiceAccount', `${review.username}: trials run as "${rules.serviceAccountName}"`);
  const { namespace } = account;
  const { podName, podUID } = review;
  if (!podName || !podUID) return refuse('NotBoundToPod', `the token of ${review.username} is bound to no Pod`);
  if (!isWatched(namespace, rules)) return refuse('NamespaceNotWatched', `namespace "${namespace}" is not watched`);

  const where = `Pod ${namespace}/${podName}`;
  if (pod?.metadata.uid !== podUID) return refuse('PodGone', `${where} is gone`);
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return refuse('PodOver', `${where} has ${phase}`);
  const jobOwner = controllerOf(pod, 'Job');
  if (!job || job.metadata.uid !== jobOwner?.uid) return refuse('NoTrial', `${where} belongs to no Job`);
  const sweepOwner = controllerOf(job, 'Sweep');
  if (!sweepOwner) return refuse('NoTrial', `${where} belongs to a Job of no Sweep`);
  if (sweep?.metadata.uid !== sweepOwner.uid || sweep.metadata.deletionTimestamp !== undefined)
    return refuse('SweepGone', `${where} is of Sweep ${namespace}/${sweepOwner.name}, which is gone`);
  // By its name, which unlike a label nobody can edit.
  const attempt = parseJobName(job.metadata.name, identify(sweep));
  if (!attempt) return refuse('NoTrial', `${where} belongs to Job ${job.metadata.name}, which has no name of ours`);
  const who = {
    sweepUID: sweep.metadata.uid,
    trial: attempt.trial,
    podUID,
    namespace,
    podName,
    sweep: sweepOwner.name,
  };
  if (![who.sweepUID, podUID].every((uid) => /^[\w-]{1,63}$/.test(uid)))
    return refuse('NoTrial', `${where}: its UID cannot be part of a subject`);
  return { kind: 'admitted', who };
}

/** All that a trial may do: say what it measures, hand over its model, hear that both arrived. */
export function permissionsOf({ sweepUID, trial, podUID }: TrialIdentity): Permissions {
  return {
    publish: subjectsOfAttempt({ sweepUID, trial, attemptUID: podUID }),
    subscribe: [`_INBOX_${podUID}.>`],
  };
}

/** Where the Pod of a token is to be looked for; undefined: nowhere that we may look. */
export function podOf(review: TokenReview, rules: CalloutRules): { namespace: string; name: string } | undefined {
  const account = accountOf(review.username);
  if (!review.authenticated || !review.podName || !account || !isWatched(account.namespace, rules)) return undefined;
  return { namespace: account.namespace, name: review.podName };
}

export function controllerOf({ metadata }: KubernetesObject, kind: string): OwnerReference | undefined {
  return metadata.ownerReferences?.find((owner) => owner.kind === kind && owner.controller === true);
}

function accountOf(username: string): { namespace: string; name: string } | undefined {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  return namespace !== undefined && name !== undefined ? { namespace, name } : undefined;
}

function isWatched(namespace: string, { namespaces }: CalloutRules): boolean {
  return namespaces === undefined || namespaces.includes(namespace);
}

function identify({ metadata: { name, namespace, uid } }: SweepObject) {
  return { name, namespace, uid, generation: 0 };
}

function refuse(reason: CalloutRefusal, message: string): CalloutDecision {
  return { kind: 'refused', reason, message };
}
