import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openClusterSource } from '../../src/dashboard/cluster-source.ts';
import { Store } from '../../src/dashboard/store.ts';
import { openCluster } from '../../src/shared/calls.ts';
import { ATTEMPT_LABEL, SWEEP_UID_LABEL, TRIAL_LABEL } from '../../src/shared/labels.ts';
import { openLog } from '../../src/shared/log.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { FakeApiServer } from '../fakes/api-server.ts';
import type { JsonObject } from '../fakes/patches.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { STUDY } from './builders.ts';

const NAMESPACE = 'team-a';
const OTHER = 'team-b';
const TRIALS = expandTrials(STUDY.sweep);

/** An API server in memory, and a dashboard's store that follows it. */
class World {
  readonly clock = new VirtualClock();
  readonly server = new FakeApiServer({ timers: this.clock });
  readonly lines: string[] = [];
  store = new Store({ timers: this.clock, boot: 'one', now: () => this.now() });
  source = this.open();

  now(): Date {
    return new Date(Date.UTC(2026, 10, 25) + this.clock.now());
  }

  /** As after a restart: nothing is left but what the API server has. */
  open() {
    const cluster = openCluster(this.server.wire(), { timers: this.clock, random: () => 0.5 });
    const { store, clock: timers } = this;
    const log = openLog((line) => this.lines.push(line));
    return openClusterSource({
      cluster,
      namespaces: [NAMESPACE, OTHER],
      store,
      log,
      timers,
      random: () => 0.5,
      now: () => this.now(),
    });
  }

  async restart(boot: string): Promise<void> {
    await this.source.stop();
    this.store = new Store({ timers: this.clock, boot, now: () => this.now() });
    this.source = this.open();
    await this.clock.advance(10);
  }

  createSweep(name = 'study', spec: unknown = STUDY.sweep.spec): string {
    const { metadata } = this.server.store.create({ plural: 'sweeps', namespace: NAMESPACE, name }, {
      spec,
    } as JsonObject);
    return metadata.uid;
  }

  setStatus(name: string, status: JsonObject): void {
    this.server.store.edit({ plural: 'sweeps', namespace: NAMESPACE, name }, (sweep) => ({ ...sweep, status }));
  }

  createSlice(uid: string, number: number, records: readonly unknown[], namespace = NAMESPACE): void {
    const ownerReferences = [
      { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', name: 'study', uid, controller: true },
    ];
    const slice = { metadata: { ownerReferences }, slice: number, sweep: 'study', records };
    this.server.store.create(
      { plural: 'trialresultslices', namespace, name: `study-s${number}` },
      slice as unknown as JsonObject,
    );
  }

  createJob(uid: string, trial: number, { attempt = 1, ...parts }: JsonObject & { attempt?: number } = {}): string {
    return this.#create('jobs', `study-${trial}-r${attempt}`, uid, trial, attempt, parts);
  }

  createPod(
    uid: string,
    trial: number,
    {
      attempt = 1,
      name = `study-${trial}-r${attempt}-pod`,
      ...parts
    }: JsonObject & { attempt?: number; name?: string } = {},
  ): string {
    return this.#create('pods', name, uid, trial, attempt, parts);
  }

  #create(plural: string, name: string, uid: string, trial: number, attempt: number, parts: JsonObject): string {
    const retry = attempt > 1 && { [ATTEMPT_LABEL]: `${attempt}` };
    const labels = { [SWEEP_UID_LABEL]: uid, [TRIAL_LABEL]: `${trial}`, ...retry };
    const { namespace = NAMESPACE, ...rest } = parts as JsonObject & { namespace?: string };
    const where = { plural, namespace, name };
    const { metadata } = this.server.store.create(where, { metadata: { labels } });
    // A status is not taken at the creation.
    this.server.store.edit(where, (object) => ({ ...object, ...rest }));
    return metadata.uid;
  }

  entry(name = 'study') {
    const entry = this.store.sweep(NAMESPACE, name);
    assert.ok(entry, name);
    this.store.judge(entry);
    return entry;
  }

  row(trial: number) {
    const state = this.entry().trials[trial];
    assert.ok(state);
    return this.entry().rowOf(state);
  }
}

async function open(t: TestContext): Promise<World> {
  const world = new World();
  t.after(() => world.source.stop());
  await world.clock.advance(0);
  return world;
}

function recordsOf(results: readonly TrialResult[]): JsonObject[] {
  return results.map((result) => {
    const trial = TRIALS[result.trial];
    const { hyperparameters, hyperparametersHash } = trial ?? {};
    return { ...result, hyperparametersHash, hyperparameters } as unknown as JsonObject;
  });
}

