import { FirstLabels } from '../shared/bounded-labels.ts';
import type { Counter, Telemetry } from '../shared/telemetry.ts';
import type { VitalName } from './faro-payload.ts';
import type { Observer } from './observer.ts';
import type { Ingested, Store } from './store.ts';
import type { SweepEntry } from './sweep-entry.ts';

const MAX_SWEEPS = 20;
const MAX_ROUTES = 20;
const MAX_ANSWERS = 64;
/** Metrics that are kept small. */
const SWEEPS = 'cnn_sweep_best_validation_accuracy_ratio';
const ROUTES = 'cnn_sweep_http_request_duration_seconds';
const ANSWERS = 'cnn_sweep_http_requests_total';
const COMPONENT = { component: 'dashboard' } as const;
const METHODS = ['GET', 'HEAD', 'POST'];
const ANSWER_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const LAG_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];
const PAINT_SECONDS = [0.1, 0.25, 0.5, 1, 1.5, 2.5, 4, 8, 16];
const INPUT_SECONDS = [0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 4];
const SHIFT = [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2];

/** What the feed of measurements tells. */
export interface IngestObserver {
  ingested(result: Ingested | 'rejected'): void;
  /** @param seconds from the measurement's publication to its being stored @param trial `namespace/name/7`, for the exemplar */
  lagged(seconds: number, trial: string): void;
  /** Messages that wait to be read. */
  pending(messages: number): void;
}

export interface MetricsOptions {
  readonly store: Store;
  readonly streamClients: () => number;
  /** Undefined: it runs without NATS. */
  readonly nats: (() => { readonly connected: boolean; readonly reconnects: number }) | undefined;
}

export interface DashboardMetrics extends Observer, IngestObserver {}

/** The dashboard's metrics. No label holds anything that users can make many of. @see operations.md section 3 */
export function openDashboardMetrics(telemetry: Telemetry, options: MetricsOptions): DashboardMetrics {
  const dropped = telemetry.counter({
    name: 'cnn_sweep_series_dropped_total',
    help: 'Series that were left out or removed so that their number stays bounded.',
    labelNames: ['metric'],
  });
  // A counter that begins at 1 has not increased: an alert asks for the increase.
  for (const metric of [SWEEPS, ROUTES, ANSWERS]) dropped.inc({ metric }, 0);
  openSweepGauges(telemetry, options.store, dropped);
  openConnectionGauges(telemetry, options);
  return { ...openAnswerMetrics(telemetry, dropped), ...openIngestMetrics(telemetry), ...openPageMetrics(telemetry) };
}

/** The sweeps that changed last; those of a sweep go with it. */
function openSweepGauges(telemetry: Telemetry, store: Store, dropped: Counter<'metric'>): void {
  let shown: readonly SweepEntry[] = [];
  const choose = () => {
    const all = store.sweeps;
    const chosen = all.toSorted((a, b) => b.revision - a.revision).slice(0, MAX_SWEEPS);
    for (const entry of shown) {
      // One that is finished is missed by nobody.
      if (all.includes(entry) && !chosen.includes(entry) && !entry.isFinal) dropped.inc({ metric: SWEEPS });
    }
    shown = chosen;
  };
  const gauge = (
    name: string,
    help: string,
    value: (entry: SweepEntry) => number | undefined,
    before = () => undefined,
  ) =>
    telemetry.gauge({
      name,
      help,
      labelNames: ['sweep_namespace', 'sweep'],
      collect() {
        before();
        this.reset();
        for (const entry of shown) {
          const figure = value(entry);
          if (figure !== undefined) this.set({ sweep_namespace: entry.namespace, sweep: entry.name }, figure);
        }
      },
    });
  gauge(
    'cnn_sweep_best_validation_accuracy_ratio',
    'Validation accuracy of the best network so far.',
    ({ verdict }) => verdict.best?.validationAccuracy,
    () => {
      choose();
      return undefined;
    },
  );
  gauge(
    'cnn_sweep_best_accuracy_gap_ratio',
    'Training minus validation accuracy of the best network so far.',
    ({ verdict }) => verdict.best?.gap,
  );
  gauge(
    'cnn_sweep_sweep_last_progress_timestamp_seconds',
    'When a measurement or a record of the Sweep came last.',
    ({ progressAt }) => progressAt,
  );
}

