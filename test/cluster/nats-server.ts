import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../src/shared/package.ts';
import { at, find, render, type Values } from '../charts/helm.ts';
import { freePort } from '../free-port.ts';
import { openLoopback } from './box.ts';
import { Part } from './part.ts';
import { buildPrograms, programPath } from './programs.ts';

const run = promisify(execFile);

/** A real NATS server, configured as the chart configures it; folders and ports aside. */
export interface ChartNats {
  /** `tls://localhost:…` */
  readonly url: string;
  /** As the chart's Secrets are mounted. */
  readonly passwords: Readonly<Record<'controller' | 'dashboard' | 'sys', string>>;
  readonly calloutFile: string;
  readonly caFile: string;
  readonly passwordFile: (user: 'controller' | 'dashboard') => string;
  /** Of an authority that signed nothing here. */
  readonly wrongCaFile: string;
  readonly part: Part;
  readonly log: () => Promise<string>;
  stop(): Promise<void>;
}

/** Starts it on loopback. @param change of the configuration, for servers that are not the chart's own */
export async function startChartNats({
  values = {},
  change = (text) => text,
  env = {},
}: ChartNatsOptions = {}): Promise<ChartNats> {
  await buildPrograms(['nats-server']);
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-nats-'));
  try {
    return await startIn(folder, { values, change, env });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

export interface ChartNatsOptions {
  /** Of the chart. */
  readonly values?: Values;
  readonly change?: (configuration: string) => string;
  readonly env?: Readonly<Record<string, string>>;
}

async function startIn(folder: string, { values, change, env }: Required<ChartNatsOptions>): Promise<ChartNats> {
  const inside = (...parts: string[]) => path.join(folder, ...parts);
  for (const each of ['nats', 'nats-secrets', 'auth', 'tls', 'data']) await mkdir(inside(each));
  const auth = Object.fromEntries(
    ['controller', 'dashboard', 'sys', 'callout'].map((key) => [key, `n${randomBytes(20).toString('hex')}`]),
  );
  for (const [key, value] of Object.entries(auth)) await writeFile(inside('auth', key), value, { mode: 0o600 });
  await makeAuthority(inside('tls'), 'ca');
  await makeAuthority(inside('tls'), 'wrong');
  await makeCertificate(inside('tls'));

  // The init container's own command.
  const main = path.join(ROOT, 'src/controller/nats-account-main.ts');
  const secrets = inside('nats-secrets/secrets.conf');
  await run(process.execPath, [main, `--auth-folder=${inside('auth')}`, `--out=${secrets}`]);
  const [port, http] = [await freePort(), await freePort()];
  const text = change(await configurationOf(values));
  await writeFile(
    inside('nats/nats.conf'),
    replaced(text, {
      'port: 4222': `host: "127.0.0.1"\nport: ${port}`,
      'http_port: 8222': `http: "127.0.0.1:${http}"`,
      'store_dir: /data': `store_dir: "${inside('data')}"`,
      'cert_file: /tls/tls.crt': `cert_file: "${inside('tls/tls.crt')}"`,
      'key_file: /tls/tls.key': `key_file: "${inside('tls/tls.key')}"`,
      'pid_file: /tmp/nats.pid': `pid_file: "${inside('nats.pid')}"`,
    }),
  );
  const logFile = inside('server.log');
  const part = new Part(openLoopback(), {
    name: 'nats-server',
    command: [await programPath('nats-server'), '--config', inside('nats/nats.conf')],
    env: { POD_NAME: 'cnn-sweep-nats-0', ...env },
    ready: async () => (await fetch(`http://127.0.0.1:${http}/healthz`)).ok,
    logFile,
  });
  await part.start();
  return {
    url: `tls://localhost:${port}`,
    passwords: { controller: `${auth.controller}`, dashboard: `${auth.dashboard}`, sys: `${auth.sys}` },
    calloutFile: inside('auth/callout'),
    caFile: inside('tls/ca.crt'),
    passwordFile: (user) => inside('auth', user),
    wrongCaFile: inside('tls/wrong.crt'),
    part,
    log: () => readFile(logFile, 'utf8'),
    stop: async () => {
      await part.stop('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The ConfigMap that the chart renders. */
export async function configurationOf(values: Values = {}): Promise<string> {
  return String(at(find(await render(values), 'ConfigMap', 'cnn-sweep-nats'), 'data', 'nats.conf'));
}

/** Each of them stands there once, or the test would start something else than the chart does. */
function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((before, [from, to]) => {
    const lines = before.split('\n');
    const at = lines.findIndex((line) => line.trim() === from);
    if (at < 0) throw new Error(`nats.conf has no line "${from}"`);
    return lines.with(at, to).join('\n');
  }, text);
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

async function makeAuthority(folder: string, name: string): Promise<void> {
  const [key, certificate] = [path.join(folder, `${name}.key`), path.join(folder, `${name}.crt`)];
  await run('openssl', [
    'req',
    '-x509',
    ...EC,
    '-keyout',
    key,
    '-out',
    certificate,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  ]);
}

async function makeCertificate(folder: string): Promise<void> {
  const file = (name: string) => path.join(folder, name);
  const names = 'subjectAltName=DNS:localhost';
  await run('openssl', ['req', ...EC, '-keyout', file('tls.key'), '-out', file('tls.csr'), '-subj', '/CN=nats']);
  await writeFile(file('names.cnf'), names);
  const authority = ['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial'];
  const out = ['-out', file('tls.crt'), '-days', '2', '-extfile', file('names.cnf')];
  await run('openssl', ['x509', '-req', '-in', file('tls.csr'), ...authority, ...out]);
}
