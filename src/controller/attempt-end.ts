import type { ContainerStatus, Job, ObjectCondition, Pod, Terminated } from '../shared/objects.ts';
import { InvalidMessageError } from '../sweep/errors.ts';
import type { FailureReason } from '../sweep/reasons.ts';
import { decodeResult, type TrialResult } from '../sweep/result.ts';
import type { Trial } from '../sweep/trial.ts';
import { TRAINER_CONTAINER, UID_NOT_TOLD } from './job.ts';
import type { Waits } from './waits.ts';

/** How an attempt ended. */
export type AttemptEnd =
  | { readonly kind: 'succeeded'; readonly result: TrialResult }
  /** `final`: the same would happen again. `podUID` and `seconds` of the container where there was one. */
  | {
      readonly kind: 'failed';
      readonly reason: FailureReason;
      readonly message: string;
      readonly final: boolean;
      readonly podUID?: string | undefined;
      readonly seconds: number;
    }
  /** The cluster took its Pod and gave the Job up: it is tried again, and not counted. */
  | { readonly kind: 'disrupted' };

/** One Job of ours with what the cluster shows of it. */
export interface AttemptFacts {
  readonly trial: Trial;
  readonly attempt: number;
  readonly job: Job;
  /** The Job's own, by its UID. */
  readonly pods: readonly Pod[];
  /** Pods of this Job that were ever seen, these included: what is gone leaves no other trace of a disruption. */
  readonly podsSeen: number;
}

export interface AttemptLimits {
  readonly startDeadlineSeconds: number;
  readonly maxDisruptions: number;
}

/** How long after the end of a Job its Pod may be unseen: the two are watched apart. */
const POD_GRACE_MS = 10_000;

/** Says how an attempt ended; undefined while it lives. The Job's own condition ends it (never a Pod alone), except where it could
 * wait for ever: no image, no start, one disruption too many. Those are final.
 * @see reliability.md section 3, the attempt's end
 */
export function attemptEnd(facts: AttemptFacts, limits: AttemptLimits, waits: Waits): AttemptEnd | undefined {
  const condition = endOf(facts.job);
  if (condition) return endOfJob(facts, condition, waits);
  return tooManyDisruptions(facts, limits) ?? neverStarts(facts, limits, waits);
}

/** Whether its trainer has ended with exit 0, which its Job has yet to say: it may have left a result. */
export function hasEndedWell({ pods }: Pick<AttemptFacts, 'pods'>): boolean {
  return pods.some((pod) => endedPod(pod)?.terminated.exitCode === 0);
}

/** Whether the Job itself is over: none of its Pods runs any more. */
export function isJobOver(job: Job): boolean {
  return endOf(job) !== undefined;
}

function endOf({ status }: Job): ObjectCondition | undefined {
  return status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
}

/** The rules in their order; the first that speaks of any Pod wins. A disrupted Pod's exit code decides nothing. */
function endOfJob(facts: AttemptFacts, condition: ObjectCondition, waits: Waits): AttemptEnd | undefined {
  const ends = facts.pods.flatMap((pod) => endedPod(pod) ?? []);
  const counted = ends.filter(({ disrupted }) => !disrupted);
  const succeeded = condition.type === 'Complete';
  const deadline = condition.reason === 'DeadlineExceeded';

  const bad = counted.find(({ terminated }) => terminated.exitCode === 2);
  if (bad) return failed('BadConfiguration', saidBy(bad), bad);
  const oom = counted.find(({ terminated }) => terminated.reason === 'OOMKilled');
  if (oom) return failed('OutOfMemory', OUT_OF_MEMORY, oom);

  const zeros = counted.filter(({ terminated }) => terminated.exitCode === 0);
  const readings = zeros.map((pod) => readResult(pod, facts));
  const result = readings.find((reading) => typeof reading !== 'string');
  // Before the deadline: it may have passed between the end of the Pod and the Job controller's look at it (ADR 17).
  if (result) return { kind: 'succeeded', result };
  if (deadline)
    return failed(
      'DeadlineExceeded',
      `${condition.message ?? 'the run deadline passed'}${RUN_DEADLINE}`,
      counted.at(-1),
    );
  const [zero] = zeros;
  if (zero) return failed('ResultMissing', readings.join('; '), zero);
  const last = counted.at(-1);
  // A Pod that failed beside one that has succeeded but is not seen yet does not decide.
  if (last && !succeeded) return failed('Crashed', saidBy(last), last);

  // The Pod's own end is not seen yet, or never will be.
  if (!waits.passed(`ended/${facts.job.metadata.uid}`, POD_GRACE_MS)) return undefined;
  return withoutPod(condition, ends.length > 0);
}

