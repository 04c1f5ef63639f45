import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { type AlertRule, buildRuleGroups, buildRules, RULES } from '../../k8s/alerts.ts';
import { ROOT } from '../../src/shared/package.ts';
import { NO_PROMETHEUS, promtool, withFiles } from './promtool.ts';

const rules = buildRuleGroups().flatMap((group) => group.rules);
const alerts = new Map(rules.flatMap((rule) => ('alert' in rule ? [[rule.alert, rule] as const] : [])));

const sorted = (names: readonly string[]) => names.toSorted((a, b) => (a < b ? -1 : Number(a > b)));

/** Series as promtool spells them, a value a minute from minute 0. */
type Series = Readonly<Record<string, string>>;

interface Case {
  readonly firing: Series;
  /** The nearest that is no alert. */
  readonly silent: Series;
  /** Minute at which it fires; a minute before its time is over it does not. */
  readonly atMinute: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** `$value` as people read it. */
  readonly value?: string;
}

const BUILD = (component: string) => `cnn_sweep_build_info{component="${component}",job="cnn-sweep"}`;
const LEADER = (instance: string) =>
  `leader_election_master_status{name="cnn-sweep-controller",instance="${instance}"}`;
const TURNS = (result: string) => `controller_runtime_reconcile_total{controller="cnn-sweep",result="${result}"}`;
const FINISHED = (outcome: string) => `cnn_sweep_trials_finished_total{sweep_namespace="team",outcome="${outcome}"}`;
const PROGRESS = 'cnn_sweep_sweep_last_progress_timestamp_seconds{sweep_namespace="team",sweep="study"}';
const RUNNING = 'cnn_sweep_trials{sweep_namespace="team",sweep="study",phase="running"}';
const NATS = (component: string) => `cnn_sweep_nats_connected{component="${component}"}`;
const LAG = (le: string) => `cnn_sweep_ingest_lag_seconds_bucket{le="${le}"}`;
const PENDING = 'cnn_sweep_ingest_pending_messages';
const HTTP = (status: string) => `cnn_sweep_http_requests_total{route="/api/v1/sweeps",status_class="${status}"}`;
const LONGEST = 'workqueue_longest_running_processor_seconds{name="cnn-sweep",controller="cnn-sweep"}';

