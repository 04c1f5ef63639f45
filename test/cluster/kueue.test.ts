import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { Condition, SweepStatus } from '../../src/sweep/status.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { established } from './established.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

/** As much of Kueue's kind as is asked for. */
const LOCAL_QUEUES = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'localqueues.kueue.x-k8s.io',
    // Groups of Kubernetes' own are protected.
    annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' },
  },
  spec: {
    group: 'kueue.x-k8s.io',
    names: { kind: 'LocalQueue', plural: 'localqueues', singular: 'localqueue' },
    scope: 'Namespaced',
    versions: [{ name: 'v1beta1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
  },
};

const sweep = (name: string, queueName: string) =>
  JSON.stringify({
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    metadata: { name },
    spec: { grid: [{ widths: [[3]] }], trainer: { queueName } },
  });

describe('with --kueue', { ...options, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let controller: RunningController;

  before(async () => {
    cluster = await startControlPlane();
    await installKinds(cluster);
    controller = await startController(cluster.kubeconfig, ['--kueue']);
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (cluster as Cluster | undefined)?.stop();
  });

  const degraded = (name: string, reason: string, ms: number) =>
    until(
      async (): Promise<Condition | undefined> => {
        const object = JSON.parse(await cluster.kubectl('get', 'sweep', name, '--output=json'));
        const { conditions } = (object.status ?? { conditions: [] }) as SweepStatus;
        return conditions.find((each) => each.type === 'Degraded' && each.reason === reason);
      },
      `Degraded ${reason} of ${name}`,
      ms,
    );
  /** What Kueue's webhook does to a Job with its label. */
  const suspendJobs = async (name: string, suspend: boolean) => {
    const selector = `--selector=cnn-sweep.dev/sweep=${name}`;
    const job = await until(
      async () => (await cluster.kubectl('get', 'jobs', selector, '--output=name')).trim() || undefined,
      'a Job',
      20_000,
    );
    await cluster.kubectl('patch', job, '--type=merge', '--patch', JSON.stringify({ spec: { suspend } }));
  };

  test('without Kueue a sweep says that no Job of it waits in a queue', async () => {
    await cluster.apply(sweep('without', 'gpus'));
    const { status, message } = await degraded('without', 'QueueNotFound', 30_000);
    assert.equal(status, 'True');
    assert.equal(
      message,
      'LocalQueue gpus: the cluster has no Kueue (kueue.x-k8s.io/v1beta1 is not served), so that no Job waits in a queue: ' +
        'install Kueue, or create a new Sweep without spec.trainer.queueName',
    );
    await suspendJobs('without', true);
  });

  test('a queue that does not exist is named at once, and within a minute it is seen to be there', async () => {
    await cluster.apply(JSON.stringify(LOCAL_QUEUES));
    await established(cluster);
    await cluster.apply(sweep('with', 'gpus'));
    await suspendJobs('with', true);
    const { message } = await degraded('with', 'QueueNotFound', 30_000);
    assert.equal(
      message,
      'LocalQueue gpus: not in namespace default: create the LocalQueue, or a new Sweep with another spec.trainer.queueName',
    );
    const queue = { apiVersion: 'kueue.x-k8s.io/v1beta1', kind: 'LocalQueue', metadata: { name: 'gpus' } };
    await cluster.apply(JSON.stringify(queue));
    await degraded('with', 'AsExpected', 70_000);
    // Installed meanwhile: so does the other.
    await degraded('without', 'AsExpected', 70_000);
  });

  test('it is asked for once a minute, however often the sweep has a turn', async () => {
    const asked = async () => (await requestsFor('localqueues')).length;
    const before = await asked();
    for (const suspend of [false, true, false, true]) await suspendJobs('with', suspend);
    assert.ok((await asked()) - before <= 2, `${(await asked()) - before} times`);
  });

  test('a sweep that names none asks for none', async () => {
    const before = (await requestsFor('localqueues')).length;
    const plain = JSON.parse(sweep('plain', 'x'));
    delete plain.spec.trainer.queueName;
    await cluster.apply(JSON.stringify(plain));
    await degraded('plain', 'AsExpected', 30_000);
    const others = (await requestsFor('localqueues')).slice(before);
    assert.deepEqual(
      others.filter(({ name }) => name !== 'gpus'),
      [],
    );
  });

  async function requestsFor(resource: string): Promise<{ name?: string }[]> {
    const lines = (await readFile(cluster.api.auditLog, 'utf8')).trim().split('\n');
    return lines
      .map((line) => JSON.parse(line))
      .filter(({ verb, userAgent, objectRef }) => {
        return verb === 'get' && userAgent === 'cnn-sweep' && objectRef?.resource === resource;
      })
      .map(({ objectRef }) => objectRef);
  }
});
