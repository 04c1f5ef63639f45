import {
  choiceFlag,
  namespacesFlag,
  numberFlag,
  presetFlag as preset,
  readFlags,
  textFlag as text,
} from '../shared/flags.ts';
import { InvalidConfigError } from '../sweep/errors.ts';

export const AUTH_MODES = ['loopback', 'token', 'proxy'] as const;
/** Who may read: whoever reaches 127.0.0.1 · whoever has a token and the right to list Sweeps · whom a proxy names, over mTLS. */
export type AuthMode = (typeof AUTH_MODES)[number];

/** Who connects, and whom it believes. */
export interface NatsFlags {
  readonly url: string;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  /** PEM; absent: the system's authorities. */
  readonly caFile: string | undefined;
}

/** A certificate of our own, and the authority that the proxy's certificate must come from. */
export interface TlsFlags {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | undefined;
}

/** What the dashboard's command line says. */
export interface Flags {
  /** Absent: the namespace of the kubeconfig's context, in a Pod its own. `*`: all. */
  readonly namespaces: readonly string[] | '*' | undefined;
  readonly authMode: AuthMode;
  readonly host: string;
  readonly port: number;
  /** Of `/metrics`, `/healthz` and `/readyz`. */
  readonly opsHost: string;
  readonly opsPort: number;
  /** Built by vite; absent: dist/page beside the sources. */
  readonly pageFolder: string | undefined;
  /** Absent: no curves while a trial runs. */
  readonly nats: NatsFlags | undefined;
  readonly tls: TlsFlags | undefined;
  readonly faro: {
    readonly enabled: boolean;
    readonly forwardUrl: string | undefined;
    readonly keyFile: string | undefined;
  };
}

const OPTIONS = {
  namespaces: text,
  'auth-mode': preset('loopback'),
  host: preset('127.0.0.1'),
  port: preset('8080'),
  'ops-host': preset('0.0.0.0'),
  'ops-port': preset('9090'),
  'page-folder': text,
  'nats-url': text,
  'nats-user': text,
  'nats-password-file': text,
  'nats-ca-file': text,
  'tls-cert-file': text,
  'tls-key-file': text,
  'client-ca-file': text,
  'no-faro': { type: 'boolean', default: false },
  'faro-forward-url': text,
  'faro-key-file': text,
} as const;

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/** @throws InvalidConfigError naming the flag, its value and what is allowed */
export function parseFlags(args: readonly string[]): Flags {
  const values = readFlags(args, OPTIONS);
  const authMode = choiceFlag('auth-mode', values['auth-mode'], AUTH_MODES);
  if (authMode === 'loopback' && !LOOPBACK.includes(values.host)) {
    throw new InvalidConfigError(`--host: "${values.host}": with --auth-mode=loopback expected ${LOOPBACK.join(', ')}`);
  }
  const tls = tlsOf(values['tls-cert-file'], values['tls-key-file'], values['client-ca-file']);
  if (authMode === 'proxy' && tls?.clientCaFile === undefined) {
    throw new InvalidConfigError('--client-ca-file: missing; a proxy is believed over mTLS only');
  }
  const url = values['nats-url'];
  return {
    namespaces: namespacesFlag(values.namespaces),
    authMode,
    host: values.host,
    port: numberFlag('port', values.port),
    opsHost: values['ops-host'],
    opsPort: numberFlag('ops-port', values['ops-port']),
    pageFolder: values['page-folder'],
    nats: url === undefined ? undefined : { url, ...natsOf(values) },
    tls,
    faro: {
      enabled: !values['no-faro'],
      forwardUrl: values['faro-forward-url'],
      keyFile: values['faro-key-file'],
    },
  };
}

function natsOf(values: { [flag in 'nats-user' | 'nats-password-file' | 'nats-ca-file']?: string | undefined }) {
  return { user: values['nats-user'], passwordFile: values['nats-password-file'], caFile: values['nats-ca-file'] };
}

function tlsOf(certFile?: string, keyFile?: string, clientCaFile?: string): TlsFlags | undefined {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile, clientCaFile };
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  throw new InvalidConfigError(`--tls-${certFile === undefined ? 'cert' : 'key'}-file: missing`);
}
