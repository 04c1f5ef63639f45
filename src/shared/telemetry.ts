import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  type Metric,
  type OpenMetricsContentType,
  Registry,
} from 'prom-client';
import { VERSION } from './package.ts';

export type { Counter, Gauge, Histogram } from 'prom-client';

/** A metric as it was declared. */
export interface MetricDescription {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

/** The metrics of one process, in both forms that Prometheus reads. */
export interface Telemetry {
  counter<Label extends string>(options: CounterConfiguration<Label>): Counter<Label>;
  gauge<Label extends string>(options: GaugeConfiguration<Label>): Gauge<Label>;
  histogram<Label extends string>(options: HistogramConfiguration<Label>): Histogram<Label>;
  /** What was declared so far, Node.js's own aside. */
  readonly described: readonly MetricDescription[];
  /** The page of `/metrics`: OpenMetrics only for who names it, since some scrapers cannot read it. */
  expose(accept: string | undefined): Promise<{ readonly contentType: string; readonly body: string }>;
}

const OPEN_METRICS = 'application/openmetrics-text';

/** @param component `controller` or `dashboard` */
export function openTelemetry(component: string, commit = ''): Telemetry {
  // A metric with exemplars can only be made in an OpenMetrics registry; the other one shows the same objects.
  const open = new Registry<OpenMetricsContentType>();
  open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const text = new Registry();
  const names = new Map<Metric, string>();
  const inBoth = <M extends Metric>(metric: M, name: string): M => {
    text.registerMetric(metric);
    names.set(metric, name);
    return metric;
  };
  collectDefaultMetrics({ register: open });
  for (const { name, type } of open.getMetricsAsArray()) {
    // `nodejs_active_handles_total` and its like: no counters, and the same metrics without that ending have their values by kind.
    if (String(type) === 'gauge' && name.endsWith('_total')) open.removeSingleMetric(name);
    const metric = open.getSingleMetric(name);
    if (metric) inBoth(metric, name);
  }
  const described: MetricDescription[] = [];
  const describe = (
    type: MetricDescription['type'],
    { name, labelNames = [] }: { readonly name: string; readonly labelNames?: readonly string[] },
  ) => described.push({ name, type, labels: labelNames });
  // A page in OpenMetrics takes `_total` off the names of counters, for good: they are put back, and there is one page at a time.
  const render = async (registry: Registry | Registry<OpenMetricsContentType>) => {
    for (const [metric, name] of names) Object.assign(metric, { name });
    return { contentType: registry.contentType, body: await registry.metrics() };
  };
  let last: Promise<unknown> = Promise.resolve();
  const telemetry: Telemetry = {
    described,
    counter: (options) => {
      describe('counter', options);
      return inBoth(new Counter({ ...options, registers: [open] }), options.name);
    },
    gauge: (options) => {
      describe('gauge', options);
      return inBoth(new Gauge({ ...options, registers: [open] }), options.name);
    },
    histogram: (options) => {
      describe('histogram', options);
      return inBoth(new Histogram({ ...options, registers: [open] }), options.name);
    },
    expose: (accept) => {
      const page = last.then(() => render(accept?.includes(OPEN_METRICS) ? open : text));
      last = page.catch(() => undefined);
      return page;
    },
  };
  telemetry
    .gauge({
      name: 'cnn_sweep_build_info',
      help: 'What runs here; always 1.',
      labelNames: ['component', 'version', 'commit'],
    })
    .set({ component, version: VERSION, commit }, 1);
  return telemetry;
}
