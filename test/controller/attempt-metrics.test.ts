import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openControllerMetrics } from '../../src/controller/metrics.ts';
import { openTelemetry } from '../../src/shared/telemetry.ts';
import { calmScenario } from './simulation/scenario.ts';
import { type Outcome, simulate } from './simulation/simulate.ts';

const IDLE = { depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 };

/** What the metrics of a run's controllers say at its end: the sum of each one's series. */
async function run(scenario: ReturnType<typeof calmScenario>): Promise<{ run: Outcome; of: (name: string) => number }> {
  const telemetry = openTelemetry('controller');
  const metrics = openControllerMetrics(telemetry, { figures: () => IDLE, leads: () => true, leaseName: 'lease' });
  const outcome = await simulate(scenario, { metrics });
  const { body } = await telemetry.expose(undefined);
  const of = (name: string) =>
    body
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  return { run: outcome, of };
}

test('every trial’s wait is counted once, and none is retried where none fails', async () => {
  const { run: calm, of } = await run(calmScenario(1));
  assert.equal(of('cnn_sweep_trials_created_total'), calm.jobsCreated.length);
  assert.equal(of('cnn_sweep_trial_pending_seconds_count'), calm.jobsCreated.length);
  assert.equal(of('cnn_sweep_trial_retries_total'), 0);
});

test('each Job of a further attempt is counted with the reason of the one before', async () => {
  const { run: troubled, of } = await run(calmScenario(3, { fates: [[0.3, { kind: 'exit', code: 1 }]] }));
  const again = troubled.jobsCreated.filter((name) => /-r\d+$/.test(name));
  assert.ok(again.length > 0);
  assert.equal(of('cnn_sweep_trial_retries_total{reason="Crashed"}'), again.length);
  assert.equal(of('cnn_sweep_trial_retries_total'), again.length);
});
