export interface Query {
  readonly expr: string;
  /** What a series is called: `{{reason}}`. */
  readonly legend?: string;
  readonly format?: 'heatmap';
  /** The last value alone. */
  readonly instant?: boolean;
}

/** A panel as its row lists it; place and number follow from the order. */
export interface PanelPlan {
  readonly title: string;
  readonly description: string;
  readonly kind: 'stat' | 'timeseries' | 'bars' | 'heatmap';
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of 24. */
  readonly width: number;
  readonly stacked?: boolean;
  /** Each series is one Sweep, and leads to it in our own page. */
  readonly linked?: boolean;
}

/** A selector of our own series: `name{job=~"$job",instance=~"$instance",…}`. */
const own = (name: string, labels = '') =>
  `${name}{job=~"$job",instance=~"$instance"${labels === '' ? '' : `,${labels}`}}`;
const IN_NAMESPACE = 'sweep_namespace=~"$sweep_namespace"';
const OF_SWEEP = `${IN_NAMESPACE},sweep=~"$sweep"`;

const rate = (name: string, labels?: string) => `rate(${own(name, labels)}[$__rate_interval])`;
const increase = (name: string, labels?: string) => `increase(${own(name, labels)}[$__rate_interval])`;
const quantile = (q: number, name: string, by = '') =>
  `histogram_quantile(${q}, sum by (le${by}) (${rate(`${name}_bucket`)}))`;

const query = (expr: string, legend?: string): Query => ({ expr, ...(legend !== undefined && { legend }) });

const trials = (phases?: string) => own('cnn_sweep_trials', phases ? `${OF_SWEEP},phase=~"${phases}"` : OF_SWEEP);
const LEFT = 'waiting|running';
/** Trials that end in a second, over half an hour; nothing where none does. */
const PACE = `(-sum(deriv(${trials(LEFT)}[30m])) > 0)`;

const SWEEP: readonly PanelPlan[] = [
  {
    title: 'Trials done',
    description: 'Trials that are recorded, of those that the chosen Sweeps have.',
    kind: 'stat',
    unit: 'short',
    width: 4,
    queries: [
      { ...query(`sum(${trials('succeeded|failed|stopped')})`, 'done'), instant: true },
      { ...query(`sum(${trials()})`, 'total'), instant: true },
    ],
  },
  {
    title: 'Time left',
    description: 'Trials that are left, at the pace of the last half hour. Empty while none ends.',
    kind: 'stat',
    unit: 's',
    width: 4,
    queries: [{ ...query(`sum(${trials(LEFT)}) / ${PACE}`, 'left'), instant: true }],
  },
  {
    title: 'Trials by phase',
    description: 'Where the trials of the chosen Sweeps stand. The 20 Sweeps that changed last are known here.',
    kind: 'timeseries',
    unit: 'short',
    width: 16,
    stacked: true,
    queries: [query(`sum by (phase) (${trials()})`, '{{phase}}')],
  },
  {
    title: 'Failed trials by reason',
    description: 'Trials recorded as failed, of all Sweeps. docs/reasons.md says what each reason means.',
    kind: 'bars',
    unit: 'short',
    width: 6,
    queries: [query(`sum by (reason) (${increase('cnn_sweep_trial_failures_total')})`, '{{reason}}')],
  },
  {
    title: 'Further attempts by reason',
    description: 'Attempts that followed another one, by the reason of the one before; of all Sweeps.',
    kind: 'bars',
    unit: 'short',
    width: 6,
    queries: [query(`sum by (reason) (${increase('cnn_sweep_trial_retries_total')})`, '{{reason}}')],
  },
  {
    title: 'Best validation accuracy',
    description: 'Of the best trial so far that does not overfit.',
    kind: 'timeseries',
    unit: 'percentunit',
    width: 6,
    linked: true,
    queries: [
      query(
        `max by (sweep_namespace, sweep) (${own('cnn_sweep_best_validation_accuracy_ratio', OF_SWEEP)})`,
        '{{sweep_namespace}}/{{sweep}}',
      ),
    ],
  },
  {
    title: 'Its gap',
    description: 'Training accuracy less validation accuracy of that trial.',
    kind: 'timeseries',
    unit: 'percentunit',
    width: 6,
    linked: true,
    queries: [
      query(
        `max by (sweep_namespace, sweep) (${own('cnn_sweep_best_accuracy_gap_ratio', OF_SWEEP)})`,
        '{{sweep_namespace}}/{{sweep}}',
      ),
    ],
  },
];