const CASES: Readonly<Record<string, Case>> = {
  CnnSweepControllerDown: {
    firing: { [BUILD('dashboard')]: '1x30' },
    silent: { [BUILD('controller')]: '1x30' },
    atMinute: 5,
    labels: { component: 'controller' },
  },
  CnnSweepNoLeader: {
    firing: { [LEADER('a')]: '0x30', [LEADER('b')]: '0x30' },
    silent: { [LEADER('a')]: '0x30', [LEADER('b')]: '1x30' },
    atMinute: 5,
  },
  CnnSweepReconcileErrors: {
    firing: { [TURNS('success')]: '0+80x60', [TURNS('error')]: '0+20x60' },
    silent: { [TURNS('success')]: '0+91x60', [TURNS('error')]: '0+9x60' },
    // A rate needs two values.
    atMinute: 16,
    value: '20%',
  },
  CnnSweepQueueStuck: {
    firing: { [LONGEST]: '301x30', 'workqueue_longest_running_processor_seconds{name="others"}': '9000x30' },
    silent: { [LONGEST]: '300x30', 'workqueue_longest_running_processor_seconds{name="others"}': '9000x30' },
    atMinute: 5,
    value: '5m 1s',
  },
  CnnSweepTrialFailureRatioHigh: {
    firing: { [FINISHED('Succeeded')]: '0x5 4x60', [FINISHED('Failed')]: '0x5 4x60' },
    // Three trials are too few to speak of a share.
    silent: { [FINISHED('Succeeded')]: '0x5 1x60', [FINISHED('Failed')]: '0x5 2x60' },
    atMinute: 16,
    labels: { sweep_namespace: 'team' },
    value: '50%',
  },
  CnnSweepTrialsPendingTooLong: {
    firing: { 'cnn_sweep_trial_pending_oldest_seconds{sweep_namespace="team"}': '1801x30' },
    silent: { 'cnn_sweep_trial_pending_oldest_seconds{sweep_namespace="team"}': '1800x30' },
    atMinute: 5,
    labels: { sweep_namespace: 'team' },
    value: '30m 1s',
  },
  CnnSweepSeriesDropped: {
    firing: { 'cnn_sweep_series_dropped_total{metric="cnn_sweep_trials"}': '0x5 1x60' },
    silent: { 'cnn_sweep_series_dropped_total{metric="cnn_sweep_trials"}': '1x60' },
    atMinute: 6,
    labels: { metric: 'cnn_sweep_trials' },
  },
  CnnSweepDashboardDown: {
    firing: { [BUILD('controller')]: '1x30' },
    silent: { [BUILD('dashboard')]: '1x30' },
    atMinute: 5,
    labels: { component: 'dashboard' },
  },
  CnnSweepStalled: {
    // The clock of these tests begins at 0: at minute 80 the last progress is 80 minutes old.
    firing: { [PROGRESS]: '0x90', [RUNNING]: '2x90', [NATS('dashboard')]: '1x90' },
    silent: { [PROGRESS]: '0x90', [RUNNING]: '0x90', [NATS('dashboard')]: '1x90' },
    atMinute: 71,
    labels: { sweep_namespace: 'team', sweep: 'study' },
    value: '1h 11m 0s',
  },
  CnnSweepIngestLag: {
    firing: { [LAG('10')]: '0x30', [LAG('60')]: '0+10x30', [LAG('+Inf')]: '0+10x30' },
    silent: { [LAG('10')]: '0+10x30', [LAG('60')]: '0+10x30', [LAG('+Inf')]: '0+10x30', [PENDING]: '10000x30' },
    atMinute: 11,
    value: '59.5',
  },
  CnnSweepDashboardErrorRatio: {
    firing: { [HTTP('2xx')]: '0+94x60', [HTTP('5xx')]: '0+6x60' },
    silent: { [HTTP('2xx')]: '0+95x60', [HTTP('4xx')]: '0+30x60', [HTTP('5xx')]: '0+5x60' },
    atMinute: 11,
    value: '6%',
  },
  CnnSweepNatsDisconnected: {
    firing: { [NATS('controller')]: '1x30', [NATS('dashboard')]: '0x30' },
    silent: { 'cnn_sweep_nats_connected{component="dashboard",pod="a"}': '0x30', [NATS('dashboard')]: '1x30' },
    atMinute: 5,
    labels: { component: 'dashboard' },
  },
  CnnSweepNatsStorageFull: {
    firing: {
      'cnn_sweep_nats_stream_bytes{stream="CNN_SWEEP"}': '86x30',
      'cnn_sweep_nats_stream_max_bytes{stream="CNN_SWEEP"}': '100x30',
    },
    silent: {
      'cnn_sweep_nats_stream_bytes{stream="CNN_SWEEP"}': '85x30',
      'cnn_sweep_nats_stream_max_bytes{stream="CNN_SWEEP"}': '100x30',
    },
    atMinute: 15,
    labels: { stream: 'CNN_SWEEP' },
    value: '86%',
  },
};

/** Further cases that are silent, and what only a second one shows to fire. */
const FURTHER: Readonly<Record<string, { readonly alert: string; readonly series: Series; readonly fires: boolean }>> =
  {
    'a Sweep whose curves do not arrive is not said to stall': {
      alert: 'CnnSweepStalled',
      series: { [PROGRESS]: '0x90', [RUNNING]: '2x90', [NATS('dashboard')]: '0x90' },
      fires: false,
    },
    'nor one that made progress': {
      alert: 'CnnSweepStalled',
      series: { [PROGRESS]: '0+60x90', [RUNNING]: '2x90', [NATS('dashboard')]: '1x90' },
      fires: false,
    },
    'another operator’s errors are none of ours': {
      alert: 'CnnSweepReconcileErrors',
      series: {
        'controller_runtime_reconcile_total{controller="other",result="error"}': '0+50x60',
        [TURNS('success')]: '0+1x60',
      },
      fires: false,
    },
    'a Sweep in which nothing fails is silent': {
      alert: 'CnnSweepTrialFailureRatioHigh',
      series: { [FINISHED('Succeeded')]: '0x5 90x60', [FINISHED('Failed')]: '0x5 10x60' },
      fires: false,
    },
  };

const toSeries = (series: Series) => Object.entries(series).map(([name, values]) => ({ series: name, values }));

function expectation({ alert, labels, annotations }: AlertRule, { labels: own = {}, value = '' }: Case) {
  const said = (text: string) =>
    text
      .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => own[label] ?? `no label ${label}`)
      .replace(/\{\{ \$value[^}]* \}\}/g, value);
  const exp_annotations = Object.fromEntries(Object.entries(annotations).map(([key, text]) => [key, said(text)]));
  return { alertname: alert, exp: { exp_labels: { ...labels, ...own }, exp_annotations } };
}