const FIXED = STUDY.results.map((result) => ({
  ...result,
  hyperparametersHash: TRIALS[result.trial]?.hyperparametersHash ?? '',
}));
const running = { startedAt: '2026-11-25T00:00:05Z' };
const container = (state: JsonObject) => ({ phase: 'Running', containerStatuses: [{ name: 'trainer', state }] });

test('a Sweep, its slices, Jobs and Pods are shown as they come', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  await world.clock.advance(10);
  assert.deepEqual([world.entry().summary().phase, world.row(0).phase], ['Pending', 'Waiting']);
  world.createJob(uid, 0, {});
  await world.clock.advance(10);
  assert.deepEqual([world.row(0).phase, world.row(0).reason], ['Pending', 'its Pod is not created yet']);
  const message = '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.';
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
  const pod = world.createPod(uid, 0, { status: { phase: 'Pending', conditions } });
  await world.clock.advance(10);
  assert.deepEqual([world.row(0).phase, world.row(0).reason], ['Pending', `Unschedulable: ${message}`]);
  const where = { plural: 'pods', namespace: NAMESPACE, name: 'study-0-r1-pod' };
  world.server.store.edit(where, (object) => ({ ...object, spec: { nodeName: 'n1' }, status: container({ running }) }));
  await world.clock.advance(10);
  const { phase, node, startedAt, attemptUID, attempt } = world.row(0);
  assert.deepEqual([phase, node, startedAt, attemptUID, attempt], ['Running', 'n1', running.startedAt, pod, 1]);
  const [state] = world.entry().trials;
  assert.equal(state && world.entry().trialDetail(state).logCommand, 'kubectl logs --namespace team-a study-0-r1-pod');
  world.createSlice(uid, 0, recordsOf([{ ...(FIXED[0] ?? assert.fail()), attemptUID: pod }]));
  await world.clock.advance(10);
  assert.deepEqual([world.row(0).phase, world.row(0).node, world.row(0).finding], ['Succeeded', 'n1', 'Healthy']);
});

test('a Job that Kueue suspends is queued; one that failed is tried again, and the attempt says why it ended', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  world.createJob(uid, 1, { spec: { suspend: true } });
  world.createJob(uid, 2, {
    status: { conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'no more' }] },
  });
  world.createPod(uid, 2, { status: container({ terminated: { exitCode: 139, message: 'boom' } }) });
  await world.clock.advance(10);
  assert.equal(world.row(1).phase, 'Queued');
  assert.deepEqual([world.row(2).phase, world.row(2).reason], ['Retrying', 'exit 139: boom']);
  world.createJob(uid, 2, { attempt: 2 });
  world.createPod(uid, 2, { attempt: 2, spec: { nodeName: 'n2' }, status: container({ running }) });
  await world.clock.advance(10);
  assert.deepEqual([world.row(2).phase, world.row(2).attempt, world.row(2).node], ['Running', 2, 'n2']);
});

test('an evicted Pod that vanishes keeps its place among the attempts, and the one after it waits for a node', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  world.createJob(uid, 0, {});
  const evicted = world.createPod(uid, 0, {
    name: 'evicted',
    spec: { nodeName: 'n1' },
    status: container({ running }),
  });
  await world.clock.advance(60_000);
  const where = { plural: 'pods', namespace: NAMESPACE, name: 'evicted' };
  const drained = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'drained' };
  world.server.store.edit(where, (pod) => ({ ...pod, status: { ...container({ running }), conditions: [drained] } }));
  await world.clock.advance(10);
  world.server.store.delete(where);
  await world.clock.advance(10);
  assert.equal(world.row(0).earlierAttempts[0]?.reason, 'EvictionByEvictionAPI: drained');
  const again = world.createPod(uid, 0, { name: 'again', status: { phase: 'Pending' } });
  await world.clock.advance(10);
  const { phase, attemptUID, currentAttempt, node, createdAt, startedAt, earlierAttempts } = world.row(0);
  assert.deepEqual([phase, attemptUID, currentAttempt, node, startedAt], ['Pending', again, 1, null, null]);
  assert.ok(createdAt);
  const [before = assert.fail()] = earlierAttempts;
  assert.deepEqual(
    [before.node, before.startedAt, before.reason],
    ['n1', running.startedAt, 'EvictionByEvictionAPI: drained'],
  );
  assert.ok(before.endedAt && Math.abs(Date.parse(before.endedAt) - world.now().getTime()) < 1000, `${before.endedAt}`);
  const { attempts, events } = world.entry().trialDetail(world.entry().trials[0] ?? assert.fail());
  assert.deepEqual(
    attempts.map((one) => one.attemptUID),
    [evicted, again],
  );
  assert.ok(events.some(({ words }) => words === 'ended: EvictionByEvictionAPI: drained'));
});