const CLUSTER: readonly PanelPlan[] = [
  {
    title: 'GPUs requested and allocatable',
    description:
      'GPUs that live Jobs ask for, and all that nodes offer (kube-state-metrics; without it a line is missing).',
    kind: 'timeseries',
    unit: 'short',
    width: 8,
    queries: [
      query(`sum by (sweep_namespace) (${own('cnn_sweep_gpu_requested', IN_NAMESPACE)})`, '{{sweep_namespace}}'),
      query('sum(kube_node_status_allocatable{resource=~"nvidia_com_.+"})', 'allocatable'),
    ],
  },
  {
    title: 'Wait for a container',
    description: 'From a Job’s creation to its container’s start: queue, node, image.',
    kind: 'timeseries',
    unit: 's',
    width: 8,
    queries: [
      query(quantile(0.5, 'cnn_sweep_trial_pending_seconds'), 'p50'),
      query(quantile(0.95, 'cnn_sweep_trial_pending_seconds'), 'p95'),
    ],
  },
  {
    title: 'Longest wait now',
    description: 'Of the trials that have a Job and no running container.',
    kind: 'timeseries',
    unit: 's',
    width: 8,
    queries: [
      query(
        `max by (sweep_namespace) (${own('cnn_sweep_trial_pending_oldest_seconds', IN_NAMESPACE)})`,
        '{{sweep_namespace}}',
      ),
    ],
  },
  {
    title: 'How long trials run',
    description: 'Trials recorded, by the seconds that their attempt ran.',
    kind: 'heatmap',
    unit: 'short',
    width: 8,
    queries: [
      { ...query(`sum by (le) (${increase('cnn_sweep_trial_duration_seconds_bucket')})`, '{{le}}'), format: 'heatmap' },
    ],
  },
  {
    title: 'GPUs in use by trials',
    description: 'GPU seconds a second of the attempts that ended; it comes with their ends.',
    kind: 'timeseries',
    unit: 'short',
    width: 8,
    queries: [
      query(`sum by (sweep_namespace) (${rate('cnn_sweep_gpu_seconds_total', IN_NAMESPACE)})`, '{{sweep_namespace}}'),
    ],
  },
  {
    title: 'How busy GPUs are',
    description:
      'Of all GPUs of the cluster (dcgm-exporter; empty without it). A small network leaves a GPU idle: sharing pays.',
    kind: 'timeseries',
    unit: 'percentunit',
    width: 8,
    // The first also under MIG.
    queries: [query('avg(DCGM_FI_PROF_GR_ENGINE_ACTIVE) or avg(DCGM_FI_DEV_GPU_UTIL) / 100', 'busy')],
  },
];

const PIPELINE: readonly PanelPlan[] = [
  {
    title: 'Measurements read',
    description: 'Measurements a second that the dashboard took from NATS and stored.',
    kind: 'timeseries',
    unit: 'ops',
    width: 6,
    queries: [query(`sum(${rate('cnn_sweep_ingest_measurements_total', 'result="stored"')})`, 'stored')],
  },
  {
    title: 'Measurements left aside',
    description: 'Repeated, undecodable, or of an attempt that counts no more.',
    kind: 'bars',
    unit: 'short',
    width: 6,
    queries: [
      query(
        `sum by (result) (${increase('cnn_sweep_ingest_measurements_total', 'result=~"duplicate|rejected|stale"')})`,
        '{{result}}',
      ),
    ],
  },
  {
    title: 'Epoch’s end to curve',
    description: 'How late a curve is. Results and verdict do not wait for it.',
    kind: 'timeseries',
    unit: 's',
    width: 6,
    queries: [
      query(quantile(0.5, 'cnn_sweep_ingest_lag_seconds'), 'p50'),
      query(quantile(0.99, 'cnn_sweep_ingest_lag_seconds'), 'p99'),
    ],
  },
  {
    title: 'Messages that wait',
    description: 'In NATS, not read by the dashboard yet.',
    kind: 'timeseries',
    unit: 'short',
    width: 6,
    queries: [query(`max by (instance) (${own('cnn_sweep_ingest_pending_messages')})`, '{{instance}}')],
  },
  {
    title: 'Streams',
    description: 'Bytes that a stream holds, and the most that it may.',
    kind: 'timeseries',
    unit: 'bytes',
    width: 12,
    queries: [
      query(`max by (stream) (${own('cnn_sweep_nats_stream_bytes')})`, '{{stream}}'),
      query(`max by (stream) (${own('cnn_sweep_nats_stream_max_bytes')})`, '{{stream}}, at most'),
    ],
  },
  {
    title: 'Connected to NATS',
    description: '1 while connected. Without it no trial fails; curves are late.',
    kind: 'timeseries',
    unit: 'short',
    width: 6,
    queries: [query(`min by (component) (${own('cnn_sweep_nats_connected')})`, '{{component}}')],
  },
  {
    title: 'Connections made anew',
    description: 'How often a connection to NATS was lost and came back.',
    kind: 'bars',
    unit: 'short',
    width: 6,
    queries: [query(`sum by (component) (${increase('cnn_sweep_nats_reconnects_total')})`, '{{component}}')],
  },
];

const TURNS = 'controller="cnn-sweep"';
const QUEUE = 'name="cnn-sweep"';

