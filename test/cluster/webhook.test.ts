import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
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
const webhookAt = (port: number) => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'others' },
  webhooks: [
    {
      name: 'jobs.others.example',
      clientConfig: { url: `https://127.0.0.1:${port}/` },
      rules: [{ operations: ['CREATE'], apiGroups: ['batch'], apiVersions: ['v1'], resources: ['jobs'] }],
      failurePolicy: 'Fail',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      // `timeoutSeconds` is 10 where nobody says otherwise.
    },
  ],
});

describe('K23: a webhook of others', { ...options, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let controller: RunningController;
  let silent: Server;
  const sockets = new Set<Socket>();

  before(async () => {
    cluster = await startControlPlane();
    await installKinds(cluster);
    controller = await startController(cluster.kubeconfig);
    // Takes connections and never says a word.
    silent = createServer((socket) => void sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
    await once(silent, 'listening');
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (cluster as Cluster | undefined)?.stop();
    for (const socket of sockets) socket.destroy();
    silent?.close();
  });

  const rows: Record<string, { port: () => number; says: RegExp }> = {
    'that is dead is named within a minute': { port: () => 1, says: /connect: connection refused/ },
    'that does not answer is named within a minute': {
      port: () => (silent.address() as AddressInfo).port,
      says: /context deadline exceeded|Timeout exceeded|TLS handshake timeout/,
    },
  };
  for (const [number, [sentence, { port, says }]] of Object.entries(rows).entries()) {
    test(`${sentence}, and its end is noticed`, async () => {
      const name = `study${number}`;
      await cluster.apply(JSON.stringify(webhookAt(port())));
      // The API server learns of it a moment later.
      await until(async () => (await wouldAsk()) || undefined, 'the API server asks it', 30_000);
      await cluster.apply(sweepOf(name));
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
    assert.ok(creates.length <= 2 * (25 + 30 + 4), `${creates.length} creates`);
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
      .kubectl('create', 'job', 'probe', '--image=x', '--dry-run=server', '--request-timeout=20s')
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