test('an attempt whose Job failed without a Pod is shown by its number', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  const failed = {
    type: 'Failed',
    status: 'True',
    reason: 'DeadlineExceeded',
    lastTransitionTime: '2026-11-25T00:00:09Z',
  };
  world.createJob(uid, 3, { status: { conditions: [failed] } });
  await world.clock.advance(10);
  const { attempts, events } = world.entry().trialDetail(world.entry().trials[3] ?? assert.fail());
  assert.partialDeepStrictEqual(attempts, [{ attempt: 1, attemptUID: null, reason: 'DeadlineExceeded' }]);
  assert.deepEqual(events, [{ at: failed.lastTransitionTime, attempt: 1, words: 'ended: DeadlineExceeded' }]);
});

test('when a trial was recorded its own container says, not the one of another attempt', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  await world.clock.advance(10);
  world.createJob(uid, 0, {});
  const ended = (finishedAt: string) => container({ terminated: { exitCode: 0, ...running, finishedAt } });
  const mine = world.createPod(uid, 0, { name: 'mine', status: ended('2026-11-25T00:01:00Z') });
  world.createPod(uid, 0, { name: 'other', status: ended('2026-11-25T00:02:00Z') });
  await world.clock.advance(10);
  world.createSlice(uid, 0, recordsOf([{ ...(FIXED[0] ?? assert.fail()), attemptUID: mine }]));
  await world.clock.advance(10);
  const { events } = world.entry().trialDetail(world.entry().trials[0] ?? assert.fail());
  const recorded = events.find(({ words }) => words.startsWith('recorded'))?.at;
  assert.deepEqual([world.row(0).endedAt, recorded], ['2026-11-25T00:01:00Z', '2026-11-25T00:01:00Z']);
});

test('who writes another namespace’s Sweep into labels and owners shows nothing there', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  await world.clock.advance(10);
  const before = world.row(0);
  world.createSlice(uid, 0, recordsOf(FIXED), OTHER);
  for (const trial of [0, 1]) {
    const parts = { namespace: OTHER, spec: { nodeName: 'theirs' }, status: container({ running }) };
    world.createJob(uid, trial, { namespace: OTHER });
    world.createPod(uid, trial, parts);
  }
  await world.clock.advance(10);
  assert.deepEqual(world.row(0), before);
  // Nor beside what is really there.
  world.createJob(uid, 1, {});
  await world.clock.advance(10);
  assert.deepEqual([world.row(1).phase, world.row(1).node ?? ''], ['Pending', '']);
  await world.restart('two');
  assert.deepEqual([world.row(0), world.row(1).phase], [before, 'Pending']);
});

test('after a restart, in whatever order things are listed, the verdict is the same', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  world.createSlice(uid, 0, recordsOf(FIXED.slice(0, 6)));
  world.createSlice(uid, 1, recordsOf(FIXED.slice(6)));
  await world.clock.advance(10);
  const want = judgeResults(STUDY.sweep, FIXED);
  assert.deepEqual(world.entry().verdict, want);
  assert.equal(world.entry().verdictView().test?.loss, 7 + (want.best?.trial ?? -1) / 1000);
  await world.restart('two');
  assert.deepEqual(world.entry().verdict, want);
  assert.equal(world.entry().trials[0]?.endedAt, null, 'nobody knows when it was recorded');
});

for (const closed of [NAMESPACE, OTHER]) {
  test(`as long as ${closed} may not be read the other one is shown; once it may, nobody knows when its trials were recorded`, async (t) => {
    const world = await open(t);
    const uid = world.createSweep();
    world.createSlice(uid, 0, recordsOf(FIXED));
    let isClosed: boolean = true;
    world.server.fault = ({ namespace }) =>
      isClosed && namespace === closed ? { kind: 'refuse', status: 403 } : undefined;
    await world.restart('two');
    assert.ok(world.source.isSynced);
    assert.equal(world.store.sweep(NAMESPACE, 'study') === undefined, closed === NAMESPACE);
    isClosed = false;
    await world.clock.advance(60_000);
    assert.deepEqual([world.row(0).phase, world.row(0).endedAt], ['Succeeded', null]);
  });
}

