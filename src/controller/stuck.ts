import type { EventObject, Job, ObjectMeta, Pod, SweepObject } from '../shared/objects.ts';
import type { StuckReason } from '../sweep/reasons.ts';
import { isDone, isScheduled, trainerOf } from './attempt-end.ts';
import type { ClusterSweep } from './cluster-sweep.ts';
import type { RunningAttempt } from './fate.ts';
import { explainJobRefusal, explainPodRefusal, type Refusal } from './refusal.ts';
import type { Snapshot } from './snapshot.ts';
import { cut } from './text.ts';
import { type SinceSeen, Waits } from './waits.ts';

/** One thing that does not get on: the object and what to do. */
export interface Stuck {
  readonly reason: StuckReason;
  /** In a sentence, with the object's name. */
  readonly message: string;
}

/** What is not there: the queue that the Sweep names, or Kueue at all. */
export type QueueMissing = 'LocalQueue' | 'Kueue';

export interface StuckInput {
  readonly sweep: ClusterSweep;
  /** As read: whether it is being deleted, and who holds it. */
  readonly object: SweepObject;
  readonly snapshot: Snapshot;
  /** The latest answers to our creates that were no success. */
  readonly refusals: readonly Refusal[];
  /** Where the API server refuses to delete Jobs. */
  readonly undeleted?: Undeleted | undefined;
  /** Of the objects that `eventsWanted` named. */
  readonly events: readonly EventObject[];
  readonly queueMissing?: QueueMissing | undefined;
  readonly sinceSeen: SinceSeen;
}

/** A Job that we wanted to delete, and the answer. */
export interface Undeleted extends Omit<Refusal, 'trial'> {
  readonly job: string;
}

/** Whose Events would tell more. */
export interface EventsWanted {
  readonly kind: 'Job' | 'Pod';
  readonly name: string;
  readonly uid: string;
}

export interface StuckStates {
  /** Worst first. */
  readonly stuck: readonly Stuck[];
  /** At most a few, the lowest trials: what holds one up mostly holds up all. */
  readonly eventsWanted: readonly EventsWanted[];
  /** When something will be named although nothing happens. */
  readonly wakeInMs: number | undefined;
}

/** Worst first: what stops every trial, then what stops some, then what mostly passes; and what a person can do. */
const ADVICE: Readonly<Record<StuckReason, string>> = {
  Forbidden: 'give the controller its rights back (helm upgrade, or kubectl apply the roles)',
  AdmissionUnavailable: 'restore that admission webhook or remove its configuration',
  NameCollision: 'delete that Job if nobody needs it, or create the Sweep under another name',
  JobRefused: 'change what it names in a new Sweep, or the policy',
  QuotaExceeded: 'raise the quota or lower spec.parallelism',
  PodRefused: 'change what it names in a new Sweep, or the policy of the namespace',
  PriorityClassNotFound: 'create the priority class, or a new Sweep without spec.trainer.priorityClassName',
  DataVolumeNotFound: 'create or bind the claim that spec.trainer.dataClaim names',
  QueueNotFound: 'create the LocalQueue, or a new Sweep with another spec.trainer.queueName',
  ContainerConfigInvalid: 'correct it before the start deadline, or create a new Sweep',
  ImagePullFailed: 'make the image available before the start deadline, or create a new Sweep with another',
  InsufficientGPU:
    'add a node with a free GPU, lower spec.parallelism, or ask for none in spec.trainer.resources.limits',
  Unschedulable:
    'add a node that fits, or create a new Sweep with other spec.trainer.resources, nodeSelector or tolerations',
  NoProgress: 'look at the object with kubectl describe',
  Terminating: 'remove what holds it',
  Lost: 'it runs again; find out who deletes Jobs',
};
const SEVERITY = Object.keys(ADVICE);

/** Longest text of others in one sentence, in bytes. */
const MAX_QUOTE = 400;
const MAX_EVENTS_WANTED = 3;

// The cluster has shown a stuck state before these are over only as a blink; all are well below the 60 s that we promise.
const BLINK_MS = 10_000;
const SCHEDULING_MS = 20_000;
const NO_POD_MS = 20_000;
const SILENCE_MS = 45_000;
/** Pulling a large image takes minutes, and shows no more than `ContainerCreating`. */
const CREATING_MS = 300_000;

/** Names what does not get on although nobody asked it to stop. Total, and the same for the same facts: nothing flaps but what the
 * cluster itself takes back.
 */
