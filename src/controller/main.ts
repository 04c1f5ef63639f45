// Runs sweeps as Kubernetes Jobs: flags → cluster, caches, queue → the lease → turns.
// Exit codes: 0 told to stop, 1 the lease was lost or something failed for good, 2 bad flags.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { openCluster } from '../shared/calls.ts';
import { namespaceOf, openWire, readKubeConfig } from '../shared/cluster.ts';
import { openLog } from '../shared/log.ts';
import { buildOps } from '../shared/ops.ts';
import { VERSION } from '../shared/package.ts';
import { openTelemetry } from '../shared/telemetry.ts';
import { realTimers } from '../shared/timers.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { openCaches } from './caches.ts';
import { openEvents } from './events.ts';
import { type Flags, parseFlags } from './flags.ts';
import { type Elector, leaseIn, startElector } from './lease.ts';
import { openControllerMetrics } from './metrics.ts';
import { Reconciler } from './reconcile.ts';
import { startQueue, type WorkQueue } from './workqueue.ts';

const log = openLog((line) => process.stdout.write(line));
/** For requests in flight, after SIGTERM. */
const DRAIN_MS = 10_000;
/** No byte from the API server for so long: the watches are dead and their watchdog with them. */
const TOO_QUIET_MS = 180_000;

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const config = readKubeConfig();
  const own = namespaceOf(config) ?? 'default';
  const namespaces = flags.namespaces === '*' ? undefined : (flags.namespaces ?? [own]);
  const wire = openWire();
  const telemetry = openTelemetry('controller');
  const stopping = new AbortController();
  let queue: WorkQueue | undefined;
  let elector: Elector | undefined;

  const metrics = openControllerMetrics(telemetry, {
    figures: () =>
      queue?.figures() ?? { depth: 0, activeWorkers: 0, unfinishedWorkSeconds: 0, longestRunningSeconds: 0 },
    leads: () => elector?.leads ?? false,
    leaseName: flags.leaseName,
  });
  const cluster = openCluster(wire, {
    beforeWrite: () => elector?.assertLeading(),
    onRequest: metrics.onRequest,
    stopping: stopping.signal,
  });
  const caches = openCaches({
    cluster,
    namespaces,
    onChange: (uid, isSpec) => (isSpec ? queue?.addNow(uid) : queue?.add(uid)),
    onGone: ({ metadata }) => metrics.sweepGone(metadata.namespace, metadata.name),
    onProblem: ({ plural, namespace, error, waitMs }) => log.warn('watch', { plural, namespace, error, waitMs }),
  });
  const reconciler = new Reconciler({
    cluster,
    caches,
    log,
    metrics,
    events: openEvents(cluster, { log, timers: realTimers }),
    trainer: flags.trainer,
    deleteDelayMs: flags.deleteDelayMs,
  });
  const begin = () => {
    log.info('leading');
    queue = startQueue({
      turn: (uid) => reconciler.turn(uid),
      observer: metrics.queue,
      onError: (uid, error, failures, waitMs) => log.error('turn failed', { uid, error, failures, waitMs }),
    });
    for (const { metadata } of caches.sweeps.values()) queue.add(metadata.uid);
  };

  const ops = buildOps({
    telemetry,
    ready: () => ({ caches: caches.isSynced || 'not listed yet' }),
    unhealthy: () => (caches.quietMs > TOO_QUIET_MS ? 'no word from the API server' : undefined),
  });
  await ops.listen({ host: flags.host, port: flags.port });
  log.info('started', { version: VERSION, namespaces: namespaces ?? '*', lease: flags.leaderElect });

  await caches.synced;
  if (stopping.signal.aborted) return;
  if (flags.leaderElect) elector = runForLease(flags, own, wire, begin);
  else begin();

  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());

  /** No new turn; the lease is given up only if nothing of ours can still be sent. */
  async function stop(): Promise<void> {
    log.info('stopping');
    stopping.abort();
    const isDrained = (await queue?.stop(DRAIN_MS)) ?? true;
    if (isDrained && cluster.inFlight === 0) await elector?.release();
    await ops.close();
    log.info('stopped', { drained: isDrained });
    process.exit(0);
  }
}

function runForLease(flags: Flags, own: string, wire: ReturnType<typeof openWire>, onElected: () => void): Elector {
  const namespace = flags.leaseNamespace ?? own;
  // Limits of its own: a renewal never waits behind other requests.
  const store = leaseIn(openCluster(wire), { namespace, name: flags.leaseName }, flags.renewMs / 2);
  return startElector({
    store,
    identity: flags.identity ?? `${hostname()}_${randomUUID()}`,
    onElected,
    onLost: (why) => {
      log.error('lease lost', { why });
      process.exit(1);
    },
    onProblem: (error) => log.warn('lease', { error }),
    leaseMs: flags.leaseMs,
    renewMs: flags.renewMs,
    retryMs: flags.retryMs,
  });
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