for (const closed of [NAMESPACE, OTHER]) {
  test(`when ${closed} may not be read any more, what is shown of it may be old, and nothing else`, async (t) => {
    const world = await open(t);
    world.createSweep();
    await world.clock.advance(5_000);
    let isClosed: boolean = true;
    world.server.fault = ({ namespace }) =>
      isClosed && namespace === closed ? { kind: 'refuse', status: 403 } : undefined;
    for (const watch of [...world.server.watches]) watch.cut();
    await world.clock.advance(60_000);
    const since = world.entry().summary().staleSince;
    assert.equal(since !== null, closed === NAMESPACE, `${since}`);
    assert.ok(since === null || Date.parse(since) - Date.UTC(2026, 10, 25) < 10_000, `${since}`);
    isClosed = false;
    await world.clock.advance(60_000);
    assert.equal(world.entry().summary().staleSince, null);
  });
}

test('of two records of a trial that in the lower slice counts; one of another network, or that does not decode, is named', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  const [first = assert.fail(), second = assert.fail()] = FIXED;
  world.createSlice(uid, 1, recordsOf([{ ...first, seconds: 2 }]));
  await world.clock.advance(10);
  world.createSlice(uid, 0, [
    ...recordsOf([{ ...first, seconds: 1 }]),
    { ...recordsOf([second])[0], hyperparametersHash: '0'.repeat(16) },
    { trial: 5 },
  ]);
  await world.clock.advance(10);
  assert.equal(world.row(0).seconds, 1);
  world.createSlice(uid, 2, recordsOf([{ ...first, seconds: 3 }]));
  await world.clock.advance(10);
  assert.equal(world.row(0).seconds, 1);
  assert.equal(world.row(1).phase, 'Waiting');
  const { notes } = world.entry().detail();
  assert.match(notes.join('\n'), /study-s0, record 1: trial 1 was another network/);
  assert.match(notes.join('\n'), /study-s0, record 2: /);
});

test('a Sweep that does not parse is shown with all that is wrong', async (t) => {
  const world = await open(t);
  world.createSweep('bad', { grid: [{ widths: [[3, 8, 16, 32]] }], epochs: 3 });
  await world.clock.advance(10);
  assert.match(world.entry('bad').summary().message, /spec\.epochs: unknown field/);
});

test('the status is the controller’s: phase, conditions, times', async (t) => {
  const world = await open(t);
  world.createSweep();
  const counts = { total: 10, waiting: 10, running: 0, succeeded: 0, failed: 0, stopped: 0 };
  const condition = {
    type: 'Degraded',
    status: 'True',
    reason: 'InsufficientGPU',
    message: 'no GPU',
    observedGeneration: 1,
    lastTransitionTime: '2026-11-25T00:00:00Z',
  };
  const status = {
    phase: 'Running',
    observedGeneration: 1,
    trials: counts,
    message: 'waits for a GPU',
    conditions: [condition],
    startTime: '2026-11-25T00:00:01Z',
  };
  world.setStatus('study', status);
  await world.clock.advance(10);
  const detail = world.entry().detail();
  assert.deepEqual(
    [detail.phase, detail.message, detail.startTime, detail.conditions],
    ['Running', 'waits for a GPU', status.startTime, [condition]],
  );
  assert.equal(detail.source, 'cluster', 'whatever its namespace is called');
  world.setStatus('study', { phase: 'Asleep' });
  await world.clock.advance(10);
  assert.equal(world.entry().detail().phase, 'Pending', 'what no controller of ours writes is not believed');
});

test('a Sweep that is deleted goes, and one that is created again is another', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  world.createSlice(uid, 0, recordsOf(FIXED.slice(0, 1)));
  await world.clock.advance(10);
  world.server.store.delete({ plural: 'sweeps', namespace: NAMESPACE, name: 'study' });
  await world.clock.advance(10);
  assert.equal(world.store.size, 0);
  const again = world.createSweep();
  await world.clock.advance(10);
  assert.deepEqual([world.entry().uid, world.row(0).phase], [again, 'Waiting']);
});

test('while the API server is away everything stays, with the time since when it may be old; then it catches up', async (t) => {
  const world = await open(t);
  const uid = world.createSweep();
  world.createSlice(uid, 0, recordsOf(FIXED.slice(0, 9)));
  await world.clock.advance(5_000);
  assert.equal(world.entry().summary().staleSince, null);
  world.server.fault = () => ({ kind: 'refuse', status: 503, reason: 'ServiceUnavailable' });
  for (const watch of world.server.watches) watch.cut();
  await world.clock.advance(10 * 60_000);
  const since = world.entry().summary().staleSince;
  assert.ok(since !== null && Date.parse(since) - Date.UTC(2026, 10, 25) < 80_000, `${since}`);
  assert.equal(world.entry().summary().best?.trial, 2);
  world.createSlice(uid, 1, recordsOf(FIXED.slice(9)));
  world.server.fault = () => undefined;
  await world.clock.advance(40_000);
  assert.equal(world.entry().summary().staleSince, null);
  assert.equal(world.entry().isFinal, true);
});
