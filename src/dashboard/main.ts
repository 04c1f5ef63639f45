// Shows sweeps: flags → API server and NATS → store → app → listen.
// Exit codes: 0 told to stop, 1 something failed for good, 2 bad flags.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { openCluster } from '../shared/calls.ts';
import { namespaceOf, openWire, readKubeConfig } from '../shared/cluster.ts';
import { openLog } from '../shared/log.ts';
import { type NatsBus, openNatsBus } from '../shared/nats-bus.ts';
import { readModel } from '../shared/nats-models.ts';
import { buildOps } from '../shared/ops.ts';
import { ROOT, VERSION } from '../shared/package.ts';
import { openTelemetry } from '../shared/telemetry.ts';
import { realTimers as timers } from '../shared/timers.ts';
import { InvalidConfigError, messageOf } from '../sweep/errors.ts';
import { type Access, openToLoopback } from './access.ts';
import { buildApp } from './app.ts';
import { clusterModels, type ModelStore } from './cluster-models.ts';
import { openClusterReviews } from './cluster-reviews.ts';
import { type ClusterSource, openClusterSource } from './cluster-source.ts';
import type { CollectOptions } from './collect.ts';
import { followFeed, noFeed } from './feed.ts';
import { type AuthMode, type Flags, type NatsFlags, parseFlags } from './flags.ts';
import { openToProxy, openToTokens } from './known-users.ts';
import { openDashboardMetrics } from './metrics.ts';
import { followModels, listModels } from './model-list.ts';
import { NO_MODELS } from './models.ts';
import { readReportAssets } from './report-assets.ts';
import { CachedReviews, type Reviews } from './reviews.ts';
import { Store } from './store.ts';

const log = openLog((line) => process.stdout.write(line));
const DRAIN_MS = 9_000;
/** No byte from the API server for so long: the watches are dead and their watchdog with them. */
const TOO_QUIET_MS = 180_000;

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const own = namespaceOf(readKubeConfig()) ?? 'default';
  const namespaces = flags.namespaces === '*' ? undefined : (flags.namespaces ?? [own]);
  const store = new Store();
  const stopping = new AbortController();
  const cluster = openCluster(openWire());
  const bus = flags.nats && openBus(flags.nats);
  const telemetry = openTelemetry('dashboard');
  let streamClients = () => 0;
  const metrics = openDashboardMetrics(telemetry, {
    store,
    streamClients: () => streamClients(),
    nats: bus && (() => ({ connected: bus.status().connected, reconnects: bus.nats.reconnects })),
  });

  let source: ClusterSource | undefined;
  const ops = buildOps({
    telemetry,
    ready: () => ({
      caches: source?.isSynced ? true : 'not listed yet',
      ...(stopping.signal.aborted && { server: 'stopping' }),
    }),
    unhealthy: () => ((source?.silentMs ?? 0) > TOO_QUIET_MS ? 'no word from the API server' : undefined),
  });
  await ops.listen({ host: flags.opsHost, port: flags.opsPort });

  const pageFolder = flags.pageFolder ?? join(ROOT, 'dist/page');
  const app = await buildApp({
    store,
    access: accessOf(flags.authMode, new CachedReviews(openClusterReviews(cluster), timers)),
    models: bus ? modelsOf(bus) : NO_MODELS,
    log,
    reportAssets: rememberAssets(),
    pageFolder,
    styleHashes: styleHashesOf(pageFolder),
    machine: 'Kubernetes',
    tls: tlsOf(flags),
    collect: flags.faro.enabled ? { forward: forwarderOf(flags.faro) } : undefined,
    observer: metrics,
  });
  streamClients = () => app.streams.size;

  source = openClusterSource({ cluster, namespaces, store, log, timers });
  await app.listen({ host: flags.host, port: flags.port });
  log.info('started', { version: VERSION, namespaces: namespaces ?? '*', auth: flags.authMode, nats: flags.nats?.url });
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());

  if (bus) {
    // Measurements of a Sweep that is not listed yet would have to wait.
    await source.synced;
    const { signal } = stopping;
    await Promise.all([
      followFeed({ feed: bus, store, observer: metrics, log, timers, signal }),
      followModels({ list: (ended) => listModels(bus.nats, ended), store, timers, signal }),
    ]);
  } else noFeed(store);

  async function stop(): Promise<void> {
    log.info('stopping');
    stopping.abort();
    const late = setTimeout(() => exit(false), DRAIN_MS);
    await app.close();
    clearTimeout(late);
    exit(true);
  }
}

function exit(drained: boolean): never {
  log.info('stopped', { drained });
  process.exit(0);
}

function openBus({ url, user, passwordFile, caFile }: NatsFlags): NatsBus {
  const name = user ?? 'dashboard';
  return openNatsBus({
    ...{ url, name },
    // As the password: its Secret may come later than we do.
    ca: caFile === undefined ? undefined : () => readFileSync(caFile, 'utf8'),
    inboxPrefix: `_INBOX_${name}`,
    credentials: () => {
      if (user === undefined) return undefined;
      return { user, password: passwordFile === undefined ? '' : readFileSync(passwordFile, 'utf8').trim() };
    },
  });
}

function modelsOf({ nats }: NatsBus) {
  const store: ModelStore = { read: (address, signal) => readModel(nats, address, signal) };
  return clusterModels(store, (error) => log.warn('model not read', { error }));
}

function accessOf(mode: AuthMode, reviews: Reviews): Access {
  if (mode === 'loopback') return openToLoopback();
  return mode === 'token' ? openToTokens(reviews) : openToProxy(reviews);
}

function tlsOf({ tls }: Flags) {
  if (!tls) return undefined;
  return {
    cert: readGiven('tls-cert-file', tls.certFile),
    key: readGiven('tls-key-file', tls.keyFile),
    ca: tls.clientCaFile === undefined ? undefined : readGiven('client-ca-file', tls.clientCaFile),
  };
}

function readGiven(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new InvalidConfigError(`--${flag}: ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Inline styles of the page's libraries, where its build wrote their hashes down. */
function styleHashesOf(pageFolder: string): readonly string[] {
  const path = join(pageFolder, 'style-hashes.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}

/** The same for every report. */
function rememberAssets() {
  let assets: ReturnType<typeof readReportAssets> | undefined;
  return () => {
    assets ??= readReportAssets();
    return assets;
  };
}

function forwarderOf({ forwardUrl, keyFile }: Flags['faro']): CollectOptions['forward'] {
  if (forwardUrl === undefined) return undefined;
  return async (body, signal) => {
    const key = keyFile === undefined ? {} : { 'x-api-key': readFileSync(keyFile, 'utf8').trim() };
    const headers = { 'content-type': 'application/json', ...key };
    const response = await request(forwardUrl, { method: 'POST', headers, body, signal });
    await response.body.dump();
    if (response.statusCode >= 300) throw new Error(`status ${response.statusCode}`);
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