export function stuckStates(input: StuckInput): StuckStates {
  const waits = new Waits(input.sinceSeen);
  const running = [...input.snapshot.running.values()].sort((a, b) => a.trial.trial - b.trial.trial);
  const wanted: EventsWanted[] = [];
  const events = groupEvents(input.events);
  const found: Stuck[] = [
    ...ofSweep(input, waits),
    ...ofRefusals(input.refusals, waits),
    ...(input.undeleted ? [ofUndeleted(input.undeleted)] : []),
    ...ofSnapshot(input.snapshot, waits),
    ...running.flatMap(
      (attempt) => ofAttempt(attempt, { input, waits, events, want: (object) => wanted.push(object) }) ?? [],
    ),
  ];
  return {
    stuck: found.sort((a, b) => SEVERITY.indexOf(a.reason) - SEVERITY.indexOf(b.reason)),
    eventsWanted: wanted.slice(0, MAX_EVENTS_WANTED),
    wakeInMs: waits.soonestMs,
  };
}

function speak(reason: StuckReason, object: string, words: string, advice = ADVICE[reason]): Stuck {
  const said = cut(
    words
      .replace(/\s+/g, ' ')
      .trim()
      .replace(/[.;:]$/, ''),
    MAX_QUOTE,
  );
  return { reason, message: `${object}: ${said}: ${advice}` };
}

/** Kubernetes' own: they go without anybody's help. */
const KNOWN_FINALIZERS = ['foregroundDeletion', 'orphan', 'batch.kubernetes.io/job-tracking'];

function ofSweep({ object, snapshot, queueMissing, sweep }: StuckInput, waits: Waits): Stuck[] {
  const stuck: Stuck[] = [];
  const held = heldBy(object.metadata, waits);
  if (held) stuck.push(speak('Terminating', `Sweep ${object.metadata.name}`, held));
  const queue = missingQueue(sweep, snapshot, queueMissing);
  return queue ? [...stuck, queue] : stuck;
}

/** Jobs wait for a queue that is not there. Without Kueue they do not even wait. */
function missingQueue({ sweep, namespace }: ClusterSweep, { running }: Snapshot, missing: QueueMissing | undefined) {
  const object = `LocalQueue ${sweep.spec.trainer.queueName}`;
  if (missing === 'Kueue') return speak('QueueNotFound', object, NO_KUEUE, NO_KUEUE_ADVICE);
  const isAwaited = missing !== undefined && [...running.values()].some(({ state }) => state === 'Queued');
  return isAwaited ? speak('QueueNotFound', object, `not in namespace ${namespace}`) : undefined;
}

const NO_KUEUE = 'the cluster has no Kueue (kueue.x-k8s.io/v1beta1 is not served), so that no Job waits in a queue';
const NO_KUEUE_ADVICE = 'install Kueue, or create a new Sweep without spec.trainer.queueName';

/** By whom an object that is being deleted is held, once that has lasted. */
function heldBy({ uid, deletionTimestamp, finalizers = [] }: ObjectMeta, waits: Waits): string | undefined {
  const foreign = finalizers.filter((name) => !KNOWN_FINALIZERS.includes(name));
  if (deletionTimestamp === undefined || !waits.passed(`terminating/${uid}`, SILENCE_MS)) return undefined;
  if (foreign.length > 0) return `being deleted, but held by the finalizer ${foreign.join(', ')}`;
  return undefined;
}

/** Of refusals of the same kind the lowest trial's speaks for all: they have one cause. */
function ofRefusals(refusals: readonly Refusal[], waits: Waits): Stuck[] {
  return refusals
    .toSorted((a, b) => a.trial - b.trial)
    .flatMap((refusal) => {
      const object = `Job of trial ${refusal.trial}`;
      const reason = explainJobRefusal(refusal);
      if (reason) return [speak(reason, object, refusal.message)];
      // What passes by itself has passed by then, as a rule; a timeout has lasted already.
      const lasts = waits.passed('passing', NO_POD_MS) || refusal.reason === 'Timeout';
      return lasts ? [speak('NoProgress', object, refusal.message, PASSING_ADVICE)] : [];
    });
}

const PASSING_ADVICE = 'it is tried again; see what keeps the API server, its webhooks or its quotas from an answer';

