import {
  choiceFlag,
  namespacesFlag,
  numberFlag,
  presetFlag as preset,
  readFlags,
  textFlag as text,
} from '../shared/flags.ts';
import { STREAM_BYTES } from '../shared/nats-streams.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import type { TrainerOptions } from './job.ts';

/** What the controller's command line says. */
export interface Flags {
  /** Absent: the namespace of the kubeconfig's context, in a Pod its own. `*`: all. */
  readonly namespaces: readonly string[] | '*' | undefined;
  readonly leaderElect: boolean;
  readonly leaseName: string;
  readonly leaseNamespace: string | undefined;
  readonly identity: string | undefined;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly retryMs: number;
  readonly trainer: TrainerOptions;
  /** LocalQueues may be read: one that a Sweep names and that is not there is said so. */
  readonly kueue: boolean;
  /** Absent: trials tell nobody how they get on. */
  readonly nats: NatsFlags | undefined;
  readonly host: string;
  readonly port: number;
  readonly deleteDelayMs: number;
}

/** Where and as whom the controller connects to NATS. The files may come later, and change. */
export interface NatsFlags {
  readonly url: string;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  /** What the account's key is derived from; absent: we do not vouch for trials. */
  readonly calloutFile: string | undefined;
  /** Of the streams. */
  readonly replicas: number;
  /** Room of each of them. */
  readonly streamBytes: number;
  /** Without the callout: the Secret that trials share. */
  readonly trainerSecret: string | undefined;
  /** Between the two looks that a Sweep must be absent from before what it left there is deleted. */
  readonly purgeDelayMs: number;
}

const OPTIONS = {
  namespaces: text,
  'no-leader-elect': { type: 'boolean', default: false },
  'lease-name': preset('cnn-sweep-controller'),
  'lease-namespace': text,
  identity: text,
  'lease-seconds': preset('15'),
  'renew-seconds': preset('10'),
  'retry-seconds': preset('2'),
  'trainer-image': text,
  'trainer-pull-policy': preset('IfNotPresent'),
  'trainer-service-account': preset('cnn-sweep-trainer'),
  'trainer-limits': preset('{}'),
  'trainer-requests': preset('{}'),
  kueue: { type: 'boolean', default: false },
  'nats-url': text,
  'nats-user': text,
  'nats-password-file': text,
  'nats-ca-file': text,
  'nats-callout-file': text,
  'nats-replicas': preset('1'),
  'nats-stream-bytes': preset(`${STREAM_BYTES}`),
  'nats-purge-delay-seconds': preset('600'),
  'trainer-nats-secret': text,
  host: preset('0.0.0.0'),
  port: preset('9090'),
  'delete-delay-seconds': preset('30'),
} as const;

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;

/** @throws InvalidConfigError naming the flag, its value and what is allowed */
export function parseFlags(args: readonly string[]): Flags {
  const values = readFlags(args, OPTIONS);
  const seconds = (name: keyof typeof values & string) => 1000 * numberFlag(name, values[name]);
  const image = values['trainer-image'];
  if (image === undefined || image === '') throw new InvalidConfigError('--trainer-image: missing');
  const [leaseMs, renewMs, retryMs] = [seconds('lease-seconds'), seconds('renew-seconds'), seconds('retry-seconds')];
  if (!(retryMs < renewMs && renewMs < leaseMs)) {
    throw new InvalidConfigError('--retry-seconds must be below --renew-seconds, and that below --lease-seconds');
  }
  return {
    namespaces: namespacesFlag(values.namespaces),
    leaderElect: !values['no-leader-elect'],
    leaseName: values['lease-name'],
    leaseNamespace: values['lease-namespace'],
    identity: values.identity,
    leaseMs,
    renewMs,
    retryMs,
    trainer: {
      image,
      pullPolicy: choiceFlag('trainer-pull-policy', values['trainer-pull-policy'], PULL_POLICIES),
      serviceAccountName: values['trainer-service-account'],
      limits: quantitiesOf('trainer-limits', values['trainer-limits']),
      requests: quantitiesOf('trainer-requests', values['trainer-requests']),
    },
    kueue: values.kueue,
    nats: natsOf(values),
    host: values.host,
    port: numberFlag('port', values.port),
    deleteDelayMs: seconds('delete-delay-seconds'),
  };
}

const NATS_DETAILS = [
  'nats-user',
  'nats-password-file',
  'nats-ca-file',
  'nats-callout-file',
  'trainer-nats-secret',
] as const;

function natsOf(
  values: { [flag in (typeof NATS_DETAILS)[number] | 'nats-url']?: string | undefined } & {
    [flag in 'nats-replicas' | 'nats-stream-bytes' | 'nats-purge-delay-seconds']: string;
  },
): NatsFlags | undefined {
  const url = values['nats-url'];
  if (url === undefined) {
    const alone = NATS_DETAILS.find((flag) => values[flag] !== undefined);
    if (alone) throw new InvalidConfigError(`--${alone}: needs --nats-url`);
    return undefined;
  }
  if (!/^(tls|nats):\/\/[\w.-]+(:\d+)?$/.test(url)) {
    throw new InvalidConfigError(`--nats-url: ${JSON.stringify(url)}: expected tls://host:4222 or nats://host:4222`);
  }
  const [calloutFile, trainerSecret] = [values['nats-callout-file'], values['trainer-nats-secret']];
  if (calloutFile !== undefined && trainerSecret !== undefined) {
    throw new InvalidConfigError('--nats-callout-file and --trainer-nats-secret: trials use one of the two');
  }
  const replicas = numberFlag('nats-replicas', values['nats-replicas']);
  const streamBytes = numberFlag('nats-stream-bytes', values['nats-stream-bytes']);
  if (!Number.isSafeInteger(streamBytes) || streamBytes === 0) {
    throw new InvalidConfigError(`--nats-stream-bytes: ${streamBytes}: expected whole bytes, 1 or more`);
  }
  const [user, passwordFile, caFile] = [values['nats-user'], values['nats-password-file'], values['nats-ca-file']];
  const purgeDelayMs = 1000 * numberFlag('nats-purge-delay-seconds', values['nats-purge-delay-seconds']);
  return { url, user, passwordFile, caFile, calloutFile, replicas, streamBytes, trainerSecret, purgeDelayMs };
}

/** `{"cpu": "1", "memory": "2Gi"}`. */
function quantitiesOf(name: string, value: string): Record<string, string | number> {
  const problem = `--${name}: ${JSON.stringify(value)}: expected quantities as JSON, {"memory": "2Gi"}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (cause) {
    throw new InvalidConfigError(problem, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new InvalidConfigError(problem);
  return Object.fromEntries(
    Object.entries(parsed).map(([key, quantity]) => {
      if (typeof quantity === 'string' || typeof quantity === 'number') return [key, quantity];
      throw new InvalidConfigError(problem);
    }),
  );
}
