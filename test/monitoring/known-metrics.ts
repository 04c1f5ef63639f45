import { controllerMetrics, dashboardMetrics } from './registries.ts';

/** Labels of each series name, `_bucket` and its kin included. */
export type KnownMetrics = ReadonlyMap<string, readonly string[]>;

/** What scrapes and the Prometheus operator add. */
export const SCRAPED = ['job', 'instance', 'namespace', 'pod', 'service', 'endpoint', 'container'] as const;

/** Not ours: kube-state-metrics and dcgm-exporter. */
export const FOREIGN: KnownMetrics = new Map([
  ['kube_node_status_allocatable', ['node', 'resource', 'unit']],
  ['DCGM_FI_DEV_GPU_UTIL', ['gpu', 'Hostname']],
  ['DCGM_FI_PROF_GR_ENGINE_ACTIVE', ['gpu', 'Hostname']],
]);

/** Of both programs, from their registries. */
export function readKnownMetrics(): KnownMetrics {
  const known = new Map<string, readonly string[]>();
  for (const { name, type, labels } of [...controllerMetrics(), ...dashboardMetrics()]) {
    if (type !== 'histogram') known.set(name, labels);
    else {
      known.set(`${name}_bucket`, [...labels, 'le']);
      for (const part of ['_sum', '_count']) known.set(name + part, labels);
    }
  }
  return known;
}
