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
  const inBoth = <M extends Metric>(metric: M): M => {
    text.registerMetric(metric);
    return metric;
  };
  collectDefaultMetrics({ register: open });
  for (const { name } of open.getMetricsAsArray()) {
    const metric = open.getSingleMetric(name);
    if (metric) text.registerMetric(metric);
  }
  const described: MetricDescription[] = [];
  const describe = (
    type: MetricDescription['type'],
    { name, labelNames = [] }: { readonly name: string; readonly labelNames?: readonly string[] },
  ) => described.push({ name, type, labels: labelNames });
  const telemetry: Telemetry = {
    described,
    counter: (options) => {
      describe('counter', options);
      return inBoth(new Counter({ ...options, registers: [open] }));
    },
    gauge: (options) => {
      describe('gauge', options);
      return inBoth(new Gauge({ ...options, registers: [open] }));
    },
    histogram: (options) => {
      describe('histogram', options);
      return inBoth(new Histogram({ ...options, registers: [open] }));
    },
    async expose(accept) {
      const registry = accept?.includes(OPEN_METRICS) ? open : text;
      return { contentType: registry.contentType, body: await registry.metrics() };
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
