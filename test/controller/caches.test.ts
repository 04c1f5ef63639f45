import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCaches } from '../../src/controller/caches.ts';
import { openCluster } from '../../src/shared/calls.ts';
import { SWEEP_UID_LABEL } from '../../src/shared/labels.ts';
import { FakeApiServer } from '../fakes/api-server.ts';
import type { JsonObject } from '../fakes/patches.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

test('a turn reads what stands beside its Sweep: Pods and slices of another namespace that name it are not read', async (t) => {
  const timers = new VirtualClock();
  const server = new FakeApiServer({ timers });
  const create = (plural: string, namespace: string, name: string, object: JsonObject = {}) =>
    server.store.create({ plural, namespace, name }, object).metadata;
  const { uid } = create('sweeps', 'mine', 'study', { spec: {} });
  const owned = (kind: string, owner: string) => ({
    labels: { [SWEEP_UID_LABEL]: uid },
    ownerReferences: [{ apiVersion: 'v1', kind, name: 'any', uid: owner, controller: true }],
  });
  for (const namespace of ['mine', 'theirs']) {
    const job = create('jobs', namespace, 'study-0-r1', { metadata: owned('Sweep', uid) });
    create('pods', namespace, 'study-0-r1-pod', { metadata: owned('Job', job.uid) });
    create('trialresultslices', namespace, 'study-s0', { metadata: owned('Sweep', uid), slice: 0 });
  }
  const caches = openCaches({
    cluster: openCluster(server.wire(), { timers, random: () => 0.5 }),
    namespaces: undefined,
    onChange: () => undefined,
    onGone: () => undefined,
    onProblem: ({ error }) => assert.fail(`${error}`),
    ...{ timers, random: () => 0.5 },
  });
  t.after(() => caches.stop());
  await timers.advance(10);
  assert.ok(caches.isSynced);
  const [sweep] = caches.sweeps.byIndex(uid);
  const { jobs, pods, slices } = caches.read(sweep?.metadata ?? assert.fail(), new Set());
  for (const [kind, objects] of Object.entries({ jobs, pods, slices })) {
    assert.deepEqual(objects.map(({ metadata }) => metadata.namespace), ['mine'], kind); // biome-ignore format: one line
  }
});