/** A Job that stays: it holds its name, and if its trial was stopped its GPU as well. */
function ofUndeleted({ job, ...answer }: Undeleted): Stuck {
  const reason = explainJobRefusal(answer);
  const known = reason === 'Forbidden' || reason === 'AdmissionUnavailable' ? reason : 'NoProgress';
  const advice = known === 'NoProgress' ? 'it is tried again; delete it by hand, or see who refuses' : ADVICE[known];
  return speak(known, `Job ${job}`, `cannot be deleted: ${answer.message}`, advice);
}

function ofSnapshot({ collisions, damaged, lost, terminating }: Snapshot, waits: Waits): Stuck[] {
  return [
    ...collisions.map(({ trial, job }) =>
      speak('NameCollision', `Job ${job.metadata.name}`, `has the name that trial ${trial} needs, and is not ours`),
    ),
    ...damaged.map(({ slice, position, trial, message }) =>
      speak(
        'NoProgress',
        `TrialResultSlice ${slice}`,
        `record ${position}${trial === undefined ? '' : ` (trial ${trial})`} cannot be read: ${message}`,
        'a newer cnn-sweep may have written it; its trial neither runs nor counts',
      ),
    ),
    ...terminating.flatMap((job) => {
      const held = heldBy(job.metadata, waits);
      return held ? [speak('Terminating', `Job ${job.metadata.name}`, held)] : [];
    }),
    ...[...lost].map(([trial, { jobName }]) =>
      speak('Lost', `Job ${jobName}`, `vanished before the result of trial ${trial} was recorded`),
    ),
  ];
}

interface Context {
  readonly input: StuckInput;
  readonly waits: Waits;
  readonly events: ReadonlyMap<string, readonly EventObject[]>;
  readonly want: (object: EventsWanted) => void;
}

/** What holds one attempt up: the first that speaks of its Job, else of its Pods. */
function ofAttempt({ job, pods, podsSeen, state }: RunningAttempt, context: Context): Stuck | undefined {
  if (state === 'Queued') return ofSuspended(job, context);
  // Pods that are over hold nothing up; that neither another one nor the Job's end comes does.
  const live = pods.filter((pod) => !isDone(pod));
  if (live.length === 0) {
    const silence = pods.length === 0 ? 'has no Pod' : 'its Pod is over, and neither another one nor its end has come';
    return state === 'Terminating' ? undefined : ofJobWithoutPod(job, { podsSeen, silence }, context);
  }
  for (const pod of live) {
    const stuck = ofPod(pod, context);
    if (stuck) return stuck;
  }
  return undefined;
}

/** Kueue suspends what waits in its queue; without one a person did. */
function ofSuspended({ metadata: { name, uid } }: Job, { input, waits }: Context): Stuck | undefined {
  if (input.sweep.sweep.spec.trainer.queueName !== undefined) return undefined;
  if (!waits.passed(`stuck/${uid}/Suspended`, BLINK_MS)) return undefined;
  return speak('NoProgress', `Job ${name}`, 'somebody suspended it', 'set its spec.suspend to false, or delete it');
}

function ofJobWithoutPod(
  { metadata: { name, uid } }: Job,
  { podsSeen, silence }: { readonly podsSeen: number; readonly silence: string },
  context: Context,
): Stuck | undefined {
  const { waits, events, want } = context;
  const key = `jobWithoutPod/${uid}/${podsSeen}`;
  if (!waits.passed(key, NO_POD_MS)) return undefined;
  want({ kind: 'Job', name, uid });
  const refused = events.get(uid)?.find(({ reason }) => reason === 'FailedCreate');
  if (refused)
    return speak(explainPodRefusal(refused.message ?? ''), `Job ${name}`, refused.message ?? 'no Pod could be created');
  if (!waits.passed(key, SILENCE_MS)) return undefined;
  return speak(
    'NoProgress',
    `Job ${name}`,
    `${silence}, and no event says why`,
    'see whether kube-controller-manager runs',
  );
}

