import { openControllerMetrics } from '../../src/controller/metrics.ts';
import { openNatsMetrics } from '../../src/controller/nats-metrics.ts';
import { openDashboardMetrics } from '../../src/dashboard/metrics.ts';
import { type MetricDescription, openTelemetry } from '../../src/shared/telemetry.ts';
import { makeStore } from '../dashboard/builders.ts';

const figures = () => ({ depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 });

/** All that a controller declares, NATS included. */
export function controllerMetrics(): readonly MetricDescription[] {
  const telemetry = openTelemetry('controller');
  openControllerMetrics(telemetry, { figures, leads: () => false, leaseName: 'lease' });
  openNatsMetrics(telemetry);
  return telemetry.described;
}

/** All that a dashboard declares. */
export function dashboardMetrics(): readonly MetricDescription[] {
  const telemetry = openTelemetry('dashboard');
  const nats = () => ({ connected: false, reconnects: 0 });
  openDashboardMetrics(telemetry, { store: makeStore(), streamClients: () => 0, nats });
  return telemetry.described;
}
