import { readFileSync } from 'node:fs';
import path from 'node:path';
import { openControllerMetrics } from '../../src/controller/metrics.ts';
import { ROOT } from '../../src/shared/package.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';

/** Labels of each series name, `_bucket` and its kin included. */
export type KnownMetrics = ReadonlyMap<string, readonly string[]>;

const figures = () => ({ depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 });

/** What scrapes and the Prometheus operator add. */
export const SCRAPED = ['job', 'instance', 'namespace', 'pod', 'service', 'endpoint', 'container'] as const;

/** Not ours: kube-state-metrics and dcgm-exporter. */
export const FOREIGN: KnownMetrics = new Map([
  ['kube_node_status_allocatable', ['node', 'resource', 'unit']],
  ['DCGM_FI_DEV_GPU_UTIL', ['gpu', 'Hostname']],
  ['DCGM_FI_PROF_GR_ENGINE_ACTIVE', ['gpu', 'Hostname']],
]);

/** The controller's, from its registry; what docs/metrics.md has beside them is compared with its own registry in docs.test.ts or,
 * for parts that connect to something, where they are tested.
 */
export function readKnownMetrics(): KnownMetrics {
  const telemetry = openTelemetry('controller');
  openControllerMetrics(telemetry, { figures, leads: () => false, leaseName: 'lease' });
  const known = new Map<string, readonly string[]>();
  const rows = readFileSync(path.join(ROOT, 'docs/metrics.md'), 'utf8').matchAll(
    /^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|/gm,
  );
  const documented = [...rows].map(([, name = '', type = '', labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
  }));
  for (const { name, type, labels } of [...documented, ...telemetry.described]) {
    if (type !== 'histogram') known.set(name, labels);
    else
      for (const part of ['_bucket', '_sum', '_count'])
        known.set(name + part, part === '_bucket' ? [...labels, 'le'] : labels);
  }
  return known;
}
