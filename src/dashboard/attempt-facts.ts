import { ATTEMPT_LABEL, TRAINER_CONTAINER, TRIAL_LABEL } from '../shared/labels.ts';
import type { Job, KubernetesObject, ObjectCondition, Pod, Terminated } from '../shared/objects.ts';
import type { SeenAttempt } from './attempts.ts';
import type { Liveness } from './trial-state.ts';

/** What the cluster shows of one trial. */
export interface TrialObjects {
  readonly jobs: readonly Job[];
  readonly pods: readonly Pod[];
}

/** What there is to tell of a trial. */
export interface TrialFacts {
  readonly liveness: Liveness;
  /** What is seen of every attempt. */
  readonly attempts: readonly SeenAttempt[];
}

/** Which trial an object is of, by its label; undefined: of none. Anybody can write a label: it decides what is shown, nothing else. */
export function trialOf({ metadata }: KubernetesObject): number | undefined {
  return integerOf(metadata.labels?.[TRIAL_LABEL]);
}

/** A first attempt is not said. */
function attemptOf({ metadata }: KubernetesObject): number {
  return integerOf(metadata.labels?.[ATTEMPT_LABEL]) ?? 1;
}

function integerOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** Where a trial stands, from its Jobs and Pods. Pure. */
export function readAttempts({ jobs, pods }: TrialObjects): TrialFacts {
  const job = jobs.reduce<Job | undefined>(
    (last, one) => (!last || attemptOf(one) > attemptOf(last) ? one : last),
    undefined,
  );
  const attempts = [...pods.map(seenOf), ...jobs.flatMap(seenOfFailed)];
  if (!job) return { liveness: { phase: 'Waiting' }, attempts };
  const attempt = attemptOf(job);
  const pod = lastPodOf(attempt, pods);
  return { liveness: { attempt, attemptUID: pod?.metadata.uid ?? null, ...phaseOf(job, pod) }, attempts };
}

function seenOf(pod: Pod): SeenAttempt {
  const { metadata, spec, status } = pod;
  const { running, terminated } = stateOf(pod) ?? {};
  // Who is evicted before a container began has no other end.
  const disrupted = status?.phase === 'Failed' ? conditionOf(status.conditions, 'DisruptionTarget') : undefined;
  return {
    attempt: attemptOf(pod),
    attemptUID: metadata.uid,
    node: spec?.nodeName ?? null,
    pod: metadata.name,
    createdAt: metadata.creationTimestamp,
    startedAt: running?.startedAt ?? terminated?.startedAt ?? null,
    endedAt: terminated?.finishedAt ?? disrupted?.lastTransitionTime ?? null,
    reason: reasonOfEnd(pod) ?? '',
  };
}

/** What is left to say of a Pod that is gone; `goneAt` is when that was seen. */
export function readGone(pod: Pod, goneAt: string): SeenAttempt {
  const seen = seenOf(pod);
  if (seen.endedAt) return seen;
  const disrupted = conditionOf(pod.status?.conditions, 'DisruptionTarget');
  return { ...seen, endedAt: goneAt, reason: seen.reason || (disrupted ? wordsOf(disrupted) : 'its Pod was deleted') };
}

/** A Job can fail without a Pod, or with one that says nothing. Of which Pod it was only the number is known then. */
function seenOfFailed(job: Job): SeenAttempt[] {
  const failed = conditionOf(job.status?.conditions, 'Failed');
  if (!failed) return [];
  return [{ attempt: attemptOf(job), endedAt: failed.lastTransitionTime ?? null, reason: wordsOf(failed) }];
}

/** An eviction leaves an older one beside it. */
function lastPodOf(attempt: number, pods: readonly Pod[]): Pod | undefined {
  const order = ({ metadata }: Pod) => `${metadata.creationTimestamp} ${metadata.name}`;
  return pods
    .filter((pod) => attemptOf(pod) === attempt)
    .reduce<Pod | undefined>((last, pod) => (!last || order(pod) > order(last) ? pod : last), undefined);
}

/** The Job's condition ends an attempt; suspended is queued, without a node is pending. */
function phaseOf(job: Job, pod: Pod | undefined): Pick<Liveness, 'phase' | 'reason'> {
  const failed = conditionOf(job.status?.conditions, 'Failed');
  if (failed) return { phase: 'Retrying', reason: (pod && reasonOfEnd(pod)) ?? wordsOf(failed) };
  if (job.spec?.suspend) return { phase: 'Queued', reason: wordsOf(conditionOf(job.status?.conditions, 'Suspended')) };
  if (!pod) return { phase: 'Pending', reason: 'its Pod is not created yet' };
  if (pod.spec?.nodeName === undefined) {
    const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    return { phase: 'Pending', reason: scheduled?.status === 'False' ? wordsOf(scheduled) : 'no node yet' };
  }
  const state = stateOf(pod);
  if (state?.waiting) return { phase: 'Pending', reason: wordsOf(state.waiting) };
  return state ? { phase: 'Running' } : { phase: 'Pending', reason: 'its container is not created yet' };
}

function stateOf({ status }: Pod) {
  return status?.containerStatuses?.find(({ name }) => name === TRAINER_CONTAINER)?.state;
}

function conditionOf(conditions: readonly ObjectCondition[] | undefined, wanted: string): ObjectCondition | undefined {
  return conditions?.find(({ type, status }) => type === wanted && status === 'True');
}

/** Why a Pod ended; undefined of one that lives, or succeeded. */
function reasonOfEnd(pod: Pod): string | undefined {
  const disrupted = conditionOf(pod.status?.conditions, 'DisruptionTarget');
  const terminated = stateOf(pod)?.terminated;
  if (terminated?.exitCode === 0) return undefined;
  if (disrupted && (terminated || pod.status?.phase === 'Failed')) return wordsOf(disrupted);
  if (terminated) return wordsOfExit(terminated);
  return pod.status?.phase === 'Failed' ? wordsOf(pod.status) : undefined;
}

function wordsOfExit({ exitCode, reason, message = '' }: Terminated): string {
  const why = reason === 'OOMKilled' ? 'out of memory, ' : '';
  // A result beside a failure tells a person nothing.
  const words = message.trim().startsWith('{') ? '' : message.trim();
  return `${why}exit ${exitCode}${words === '' ? '' : `: ${words}`}`;
}

function wordsOf(said: { readonly reason?: string; readonly message?: string } = {}): string {
  const { reason = '', message = '' } = said;
  return reason !== '' && message !== '' ? `${reason}: ${message}` : reason + message;
}
