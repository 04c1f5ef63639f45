import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startController } from '../../src/controller/controller.ts';
import { buildSlice } from '../../src/controller/slice.ts';
import { type Cluster, openCluster } from '../../src/shared/calls.ts';
import { SLICES } from '../../src/shared/kinds.ts';
import type { Log } from '../../src/shared/log.ts';
import type { Timers } from '../../src/shared/timers.ts';
import { FakeApiServer } from '../fakes/api-server.ts';
import type { JsonObject } from '../fakes/patches.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { makeRecord } from './builders.ts';
import { NO_METRICS } from './simulation/simulate.ts';
import { buildStudy, NAMESPACE, parseStudy } from './simulation/study.ts';

/** A controller that leads without a lease and whose first list of slices takes until `release`. */
async function startHeld(t: TestContext, deleteDelayMs = 30_000, namespaces: readonly string[] = [NAMESPACE]) {
  const clock = new VirtualClock();
  const timers: Timers = { now: () => clock.now(), after: (ms, callback) => clock.after(ms, callback) };
  const server = new FakeApiServer({ timers });
  const create = (name: string, namespace = NAMESPACE) => {
    const study = buildStudy({ trials: 1, parallelism: 1 });
    return server.store.create({ plural: 'sweeps', namespace, name }, study);
  };
  /** Its only trial, as an earlier leader would have recorded it. */
  const record = (name: string, namespace = NAMESPACE) => {
    const sweep = parseStudy(
      server.store.list('sweeps').find(({ metadata }) => metadata.name === name) ?? create(name, namespace),
    );
    const slice = buildSlice(sweep, 0, [makeRecord(sweep, 0)]);
    const where = { plural: 'trialresultslices', namespace, name: slice.metadata.name };
    server.store.create(where, slice as unknown as JsonObject);
  };
  let gate = Promise.withResolvers<void>();
  let isHeld: boolean = true;
  const hold = () => {
    gate = Promise.withResolvers<void>();
    isHeld = true;
  };
  const cluster: typeof openCluster = (wire, options) => {
    const real = openCluster(wire, options);
    const list: Cluster['list'] = async (kind, query, how) => {
      // What is asked for one of, to see whether it may be read at all, is not held.
      if (kind.plural === SLICES.plural && query.limit === undefined && isHeld) {
        isHeld = false;
        await gate.promise;
      }
      return real.list(kind, query, how);
    };
    return { ...real, list };
  };
  /** Names of the Sweeps that had a turn. */
  const turns: string[] = [];
  const nameOf = (uid: string) =>
    server.store.list('sweeps').find(({ metadata }) => metadata.uid === uid)?.metadata.name;
  const warnings: string[] = [];
  const warn: Log['warn'] = (words, facts) => void warnings.push(`${words} ${facts?.plural ?? ''} ${facts?.namespace}`);
  const log: Log = { info: () => undefined, warn, error: () => undefined, with: () => log };
  const start = () =>
    startController({
      ...{ wire: server.wire(), namespaces, timers, random: () => 0.5, log, metrics: NO_METRICS },
      trainer: { image: 'trainer:1', pullPolicy: 'IfNotPresent', serviceAccountName: 'cnn-sweep-trainer' },
      deleteDelayMs,
      onRecorded: (uid) => void turns.push(nameOf(uid) ?? ''),
      open: { cluster },
    });
  const jobs = () => server.store.list('jobs').map(({ metadata }) => metadata.name.split('-')[0]);
  const phaseOf = (name: string) => {
    const sweep = server.store.list('sweeps').find(({ metadata }) => metadata.name === name);
    return (sweep?.status as { phase?: string } | undefined)?.phase;
  };
  t.after(() => gate.resolve());
  const release = () => gate.resolve();
  return { clock, server, create, record, turns, warnings, start, hold, jobs, phaseOf, release };
}

test('a Sweep without a record starts before the slices of others are listed; one with records runs no trial again', async (t) => {
  const world = await startHeld(t);
  world.create('fresh');
  world.record('recorded');
  world.start();
  await world.clock.advance(2_000);
  assert.deepEqual(world.jobs(), ['fresh']);
  assert.equal(world.phaseOf('recorded'), undefined);
  world.release();
  await world.clock.advance(1_500);
  assert.deepEqual(world.jobs(), ['fresh']);
  assert.equal(world.phaseOf('recorded'), 'Complete');
});

test('a Sweep that came while the slices were being listed, and had its turn, has another when they are', async (t) => {
  const world = await startHeld(t);
  world.start();
  await world.clock.advance(1_000);
  world.create('late');
  await world.clock.advance(1_000);
  assert.deepEqual([world.jobs(), world.phaseOf('late')], [['late'], 'Pending']);
  world.record('late');
  await world.clock.advance(1_000);
  world.release();
  await world.clock.advance(1_500);
  assert.equal(world.phaseOf('late'), 'Complete');
});

