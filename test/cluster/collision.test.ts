import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SweepStatus } from '../../src/sweep/status.ts';
import { type AnyCluster, missingCluster, openAnyCluster } from './any-cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';

const missing = await missingCluster();
const options = missing === undefined ? {} : { skip: missing };

describe('K28: a foreign Job of our name', { ...options, timeout: 180_000 }, () => {
  let cluster: AnyCluster;
  let controller: RunningController;
  let name: string;

  before(async () => {
    cluster = await openAnyCluster();
    await installKinds(cluster);
    controller = await startController(cluster.kubeconfig);
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (cluster as AnyCluster | undefined)?.kubectl('delete', 'sweep', 'study', '--ignore-not-found');
    await (cluster as AnyCluster | undefined)?.stop();
  });

  const degraded = (want: string) =>
    until(
      async () => {
        const object = JSON.parse(await cluster.kubectl('get', 'sweep', 'study', '--output=json'));
        const { conditions } = (object.status ?? { conditions: [] }) as SweepStatus;
        return conditions.find(({ type, reason }) => type === 'Degraded' && reason === want);
      },
      `Degraded ${want}`,
      40_000,
    );
  const jobs = async () =>
    (await cluster.kubectl('get', 'jobs', '--selector=cnn-sweep.dev/sweep=study', '--output=name')).trim().split('\n');

  test('is named and left alone, and the other trials start at once', async () => {
    const spec = { grid: [{ widths: [[3], [4], [5]] }], suspend: true };
    const sweep = { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: { name: 'study' }, spec };
    await cluster.apply(JSON.stringify(sweep));
    const uid = await cluster.kubectl('get', 'sweep', 'study', '--output=jsonpath={.metadata.uid}');
    name = `study-${uid.slice(0, 6)}-0`;
    await cluster.kubectl('create', 'job', name, '--image=x');
    const version = ['get', 'job', name, '--output=jsonpath={.metadata.resourceVersion}'];
    const before = await cluster.kubectl(...version);
    await cluster.kubectl('patch', 'sweep', 'study', '--type=merge', '--patch', '{"spec":{"suspend":false}}');
    await until(async () => ((await jobs()).length === 2 ? true : undefined), 'the Jobs of two trials', 10_000);
    const { message } = await degraded('NameCollision');
    assert.equal(
      message,
      `Job ${name}: has the name that trial 0 needs, and is not ours: ` +
        'delete that Job if nobody needs it, or create the Sweep under another name',
    );
    assert.equal(await cluster.kubectl(...version), before);
  });

  test('that is gone is replaced by ours', async () => {
    await cluster.kubectl('delete', 'job', name);
    await until(async () => ((await jobs()).includes(`job.batch/${name}`) ? true : undefined), 'our Job', 40_000);
  });
});
