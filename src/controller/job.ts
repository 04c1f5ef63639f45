import type { Job, ObjectMeta } from '../shared/objects.ts';
import { buildAssignment, encodeAssignment } from '../sweep/assignment.ts';
import { jobName } from '../sweep/names.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import type { ClusterSweep, SweepIdentity } from './cluster-sweep.ts';
import {
  ATTEMPT_LABEL,
  CALLOUT_AUDIENCE,
  HASH_ANNOTATION,
  NATS_CA_ANNOTATION,
  ownerReferenceTo,
  sweepLabels,
  TRIAL_LABEL,
} from './labels.ts';

type Quantities = Readonly<Record<string, string | number>>;

/** What the release decides about every trainer Pod, where the Sweep does not. */
export interface TrainerOptions {
  readonly image: string;
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly serviceAccountName: string;
  readonly pullSecrets?: readonly string[];
  /** For resources that the Sweep names neither as limit nor as request. */
  readonly limits?: Quantities;
  readonly requests?: Quantities;
  /** Where a trial tells how it gets on; undefined: nowhere. */
  readonly nats?: TrainerNats | undefined;
}

export interface TrainerNats {
  readonly url: string;
  /** PEM of the authority to trust, as text: a Pod of another namespace cannot read a Secret of ours. Absent: as the url says. */
  readonly ca?: string | undefined;
  /** Secret of the Sweep's namespace with the `password` of the user `trainer`, whom all trials share. Absent: each presents a token of
   * its own. */
  readonly secretName?: string | undefined;
}

/** At a server that nobody vouches at. */
const SHARED_USER = 'trainer';
const NATS_FOLDER = '/var/run/secrets/cnn-sweep/nats';
/** What a result says of its Pod's UID if nobody told the trainer: the Pod did not exist when its Job was made. */
export const UID_NOT_TOLD = 'pod';
/** What the kubelet takes at least; it writes a new token long before. */
const TOKEN_SECONDS = 600;

/** Name of the container, in the Pod and in the failure policy. */
export const TRAINER_CONTAINER = 'trainer';
const BAD_CONFIGURATION_EXIT = 2;
/** Non-root user of the image. */
const USER = 65_532;
/** Highest attempt that a name has room for. */
export const MAX_ATTEMPT = 99;

export type JobManifest = ReturnType<typeof buildJob>;

/** Builds the Job that runs one attempt at one trial. The same input gives the same Job, so that creating it twice is a conflict.
 * @param attempt from 1
 */
export function buildJob(owner: ClusterSweep, trial: Trial, attempt: number, options: TrainerOptions) {
  const { trainer } = owner.sweep.spec;
  const labels = {
    ...sweepLabels(owner),
    [TRIAL_LABEL]: String(trial.trial),
    // As in the names: a first attempt, which nearly all are, is not said.
    ...(attempt > 1 && { [ATTEMPT_LABEL]: String(attempt) }),
  };
  const assignment = buildAssignment(owner.sweep, trial, { attempt, attemptUID: UID_NOT_TOLD });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName({ sweep: owner.name, sweepUID: owner.uid, trial: trial.trial, attempt }),
      namespace: owner.namespace,
      labels: { ...labels, ...kueueLabels(trainer) },
      annotations: { [HASH_ANNOTATION]: trial.hyperparametersHash },
      ownerReferences: [ownerReferenceTo(owner)],
    },
    spec: {
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: trainer.activeDeadlineSeconds,
      podFailurePolicy: {
        rules: [
          // First that matches: what the cluster takes away is no failure, whatever the exit code.
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          {
            action: 'FailJob',
            onExitCodes: { containerName: TRAINER_CONTAINER, operator: 'In', values: [BAD_CONFIGURATION_EXIT] },
          },
        ],
      },
      template: {
        metadata: {
          // What the policies of the network go by.
          labels: { 'app.kubernetes.io/name': 'cnn-sweep', 'app.kubernetes.io/component': 'trainer', ...labels },
          ...(options.nats?.ca !== undefined && { annotations: { [NATS_CA_ANNOTATION]: options.nats.ca } }),
        },
        spec: buildPodSpec(owner, encodeAssignment(assignment), options),
      },
    },
  };
}

type Trainer = Sweep['spec']['trainer'];

function buildPodSpec({ uid, sweep }: ClusterSweep, assignment: string, options: TrainerOptions) {
  const { trainer } = sweep.spec;
  const { nodeSelector, runtimeClassName, priorityClassName, dataClaim } = trainer;
  const { pullSecrets = [], nats } = options;
  return {
    restartPolicy: 'Never',
    serviceAccountName: options.serviceAccountName,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    ...(pullSecrets.length > 0 && { imagePullSecrets: pullSecrets.map((name) => ({ name })) }),
    ...(nodeSelector && { nodeSelector }),
    ...(runtimeClassName !== undefined && { runtimeClassName }),
    ...(priorityClassName !== undefined && { priorityClassName }),
    tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }, ...(trainer.tolerations ?? [])],
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [buildContainer(trainer, assignment, options, uid)],
    volumes: [
      { name: 'tmp', emptyDir: {} },
      ...(dataClaim === undefined
        ? []
        : [{ name: 'data', persistentVolumeClaim: { claimName: dataClaim, readOnly: true } }]),
      ...(nats ? [natsVolume(nats)] : []),
    ],
  };
}

