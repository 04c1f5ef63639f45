// A real Prometheus reads a real controller and a real dashboard, with NATS between them, while a sweep runs: what Grafana would show
// is there.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RULES } from '../../k8s/alerts.ts';
import { buildDashboard } from '../../k8s/grafana.ts';
import { openNatsBus } from '../../src/shared/nats-bus.ts';
import { ROOT } from '../../src/shared/package.ts';
import { encodeMeasurements } from '../../src/sweep/message.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import { type RunningPrometheus, startPrometheus } from '../monitoring/prometheus.ts';
import { fillIn } from '../monitoring/promql.ts';
import { NO_PROMETHEUS, promtool } from '../monitoring/promtool.ts';
import { NatsServer } from '../shared/nats-server.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { PARTS } from './control-plane.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { type RunningDashboard, startDashboard } from './dashboard.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => NO_PROMETHEUS || undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const TRIALS = 24;

/** Panels of other programs' metrics alone. */
const FOREIGN_PANELS = ['How busy GPUs are'];

const dashboard = buildDashboard();
const asked = dashboard.panels.flatMap((panel) =>
  'targets' in panel ? [{ title: panel.title, exprs: panel.targets.map(({ expr }) => expr) }] : [],
);
/** Scraped each second, so that few seconds make a rate. */
const filled = (expr: string) =>
  fillIn(expr, { $__rate_interval: '15s' }).replaceAll('[30m]', '[15s]').replaceAll('offset 1m', 'offset 3s');