const CONTROLLER: readonly PanelPlan[] = [
  {
    title: 'Turns',
    description: 'Turns a second by their end. requeue_after asks for another one later, and is no failure.',
    kind: 'timeseries',
    unit: 'ops',
    width: 8,
    queries: [query(`sum by (result) (${rate('controller_runtime_reconcile_total', TURNS)})`, '{{result}}')],
  },
  {
    title: 'Turns that failed',
    description: 'Share of the turns that ended in an error; specs found invalid beside them, and mistakes of ours.',
    kind: 'timeseries',
    unit: 'percentunit',
    width: 8,
    queries: [
      query(
        `sum(${rate('controller_runtime_reconcile_errors_total', TURNS)}) / sum(${rate('controller_runtime_reconcile_total', TURNS)})`,
        'errors',
      ),
      query(
        `sum(${rate('controller_runtime_terminal_reconcile_errors_total', TURNS)}) / sum(${rate('controller_runtime_reconcile_total', TURNS)})`,
        'invalid',
      ),
      query(
        `sum(${rate('controller_runtime_reconcile_panics_total', TURNS)}) / sum(${rate('controller_runtime_reconcile_total', TURNS)})`,
        'mistakes of ours',
      ),
    ],
  },
  {
    title: 'How long a turn takes',
    description: 'From its read to its status write.',
    kind: 'timeseries',
    unit: 's',
    width: 8,
    queries: [
      query(quantile(0.5, 'controller_runtime_reconcile_time_seconds'), 'p50'),
      query(quantile(0.99, 'controller_runtime_reconcile_time_seconds'), 'p99'),
    ],
  },
  {
    title: 'Queue',
    description: 'Sweeps that wait for a turn, and turns that run.',
    kind: 'timeseries',
    unit: 'short',
    width: 6,
    queries: [
      query(`sum(${own('workqueue_depth', QUEUE)})`, 'waiting'),
      query(`sum(${own('controller_runtime_active_workers', TURNS)})`, 'running'),
    ],
  },
  {
    title: 'Longest turn now',
    description: 'Seconds of the turn that has run longest. Above 300 an alert fires.',
    kind: 'timeseries',
    unit: 's',
    width: 6,
    queries: [query(`max(${own('workqueue_longest_running_processor_seconds', QUEUE)})`, 'longest')],
  },
  {
    title: 'Requests to the API server',
    description: 'By the code of the answer; below 2.5 writes a trial over a whole Sweep.',
    kind: 'timeseries',
    unit: 'reqps',
    width: 6,
    stacked: true,
    queries: [query(`sum by (code) (${rate('rest_client_requests_total')})`, '{{code}}')],
  },
  {
    title: 'Leader',
    description: '1 for the controller that holds the lease.',
    kind: 'timeseries',
    unit: 'short',
    width: 6,
    queries: [
      query(`max by (instance) (${own('leader_election_master_status', 'name=~".*controller"')})`, '{{instance}}'),
    ],
  },
];

const WEB: readonly PanelPlan[] = [
  {
    title: 'Answers, p95',
    description: '95 % of a route’s answers are faster.',
    kind: 'timeseries',
    unit: 's',
    width: 8,
    queries: [query(quantile(0.95, 'cnn_sweep_http_request_duration_seconds', ', route'), '{{route}}')],
  },
  {
    title: 'Answers that are errors',
    description: 'Share of 5xx. Under load 503 is an answer, 500 never.',
    kind: 'timeseries',
    unit: 'percentunit',
    width: 8,
    queries: [
      query(
        `(sum(${rate('cnn_sweep_http_requests_total', 'status_class="5xx"')}) or vector(0)) / sum(${rate('cnn_sweep_http_requests_total')})`,
        '5xx',
      ),
    ],
  },
  {
    title: 'Event streams',
    description: 'Open pages, and streams that began anew with a snapshot.',
    kind: 'timeseries',
    unit: 'short',
    width: 8,
    queries: [
      query(`sum(${own('cnn_sweep_stream_clients')})`, 'clients'),
      query(`sum(${increase('cnn_sweep_stream_resyncs_total')})`, 'began anew'),
    ],
  },
  {
    title: 'From browsers',
    description: 'What Faro sent, by kind: exceptions are errors of the page.',
    kind: 'bars',
    unit: 'short',
    width: 8,
    queries: [query(`sum by (kind, result) (${increase('cnn_sweep_faro_items_total')})`, '{{kind}} {{result}}')],
  },
  {
    title: 'Web vitals, p75',
    description:
      'When the largest part was there (good: 2.5 s) and how long the page took to answer a person (good: 0.2 s).',
    kind: 'timeseries',
    unit: 's',
    width: 8,
    queries: [
      query(quantile(0.75, 'cnn_sweep_web_vital_lcp_seconds'), 'LCP'),
      query(quantile(0.75, 'cnn_sweep_web_vital_inp_seconds'), 'INP'),
    ],
  },
  {
    title: 'Layout shift, p75',
    description: 'How far the parts of the page moved (good: 0.1).',
    kind: 'timeseries',
    unit: 'none',
    width: 8,
    queries: [query(quantile(0.75, 'cnn_sweep_web_vital_cls_ratio'), 'CLS')],
  },
];

/** From top to bottom. */
export const ROWS: Readonly<Record<string, readonly PanelPlan[]>> = {
  Sweep: SWEEP,
  Cluster: CLUSTER,
  Pipeline: PIPELINE,
  Controller: CONTROLLER,
  Web: WEB,
};
