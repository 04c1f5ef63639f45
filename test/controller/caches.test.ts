import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCaches } from '../../src/controller/caches.ts';
import { type Cluster, openCluster } from '../../src/shared/calls.ts';
import { SLICES } from '../../src/shared/kinds.ts';
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
    trustMs: 5_000,
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

const UNWRITTEN = { jobsWritten: '0', slicesWritten: '0' };

/** Caches over two Sweeps, `recorded` with a slice and `fresh` without; the slices' first list waits for `release`. */
async function openHeld(change: (real: Cluster) => Partial<Cluster> = () => ({})) {
  const timers = new VirtualClock();
  const server = new FakeApiServer({ timers });
  const create = (plural: string, name: string, object: JsonObject) =>
    server.store.create({ plural, namespace: 'mine', name }, object).metadata;
  const uidOf = (name: string) => create('sweeps', name, { spec: {} }).uid;
  const uids = { fresh: uidOf('fresh'), recorded: uidOf('recorded') };
  const createSlice = (name: string, uid: string) => {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Sweep', name: 'any', uid, controller: true }];
    return create('trialresultslices', name, { metadata: { ownerReferences }, slice: 0 });
  };
  createSlice('recorded-s0', uids.recorded);
  const real = openCluster(server.wire(), { timers, random: () => 0.5 });
  const gate = Promise.withResolvers<void>();
  const list: Cluster['list'] = async (kind, ...rest) => {
    if (kind.plural === SLICES.plural) await gate.promise;
    return real.list(kind, ...rest);
  };
  const changed: string[] = [];
  const problems: unknown[] = [];
  const caches = openCaches({
    cluster: { ...real, list, ...change(real) },
    namespaces: ['mine'],
    onChange: (uid, isSpec) => isSpec || changed.push(uid),
    onGone: () => undefined,
    onProblem: ({ plural, error }) => problems.push(`${plural}: ${(error as Error).message}`),
    trustMs: 5_000,
    ...{ timers, random: () => 0.5 },
  });
  let hasBegun: boolean = false;
  void caches.begun.then(() => {
    hasBegun = true;
  });
  await timers.advance(10);
  const waitsFor = (memory = UNWRITTEN) =>
    Object.entries(uids).flatMap(([name, uid]) => {
      const [sweep] = caches.sweeps.byIndex(uid);
      return sweep && caches.caughtUp(sweep.metadata, memory) ? [] : [name];
    });
  const release = async () => {
    gate.resolve();
    await timers.advance(10);
  };
  const deleteSweep = (name: string) => server.store.delete({ plural: 'sweeps', namespace: 'mine', name });
  return {
    caches,
    timers,
    uids,
    createSlice,
    deleteSweep,
    changed,
    problems,
    waitsFor,
    release,
    hasBegun: () => hasBegun,
  };
}

test('as long as the slices are not listed only a Sweep that has none gets a turn, until it writes one', async (t) => {
  const world = await openHeld();
  t.after(() => world.caches.stop());
  assert.deepEqual([world.hasBegun(), world.caches.isSynced], [true, false]);
  assert.deepEqual(world.waitsFor(), ['recorded']);
  const { resourceVersion } = world.createSlice('fresh-s0', world.uids.fresh);
  assert.deepEqual(world.waitsFor({ ...UNWRITTEN, slicesWritten: resourceVersion }), ['fresh', 'recorded']);

  await world.release();
  assert.ok(world.caches.isSynced);
  assert.deepEqual(world.waitsFor({ ...UNWRITTEN, slicesWritten: resourceVersion }), []);
  assert.deepEqual(new Set(world.changed), new Set(Object.values(world.uids)), 'whoever waited is told');
});

test('a Sweep without a slice waits for the slices after all if they take too long', async (t) => {
  const world = await openHeld();
  t.after(() => world.caches.stop());
  await world.timers.advance(4_900);
  assert.deepEqual(world.waitsFor(), ['recorded']);
  await world.timers.advance(200);
  assert.deepEqual(world.waitsFor(), ['fresh', 'recorded']);
  await world.release();
  assert.deepEqual(world.waitsFor(), []);
});

test('where it is not known who has slices, all wait for them', async (t) => {
  const world = await openHeld(() => ({
    listMetadata: async () => {
      throw new Error('no metadata');
    },
  }));
  t.after(() => world.caches.stop());
  const why = 'every Sweep waits for all slices: their owners cannot be listed: no metadata';
  assert.deepEqual(world.problems, [`trialresultslices: ${why}`]);
  assert.deepEqual(world.waitsFor(), ['fresh', 'recorded']);
  await world.release();
  assert.deepEqual([world.hasBegun(), world.caches.isSynced, ...world.waitsFor()], [true, true]);
});

test('turns begin when every page of the owners is read', async (t) => {
  const gate = Promise.withResolvers<void>();
  const world = await openHeld((real) => ({
    listMetadata: async (kind, query, options) => {
      await gate.promise;
      return real.listMetadata(kind, { ...query, limit: 1 }, options);
    },
  }));
  t.after(() => world.caches.stop());
  assert.equal(world.hasBegun(), false);
  assert.deepEqual(world.waitsFor(), ['fresh', 'recorded']);
  world.createSlice('a-first-page', 'of-nobody-here');
  gate.resolve();
  await world.timers.advance(10);
  assert.equal(world.hasBegun(), true);
  assert.deepEqual(world.waitsFor(), ['recorded']);
  await world.release();
});

test('a Sweep that was seen to go is no longer believed to have no slice: what was written for it is forgotten', async (t) => {
  const world = await openHeld();
  t.after(() => world.caches.stop());
  const [fresh] = world.caches.sweeps.byIndex(world.uids.fresh);
  assert.ok(fresh && world.caches.caughtUp(fresh.metadata, UNWRITTEN));
  world.deleteSweep('fresh');
  await world.timers.advance(10);
  assert.equal(world.caches.caughtUp(fresh.metadata, UNWRITTEN), false);
  await world.release();
  assert.equal(world.caches.caughtUp(fresh.metadata, UNWRITTEN), true);
});

test('nor one that went before it was known who has slices', async (t) => {
  const gate = Promise.withResolvers<void>();
  const world = await openHeld((real) => ({
    listMetadata: async (kind, query, options) => {
      await gate.promise;
      return real.listMetadata(kind, query, options);
    },
  }));
  t.after(() => world.caches.stop());
  const [fresh] = world.caches.sweeps.byIndex(world.uids.fresh);
  world.deleteSweep('fresh');
  await world.timers.advance(10);
  gate.resolve();
  await world.timers.advance(10);
  assert.equal(world.hasBegun(), true);
  assert.ok(fresh && !world.caches.caughtUp(fresh.metadata, UNWRITTEN));
  await world.release();
});
