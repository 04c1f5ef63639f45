// Runs sweeps as Kubernetes Jobs: flags → lease → caches → turns (controller.ts).
// Exit codes: 0 told to stop, 1 the lease was lost or something failed for good, 2 bad flags.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { namespaceOf, openWire, readKubeConfig } from '../shared/cluster.ts';
import { openLog } from '../shared/log.ts';
import { buildOps } from '../shared/ops.ts';
import { VERSION } from '../shared/package.ts';
import { openTelemetry } from '../shared/telemetry.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { type Controller, type LeaseOptions, startController } from './controller.ts';
import { type Flags, parseFlags } from './flags.ts';
import { openControllerMetrics } from './metrics.ts';
import { startNats } from './nats.ts';
import { openNatsMetrics } from './nats-metrics.ts';

const log = openLog((line) => process.stdout.write(line));
/** For requests in flight, after SIGTERM. */
const DRAIN_MS = 10_000;
/** No byte from the API server for so long: the watches are dead and their watchdog with them. */
const TOO_QUIET_MS = 180_000;
const IDLE = { depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 };

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const own = namespaceOf(readKubeConfig()) ?? 'default';
  const namespaces = flags.namespaces === '*' ? undefined : (flags.namespaces ?? [own]);
  const telemetry = openTelemetry('controller');
  let controller: Controller | undefined;

  const ops = buildOps({
    telemetry,
    ready: () => ({ caches: controller ? (controller.missing ?? true) : 'starting' }),
    unhealthy: () => ((controller?.silentMs ?? 0) > TOO_QUIET_MS ? 'no word from the API server' : undefined),
  });
  await ops.listen({ host: flags.host, port: flags.port });
  log.info('started', { version: VERSION, namespaces: namespaces ?? '*', lease: flags.leaderElect });

  const wire = openWire();
  const metrics = openControllerMetrics(telemetry, {
    figures: () => controller?.queueFigures() ?? IDLE,
    leads: () => controller?.leads ?? false,
    leaseName: flags.leaseName,
  });
  const nats =
    flags.nats &&
    startNats({
      ...{ flags: flags.nats, wire, namespaces, log },
      serviceAccountName: flags.trainer.serviceAccountName,
      leads: () => controller?.leads ?? false,
      metrics: openNatsMetrics(telemetry),
      onRequest: metrics.onRequest,
    });
  controller = startController({
    wire,
    namespaces,
    trainer: {
      ...flags.trainer,
      get nats() {
        return nats?.trainer;
      },
    },
    onRecorded: nats && ((uid, recorded) => nats.recorded(uid, recorded)),
    kueue: flags.kueue,
    deleteDelayMs: flags.deleteDelayMs,
    lease: flags.leaderElect ? leaseOptions(flags, own) : undefined,
    log,
    metrics,
  });
  const running = controller;
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());

  async function stop(): Promise<void> {
    log.info('stopping');
    const isDrained = await running.stop(DRAIN_MS);
    await nats?.stop();
    await ops.close();
    log.info('stopped', { drained: isDrained });
    process.exit(0);
  }
}

function leaseOptions(flags: Flags, own: string): LeaseOptions {
  const { leaseNamespace = own, leaseName: name, leaseMs, renewMs, retryMs } = flags;
  return {
    ...{ namespace: leaseNamespace, name, leaseMs, renewMs, retryMs },
    identity: flags.identity ?? `${hostname()}_${randomUUID()}`,
    onLost: (why) => {
      log.error('lease lost', { why });
      process.exit(1);
    },
  };
}

// The last resort (F34): what nobody caught leaves a state that nobody knows.
process.on('unhandledRejection', (error) => {
  log.error('unhandled rejection', { error });
  process.exit(1);
});

main().catch((error: unknown) => {
  log.error('failed', { error });
  process.exit(error instanceof InvalidConfigError ? 2 : 1);
});
