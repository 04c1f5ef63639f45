import {
  choiceFlag,
  namespacesFlag,
  numberFlag,
  presetFlag as preset,
  readFlags,
  textFlag as text,
} from '../shared/flags.ts';
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
  readonly host: string;
  readonly port: number;
  readonly deleteDelayMs: number;
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
    host: values.host,
    port: numberFlag('port', values.port),
    deleteDelayMs: seconds('delete-delay-seconds'),
  };
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