describe('what Prometheus has of a sweep', options, () => {
  let cluster: Cluster;
  let nats: NatsServer;
  let controller: RunningController;
  let page: RunningDashboard;
  let prometheus: RunningPrometheus;
  const started: (() => Promise<unknown>)[] = [];

  const sweep = (name: string, trials: number, trainer = {}) => ({
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    metadata: { name },
    spec: {
      grid: [{ widths: [[3]], seed: Array.from({ length: trials }, (_, seed) => seed) }],
      training: { epochs: 1 },
      parallelism: 2,
      trainer,
    },
  });
  const jobs = async (name: string) => {
    const list = await cluster.kubectl('get', 'jobs', '-l', `cnn-sweep.dev/sweep=${name}`, '-o', 'name');
    return list.split('\n').filter(Boolean);
  };
  const complete = (name: string) =>
    cluster.kubectl('wait', `sweep/${name}`, '--for=condition=Complete', '--timeout=120s');

  before(async () => {
    cluster = await startControlPlane(PARTS);
    started.push(() => cluster.stop());
    await cluster.addFakeNodes(2, { gpus: 4 });
    await installKinds(cluster);
    nats = await NatsServer.start();
    started.push(() => nats.stop());
    const flags = [`--nats-url=${nats.url}`];
    controller = await startController(cluster.kubeconfig, ['--delete-delay-seconds=1', ...flags]);
    started.push(() => controller.stop());
    page = await startDashboard(cluster.kubeconfig, ['--namespaces=default', ...flags]);
    started.push(() => page.stop());
    const targets = [controller.metricsAddress, new URL(page.opsUrl).host];
    prometheus = await startPrometheus(targets, { rules: [RULES] });
    started.push(() => prometheus.stop());
    // Its trials find no node at first: one loses its Job, one fails for good.
    await cluster.apply(JSON.stringify(sweep('troubled', 2, { nodeSelector: { late: 'true' } })));
    const [lost = '', failing = ''] = await until(
      async () => ((await jobs('troubled')).length === 2 ? jobs('troubled') : undefined),
      'two Jobs',
      30_000,
    );
    const pod = await until(async () => (await podOf(failing)) || undefined, 'the Pod of the second', 30_000);
    // An increase is seen of what was scraped before.
    await until(
      async () => ((await figure('cnn_sweep_trials_finished_total{outcome="Failed"}')) === 0 ? true : undefined),
      'a first scrape',
      30_000,
    );
    await cluster.kubectl(
      'patch',
      pod,
      '--subresource=status',
      '--type=merge',
      '--patch',
      JSON.stringify({ status: EXIT_2 }),
    );
    await cluster.kubectl('delete', lost);
    await cluster.apply(JSON.stringify(sweep('study', TRIALS)));
    await complete('study');
    await tellCurves();
    await readPages();
    await until(async () => ((await jobs('troubled')).length > 0 ? true : undefined), 'another Job', 60_000);
    await cluster.kubectl('label', 'nodes', '--all', 'late=true');
    await complete('troubled');
    // Until a scrape has all of it.
    await until(async () => ((await done()) === TRIALS + 2 ? true : undefined), 'a scrape of the end', 30_000);
  });

  after(async () => {
    for (const stop of started.reverse()) await stop();
  });

  /** As trainers do: two epochs, one of them twice. */
  const tellCurves = async () => {
    const { metadata } = JSON.parse(await cluster.kubectl('get', 'sweep', 'study', '-o', 'json'));
    const slices = JSON.parse(await cluster.kubectl('get', 'trialresultslices', '-o', 'json')) as {
      items: readonly { sweep: string; records: readonly TrialRecord[] }[];
    };
    const record = slices.items.find(({ sweep }) => sweep === 'study')?.records[0];
    assert.ok(record);
    const { trial, attempt, attemptUID } = record;
    const bus = openNatsBus({ url: nats.url, name: 'trainer' });
    await until(async () => bus.status().connected || undefined, 'a connection', 20_000);
    const tell = (epoch: number, id: string) => {
      const message = encodeMeasurements(metadata.uid, [makeMeasurement({ trial, attempt, attemptUID, epoch })]);
      return bus.publish({ ...message, id });
    };
    for (const [epoch, id] of [
      [1, 'a'],
      [2, 'b'],
      [2, 'c'],
    ] as const)
      assert.equal(await tell(epoch, id), 'stored');
    await bus.close();
  };
  /** As a browser does. */
  const readPages = async () => {
    const get = async (path: string) => (await fetch(`${page.url}${path}`)).text();
    const gone = new AbortController();
    await fetch(`${page.url}/api/v1/events?topics=sweeps`, { signal: gone.signal });
    const timestamp = new Date().toISOString();
    const values = { lcp: 1200, inp: 80, cls: 0.01 };
    const body = JSON.stringify({
      measurements: [{ type: 'web-vitals', values, timestamp }],
      exceptions: [{ type: 'TypeError', value: 'x is undefined', timestamp }],
    });
    const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    // A rate is seen of what was scraped before.
    for (let at = 0; at < 3; at++) {
      await get('/api/v1/sweeps');
      await get('/api/v1/sweeps/default/study/trials');
      assert.equal((await fetch(`${page.url}/collect`, { method: 'POST', headers, body })).status, 202);
      await until(
        async () => ((await seen('cnn_sweep_faro_items_total')) === 2 * (at + 1) ? true : undefined),
        'it',
        20_000,
      );
    }
    gone.abort();
  };
  const seen = (name: string) => figure(`sum(${name})`);

  const podOf = async (job: string) =>
    (await cluster.kubectl('get', 'pods', '-l', `job-name=${job.split('/')[1]}`, '-o', 'name')).trim();
  const done = async () => {
    const [first] = await prometheus.now('sum(cnn_sweep_trials{phase=~"succeeded|failed|stopped"})');
    return first?.values[0];
  };
  const figure = async (expr: string) => (await prometheus.now(expr))[0]?.values[0];

  test('every expression of the dashboard is understood', async () => {
    assert.ok(asked.length > 25);
    for (const { exprs } of asked) for (const expr of exprs) await prometheus.range(filled(expr));
  });

  test('every panel shows something', async () => {
    for (const { title, exprs } of asked.filter((each) => !FOREIGN_PANELS.includes(each.title))) {
      // The line of what nodes offer is another program's.
      for (const expr of exprs.filter((each) => !each.includes('kube_node'))) {
        const found = await prometheus.range(filled(expr));
        assert.ok(
          found.some(({ values }) => values.length > 0),
          `${title}: nothing for ${filled(expr)}`,
        );
      }
    }
  });

  test('a sweep’s start and end are marked', async () => {
    for (const { name, expr } of dashboard.annotations.list) {
      const isMarked = async () => {
        const sweeps = (await prometheus.range(filled(expr))).map(({ labels }) => labels.sweep);
        return (sweeps.includes('study') && sweeps.includes('troubled')) || undefined;
      };
      await until(isMarked, name, 10_000);
    }
  });

  test('the figures are those of the cluster', async () => {
    assert.equal(await figure('sum(cnn_sweep_trials)'), TRIALS + 2);
    assert.equal(await figure('cnn_sweep_sweeps{sweep_namespace="default",phase="Complete"}'), 2);
    assert.equal(await figure('cnn_sweep_trials_finished_total{outcome="Succeeded"}'), TRIALS + 1);
    assert.equal(await figure('cnn_sweep_trial_failures_total{reason="BadConfiguration"}'), 1);
    assert.equal(await figure('cnn_sweep_trial_retries_total{reason="Lost"}'), 1);
    assert.equal(await figure('sum(cnn_sweep_trial_retries_total)'), 1);
    assert.equal(await figure('cnn_sweep_trials_created_total'), TRIALS + 3);
    // The lost one and the failed one never ran.
    assert.equal(await figure('cnn_sweep_trial_pending_seconds_count'), TRIALS + 1);
    assert.equal(await figure('cnn_sweep_ingest_measurements_total{result="stored"}'), 2);
    assert.equal(await figure('cnn_sweep_ingest_measurements_total{result="duplicate"}'), 1);
    assert.equal(await figure('cnn_sweep_best_validation_accuracy_ratio{sweep="study"}'), 0.45);
    assert.equal(await figure('sum(cnn_sweep_nats_connected)'), 2);
    assert.equal(await figure('leader_election_master_status{name="cnn-sweep-controller"}'), 1);
  });

  test('what the runbook of failed trials asks for is answered', async () => {
    const runbooks = await readFile(path.join(ROOT, 'docs/runbooks.md'), 'utf8');
    const [, output = ''] = /trialresultslices --namespace TEAM --output (jsonpath='.*')$/m.exec(runbooks) ?? [];
    assert.notEqual(output, '');
    const said = await cluster.kubectl('get', 'trialresultslices', '--output', output.replaceAll("'", ''));
    assert.match(said, /^\d\tBadConfiguration: exit 2\n$/);
    const byReason = await prometheus.now('sum by (reason) (increase(cnn_sweep_trial_failures_total[1h])) > 0');
    assert.deepEqual(
      byReason.map(({ labels }) => labels.reason),
      ['BadConfiguration'],
    );
  });

  test('the rules are evaluated without an error, and none of the alerts fires', async () => {
    const rules = await prometheus.rules();
    assert.equal(rules.length, 17);
    for (const { name, health, lastError } of rules) assert.equal(health, 'ok', `${name}: ${lastError}`);
    const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
    assert.deepEqual(firing, []);
    const share = await figure('namespace:cnn_sweep_trial_failures:ratio1h');
    assert.ok(share !== undefined && share > 0 && share < 0.1, `${share}`);
  });

  test('promtool finds nothing wrong with the pages, and they are small', async () => {
    for (const url of [`http://${controller.metricsAddress}`, page.opsUrl]) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const { ok, said } = await promtool(['check', 'metrics'], { input: text });
      assert.ok(ok, said);
      const series = text.split('\n').filter((line) => /^[a-z]/.test(line)).length;
      assert.ok(series > 100 && series < 1000, `${series} series`);
    }
  });
});

/** A trainer that refuses what it was given. */
const EXIT_2 = {
  phase: 'Failed',
  containerStatuses: [
    {
      name: 'trainer',
      image: 'trainer',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated: { exitCode: 2, reason: 'Error' } },
    },
  ],
};