/** What promtool answers to one test of the rules. */
function tryRules(text: string, tests: readonly object[]) {
  // Else promtool takes the groups in any order, and an alert may see the recorded rule of a minute ago.
  const group_eval_order = (parse(text) as { groups: { name: string }[] }).groups.map(({ name }) => name);
  const suiteOfTests = { rule_files: ['rules.yaml'], evaluation_interval: '1m', group_eval_order, tests };
  return withFiles({ 'rules.yaml': text, 'tests.yaml': stringify(suiteOfTests) }, (cwd) =>
    promtool(['test', 'rules', 'tests.yaml'], { cwd }),
  );
}

function firingTest(rule: AlertRule, its: Case) {
  const { alertname, exp } = expectation(rule, its);
  const alert_rule_test = [{ eval_time: `${its.atMinute}m`, alertname, exp_alerts: [exp] }];
  // A minute before its `for` is over it waits.
  if (rule.for !== undefined) alert_rule_test.unshift({ eval_time: `${its.atMinute - 1}m`, alertname, exp_alerts: [] });
  return { interval: '1m', input_series: toSeries(its.firing), alert_rule_test };
}

function silentTest(alertname: string, series: Series, until: number) {
  const times = Array.from({ length: until + 20 }, (_, minute) => minute);
  return {
    interval: '1m',
    input_series: toSeries(series),
    alert_rule_test: times.map((minute) => ({ eval_time: `${minute}m`, alertname, exp_alerts: [] })),
  };
}

suite('recording rules and alerts', { skip: NO_PROMETHEUS, concurrency: 2 }, () => {
  test('promtool finds nothing wrong in them', async () => {
    const { ok, said } = await promtool(['check', 'rules', '--lint=all', '--lint-fatal', RULES]);
    assert.ok(ok, said);
    assert.match(said, new RegExp(`SUCCESS: ${rules.length} rules found`));
  });

  test('each alert has its cases', () => {
    assert.deepEqual(sorted([...alerts.keys()]), sorted(Object.keys(CASES)));
  });

  for (const [name, its] of Object.entries(CASES)) {
    const rule = alerts.get(name);
    if (!rule) continue;
    test(`${name} fires, in the words that people read`, async () => {
      const { ok, said } = await tryRules(buildRules(), [firingTest(rule, its)]);
      assert.ok(ok, said);
    });
    test(`${name} is silent`, async () => {
      const { ok, said } = await tryRules(buildRules(), [silentTest(name, its.silent, its.atMinute)]);
      assert.ok(ok, said);
    });
  }

  for (const [sentence, { alert, series }] of Object.entries(FURTHER)) {
    test(sentence, async () => {
      const { ok, said } = await tryRules(buildRules(), [silentTest(alert, series, 70)]);
      assert.ok(ok, said);
    });
  }

  test('a rule that is broken is noticed', async () => {
    const [name, its] = ['CnnSweepNoLeader', CASES.CnnSweepNoLeader];
    const rule = alerts.get(name);
    assert.ok(rule && its);
    const broken = buildRules().replace('sum(leader_election_master_status', 'count(leader_election_master_status');
    assert.notEqual(broken, buildRules());
    assert.equal((await tryRules(broken, [firingTest(rule, its)])).ok, false);
    const deaf = buildRules().replace('} == 0', '} == 5');
    assert.equal((await tryRules(deaf, [silentTest(name, its.silent, 5)])).ok, true);
  });
});

test('the rules in the chart are those of the generator', async () => {
  assert.equal(await readFile(RULES, 'utf8'), buildRules());
});

test('each alert has a severity, its words, and a runbook', async () => {
  const runbooks = await readFile(path.join(ROOT, 'docs/runbooks.md'), 'utf8');
  const headings = [...runbooks.matchAll(/^## (\w+)$/gm)].map(([, heading = '']) => heading);
  assert.deepEqual(sorted(headings), sorted([...alerts.keys()]));
  const critical = [...alerts.values()].filter(({ labels }) => labels.severity === 'critical');
  assert.deepEqual(
    critical.map(({ alert }) => alert),
    ['CnnSweepControllerDown', 'CnnSweepNoLeader'],
  );
  for (const { alert, annotations } of alerts.values()) {
    assert.equal(annotations.runbook_url, `docs/runbooks.md#${alert.toLowerCase()}`);
    assert.ok(annotations.summary.length < 80 && annotations.summary.endsWith('.'), annotations.summary);
  }
});
