import { randomBytes } from 'node:crypto';
import { openCluster } from '../shared/calls.ts';
import { namespaceOf, openWire, readKubeConfig } from '../shared/cluster.ts';
import { InvalidConfigError, messageOf, SweepError } from '../sweep/errors.ts';
import { type Finding, failed, skipped } from './check.ts';
import { checkBad, checkKinds, checkLease, checkReady, checkSample, checkStreams } from './doctor-checks.ts';
import { checkSweep } from './doctor-sweep.ts';
import type { Output } from './output.ts';

export interface DoctorOptions {
  /** Where Sweeps are tried; absent: the namespace of the kubeconfig's context. */
  readonly namespace?: string;
  readonly leaseNamespace?: string;
  readonly leaseName?: string;
  /** `http://cnn-sweep-controller.cnn-sweep:9090`. */
  readonly controllerUrl?: string;
  /** `http://cnn-sweep-dashboard-metrics.cnn-sweep:9090`. */
  readonly dashboardUrl?: string;
  /** NATS is part of it. */
  readonly streams?: boolean;
  readonly sweep?: boolean;
  /** Seconds for all checks together, the sweep aside. */
  readonly timeout: number;
}

/** Says whether a cluster is ready for Sweeps, a line a check. Leaves nothing behind. @returns exit code: 0 it is, 1 it is not */
export async function doctor(options: DoctorOptions, output: Output): Promise<number> {
  const { leaseNamespace, leaseName, controllerUrl, dashboardUrl, streams = false, sweep, timeout } = options;
  if ((leaseNamespace === undefined) !== (leaseName === undefined))
    throw new InvalidConfigError('--lease-namespace and --lease-name: give both, or neither');
  const namespace = options.namespace ?? namespaceOf(readKubeConfig()) ?? 'default';
  const lease =
    leaseName === undefined || leaseNamespace === undefined
      ? undefined
      : { namespace: leaseNamespace, name: leaseName };
  const wire = openWire();
  const stopping = stopOnSignal();
  const overdue = new AbortController();
  const timer = setTimeout(() => overdue.abort(new SweepError('Timeout', `not within ${timeout} s`)), timeout * 1000);
  const name = `cnn-sweep-doctor-${randomBytes(4).toString('hex')}`;
  const base = { cluster: openCluster(wire), namespace, name };
  const checking = { ...base, signal: AbortSignal.any([stopping.signal, overdue.signal]) };
  try {
    const checks: readonly (readonly [string, Promise<Finding>])[] = [
      ['kinds', found(checkKinds(checking))],
      ['sample', found(checkSample(checking))],
      ['bad sample', found(checkBad(checking))],
      ['lease', found(checkLease(checking, lease))],
      ['controller', found(checkReady(checking, controllerUrl, '--controller-url'))],
      ['streams', found(checkStreams(checking, controllerUrl, streams))],
      ['dashboard', found(checkReady(checking, dashboardUrl, '--dashboard-url'))],
    ];
    let isWell = true;
    const say = async (what: string, finding: Promise<Finding>) => {
      const { result, said } = await finding;
      isWell &&= result !== 'failed';
      output.print(`${result.padEnd(7)}  ${what}: ${said}`);
    };
    for (const [what, finding] of checks) await say(what, finding);
    if (sweep) {
      const trained = isWell ? checkSweep({ ...base, signal: stopping.signal }) : undefined;
      await say(
        'sweep',
        trained ? found(trained) : Promise.resolve(skipped('not tried, since a check before it failed')),
      );
    }
    return isWell ? 0 : 1;
  } finally {
    clearTimeout(timer);
    stopping.close();
    await wire.close();
  }
}

/** A check that throws has failed, whatever it threw. */
async function found(check: Promise<Finding>): Promise<Finding> {
  return check.catch((error: unknown) => failed(messageOf(error)));
}

/** Ctrl-C, or the end of the Pod: what was created is deleted first. */
function stopOnSignal(): { readonly signal: AbortSignal; readonly close: () => void } {
  const controller = new AbortController();
  const stop = () => controller.abort(new SweepError('Interrupted', 'interrupted'));
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: controller.signal,
    close() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
