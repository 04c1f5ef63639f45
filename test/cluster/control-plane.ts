import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { Agent, fetch } from 'undici';
import type { Box } from './box.ts';
import { Part } from './part.ts';
import { programPath } from './programs.ts';

/** Where the API server answers, and who may ask it. */
export interface ApiServer {
  readonly url: string;
  /** Its certificate, which it signed itself: also the authority to trust. */
  readonly certificateFile: string;
  readonly auditLog: string;
  /** Where the tests reach etcd, if they do: on loopback. */
  readonly etcdUrl: string;
  readonly kubeconfigs: Readonly<Record<User, string>>;
}

/** The programs of the cluster have names of their own, so that the audit log tells them from ours.
 * `alice` has no rights but those that a test gives her.
 */
const USERS = {
  admin: 'system:masters',
  'system:kube-controller-manager': 'system:masters',
  'system:kube-scheduler': 'system:masters',
  'system:node:n1': 'system:nodes',
  'system:kube-proxy': 'system:masters',
  coredns: 'system:masters',
  kwok: 'system:masters',
  alice: 'people',
} as const;
export type User = keyof typeof USERS;

export const PARTS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
export type ControlPlanePart = (typeof PARTS)[number];

/** Of the programs: the last of two counts. */
export type Flags = Partial<Readonly<Record<ControlPlanePart, readonly string[]>>>;

/** In its certificate whatever address it is reached by. */
const SERVER_NAME = 'kubernetes.default.svc';

const AUDIT_POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata}
`;

export interface ControlPlane {
  readonly api: ApiServer;
  readonly parts: Readonly<Record<ControlPlanePart, Part>>;
}

/** Real etcd, API server, controller manager and scheduler; ready in some seconds.
 * @param advertise the node's address, where Pods reach the API server; absent: no node
 */
export async function startControlPlane(
  box: Box,
  folder: string,
  {
    advertise,
    parts: wanted = PARTS,
    flags = {},
  }: { advertise?: string; parts?: readonly ControlPlanePart[]; flags?: Flags },
  onStarting: (parts: ControlPlane['parts']) => void,
): Promise<ControlPlane> {
  const certificates = path.join(folder, 'certificates');
  await mkdir(certificates, { recursive: true });
  const [client, peer, secure] = advertise ? [2379, 2380, 6443] : await freePorts(3);
  const url = `https://${box.address}:${secure}`;
  const auditLog = path.join(folder, 'audit.log');
  const [privateKey, publicKey] = [
    path.join(folder, 'service-accounts.key'),
    path.join(folder, 'service-accounts.pub'),
  ];
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(privateKey, pair.privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  await writeFile(publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(path.join(folder, 'audit-policy.yaml'), AUDIT_POLICY);
  const tokens = Object.fromEntries(Object.keys(USERS).map((user) => [user, randomBytes(16).toString('hex')]));
  await writeFile(
    path.join(folder, 'tokens.csv'),
    Object.entries(USERS)
      .map(([user, group]) => `${tokens[user]},${user},${user},${group}\n`)
      .join(''),
    { mode: 0o600 },
  );
  const certificateFile = path.join(certificates, 'apiserver.crt');
  const kubeconfigs: Record<string, string> = {};
  for (const user of Object.keys(USERS)) {
    const file = path.join(folder, `${user.replaceAll(':', '-')}.kubeconfig`);
    // Programs in the box reach the server on loopback, which is not on anybody else's machine.
    const server = user === 'admin' || user === 'alice' ? url : `https://127.0.0.1:${secure}`;
    await writeFile(file, kubeconfig(server, certificateFile, user, `${tokens[user]}`), { mode: 0o600 });
    kubeconfigs[user] = file;
  }

  const admin = { url, certificateFile, token: `${tokens.admin}` };
  const part = async (name: ControlPlanePart, args: readonly string[], ready: () => Promise<boolean>) =>
    new Part(box, {
      name,
      command: [await programPath(name), ...args, ...(flags[name] ?? [])],
      ready,
      logFile: path.join(folder, `${name}.log`),
    });
  const etcdUrl = `http://127.0.0.1:${client}`;
  const parts = {
    etcd: await part(
      'etcd',
      [
        `--data-dir=${path.join(folder, 'etcd')}`,
        `--listen-client-urls=${etcdUrl}`,
        `--advertise-client-urls=${etcdUrl}`,
        `--listen-peer-urls=http://127.0.0.1:${peer}`,
        '--unsafe-no-fsync', // these clusters do not outlive their tests
        '--log-level=error',
      ],
      // The API server waits for it by itself, and the tests cannot always reach it.
      async () => true,
    ),
    'kube-apiserver': await part(
      'kube-apiserver',
      [
        `--etcd-servers=${etcdUrl}`,
        `--secure-port=${secure}`,
        `--cert-dir=${certificates}`,
        ...(advertise
          ? ['--bind-address=0.0.0.0', `--advertise-address=${advertise}`]
          : ['--bind-address=127.0.0.1', '--endpoint-reconciler-type=none']),
        `--service-account-key-file=${publicKey}`,
        `--service-account-signing-key-file=${privateKey}`,
        '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
        `--token-auth-file=${path.join(folder, 'tokens.csv')}`,
        '--authorization-mode=Node,RBAC',
        '--service-cluster-ip-range=10.99.0.0/16',
        '--kubelet-preferred-address-types=InternalIP',
        '--allow-privileged=true',
        `--audit-policy-file=${path.join(folder, 'audit-policy.yaml')}`,
        `--audit-log-path=${auditLog}`,
        '--audit-log-mode=blocking', // what a test reads there is all that happened
      ],
      () => isReady(admin),
    ),
    'kube-controller-manager': await part(
      'kube-controller-manager',
      [
        `--kubeconfig=${kubeconfigs['system:kube-controller-manager']}`,
        `--service-account-private-key-file=${privateKey}`,
        `--root-ca-file=${certificateFile}`,
        '--leader-elect=false',
        // The default of 20 a second would limit the Jobs, and not what is tested.
        '--kube-api-qps=200',
        '--kube-api-burst=400',
        '--secure-port=0',
      ],
      async () => true,
    ),
    'kube-scheduler': await part(
      'kube-scheduler',
      [
        `--kubeconfig=${kubeconfigs['system:kube-scheduler']}`,
        '--leader-elect=false',
        '--kube-api-qps=200',
        '--kube-api-burst=400',
        '--secure-port=0',
      ],
      async () => true,
    ),
  };
  onStarting(parts);
  for (const name of PARTS) if (wanted.includes(name)) await parts[name].start();
  return {
    api: { url, certificateFile, auditLog, etcdUrl, kubeconfigs: kubeconfigs as ApiServer['kubeconfigs'] },
    parts,
  };
}

async function isReady({ url, certificateFile, token }: { url: string; certificateFile: string; token: string }) {
  const ca = await readFile(certificateFile, 'utf8');
  const dispatcher = new Agent({ connect: { ca, servername: SERVER_NAME } });
  try {
    const answer = await fetch(`${url}/readyz`, { dispatcher, headers: { authorization: `Bearer ${token}` } });
    return answer.ok;
  } finally {
    await dispatcher.destroy();
  }
}

function kubeconfig(server: string, certificateFile: string, user: string, token: string): string {
  const name = 'cnn-sweep-test';
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority': certificateFile, 'tls-server-name': SERVER_NAME } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name, context: { cluster: name, user, namespace: 'default' } }],
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.once('listening', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          }),
        ),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