test('a Sweep that comes when the slices take too long waits for them', async (t) => {
  const world = await startHeld(t);
  world.start();
  await world.clock.advance(6_000);
  world.create('late');
  await world.clock.advance(18_000);
  assert.deepEqual(world.jobs(), []);
  world.release();
  await world.clock.advance(1_500);
  assert.deepEqual(world.jobs(), ['late']);
});

test('where Jobs are deleted sooner nobody is believed for longer than half of that', async (t) => {
  const world = await startHeld(t, 2_000);
  world.start();
  await world.clock.advance(1_200);
  world.create('late');
  await world.clock.advance(3_000);
  assert.deepEqual(world.jobs(), []);
});

test('when the slices are there, Sweeps that wait for something come before those that ended', async (t) => {
  const world = await startHeld(t);
  world.record('ended');
  const before = world.start();
  world.release();
  await world.clock.advance(3_000);
  assert.equal(world.phaseOf('ended'), 'Complete');
  assert.ok(await before.stop(0));

  world.record('waiting');
  world.hold();
  world.turns.length = 0;
  world.start();
  await world.clock.advance(8_000);
  assert.deepEqual(world.turns, []);
  world.release();
  await world.clock.advance(900);
  assert.deepEqual(new Set(world.turns), new Set(['waiting']));
  await world.clock.advance(300);
  assert.deepEqual(new Set(world.turns), new Set(['waiting', 'ended']));
});

/** Two namespaces, of which `closed` may not be read until `open`; in each a Sweep with a record and one without. */
async function startClosed(t: TestContext, namespaces: readonly string[]) {
  const world = await startHeld(t, 30_000, namespaces);
  world.release();
  let isClosed: boolean = true;
  world.server.fault = ({ namespace }) =>
    isClosed && namespace === 'closed' ? { kind: 'refuse', status: 403 } : undefined;
  for (const [namespace, prefix] of [
    [NAMESPACE, ''],
    ['closed', 'closed'],
  ] as const) {
    // biome-ignore format: one line
    world.create(`${prefix}fresh`, namespace);
    world.record(`${prefix}recorded`, namespace);
  }
  const open = () => {
    isClosed = false;
  };
  return { ...world, controller: world.start(), open };
}

for (const namespaces of [
  [NAMESPACE, 'closed'],
  ['closed', NAMESPACE],
]) {
  test(`of ${namespaces} one that may not be read holds up no Sweep of the other; once it may, no trial runs again`, async (t) => {
    const { clock, controller, jobs, phaseOf, warnings, open } = await startClosed(t, namespaces);
    await clock.advance(2_000);
    assert.deepEqual([controller.leads, controller.missing], [true, undefined]);
    assert.deepEqual(jobs(), ['fresh']);
    assert.equal(phaseOf('recorded'), 'Complete');
    for (const plural of ['sweeps', 'jobs', 'pods', 'trialresultslices']) {
      assert.ok(warnings.includes(`watch ${plural} closed`), plural);
    }
    open();
    await clock.advance(60_000);
    assert.deepEqual(jobs().toSorted(), ['closedfresh', 'fresh']);
    assert.equal(phaseOf('closedrecorded'), 'Complete');
  });
}

test('who may read no namespace does not lead, and says which', async (t) => {
  const { clock, controller, jobs, warnings, open } = await startClosed(t, ['closed']);
  await clock.advance(20_000);
  assert.deepEqual([controller.leads, controller.missing], [false, 'nothing could be read yet']);
  assert.deepEqual(new Set(warnings), new Set(['cannot read  closed']));
  open();
  await clock.advance(10_000);
  assert.deepEqual([controller.leads, controller.missing, jobs()], [true, undefined, ['closedfresh']]);
});

/** The rights of a namespace come back kind by kind; no turn may take what is not listed yet for what is not there. */
for (const last of ['jobs', 'pods', 'trialresultslices']) {
  test(`a Sweep whose ${last} may not be read yet has no turn`, async (t) => {
    const world = await startHeld(t, 30_000, [NAMESPACE, 'closed']);
    world.release();
    let isClosed: boolean = true;
    world.server.fault = ({ namespace, plural }) =>
      isClosed && namespace === 'closed' && plural === last ? { kind: 'refuse', status: 403 } : undefined;
    world.create('closedfresh', 'closed');
    world.record('closedrecorded', 'closed');
    world.start();
    await world.clock.advance(60_000);
    assert.deepEqual([world.turns, world.jobs()], [[], []]);
    isClosed = false;
    await world.clock.advance(60_000);
    assert.deepEqual([world.jobs(), world.phaseOf('closedrecorded')], [['closedfresh'], 'Complete']);
  });
}