function buildContainer(trainer: Trainer, assignment: string, options: TrainerOptions, sweepUID: string) {
  const { nats } = options;
  return {
    name: TRAINER_CONTAINER,
    image: trainer.image ?? options.image,
    imagePullPolicy: options.pullPolicy,
    args: [
      // No field of it can hold a $, which the kubelet would expand.
      '--assignment-json',
      assignment,
      '--result',
      '/dev/termination-log',
      ...(nats ? natsArgs(nats, sweepUID) : []),
    ],
    // TensorFlow reads it when it starts; without, `native` would refuse to train on what is a GPU's node.
    ...(trainer.backend === 'native' && { env: [{ name: 'CUDA_VISIBLE_DEVICES', value: '-1' }] }),
    resources: resourcesOf(trainer, options),
    // Who fails without a result is told of by the end of its log. Exit 0 is no failure: its message is a result, or nothing.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...(trainer.dataClaim === undefined ? [] : [{ name: 'data', mountPath: '/data', readOnly: true }]),
      ...(nats ? [{ name: 'nats', mountPath: NATS_FOLDER, readOnly: true }] : []),
    ],
  };
}

/** All that a trial needs to tell how it gets on, in one volume: as whom it comes, its own UID, and whom it trusts. The token is good
 * for the callout alone, and only as long as the Pod lives.
 */
function natsVolume({ secretName, ca }: TrainerNats) {
  const token = { path: 'token', audience: CALLOUT_AUDIENCE, expirationSeconds: TOKEN_SECONDS };
  // Optional: a trial that cannot tell how it gets on trains all the same.
  const credentials =
    secretName === undefined ? { serviceAccountToken: token } : { secret: { name: secretName, optional: true } };
  const items = [
    { path: 'pod-uid', fieldRef: { fieldPath: 'metadata.uid' } },
    ...(ca === undefined
      ? []
      : [{ path: 'ca.crt', fieldRef: { fieldPath: `metadata.annotations['${NATS_CA_ANNOTATION}']` } }]),
  ];
  return { name: 'nats', projected: { sources: [credentials, { downwardAPI: { items } }] } };
}

function natsArgs({ url, ca, secretName }: TrainerNats, sweepUID: string): string[] {
  const credentials =
    secretName === undefined
      ? ['--nats-token-file', `${NATS_FOLDER}/token`]
      : ['--nats-user', SHARED_USER, '--nats-password-file', `${NATS_FOLDER}/password`];
  const authority = ca === undefined ? [] : ['--nats-ca-file', `${NATS_FOLDER}/ca.crt`];
  return [
    ...['--sweep-uid', sweepUID, '--attempt-uid-file', `${NATS_FOLDER}/pod-uid`],
    ...['--nats-url', url, ...credentials, ...authority],
  ];
}

const ONE_GPU: Quantities = { 'nvidia.com/gpu': 1 };

/** A default never meets a value of the same resource: a request above its limit would be refused. */
function resourcesOf({ resources }: Trainer, options: TrainerOptions): { limits: Quantities; requests: Quantities } {
  const limits: Quantities = resources?.limits ?? ONE_GPU;
  const requests: Quantities = resources?.requests ?? {};
  const unnamed = (defaults: Quantities = {}) =>
    Object.entries(defaults).filter(([name]) => !Object.hasOwn(limits, name) && !Object.hasOwn(requests, name));
  return {
    limits: { ...Object.fromEntries(unnamed(options.limits)), ...limits },
    requests: { ...Object.fromEntries(unnamed(options.requests)), ...requests },
  };
}

/** On the Job alone: Kueue queues Jobs here, and would take a labelled Pod for one more thing to queue. */
function kueueLabels({ queueName, kueuePriorityClass, maxExecSeconds }: Trainer): Record<string, string> {
  return {
    ...(queueName !== undefined && { 'kueue.x-k8s.io/queue-name': queueName }),
    ...(kueuePriorityClass !== undefined && { 'kueue.x-k8s.io/priority-class': kueuePriorityClass }),
    ...(maxExecSeconds !== undefined && { 'kueue.x-k8s.io/max-exec-time-seconds': String(maxExecSeconds) }),
  };
}

/** Whether a Job of our name is ours: its owner's UID, the index label and the hyperparameters' hash agree. */
export function isOurs({ metadata }: Job, sweepUID: string, trial: Trial): boolean {
  return (
    isOwnedBy(metadata, sweepUID) &&
    metadata.labels?.[TRIAL_LABEL] === String(trial.trial) &&
    metadata.annotations?.[HASH_ANNOTATION] === trial.hyperparametersHash
  );
}

/** Whether an object belongs to the Sweep, by UID: a Sweep of the same name that was deleted is another one. */
export function isOwnedBy({ ownerReferences = [] }: ObjectMeta, sweepUID: string): boolean {
  return ownerReferences.some(({ kind, uid }) => kind === 'Sweep' && uid === sweepUID);
}

/** Which trial and attempt a Job's name stands for; undefined if it is no name that we would give for this Sweep. A name, unlike a
 * label, cannot be edited.
 */
export function parseJobName(name: string, sweep: SweepIdentity): Attempt | undefined {
  return jobNameReader(sweep)(name);
}

/** The same for many names of one Sweep: a turn reads those of all its Jobs. */
export function jobNameReader({ name: sweep, uid }: SweepIdentity): (name: string) => Attempt | undefined {
  const prefix = jobName({ sweep, sweepUID: uid, trial: 0, attempt: 1 }).slice(0, -1);
  return (name) => {
    if (!name.startsWith(prefix)) return undefined;
    const [, index, retry] = ATTEMPT.exec(name.slice(prefix.length)) ?? [];
    if (index === undefined) return undefined;
    return { trial: Number(index), attempt: retry === undefined ? 1 : Number(retry) };
  };
}

/** 007 and -r1 are spellings that we never use. */
const ATTEMPT = /^(0|[1-9]\d{0,5})(?:-r([2-9]|[1-9]\d))?$/;

export interface Attempt {
  readonly trial: number;
  /** From 1. */
  readonly attempt: number;
}
