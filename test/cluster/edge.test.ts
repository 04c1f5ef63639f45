import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rootCertificates } from 'node:tls';
import { type Cluster as Calls, openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { JOBS, SLICES, SWEEPS } from '../../src/shared/kinds.ts';
import { ObjectCache } from '../../src/shared/object-cache.ts';
import type { Job } from '../../src/shared/objects.ts';
import { keepJob } from '../../src/shared/projections.ts';
import { type Reflector, type ReflectorProblem, startReflector } from '../../src/shared/reflector.ts';
import type { Timers } from '../../src/shared/timers.ts';
import type { Wire } from '../../src/shared/wire.ts';
import { makeFolder } from '../local/folders.ts';
import { clusterKeepsItsPromises } from '../shared/cluster.contract.ts';
import {
  isCode,
  made,
  makeJob,
  makeRecord,
  makeSlice,
  makeStatus,
  makeSweep,
  namespace,
  whatever,
} from '../shared/objects.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { established } from './established.ts';
import { FaultProxy, type ProxiedWatch } from './fault-proxy.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

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
    await established(cluster);
    // It forgets what was before, so that a version that is too old is at hand.
    await cluster.parts['kube-apiserver'].stop();
    await cluster.parts['kube-apiserver'].start();
    direct = openWire(() => readKubeConfigFile(cluster.kubeconfig));
    token = readKubeConfigFile(cluster.kubeconfig).getCurrentUser()?.token ?? '';
    const ca = await readFile(cluster.api.certificateFile, 'utf8');
    proxy = await FaultProxy.open(cluster.api.url, ca, SERVER_NAME);
    proxied = openWire(() => {
      const config = readKubeConfigFile(cluster.kubeconfig);
      config.clusters = config.clusters.map((one) => ({ ...one, server: proxy.url, skipTLSVerify: true }));
      return config;
    });
    const served = () => openCluster(direct).list(SLICES, { namespace });
    while (!(await served().then(Boolean, () => false))) await sleep(100);
  });
  beforeEach(() => {
    proxy.fault = () => undefined;
    proxy.writes.length = 0;
    proxy.requests.length = 0;
  });
  after(async () => {
    await proxied.close();
    await direct.close();
    await proxy.close();
    await cluster.stop();
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
    const found = await calls().getJob(job.metadata);
    assert.ok(found);

    const slice = await made(calls(), SLICES, makeSlice());
    once('patch');
    assert.equal((await calls().appendRecords(slice, [makeRecord(0)])).kind, 'conflict');
    assert.equal((await calls().get(SLICES, slice.metadata))?.records?.length, 1);

    const sweep = await made(calls(), SWEEPS, makeSweep());
    once('apply');
    assert.equal((await calls().applySweepStatus(sweep, makeStatus('x'))).kind, 'conflict');
    assert.deepEqual((await calls().getSweep(sweep.metadata))?.status, makeStatus('x'));

    once('delete');
    assert.equal(await calls().deleteJob(whatever(found)), 'gone');
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
    const slice = await made(calls(), SLICES, makeSlice());
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
    const wire = await openWireTo(context, proxy.url, {
      'auth-provider': { name: 'tokenFile', config: { tokenFile: file } },
    });
    await assert.rejects(openCluster(wire).getJob({ namespace, name: 'any' }), isCode(401));
    await writeFile(file, `${token}\n`); // the library would keep the old one for a minute
    assert.equal(await openCluster(wire).getJob({ namespace, name: 'any' }), undefined);
    proxy.expired.add(token);
    context.after(() => proxy.expired.clear());
    await assert.rejects(openCluster(wire).getJob({ namespace, name: 'any' }), isCode(401));
  });

  test('K19: a certificate authority that was replaced is read again from its file', async (context) => {
    const file = path.join(await makeFolder(context), 'ca.crt');
    await writeFile(file, rootCertificates[0] ?? '');
    const trust = { 'certificate-authority': file, 'tls-server-name': SERVER_NAME };
    const wire = await openWireTo(context, cluster.api.url, { token }, trust);
    await assert.rejects(openCluster(wire).getJob({ namespace, name: 'any' }, { tries: 1 }), isCode(0));
    await writeFile(file, await readFile(cluster.api.certificateFile));
    assert.equal(await openCluster(wire).getJob({ namespace, name: 'any' }, { tries: 1 }), undefined);
  });

  test('500 reads at once share a few sockets', async (context) => {
    const wire = await openWireTo(context, proxy.url, { token });
    const before = proxy.connections;
    const calls = openCluster(wire);
    await Promise.all(Array.from({ length: 500 }, () => calls.list(JOBS, { namespace, limit: 1 })));
    // Sixteen at a time; a socket that has just answered is not always free yet.
    assert.ok(proxy.connections - before <= 48, `${proxy.connections - before} sockets`);
    assert.equal(calls.inFlight, 0);
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
    afterEach(() => reflector.stop());

    /** Some life: created, changed, deleted. @returns the last version */
    async function live(): Promise<string> {
      const [a, b] = [await made(openCluster(direct), JOBS, makeJob()), makeJob()];
      await openCluster(direct).mergePatch(JOBS, a.metadata, { metadata: { annotations: { a: 'b' } } });
      assert.equal(await openCluster(direct).deleteJob(whatever(a)), 'deleted');
      return (await made(openCluster(direct), JOBS, b)).metadata.resourceVersion;
    }

    async function caughtUp(version: string): Promise<void> {
      await until(
        () => reflector.reached(namespace, version),
        `version ${version}; ${problems.map(({ error }) => error)}`,
      );
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
    });

    test('a healthy watch is not begun again, and a write is seen at once', async () => {
      const watch = theWatch();
      const begun = performance.now();
      await caughtUp(await live());
      assert.ok(performance.now() - begun < 1_000);
      assert.equal(theWatch(), watch);
      assert.deepEqual(problems, []);
    });
  });
});

async function until(holds: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > limit) throw new Error(`waited for ${what}`);
    await sleep(10);
  }
}

/** A wire whose kubeconfig is read from a file, as a program's. */
async function openWireTo(context: TestContext, server: string, user: object, cluster: object = {}): Promise<Wire> {
  const file = path.join(await makeFolder(context), 'kubeconfig');
  const config = {
    ...{
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    },
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': server.startsWith('http:'), ...cluster } }],
    users: [{ name: 'u', user }],
  };
  await writeFile(file, JSON.stringify(config));
  const wire = openWire(() => readKubeConfigFile(file));
  context.after(() => wire.close());
  return wire;
}
