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
async function startHeld(t: TestContext, ...before: readonly string[]) {
  const clock = new VirtualClock();
  const timers: Timers = { now: () => clock.now(), after: (ms, callback) => clock.after(ms, callback) };
  const server = new FakeApiServer({ timers });
  const create = (name: string) => {
    const study = buildStudy({ trials: 1, parallelism: 1 });
    return server.store.create({ plural: 'sweeps', namespace: NAMESPACE, name }, study);
  };
  /** Its only trial, as an earlier leader would have recorded it. */
  const record = (name: string) => {
    const sweep = parseStudy(
      server.store.list('sweeps').find(({ metadata }) => metadata.name === name) ?? create(name),
    );
    const slice = buildSlice(sweep, 0, [makeRecord(sweep, 0)]);
    const where = { plural: 'trialresultslices', namespace: NAMESPACE, name: slice.metadata.name };
    server.store.create(where, slice as unknown as JsonObject);
  };
  for (const name of before) create(name);
  const gate = Promise.withResolvers<void>();
  let isFirst: boolean = true;
  const cluster: typeof openCluster = (wire, options) => {
    const real = openCluster(wire, options);
    const list: Cluster['list'] = async (kind, query, how) => {
      // What is asked for one of, to see whether it may be read at all, is not held.
      if (kind.plural === SLICES.plural && query.limit === undefined && isFirst) {
        isFirst = false;
        await gate.promise;
      }
      return real.list(kind, query, how);
    };
    return { ...real, list };
  };
  const log: Log = { info: () => undefined, warn: () => undefined, error: () => undefined, with: () => log };
  const start = () =>
    startController({
      ...{ wire: server.wire(), namespaces: [NAMESPACE], timers, random: () => 0.5, log, metrics: NO_METRICS },
      trainer: { image: 'trainer:1', pullPolicy: 'IfNotPresent', serviceAccountName: 'cnn-sweep-trainer' },
      deleteDelayMs: 30_000,
      open: { cluster },
    });
  const jobs = () => server.store.list('jobs').map(({ metadata }) => metadata.name.split('-')[0]);
  const phaseOf = (name: string) => {
    const sweep = server.store.list('sweeps').find(({ metadata }) => metadata.name === name);
    return (sweep?.status as { phase?: string } | undefined)?.phase;
  };
  t.after(() => gate.resolve());
  return { clock, create, record, start, jobs, phaseOf, release: () => gate.resolve() };
}

test('a Sweep without a record starts before the slices of others are listed; one with records runs no trial again', async (t) => {
  const world = await startHeld(t, 'fresh', 'recorded');
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
  assert.deepEqual([world.jobs(), world.phaseOf('late')], [['late'], 'Running']);
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
  await world.clock.advance(20_000);
  assert.deepEqual(world.jobs(), []);
  world.release();
  await world.clock.advance(1_500);
  assert.deepEqual(world.jobs(), ['late']);
});