const OUT_OF_MEMORY =
  'the kernel killed it: raise spec.trainer.resources.limits.memory, or use smaller widths or batches';
const RUN_DEADLINE = ': spec.trainer.activeDeadlineSeconds counts the wait for a node';

/** From the Job's words alone: its Pod was removed (Pod garbage collection, a person) before we saw its end. */
function withoutPod({ type, reason, message = '' }: ObjectCondition, disrupted: boolean): AttemptEnd {
  if (type === 'Complete') return failed('ResultMissing', 'its Pod was removed before its result was read');
  if (disrupted) return { kind: 'disrupted' };
  // Container trainer for pod default/study-0 failed with exit code 2 matching FailJob rule at index 1
  if (reason === 'PodFailurePolicy') return failed('BadConfiguration', message);
  return failed(
    'Crashed',
    `its Pod was removed before its end was seen${message === '' ? '' : `; the Job says: ${message}`}`,
  );
}

function tooManyDisruptions(facts: AttemptFacts, { maxDisruptions }: AttemptLimits): AttemptEnd | undefined {
  if (hasEndedWell(facts)) return undefined;
  // A Job without retries lives on only if its Pod was disrupted, so each Pod but one was. One that is about to go may still end well.
  const disrupted = facts.pods.filter((pod) => endedPod(pod)?.disrupted);
  const disruptions = Math.max(facts.podsSeen - 1, disrupted.length);
  if (disruptions <= maxDisruptions) return undefined;
  const message = `its Pod was evicted or preempted ${disruptions} times; spec.trainer.maxDisruptions allows ${maxDisruptions}`;
  return failed('TooManyDisruptions', message, { pod: facts.pods.at(-1) });
}

/** What the kubelet will never get over: it would try for ever. */
const HOPELESS_IMAGE = ['InvalidImageName', 'ErrImageNeverPull'];

/** The start deadline runs from PodScheduled: waiting for a node is the run deadline's affair. */
function neverStarts(
  { pods }: AttemptFacts,
  { startDeadlineSeconds }: AttemptLimits,
  waits: Waits,
): AttemptEnd | undefined {
  for (const pod of pods) {
    const state = trainerOf(pod)?.state;
    if (state?.running || isDone(pod) || pod.metadata.deletionTimestamp !== undefined) continue;
    const { reason = 'ContainerCreating', message = '' } = state?.waiting ?? {};
    const said = message === '' ? reason : `${reason}: ${message}`;
    if (HOPELESS_IMAGE.includes(reason)) return failed('InvalidImage', said, { pod });
    if (!isScheduled(pod) || state?.terminated) continue;
    if (waits.passed(`scheduled/${pod.metadata.uid}`, startDeadlineSeconds * 1000)) {
      const message = `not started ${startDeadlineSeconds} s after it got a node (spec.trainer.startDeadlineSeconds); ${said}`;
      return failed('StartDeadlineExceeded', message, { pod });
    }
  }
  return undefined;
}

/** A Pod whose trainer has ended. */
interface EndedPod {
  readonly pod: Pod;
  readonly terminated: Terminated;
  readonly disrupted: boolean;
}

const NO_EXIT = -1;

