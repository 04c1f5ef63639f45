import { BoundedLabels } from '../shared/bounded-labels.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import { PHASES, type SweepStatus } from '../sweep/status.ts';
import { MAX_NAMESPACES } from './trial-metrics.ts';

const MAX_SWEEPS = 20;
const TRIAL_PHASES = ['waiting', 'running', 'succeeded', 'failed', 'stopped'] as const;

/** A Sweep as the gauges show it. */
export interface SweepSeen {
  readonly namespace: string;
  readonly name: string;
  readonly status: SweepStatus;
  readonly gpusRequested: number;
  /** Age of the oldest trial that has a Job and does not run yet, in seconds. */
  readonly oldestPendingSeconds: number;
}

/** Told of every Sweep that there is. */
export interface SweepMetrics {
  sweepSeen(sweep: SweepSeen): void;
  sweepGone(namespace: string, name: string): void;
}

/** Gauges of Sweeps. @param onDropped a Sweep that somebody may miss has lost its series */
export function openSweepMetrics(telemetry: Telemetry, onDropped: () => void): SweepMetrics {
  const known = new Map<string, SweepSeen>();
  const trials = telemetry.gauge({
    name: 'cnn_sweep_trials',
    help: 'Trials of a Sweep, by where they stand; the Sweeps that changed last.',
    labelNames: ['sweep_namespace', 'sweep', 'phase'],
  });
  const shown = new BoundedLabels(MAX_SWEEPS, (key) => {
    const [sweep_namespace = '', sweep = ''] = key.split('/');
    for (const phase of TRIAL_PHASES) trials.remove({ sweep_namespace, sweep, phase });
    // One that is finished, or gone, is missed by nobody.
    const phase = known.get(key)?.status.phase;
    if (phase !== undefined && phase !== 'Complete' && phase !== 'Failed') onDropped();
  });
  // Namespaces of the Sweeps there are now, at a scrape: gauges may lose a series.
  const namespaced = (name: string, help: string, value: (sweeps: readonly SweepSeen[]) => number) =>
    telemetry.gauge({
      name,
      help,
      labelNames: ['sweep_namespace'],
      collect() {
        this.reset();
        for (const [namespace, sweeps] of byNamespace(known.values())) {
          this.set({ sweep_namespace: namespace }, value(sweeps));
        }
      },
    });
  telemetry.gauge({
    name: 'cnn_sweep_sweeps',
    help: 'Sweeps by phase.',
    labelNames: ['sweep_namespace', 'phase'],
    collect() {
      this.reset();
      for (const [namespace, sweeps] of byNamespace(known.values())) {
        for (const phase of PHASES) {
          this.set({ sweep_namespace: namespace, phase }, sweeps.filter(({ status }) => status.phase === phase).length);
        }
      }
    },
  });
  namespaced(
    'cnn_sweep_trial_pending_oldest_seconds',
    'Age of the oldest Job whose container does not run yet.',
    (all) => Math.max(0, ...all.map(({ oldestPendingSeconds }) => oldestPendingSeconds)),
  );
  namespaced('cnn_sweep_gpu_requested', 'GPUs that live Jobs ask for.', (all) =>
    all.reduce((sum, { gpusRequested }) => sum + gpusRequested, 0),
  );
  return {
    sweepSeen(seen) {
      const key = `${seen.namespace}/${seen.name}`;
      const before = known.get(key);
      known.set(key, seen);
      // A turn alone is no change: the ones that changed last keep their names.
      if (before && !shown.has(key) && isSame(before.status, seen.status)) return;
      if (!before || !isSame(before.status, seen.status)) shown.touch(key);
      for (const phase of TRIAL_PHASES) {
        trials.set({ sweep_namespace: seen.namespace, sweep: seen.name, phase }, seen.status.trials[phase]);
      }
    },
    sweepGone(namespace, name) {
      const key = `${namespace}/${name}`;
      known.delete(key);
      shown.remove(key);
    },
  };
}

function isSame(a: SweepStatus, b: SweepStatus): boolean {
  return a.phase === b.phase && TRIAL_PHASES.every((phase) => a.trials[phase] === b.trials[phase]);
}

/** At most 20 namespaces by name, the rest together. */
function byNamespace(sweeps: Iterable<SweepSeen>): Map<string, SweepSeen[]> {
  const groups = new Map<string, SweepSeen[]>();
  for (const sweep of sweeps) {
    const name = groups.has(sweep.namespace) || groups.size < MAX_NAMESPACES ? sweep.namespace : '_other';
    const group = groups.get(name);
    if (group) group.push(sweep);
    else groups.set(name, [sweep]);
  }
  return groups;
}
