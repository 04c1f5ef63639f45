import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { ApiError } from '../../src/shared/api-error.ts';
import { type Cluster as Calls, openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { JOBS, type Kind, SLICES, SWEEPS } from '../../src/shared/kinds.ts';
import { ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job } from '../../src/shared/objects.ts';
import { keepJob } from '../../src/shared/projections.ts';
import { type Reflector, type ReflectorProblem, startReflector } from '../../src/shared/reflector.ts';
import type { Timers } from '../../src/shared/timers.ts';
import type { Wire } from '../../src/shared/wire.ts';
import { makeFolder } from '../local/folders.ts';
import { clusterKeepsItsPromises } from '../shared/cluster.contract.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { FaultProxy, type ProxiedWatch } from './fault-proxy.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const namespace = 'default';
const SERVER_NAME = 'kubernetes.default.svc';

/** A minute in a second: the limits of the reflector and of requests, on a server that knows nothing of it. */
const FASTER = 60;
const fast: Timers = {
  now: () => performance.now() * FASTER,
  after(ms, callback) {
    const timer = setTimeout(callback, ms / FASTER);
    return () => clearTimeout(timer);
  },
};

describe('a real API server', { ...options, timeout: 600_000 }, () => {
  let cluster: Cluster;
  let proxy: FaultProxy;
  let direct: Wire;
  let proxied: Wire;
  let token: string;

  before(async () => {
    cluster = await startControlPlane();
    for (const kind of ['sweeps', 'trialresultslices']) {
      await cluster.apply(await readFile(path.join(import.meta.dirname, `../../k8s/crds/${kind}.yaml`), 'utf8'));
    }
    await cluster.kubectl('wait', '--for=condition=Established', 'crd', '--all');
    // It forgets what was before, so that a version that is too old is at hand.
    await cluster.parts['kube-apiserver'].stop();
    await cluster.parts['kube-apiserver'].start();
    direct = openWire(() => readKubeConfigFile(cluster.kubeconfig));
    token = readKubeConfigFile(cluster.kubeconfig).getCurrentUser()?.token ?? '';
    const ca = await readFile(cluster.api.certificateFile, 'utf8');
    proxy = await FaultProxy.open(cluster.api.url, ca, SERVER_NAME);
    proxied = openWire(() => configOf(proxy.url, { token }));
    const known = async () => (await openCluster(direct).list(SLICES, { namespace })).items;
    while (!(await known().then(Boolean, () => false))) await sleep(100);
  });
  beforeEach(() => {
    proxy.fault = () => undefined;
    proxy.writes.length = 0;
    proxy.requests.length = 0;
  });
  after(async () => {
    await proxied?.close();
    await direct?.close();
    await proxy?.close();
    await cluster?.stop();
  });

  describe('keeps the promises', () => {
    clusterKeepsItsPromises({ name: 'real', wire: () => direct });
    clusterKeepsItsPromises({ name: 'through the proxy', wire: () => proxied });
  });

  /** Through the proxy, without long waits. */
  const calls = (random = () => 0): Calls => openCluster(proxied, { random });

  test('K4: a write whose answer is lost is repeated, and done once', async () => {
    const once = cutOnce();
    const job = makeJob();
    once('create');
    assert.deepEqual(await calls().createJob(job), { kind: 'exists' });
    const made = await calls().getJob(job.metadata);
    assert.ok(made);

    const slice = await created(calls(), SLICES, makeSlice());
    once('patch');
    assert.equal((await calls().appendRecords(slice, [makeRecord(0)])).kind, 'conflict');
    assert.equal((await calls().get(SLICES, slice.metadata))?.records?.length, 1);

    const sweep = await created(calls(), SWEEPS, makeSweep());
    once('apply');
    assert.equal((await calls().applySweepStatus(sweep, STATUS)).kind, 'conflict');
    assert.deepEqual((await calls().getSweep(sweep.metadata))?.status, STATUS);

    once('delete');
    assert.equal(await calls().deleteJob(made.metadata), 'gone');
    assert.deepEqual(
      proxy.writes.map(({ verb, status }) => `${verb} ${status}`),
      [
        ...['create 201', 'create 409', 'create 201', 'patch 200', 'patch 409'],
        ...['create 201', 'apply 200', 'apply 409', 'delete 200', 'delete 404'],
      ],
    );
  });

  /** The next request of a verb is done, and its answer lost. */
  function cutOnce(): (verb: string) => void {
    return (verb) => {
      proxy.fault = (request) => {
        if (request.verb !== verb) return undefined;
        proxy.fault = () => undefined;
        return { kind: 'cut' };
      };
    };
  }

  test('K5: a conflict is an answer, not a reason to try again', async () => {
    const slice = await created(calls(), SLICES, makeSlice());
    proxy.fault = ({ verb }) => (verb === 'patch' ? { kind: 'refuse', status: 409, reason: 'Conflict' } : undefined);
    for (let patch = 0; patch < 5; patch++) {
      assert.equal((await calls().appendRecords(slice, [makeRecord(0)])).kind, 'conflict');
    }
    assert.equal(proxy.writes.length, 6);
    proxy.fault = () => undefined;
    assert.equal((await calls().appendRecords(slice, [makeRecord(0)])).kind, 'written');
  });

  test('K6: 429 with Retry-After 1 is sent again a second later', async () => {
    let refusals = 2;
    proxy.fault = () => (refusals-- > 0 ? { kind: 'refuse', status: 429, retryAfter: '1' } : undefined);
    const begun = performance.now();
    assert.equal((await calls().createJob(makeJob())).kind, 'created');
    const ms = performance.now() - begun;
    assert.ok(ms > 1_950 && ms < 5_000, `${ms} ms`);
  });

  test('a request that is never answered ends after 10 s and is sent again on another socket', async () => {
    let hangs = 1;
    proxy.fault = () => (hangs-- > 0 ? { kind: 'hang', done: false } : undefined);
    const job = makeJob();
    assert.equal((await openCluster(proxied, { timers: fast }).createJob(job)).kind, 'created');
    assert.equal(proxy.requests.length, 2);
  });

  test('K19: a token that expired is read again from its file', async (context) => {
    const file = path.join(await makeFolder(context), 'token');
    await writeFile(file, 'old\n');
    const wire = openWire(() => configOf(proxy.url, { authProvider: { name: 'tokenFile', config: { tokenFile: file } } }));
    context.after(() => wire.close());
    await assert.rejects(openCluster(wire).getJob({ namespace, name: 'any' }), isCode(401));
    await writeFile(file, `${token}\n`); // the library would keep the old one for a minute
    assert.equal(await openCluster(wire).getJob({ namespace, name: 'any' }), undefined);
  });

  test('K19: a certificate authority that was replaced gets an agent of its own', async (context) => {
    const file = path.join(await makeFolder(context), 'ca.crt');
    await writeFile(file, await makeCertificate(context));
    const read = () => configOf(cluster.api.url, { token }, { caFile: file, tlsServerName: SERVER_NAME });
    const wire = openWire(read);
    context.after(() => wire.close());
    await assert.rejects(openCluster(wire).getJob({ namespace, name: 'any' }, { tries: 1 }), isCode(0));
    await writeFile(file, await readFile(cluster.api.certificateFile));
    assert.equal(await openCluster(wire).getJob({ namespace, name: 'any' }, { tries: 1 }), undefined);
  });

  test('200 reads and 16 at once use at most 16 sockets', async () => {
    const sockets = new Set<unknown>();
    const calls = openCluster(direct);
    await Promise.all(Array.from({ length: 200 }, () => calls.list(JOBS, { namespace, limit: 1 })));
    for (const handle of process.getActiveResourcesInfo()) if (handle === 'TLSSocketWrap') sockets.add(handle);
    assert.equal(calls.inFlight, 0);
    assert.ok(process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length < 40);
  });

  describe('followed by a reflector', () => {
    let cache: ObjectCache<Job>;
    let reflector: Reflector;
    let problems: ReflectorProblem[];
    let changes: string[];

    beforeEach(async () => {
      cache = new ObjectCache();
      problems = [];
      changes = [];
      reflector = startReflector({
        cluster: openCluster(proxied, { timers: fast }),
        kind: { ...JOBS, pageSize: 5 },
        namespaces: [namespace],
        project: keepJob,
        cache,
        onChange: ({ metadata }, change) => changes.push(`${change} ${metadata.name}`),
        onProblem: (problem) => problems.push(problem),
        timers: fast,
      });
      await reflector.synced;
      await until(() => proxy.watches.length === 1, 'the watch');
      changes.length = 0;
    });
    after(() => reflector?.stop());

    /** Some life: created, changed, deleted. @returns the last version */
    async function live(): Promise<string> {
      const [a, b] = [await created(openCluster(direct), JOBS, makeJob()), makeJob()];
      await openCluster(direct).mergePatch(JOBS, a.metadata, { metadata: { annotations: { a: 'b' } } });
      await openCluster(direct).deleteJob(a.metadata);
      return (await created(openCluster(direct), JOBS, b)).metadata.resourceVersion;
    }

    async function caughtUp(version: string): Promise<void> {
      await until(() => reflector.reached(namespace, version), `version ${version}; ${problems.map(({ error }) => error)}`);
      const there = await openCluster(direct).list(JOBS, { namespace, limit: 1_000 });
      assert.deepEqual(
        new Set([...cache.values()].map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`)),
        new Set(there.items.map(({ metadata }) => `${metadata.uid} ${metadata.resourceVersion}`)),
      );
    }

    const theWatch = (): ProxiedWatch => proxy.watches[0] ?? assert.fail('no watch');

    const faults: Record<string, () => Promise<void>> = {
      'K11: cut again and again': async () => {
        for (let cut = 0; cut < 20; cut++) {
          await live();
          proxy.watches[0]?.cut();
          await sleep(20);
        }
      },
      'K12: half-open': async () => {
        const dead = theWatch();
        dead.hold();
        await live();
        await until(() => proxy.watches.length === 1 && proxy.watches[0] !== dead, 'another watch');
      },
      'K13: 410 when the watch begins': async () => {
        proxy.fault = ({ verb }) => (verb === 'watch' ? { kind: 'refuse', status: 410 } : undefined);
        theWatch().cut();
        await live();
        await until(() => problems.length > 2, 'problems');
        proxy.fault = () => undefined;
      },
      'K13: 410 in the stream': async () => {
        theWatch().hold();
        await live();
        theWatch().spoil = () => [];
        theWatch().release();
        theWatch().write(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410 } })}\n`);
      },
      'K13: 410 in the middle of the pages': async () => {
        for (let pair = 0; pair < 4; pair++) await live();
        let lists = 0;
        proxy.fault = ({ verb }) => {
          if (verb === 'watch' && lists === 0) return { kind: 'refuse', status: 410 };
          return verb === 'list' && ++lists === 2 ? { kind: 'refuse', status: 410, reason: 'Expired' } : undefined;
        };
        theWatch().cut();
        await until(() => lists > 3, 'another list');
      },
      'K14: events held': async () => {
        theWatch().hold();
        await live();
        await sleep(500);
        assert.deepEqual(changes, []);
        theWatch().release();
      },
      'K15: events repeated and in the wrong order': async () => {
        let last = '';
        theWatch().spoil = (line) => {
          const lines = [line, line, last].filter(Boolean);
          last = line;
          return lines;
        };
        for (let pair = 0; pair < 5; pair++) await live();
      },
      'K16: an older list served': async () => {
        const { resourceVersion } = await openCluster(direct).list(JOBS, { namespace, limit: 1 });
        await live();
        proxy.fault = ({ verb }) => {
          if (verb !== 'list') return undefined;
          proxy.fault = () => undefined;
          return { kind: 'stale', version: Number(resourceVersion) };
        };
        theWatch().write(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410 } })}\n`);
      },
      'K18: a line cut': async () => {
        theWatch().write('{"type":"ADDED","object":{"meta');
        theWatch().cut();
      },
      'K18: garbage': async () => theWatch().write('\u0001garbage\n'),
      'K18: a line of 5 MiB': async () => theWatch().write(`"${'x'.repeat(5 * 1024 * 1024)}"\n`),
      'K8: 503 for a while': async () => {
        proxy.fault = () => ({ kind: 'refuse', status: 503 });
        theWatch().cut();
        await live();
        await until(() => proxy.requests.length > 6, 'requests');
        proxy.fault = () => undefined;
      },
    };
    for (const [what, disturb] of Object.entries(faults)) {
      test(`${what}: no event is missed`, async () => {
        await disturb();
        await caughtUp(await live());
        await reflector.stop();
      });
    }

    test('K9: the API server is killed and comes back', async () => {
      await live();
      await cluster.parts['kube-apiserver'].stop('SIGKILL');
      await until(() => problems.length > 1, 'problems');
      await cluster.parts['kube-apiserver'].start();
      let version: string | undefined;
      while (version === undefined) version = await live().catch(() => void sleep(200));
      await caughtUp(version);
      await reflector.stop();
    });

    test('a healthy watch is not begun again, and a write is seen at once', async () => {
      const watch = theWatch();
      const begun = performance.now();
      await caughtUp(await live());
      assert.ok(performance.now() - begun < 1_000);
      assert.equal(theWatch(), watch);
      assert.deepEqual(problems, []);
      await reflector.stop();
    });
  });
});

const STATUS = {
  ...{ phase: 'Running', observedGeneration: 1, message: 'x', conditions: [] },
  trials: { total: 1, waiting: 1, running: 0, succeeded: 0, failed: 0, stopped: 0 },
};

let names = 0;
const metadataOf = () => ({ namespace, name: `edge-${process.pid}-${names++}` });

function makeSweep() {
  const { apiVersion, kind } = SWEEPS;
  return { apiVersion, kind, metadata: metadataOf(), spec: { grid: [{ widths: [[3, 8]] }] } };
}

function makeJob() {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'trainer', image: 'none' }] } };
  return { apiVersion: JOBS.apiVersion, kind: JOBS.kind, metadata: metadataOf(), spec: { suspend: true, template } };
}

function makeSlice() {
  const { apiVersion, kind } = SLICES;
  return { apiVersion, kind, metadata: metadataOf(), slice: 0, sweep: 'study', records: [] };
}

function makeRecord(trial: number) {
  return {
    ...{ trial, attempt: 1, attemptUID: 'uid', outcome: 'Failed', reason: 'Crashed (exit 1)', backend: 'cpu' },
    ...{ hyperparametersHash: '0123456789abcdef', parameterCount: 1, seconds: 1, summary: null, test: null },
    hyperparameters: {
      ...{ widths: [3, 8], activation: 'relu', pooling: 'max', depth: 1 },
      ...{ batchSize: 4, learningRate: 0.001, momentum: 0.9, seed: 0 },
    },
  };
}

async function created<T extends Job>(calls: Calls, kind: Kind<T>, object: ReturnType<typeof makeJob>): Promise<T>;
async function created(calls: Calls, kind: Kind<Job>, object: object): Promise<Job>;
async function created(calls: Calls, kind: Kind<Job>, object: object): Promise<Job> {
  const made = await calls.create(kind, object as ReturnType<typeof makeJob>);
  return made.kind === 'created' ? made.object : assert.fail('it exists');
}

const isCode = (code: number) => (error: unknown) => error instanceof ApiError && error.code === code;

function configOf(server: string, user: object, cluster: object = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server, ...cluster }],
    users: [{ name: 'u', ...user }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}
