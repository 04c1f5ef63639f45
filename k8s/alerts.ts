// Writes charts/monitoring/rules.yaml, recording rules and alerts for Prometheus: `node k8s/alerts.ts`. The chart makes a
// PrometheusRule of it; a Prometheus without the operator reads it as it is. A test proves that it is up to date.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: 'warning' | 'critical' };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

export interface RuleGroup {
  /** `cnn-sweep-<part>`: the chart leaves out those of parts that are not installed. */
  readonly name: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

interface Alert {
  readonly expr: string;
  readonly for?: string;
  readonly severity?: 'warning' | 'critical';
  readonly summary: string;
  /** What it means; what to do is in the runbook. */
  readonly description: string;
}

const SWEEP = '{{ $labels.sweep_namespace }}/{{ $labels.sweep }}';
const IN_NAMESPACE = 'in namespace {{ $labels.sweep_namespace }}';
const SHARE = '{{ $value | humanizePercentage }}';

const RECORDED: Readonly<Record<string, string>> = {
  'namespace:cnn_sweep_trials_finished:rate15m':
    'sum by (sweep_namespace) (rate(cnn_sweep_trials_finished_total[15m]))',
  'namespace:cnn_sweep_trial_failures:ratio1h':
    'sum by (sweep_namespace) (increase(cnn_sweep_trials_finished_total{outcome="Failed"}[1h])) / (sum by (sweep_namespace) (increase(cnn_sweep_trials_finished_total[1h])) > 0)',
  'route:cnn_sweep_http_request_duration_seconds:p95_5m':
    'histogram_quantile(0.95, sum by (route, le) (rate(cnn_sweep_http_request_duration_seconds_bucket[5m])))',
  'cnn_sweep:ingest_lag_seconds:p99_5m':
    'histogram_quantile(0.99, sum by (le) (rate(cnn_sweep_ingest_lag_seconds_bucket[5m])))',
};

/** Names without their prefix, by the part that must be installed. */
const ALERTS: Readonly<Record<'controller' | 'dashboard' | 'nats', Readonly<Record<string, Alert>>>> = {
  controller: {
    ControllerDown: {
      expr: 'absent(cnn_sweep_build_info{component="controller"})',
      for: '5m',
      severity: 'critical',
      summary: 'No controller of cnn-sweep is scraped.',
      description: 'Running trials go on; nothing new starts and nothing is recorded until a controller is back.',
    },
    NoLeader: {
      expr: 'sum(leader_election_master_status{name="cnn-sweep-controller"}) == 0',
      for: '5m',
      severity: 'critical',
      summary: 'No controller of cnn-sweep holds the lease.',
      description: 'Controllers run, but none of them leads: nothing new starts and nothing is recorded.',
    },
    ReconcileErrors: {
      expr: 'sum(rate(controller_runtime_reconcile_total{controller="cnn-sweep",result="error"}[10m])) / sum(rate(controller_runtime_reconcile_total{controller="cnn-sweep"}[10m])) > 0.1',
      for: '15m',
      summary: 'Turns of the cnn-sweep controller fail.',
      description: `${SHARE} of the turns of the last ten minutes failed; each is tried again, with longer and longer waits.`,
    },
    QueueStuck: {
      expr: 'max(workqueue_longest_running_processor_seconds{name="cnn-sweep"}) > 300',
      for: '5m',
      summary: 'A turn of the cnn-sweep controller does not end.',
      description: 'It has run for {{ $value | humanizeDuration }}; its Sweep gets no other one meanwhile.',
    },
    TrialFailureRatioHigh: {
      expr: 'namespace:cnn_sweep_trial_failures:ratio1h > 0.25 and on (sweep_namespace) sum by (sweep_namespace) (increase(cnn_sweep_trials_finished_total[1h])) >= 4',
      for: '10m',
      summary: 'Many trials fail.',
      description: `${SHARE} of the trials that ended in the last hour ${IN_NAMESPACE} failed.`,
    },
    TrialsPendingTooLong: {
      expr: 'cnn_sweep_trial_pending_oldest_seconds > 1800',
      for: '5m',
      summary: 'A trial does not start.',
      description: `A trial ${IN_NAMESPACE} has waited for {{ $value | humanizeDuration }} for its container to run.`,
    },
    SeriesDropped: {
      expr: 'increase(cnn_sweep_series_dropped_total[1h]) > 0',
      summary: 'Metrics of cnn-sweep are incomplete.',
      description: 'Series of {{ $labels.metric }} were left out, so that their number stays bounded.',
    },
  },
  dashboard: {
    DashboardDown: {
      expr: 'absent(cnn_sweep_build_info{component="dashboard"})',
      for: '5m',
      summary: 'No dashboard of cnn-sweep is scraped.',
      description: 'Sweeps go on; nobody sees their curves.',
    },
    Stalled: {
      expr: 'time() - max by (sweep_namespace, sweep) (cnn_sweep_sweep_last_progress_timestamp_seconds) > 3600 and on (sweep_namespace, sweep) cnn_sweep_trials{phase="running"} > 0 unless on () cnn_sweep_nats_connected == 0',
      for: '10m',
      summary: 'A Sweep makes no progress.',
      description: `Trials of Sweep ${SWEEP} run, but none of them has ended an epoch for {{ $value | humanizeDuration }}.`,
    },
    IngestLag: {
      expr: 'cnn_sweep:ingest_lag_seconds:p99_5m > 30 or cnn_sweep_ingest_pending_messages > 10000',
      for: '10m',
      summary: 'Curves come late.',
      description:
        'Measurements are shown long after their epochs, or many wait to be read ({{ $value | humanize }} seconds or messages).',
    },
    DashboardErrorRatio: {
      expr: 'sum(rate(cnn_sweep_http_requests_total{status_class="5xx"}[10m])) / sum(rate(cnn_sweep_http_requests_total[10m])) > 0.05',
      for: '10m',
      summary: 'The cnn-sweep dashboard answers with errors.',
      description: `${SHARE} of its answers of the last ten minutes were errors of its own.`,
    },
  },
  nats: {
    NatsDisconnected: {
      expr: 'max by (component) (cnn_sweep_nats_connected) == 0',
      for: '5m',
      summary: 'cnn-sweep is not connected to NATS.',
      description:
        'The {{ $labels.component }} has no connection. No trial fails by that, and no verdict changes; curves are late.',
    },
    NatsStorageFull: {
      expr: 'cnn_sweep_nats_stream_bytes / cnn_sweep_nats_stream_max_bytes > 0.85',
      for: '15m',
      summary: 'A stream of cnn-sweep is nearly full.',
      description: `Stream {{ $labels.stream }} is ${SHARE} full; what comes when it is full is refused, and the trial keeps it back.`,
    },
  },
};

/** Every recording rule and alert of operations.md section 3. */
export function buildRuleGroups(): readonly RuleGroup[] {
  const recorded = Object.entries(RECORDED).map(([record, expr]) => ({ record, expr }));
  const alerts = Object.entries(ALERTS).map(([part, group]) => ({
    name: `cnn-sweep-${part}`,
    rules: Object.entries(group).map(([name, alert]) => buildAlert(`CnnSweep${name}`, alert)),
  }));
  return [{ name: 'cnn-sweep-recorded', rules: recorded }, ...alerts];
}

function buildAlert(
  alert: string,
  { expr, for: duration, severity = 'warning', summary, description }: Alert,
): AlertRule {
  return {
    alert,
    expr,
    ...(duration !== undefined && { for: duration }),
    labels: { severity },
    annotations: { summary, description, runbook_url: `docs/runbooks.md#${alert.toLowerCase()}` },
  };
}

export const RULES = fileURLToPath(new URL('../charts/monitoring/rules.yaml', import.meta.url));

export function buildRules(): string {
  return `# Written by k8s/alerts.ts; do not edit.\n${stringify({ groups: buildRuleGroups() }, { lineWidth: 0 })}`;
}

if (import.meta.main) await writeFile(RULES, buildRules());