function endedPod(pod: Pod): EndedPod | undefined {
  const terminated = trainerOf(pod)?.state?.terminated;
  if (terminated) return { pod, terminated, disrupted: isDisrupted(pod) && terminated.exitCode !== 0 };
  if (!isDone(pod)) return undefined;
  // No container ever began: evicted before, refused by its node (`UnexpectedAdmissionError` of a GPU), or the node died.
  const { reason = 'its container never began', message = '' } = pod.status ?? {};
  const words = message === '' ? reason : `${reason}: ${message}`;
  return { pod, terminated: { exitCode: NO_EXIT, message: words }, disrupted: isDisrupted(pod) };
}

/** The container that trains. */
export function trainerOf({ status }: Pod): ContainerStatus | undefined {
  return status?.containerStatuses?.find(({ name }) => name === TRAINER_CONTAINER);
}

/** Whether it has a node. */
export function isScheduled({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'PodScheduled' && status === 'True') ?? false;
}

/** Whether the cluster took it, or is about to. */
export function isDisrupted({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'DisruptionTarget' && status === 'True') ?? false;
}

/** Its containers have ended for good. */
export function isDone({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** The result that a Pod left, or why it does not count. */
function readResult({ pod, terminated }: EndedPod, { trial, attempt }: AttemptFacts): TrialResult | string {
  const { message = '' } = terminated;
  if (message === '') return 'exit 0 without a result';
  let result: TrialResult;
  try {
    result = decodeResult(message);
  } catch (error) {
    if (!(error instanceof InvalidMessageError)) throw error;
    return `its result does not decode: ${error.message}`;
  }
  const attemptUID = pod.metadata.uid;
  const expected = {
    trial: trial.trial,
    attempt,
    attemptUID: result.attemptUID === UID_NOT_TOLD ? UID_NOT_TOLD : attemptUID,
    hyperparametersHash: trial.hyperparametersHash,
  };
  for (const [field, value] of Object.entries(expected)) {
    const found = result[field as keyof typeof expected];
    if (found !== value) return `its result is another's: ${field} ${found}, not ${value}`;
  }
  return { ...result, attemptUID };
}

function saidBy({ terminated: { exitCode, signal, message = '' } }: EndedPod): string {
  if (exitCode === NO_EXIT) return message;
  const how = signal ? `exit ${exitCode}, signal ${signal}` : `exit ${exitCode}`;
  const words = lastWords(message);
  return words === '' ? how : `${how}: ${words}`;
}

/** Most characters of a log that a reason shows: with what stands before them they fit into a record. */
const MAX_WORDS = 200;

/** The last lines of what a container left, as many as fit. Measurements are none, and neither is a result: beside a failure it is
 * not read, and would tell a person nothing. */
function lastWords(message: string): string {
  const lines = message
    .split('\n')
    .map((line) => line.trim())
    // A log that is too long begins in the middle of a line, and a measurement ends so.
    .filter((line, at) => line !== '' && !line.startsWith('{') && !(at === 0 && line.endsWith('}')));
  let words = lines.pop() ?? '';
  for (const line of lines.reverse()) {
    if (line.length + words.length + 3 > MAX_WORDS) break;
    words = `${line} | ${words}`;
  }
  return words;
}

/** Retried are those that may go better next time. */
const RETRIED: readonly FailureReason[] = ['Crashed', 'ResultMissing'];

function failed(
  reason: FailureReason,
  message: string,
  { pod, terminated }: { readonly pod?: Pod | undefined; readonly terminated?: Terminated } = {},
): AttemptEnd {
  const seconds = terminated ? secondsOf(terminated) : 0;
  return { kind: 'failed', reason, message, final: !RETRIED.includes(reason), podUID: pod?.metadata.uid, seconds };
}

/** Two readings of the kubelet's one clock. */
function secondsOf({ startedAt, finishedAt }: Terminated): number {
  const ms = Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '');
  return ms > 0 ? ms / 1000 : 0;
}