function ofPod(pod: Pod, { waits, events, want }: Context): Stuck | undefined {
  const { name, uid, deletionTimestamp } = pod.metadata;
  const object = `Pod ${name}`;
  const lasts = (reason: StuckReason, ms: number) => waits.passed(`stuck/${uid}/${reason}`, ms);
  const onNode = pod.spec?.nodeName === undefined ? '' : ` on node ${pod.spec.nodeName}`;
  if (deletionTimestamp !== undefined) {
    if (!waits.passed(`terminating/${uid}`, SILENCE_MS)) return undefined;
    const words = heldBy(pod.metadata, waits) ?? `being deleted${onNode}, but does not end`;
    return speak('Terminating', object, words, 'bring the node back, or delete the Pod with --force');
  }
  if (!isScheduled(pod)) return unscheduled(pod, lasts);

  const state = trainerOf(pod)?.state;
  if (state?.running || state?.terminated) {
    const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
    const silent = state.running && ready !== undefined && ready.status !== 'True';
    const words = `its container runs${onNode}, but the node does not answer`;
    return silent && lasts('NoProgress', BLINK_MS)
      ? speak('NoProgress', object, words, 'it goes on or is replaced as the node comes back or is removed')
      : undefined;
  }
  return waiting(pod, { waits, events, want }, lasts);
}

type Lasts = (reason: StuckReason, ms: number) => boolean;

function unscheduled(pod: Pod, lasts: Lasts): Stuck | undefined {
  const object = `Pod ${pod.metadata.name}`;
  const condition = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (!condition) {
    return lasts('Unschedulable', SILENCE_MS)
      ? speak('Unschedulable', object, 'no scheduler has looked at it', 'see whether kube-scheduler runs')
      : undefined;
  }
  const words = condition.message ?? condition.reason ?? 'not scheduled';
  const reason = whyUnschedulable(words);
  return lasts(reason, SCHEDULING_MS) ? speak(reason, object, words) : undefined;
}

/** From the scheduler's words: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. */
function whyUnschedulable(words: string): StuckReason {
  if (
    /persistentvolumeclaim "[^"]*" (not found|is being deleted)|unbound immediate PersistentVolumeClaims/i.test(words)
  )
    return 'DataVolumeNotFound';
  return /Insufficient [-\w.]+\/\S+/.test(words) ? 'InsufficientGPU' : 'Unschedulable';
}

/** What the kubelet says of a container that it cannot start. The short and the long word of one failure alternate. */
const WAITING: Readonly<Record<string, StuckReason>> = {
  ErrImagePull: 'ImagePullFailed',
  ImagePullBackOff: 'ImagePullFailed',
  ImageInspectError: 'ImagePullFailed',
  RegistryUnavailable: 'ImagePullFailed',
  SignatureValidationFailed: 'ImagePullFailed',
  InvalidImageName: 'ImagePullFailed',
  ErrImageNeverPull: 'ImagePullFailed',
  CreateContainerConfigError: 'ContainerConfigInvalid',
  CreateContainerError: 'ContainerConfigInvalid',
  RunContainerError: 'ContainerConfigInvalid',
};

/** Failures that show in Events alone. */
const BEFORE_CONTAINER: Readonly<Record<string, StuckReason>> = {
  FailedMount: 'DataVolumeNotFound',
  FailedAttachVolume: 'DataVolumeNotFound',
  FailedCreatePodSandBox: 'ContainerConfigInvalid',
};

/** A Pod that has a node, and whose container has not begun. */
function waiting(pod: Pod, { waits, events, want }: Omit<Context, 'input'>, lasts: Lasts): Stuck | undefined {
  const { name, uid } = pod.metadata;
  const object = `Pod ${name}`;
  const { reason: word = 'ContainerCreating', message } = trainerOf(pod)?.state?.waiting ?? {};
  const reason = Object.hasOwn(WAITING, word) ? WAITING[word] : undefined;
  if (reason) return lasts(reason, BLINK_MS) ? speak(reason, object, message ?? word) : undefined;
  if (!waits.passed(`creating/${uid}`, NO_POD_MS)) return undefined;
  want({ kind: 'Pod', name, uid });
  for (const event of events.get(uid) ?? []) {
    const failure = Object.hasOwn(BEFORE_CONTAINER, event.reason ?? '')
      ? BEFORE_CONTAINER[event.reason ?? '']
      : undefined;
    if (failure) return speak(failure, object, event.message ?? event.reason ?? '');
  }
  if (!waits.passed(`creating/${uid}`, CREATING_MS)) return undefined;
  return speak('NoProgress', object, `${word} for more than five minutes`);
}

/** By the object that they are of, the latest first. */
function groupEvents(events: readonly EventObject[]): Map<string, EventObject[]> {
  const groups = Map.groupBy(events, ({ involvedObject }) => involvedObject?.uid ?? '');
  for (const group of groups.values()) {
    group.sort((a, b) => ((a.lastTimestamp ?? '') < (b.lastTimestamp ?? '') ? 1 : -1));
  }
  return groups;
}
