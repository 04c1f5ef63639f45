import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SweepDetail, VerdictView } from '../../src/dashboard/api.ts';
import { zipModel } from '../../src/dashboard/models.ts';
import { SLICES } from '../../src/shared/kinds.ts';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { uploadModel } from '../../src/shared/nats-models.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { encodeMeasurements } from '../../src/sweep/message.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { STUDY } from '../dashboard/builders.ts';
import { openEvents } from '../dashboard/events.ts';
import { NatsServer } from '../shared/nats-server.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, until } from './controller.ts';
import { type RunningDashboard, startDashboard } from './dashboard.ts';

/** Of NATS, then of the API server; minutes in `make campaign`. */
const OUTAGE_MS = Number(process.env.CNN_SWEEP_TEST_OUTAGE_SECONDS ?? 2) * 1000;

// The dashboard as a process, beside a real API server and a real nats-server that die and come back.
describe('what the dashboard shows outlives what it reads from', { timeout: 300_000 + 2 * OUTAGE_MS }, () => {
  const trials = expandTrials(STUDY.sweep);
  const results = STUDY.results.map((result) => ({
    ...result,
    hyperparametersHash: trials[result.trial]?.hyperparametersHash ?? '',
  }));
  let cluster: Cluster;
  let server: NatsServer;
  let nats: Nats;
  let uid: string;
  let dashboard: RunningDashboard;

  before(async () => {
    [cluster, server] = await Promise.all([startControlPlane(), NatsServer.start()]);
    await installKinds(cluster);
    nats = new Nats({ url: server.url, name: 'trainers' });
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats);
    const { apiVersion, kind, spec } = STUDY.sweep;
    await cluster.apply(JSON.stringify({ apiVersion, kind, metadata: { name: 'study', namespace: 'default' }, spec }));
    uid = await cluster.kubectl('get', 'sweep', 'study', '--output=jsonpath={.metadata.uid}');
    dashboard = await start();
  });
  after(async () => {
    await (dashboard as RunningDashboard | undefined)?.stop('SIGKILL');
    await (nats as Nats | undefined)?.close();
    await (server as NatsServer | undefined)?.stop();
    await (cluster as Cluster | undefined)?.stop();
  });

  const start = () => startDashboard(cluster.kubeconfig, ['--namespaces=default', `--nats-url=${server.url}`]);
  const get = async <Answer>(path = ''): Promise<Answer> =>
    (await fetch(`${dashboard.url}/api/v1/sweeps/default/study${path}`)).json() as Promise<Answer>;
  const detail = () => get<SweepDetail>();

  async function publish(from: number, to: number): Promise<void> {
    const bus = new NatsBus(nats);
    await Promise.all(
      STUDY.measurements
        .filter(({ epoch }) => epoch >= from && epoch <= to)
        .map((measurement) => bus.publish(encodeMeasurements(uid, [measurement]))),
    );
  }

  async function recordAll(): Promise<void> {
    const owner = { apiVersion: SLICES.apiVersion, kind: 'Sweep', name: 'study', uid, controller: true };
    const records = results.map((result) => ({ ...result, hyperparameters: trials[result.trial]?.hyperparameters }));
    const metadata = { name: 'study-s0', namespace: 'default', ownerReferences: [owner] };
    await cluster.apply(
      JSON.stringify({ apiVersion: SLICES.apiVersion, kind: SLICES.kind, metadata, slice: 0, sweep: 'study', records }),
    );
  }

  const epochsShown = async () => {
    const { items } = await get<{ items: { epochs: number[] }[] }>('/curves');
    return items.reduce((sum, { epochs }) => sum + epochs.length, 0);
  };
  const shows = (epochs: number) =>
    until(async () => ((await epochsShown()) === epochs ? true : undefined), `${epochs} epochs`, 20_000, 100);

  /** All that it showed before, whenever somebody asks. */
  async function goesOn(before: VerdictView): Promise<void> {
    for (const end = performance.now() + OUTAGE_MS; performance.now() < end; await sleep(500)) {
      assert.deepEqual(await get<VerdictView>('/verdict'), before);
      assert.equal(await epochsShown(), 150);
      assert.equal((await detail()).best?.trial, before.best?.trial);
      assert.equal((await fetch(dashboard.url)).status, 200);
      assert.equal((await fetch(`${dashboard.opsUrl}/readyz`)).status, 200);
    }
  }

  test('curves grow as they are published, and all of them are there after it was killed in the middle', async () => {
    await publish(1, 5);
    await shows(50);
    const publishing = publish(6, 15);
    await dashboard.stop('SIGKILL');
    await publishing;
    dashboard = await start();
    await shows(150);
  });

  test('the verdict is that of the records, and a model that was uploaded can be downloaded', async () => {
    const want = judgeResults(STUDY.sweep, results);
    const best = want.best?.trial ?? -1;
    const bytes = zipModel({ 'model.json': Buffer.from('{}') });
    const address = { sweepUID: uid, trial: best, attemptUID: results[best]?.attemptUID ?? '' };
    await uploadModel(nats, address, bytes, { signal: AbortSignal.timeout(10_000), patienceMs: 5_000 });
    await recordAll();
    await until(async () => ((await get<VerdictView>('/verdict')).isFinal ? true : undefined), 'a verdict', 20_000);
    const { message, test: opened } = await get<VerdictView>('/verdict');
    assert.deepEqual([message, opened?.loss], [want.message, 7 + best / 1_000]);
    await until(async () => ((await get<VerdictView>('/verdict')).hasModel ? true : undefined), 'a model', 30_000);
    const response = await fetch(`${dashboard.url}/api/v1/sweeps/default/study/trials/${best}/model`);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
    const other = await fetch(`${dashboard.url}/api/v1/sweeps/default/study/trials/${best + 1}/model`);
    assert.equal(other.status, 404);
  });

  test('NATS dies and comes back: the page says so, and catches up', async () => {
    const before = await get<VerdictView>('/verdict');
    await server.kill();
    await until(async () => ((await detail()).staleSince === null ? undefined : true), 'a stale page', 20_000);
    assert.match((await detail()).notes.join(), /curves stand still: /);
    await goesOn(before);
    await server.restart();
    await until(async () => ((await detail()).staleSince === null ? true : undefined), 'a live page', 30_000);
    assert.deepEqual((await detail()).notes, []);
  });

  test('the API server dies and comes back: the page goes on, with the time since when it may be old', async () => {
    const before = await get<VerdictView>('/verdict');
    await cluster.parts['kube-apiserver'].stop('SIGKILL');
    await until(async () => ((await detail()).staleSince === null ? undefined : true), 'a stale page', 30_000);
    assert.equal(before.best?.trial, 2);
    await goesOn(before);
    await cluster.parts['kube-apiserver'].start();
    await until(async () => ((await detail()).staleSince === null ? true : undefined), 'a live page', 60_000);
  });

  test('told to stop, it says goodbye on its streams and exits 0 within ten seconds', async () => {
    const { port } = new URL(dashboard.url);
    const events = await openEvents(Number(port), 'sweeps,sweep:default/study');
    await events.next();
    const began = performance.now();
    const code = dashboard.stop('SIGTERM');
    for (;;) if ((await events.next()).name === 'bye') break;
    assert.equal(await code, 0);
    assert.ok(performance.now() - began < 10_000);
    assert.equal(dashboard.lines.at(-1)?.event, 'stopped');
  });

  test('without NATS it shows the records, and says that there are no curves', async () => {
    dashboard = await startDashboard(cluster.kubeconfig, ['--namespaces=default']);
    await until(async () => ((await detail()).best ? true : undefined), 'a best model', 20_000);
    assert.match((await detail()).notes.join(), /^telemetry is off: no NATS/);
    assert.equal(await epochsShown(), 0);
  });
});
