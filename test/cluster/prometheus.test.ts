// A real Prometheus reads a real controller while it runs a real sweep: what Grafana would show is there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RULES } from '../../k8s/alerts.ts';
import { buildDashboard } from '../../k8s/grafana.ts';
import { type RunningPrometheus, startPrometheus } from '../monitoring/prometheus.ts';
import { fillIn } from '../monitoring/promql.ts';
import { NO_PROMETHEUS, promtool } from '../monitoring/promtool.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { PARTS } from './control-plane.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => NO_PROMETHEUS || undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const TRIALS = 24;

/** Panels that need no more than a controller: by row. */
const OF_THE_CONTROLLER = [
  'Trials done',
  'Time left',
  'Trials by phase',
  'Failed trials by reason',
  'Further attempts by reason',
  'GPUs requested and allocatable',
  'Wait for a container',
  'Longest wait now',
  'How long trials run',
  'GPUs in use by trials',
  'Turns',
  'Turns that failed',
  'How long a turn takes',
  'Queue',
  'Longest turn now',
  'Requests to the API server',
  'Leader',
];

const dashboard = buildDashboard();
const asked = dashboard.panels.flatMap((panel) =>
  'targets' in panel ? [{ title: panel.title, exprs: panel.targets.map(({ expr }) => expr) }] : [],
);
/** Scraped each second, so that few seconds make a rate. */
const filled = (expr: string) =>
  fillIn(expr, { $__rate_interval: '15s' }).replaceAll('[30m]', '[15s]').replaceAll('offset 1m', 'offset 3s');

describe('what Prometheus has of a sweep', options, () => {
  let cluster: Cluster;
  let controller: RunningController;
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
    controller = await startController(cluster.kubeconfig, ['--delete-delay-seconds=1']);
    started.push(() => controller.stop());
    prometheus = await startPrometheus([controller.metricsAddress], { rules: [RULES] });
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
    await until(async () => ((await jobs('troubled')).length > 0 ? true : undefined), 'another Job', 60_000);
    await cluster.kubectl('label', 'nodes', '--all', 'late=true');
    await complete('troubled');
    // Until a scrape has all of it.
    await until(async () => ((await done()) === TRIALS + 2 ? true : undefined), 'a scrape of the end', 30_000);
  });

  after(async () => {
    for (const stop of started.reverse()) await stop();
  });

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

  test('every panel that shows a controller shows something', async () => {
    for (const title of OF_THE_CONTROLLER) {
      const panel = asked.find((each) => each.title === title);
      assert.ok(panel, `no panel ${title}`);
      // The line of what nodes offer is another program's.
      const own = panel.exprs.filter((expr) => !expr.includes('kube_node'));
      for (const expr of own) {
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
    assert.equal(await figure('leader_election_master_status{name="cnn-sweep-controller"}'), 1);
  });

  test('the rules are evaluated without an error, and none of the controller’s alerts fires', async () => {
    const rules = await prometheus.rules();
    assert.equal(rules.length, 17);
    for (const { name, health, lastError } of rules) assert.equal(health, 'ok', `${name}: ${lastError}`);
    const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
    assert.deepEqual(firing, []);
    const share = await figure('namespace:cnn_sweep_trial_failures:ratio1h');
    assert.ok(share !== undefined && share > 0 && share < 0.1, `${share}`);
  });

  test('promtool finds nothing wrong with the page, and it is small', async () => {
    const page = await (await fetch(`http://${controller.metricsAddress}/metrics`)).text();
    const { ok, said } = await promtool(['check', 'metrics'], { input: page });
    assert.ok(ok, said);
    const series = page.split('\n').filter((line) => /^[a-z]/.test(line)).length;
    assert.ok(series > 100 && series < 1000, `${series} series`);
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