function openConnectionGauges(telemetry: Telemetry, { streamClients, nats }: MetricsOptions): void {
  telemetry.gauge({
    name: 'cnn_sweep_stream_clients',
    help: 'Clients of the event stream.',
    collect() {
      this.set(streamClients());
    },
  });
  if (!nats) return;
  telemetry.gauge({
    name: 'cnn_sweep_nats_connected',
    help: 'Whether NATS can be read.',
    labelNames: ['component'],
    collect() {
      this.set(COMPONENT, nats().connected ? 1 : 0);
    },
  });
  let counted = 0;
  telemetry.counter({
    name: 'cnn_sweep_nats_reconnects_total',
    help: 'Times that the connection to NATS came back.',
    labelNames: ['component'],
    collect() {
      const { reconnects } = nats();
      this.inc(COMPONENT, Math.max(0, reconnects - counted));
      counted = Math.max(counted, reconnects);
    },
  });
}

function openAnswerMetrics(telemetry: Telemetry, dropped: Counter<'metric'>): Pick<Observer, 'answered' | 'resynced'> {
  const requests = telemetry.counter({
    name: 'cnn_sweep_http_requests_total',
    help: 'Answers of the API and the page.',
    labelNames: ['route', 'method', 'status_class'],
  });
  const duration = telemetry.histogram({
    name: 'cnn_sweep_http_request_duration_seconds',
    help: 'From a request to the end of its answer; streams aside.',
    labelNames: ['route'],
    buckets: ANSWER_SECONDS,
  });
  const resyncs = telemetry.counter({
    name: 'cnn_sweep_stream_resyncs_total',
    help: 'Clients of the event stream that had to read anew.',
  });
  const routes = new FirstLabels(MAX_ROUTES, () => dropped.inc({ metric: ROUTES }));
  const answers = new FirstLabels(MAX_ANSWERS - 1, () => dropped.inc({ metric: ANSWERS }));
  return {
    answered({ route, method, status, seconds }) {
      const labels = {
        route,
        method: METHODS.includes(method) ? method : 'other',
        status_class: `${Math.floor(status / 100)}xx`,
      };
      const isKept = answers.of(Object.values(labels).join(' ')) !== '_other';
      requests.inc(isKept ? labels : { route: '_other', method: 'other', status_class: 'other' });
      if (!route.endsWith('/events')) duration.observe({ route: routes.of(route) }, seconds);
    },
    resynced: () => resyncs.inc(),
  };
}

function openIngestMetrics(telemetry: Telemetry): IngestObserver {
  const measurements = telemetry.counter({
    name: 'cnn_sweep_ingest_measurements_total',
    help: 'Measurements that came, by what became of them.',
    labelNames: ['result'],
  });
  for (const result of ['stored', 'duplicate', 'rejected', 'stale']) measurements.inc({ result }, 0);
  const waiting = telemetry.gauge({
    name: 'cnn_sweep_ingest_pending_messages',
    help: 'Messages of the stream that wait to be read.',
  });
  const lag = telemetry.histogram({
    name: 'cnn_sweep_ingest_lag_seconds',
    help: 'From the end of an epoch, as published, to its being shown.',
    buckets: LAG_SECONDS,
    enableExemplars: true,
  });
  return {
    ingested: (result) => measurements.inc({ result }),
    pending: (messages) => waiting.set(messages),
    lagged: (seconds, trial) => lag.observe({ value: Math.max(0, seconds), exemplarLabels: { trial } }),
  };
}

function openPageMetrics(telemetry: Telemetry): Pick<Observer, 'pageItem' | 'vital'> {
  const items = telemetry.counter({
    name: 'cnn_sweep_faro_items_total',
    help: 'What pages told of themselves, by what became of it.',
    labelNames: ['kind', 'result'],
  });
  const vitals = {
    lcp: telemetry.histogram({
      name: 'cnn_sweep_web_vital_lcp_seconds',
      help: 'Largest contentful paint of a page.',
      buckets: PAINT_SECONDS,
    }),
    inp: telemetry.histogram({
      name: 'cnn_sweep_web_vital_inp_seconds',
      help: 'Interaction to next paint of a page.',
      buckets: INPUT_SECONDS,
    }),
    cls: telemetry.histogram({
      name: 'cnn_sweep_web_vital_cls_ratio',
      help: 'Cumulative layout shift of a page.',
      buckets: SHIFT,
    }),
  };
  return {
    pageItem: (kind, result) => items.inc({ kind, result }),
    vital(name: VitalName, value) {
      if (name === 'cls') vitals.cls.observe(value);
      else if (name !== 'ttfb') vitals[name].observe(value / 1000);
    },
  };
}
