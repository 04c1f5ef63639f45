import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

/** Somebody else's webhook that has to be asked before a Job is created, at an address of this machine. */
const webhookAt = (port: number, { timeoutSeconds = 10, caBundle = '' }) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'others' },
  webhooks: [
    {
      name: 'jobs.others.example',
      clientConfig: { url: `https://127.0.0.1:${port}/`, ...(caBundle && { caBundle }) },
      rules: [{ operations: ['CREATE'], apiGroups: ['batch'], apiVersions: ['v1'], resources: ['jobs'] }],
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds,
    },
  ],
});

describe('K23: a webhook of others', { ...options, timeout: 600_000 }, () => {
  let cluster: Cluster;
  let controller: RunningController;
  let silent: Server;
  /** Agrees on a secret, takes the question, and never answers it. */
  let polite: { readonly server: Server; readonly caBundle: string };
  const sockets = new Set<Socket>();

  before(async () => {
    // Takes connections and never says a word.
    const keep = (socket: Socket) => void sockets.add(socket.on('error', () => undefined));
    silent = createServer(keep).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { key, cert } = await selfSigned();
    polite = { server: createTlsServer({ key, cert }, keep), caBundle: Buffer.from(cert).toString('base64') };
    polite.server.listen(0, '127.0.0.1');
    await once(polite.server, 'listening');
    cluster = await startControlPlane();
    await installKinds(cluster);
    controller = await startController(cluster.kubeconfig);
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (cluster as Cluster | undefined)?.stop();
    for (const socket of sockets) socket.destroy();
    silent.close();
    polite.server.close();
  });

  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  const rows: Record<string, { webhook: () => ReturnType<typeof webhookAt>; before?: RegExp; says: RegExp }> = {
    'that is dead is named within a minute': {
      webhook: () => webhookAt(1, {}),
      says: /connect: connection refused/,
    },
    'that does not answer is named within a minute': {
      webhook: () => webhookAt(portOf(silent), {}),
      says: /context deadline exceeded|Timeout exceeded|TLS handshake timeout/,
    },
    'that may be silent for longer than we wait is told within a minute, and named by the one Job that waits for it': {
      webhook: () => webhookAt(portOf(polite.server), { timeoutSeconds: 30, caBundle: polite.caBundle }),
      before:
        /^Job of trial \d+: POST .*: no answer in 12 s: it is tried again; see what keeps the API server, its webhooks/,
      says: /context deadline exceeded|Timeout exceeded/,
    },
  };
  for (const [number, [sentence, { webhook, before, says }]] of Object.entries(rows).entries()) {
    test(`${sentence}, and its end is noticed`, async () => {
      const name = `study${number}`;
      await cluster.apply(JSON.stringify(webhook()));
      // The API server learns of it a moment later.
      await until(async () => (await wouldAsk()) || undefined, 'the API server asks it', 30_000);
      await cluster.apply(sweepOf(name));
      if (before) assert.match((await degraded(name, 'NoProgress', 60_000)).message, before);
      const { message } = await degraded(name, 'AdmissionUnavailable', 60_000);
      assert.match(message, /^Job of trial \d+: .*failed calling webhook "jobs\.others\.example"/);
      assert.match(message, says);
      assert.match(message, /: restore that admission webhook or remove its configuration(; and 24 more)?$/);
      await cluster.kubectl('delete', 'validatingwebhookconfiguration', 'others');
      await degraded(name, 'AsExpected', 90_000);
      await until(async () => ((await jobsOf(name)).length === 30 ? true : undefined), 'all Jobs', 30_000);
    });
  }

  test('that is down does not make a hot loop', async () => {
    const lines = (await readFile(cluster.api.auditLog, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const creates = lines.filter(
      ({ verb, userAgent, objectRef }) =>
        verb === 'create' && userAgent === 'cnn-sweep' && objectRef?.resource === 'jobs',
    );
    // A first turn of 25, one that asks first each half minute, and the 30 that are there in the end, for each sweep.
    assert.ok(creates.length <= 3 * (25 + 30 + 4), `${creates.length} creates`);
  });

  const jobsOf = async (name: string) =>
    (await cluster.kubectl('get', 'jobs', `--selector=cnn-sweep.dev/sweep=${name}`, '--output=name'))
      .trim()
      .split('\n');
  const sweepOf = (name: string) =>
    JSON.stringify({
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'Sweep',
      metadata: { name },
      spec: { grid: [{ widths: [[3]], seed: Array.from({ length: 30 }, (_, seed) => seed) }], parallelism: 30 },
    });

  async function wouldAsk(): Promise<boolean> {
    const job = await cluster
      .kubectl('create', 'job', 'probe', '--image=x', '--dry-run=server', '--request-timeout=40s')
      .then(
        () => '',
        (error: Error) => error.message,
      );
    return job.includes('jobs.others.example');
  }

  async function degraded(name: string, reason: string, ms: number): Promise<Condition> {
    return until(
      async () => {
        const object = JSON.parse(await cluster.kubectl('get', 'sweep', name, '--output=json'));
        const { conditions } = (object.status ?? { conditions: [] }) as SweepStatus;
        return conditions.find((each) => each.type === 'Degraded' && each.reason === reason);
      },
      `Degraded ${reason} of ${name}`,
      ms,
    );
  }
});

/** For 127.0.0.1. */
async function selfSigned(): Promise<{ key: string; cert: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-webhook-'));
  try {
    const [key, cert] = [path.join(folder, 'key'), path.join(folder, 'cert')];
    const how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const whose = ['-subj', '/CN=webhook', '-addext', 'subjectAltName=IP:127.0.0.1'];
    await run(['openssl', 'req', '-x509', ...how, ...whose, '-keyout', key, '-out', cert]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}
