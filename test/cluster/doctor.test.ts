import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, type TestContext, test } from 'node:test';
import { sorted } from '../charts/helm.ts';
import { PROGRAM, type ProgramEnd, runProgram } from '../cli/program.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, until } from './controller.ts';
import { established } from './established.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

const LEASE = ['--lease-namespace=default', '--lease-name=ours'];
const SERVED = 'ok       kinds: Sweep and TrialResultSlice are served as cnn-sweep.dev/v1alpha1';
const ACCEPTED = 'ok       sample: a Sweep is accepted in namespace default';
const REFUSED = 'ok       bad sample: a name that is too long is refused: 41 characters; at most 40';
const NO_LEASE = 'skipped  lease: not asked for (--lease-namespace, --lease-name)';
const NO_URL = 'skipped  controller: not asked for (--controller-url)';
const NO_DASHBOARD = 'skipped  dashboard: not asked for (--dashboard-url)';
const NO_STREAMS = 'skipped  streams: not asked for (--streams)';
const WELL = [SERVED, ACCEPTED, REFUSED, NO_LEASE, NO_URL, NO_STREAMS, NO_DASHBOARD];

describe('doctor', { ...options, timeout: 600_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startControlPlane();
  });
  after(async () => {
    await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
  });

  const doctor = (...args: string[]): Promise<ProgramEnd> =>
    runProgram(['doctor', '--timeout=6', ...args], { env: { KUBECONFIG: cluster.kubeconfig } });
  const says = async (args: string[], code: number, lines: readonly string[]) => {
    const end = await doctor(...args);
    assert.deepEqual(
      { code: end.code, stderr: end.stderr, lines: end.stdout.trim().split('\n') },
      { code, stderr: '', lines },
    );
  };

  test('before the kinds are installed it says so, and how', async () => {
    const { code, stdout } = await doctor();
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^failed {3}kinds: Sweep and TrialResultSlice not served as cnn-sweep\.dev\/v1alpha1; install the kinds: kubectl apply --server-side --filename k8s\/crds, or helm upgrade with crds\.install=true\nfailed {3}sample: POST \/apis\/cnn-sweep\.dev\/v1alpha1\/namespaces\/default\/sweeps: 404/,
    );
  });

  test('where only one kind is served it names the other', async () => {
    await cluster.kubectl('apply', '--server-side', '-f', path.join(import.meta.dirname, '../../k8s/crds/sweeps.yaml'));
    await established(cluster);
    const { stdout } = await doctor();
    assert.match(stdout, /^failed {3}kinds: TrialResultSlice not served as /);
    await installKinds(cluster);
  });

  test('with the kinds alone all is well, and nothing is left', async () => {
    await says([], 0, WELL);
    assert.equal(await cluster.kubectl('get', 'sweeps', '--all-namespaces', '--output=name'), '');
  });

  test('a namespace that does not exist is named', async () => {
    const { code, stdout } = await doctor('--namespace=nowhere');
    assert.equal(code, 1);
    assert.match(stdout, /^failed {3}sample: .*namespaces "nowhere" not found$/m);
  });

  test('who may not create Sweeps is told so', async () => {
    const args = ['doctor', '--timeout=6', '--namespace=default'];
    const { code, stdout } = await runProgram(args, { env: { KUBECONFIG: cluster.api.kubeconfigs.alice } });
    assert.equal(code, 1);
    assert.match(stdout, /^ok {7}kinds: /);
    assert.match(stdout, /^failed {3}sample: .*User "alice" cannot create resource "sweeps"/m);
  });

  describe('of the lease', () => {
    const put = (spec: unknown) =>
      cluster.apply(
        JSON.stringify({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'ours' }, spec }),
        '--server-side',
        '--force-conflicts',
      );
    const rows: Record<string, { spec?: unknown; want: string }> = {
      'that is not there it says that nobody has led yet': {
        want: 'failed   lease: Lease default/ours: not there; no controller has led yet',
      },
      'without a holder it says that nobody holds it': {
        spec: { holderIdentity: '', leaseDurationSeconds: 15 },
        want: 'failed   lease: Lease default/ours: nobody holds it; see whether the controller runs',
      },
      'that stands still it says who holds it': {
        spec: { holderIdentity: 'one', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z' },
        want: 'failed   lease: Lease default/ours: held by one, which does not renew it; see whether that controller runs',
      },
    };
    for (const [sentence, { spec, want }] of Object.entries(rows)) {
      test(sentence, async () => {
        if (spec) await put(spec);
        await says(LEASE, 1, [SERVED, ACCEPTED, REFUSED, want, NO_URL, NO_STREAMS, NO_DASHBOARD]);
      });
    }

    test('that is renewed, by a clock of years ago, it says who holds it', async () => {
      let second = 0;
      const renewing = new AbortController();
      const renewals = (async () => {
        while (!renewing.signal.aborted) {
          const renewTime = `2001-01-01T00:00:${`${second++ % 60}`.padStart(2, '0')}.000000Z`;
          await put({ holderIdentity: 'one', leaseDurationSeconds: 15, renewTime });
        }
      })();
      await says(LEASE, 0, [
        SERVED,
        ACCEPTED,
        REFUSED,
        'ok       lease: Lease default/ours: held by one, which renews it',
        NO_URL,
        NO_STREAMS,
        NO_DASHBOARD,
      ]);
      renewing.abort();
      await renewals;
    });
  });

  for (const program of ['controller', 'dashboard'] as const) {
    const among = (result: string) => [
      ...[SERVED, ACCEPTED, REFUSED, NO_LEASE],
      ...(program === 'controller' ? [result, NO_STREAMS, NO_DASHBOARD] : [NO_URL, NO_STREAMS, result]),
    ];

    // Each waits for its time to be over.
    describe(`of the ${program}`, { concurrency: 4 }, () => {
      const rows: Record<string, { status: number; body: string; want: (url: string) => string }> = {
        'that is ready': {
          status: 200,
          body: '{"caches":true}',
          want: (url) => `ok       ${program}: ${url}/readyz: ready`,
        },
        'whose parts are missing it names them': {
          status: 503,
          body: '{"caches":"not listed yet","other":true}',
          want: (url) => `failed   ${program}: ${url}/readyz: 503: caches: not listed yet`,
        },
        'that is something else it shows what that says': {
          status: 502,
          body: 'bad gateway',
          want: (url) => `failed   ${program}: ${url}/readyz: 502: bad gateway`,
        },
      };
      for (const [sentence, { status, body, want }] of Object.entries(rows)) {
        test(sentence, async (context) => {
          const { url } = await serve(context, status, body);
          await says([`--${program}-url=${url}/`], status === 200 ? 0 : 1, among(want(url)));
        });
      }

      test('that does not answer it says why', async (context) => {
        const { url, server } = await serve(context, 200, '');
        server.close();
        const result = `failed   ${program}: ${url}/readyz: connect ECONNREFUSED ${new URL(url).host}`;
        await says([`--${program}-url=${url}`], 1, among(result));
      });
    });
  }

  describe('of the streams', { concurrency: 4 }, () => {
    const room = (...streams: string[]) =>
      streams.map((stream) => `\ncnn_sweep_nats_stream_max_bytes{stream="${stream}"} 4294967296`).join('');
    const rows: Record<string, { metrics: string; want: string }> = {
      'that are there': {
        metrics: room('CNN_SWEEP', 'OBJ_CNN_SWEEP_MODELS'),
        want: 'ok       streams: CNN_SWEEP and OBJ_CNN_SWEEP_MODELS are in NATS',
      },
      'of which one is not there': {
        metrics: room('CNN_SWEEP'),
        want: "failed   streams: no OBJ_CNN_SWEEP_MODELS in NATS; see what the controller's log says",
      },
      'that are not there': {
        metrics: '\ncnn_sweep_nats_connected{component="controller"} 0',
        want: "failed   streams: no CNN_SWEEP, no OBJ_CNN_SWEEP_MODELS in NATS; see what the controller's log says",
      },
    };
    for (const [sentence, { metrics, want }] of Object.entries(rows)) {
      test(sentence, async (context) => {
        const { url } = await serve(context, 200, metrics);
        const ready = `ok       controller: ${url}/readyz: ready`;
        const lines = [SERVED, ACCEPTED, REFUSED, NO_LEASE, ready, want, NO_DASHBOARD];
        await says([`--controller-url=${url}`, '--streams'], want.startsWith('ok') ? 0 : 1, lines);
      });
    }

    test('only a controller knows', async () => {
      const want = 'skipped  streams: only a controller knows them (--controller-url)';
      await says(['--streams'], 0, [SERVED, ACCEPTED, REFUSED, NO_LEASE, NO_URL, want, NO_DASHBOARD]);
    });
  });

  describe('with --sweep', () => {
    const created = () =>
      until(
        async () => (await cluster.kubectl('get', 'sweeps', '--output=name')).trim() || undefined,
        'the Sweep of the doctor',
        30_000,
      );
    const gone = async () => assert.equal(await cluster.kubectl('get', 'sweeps', '--output=name'), '');
    const counts = { total: 2, waiting: 0, running: 0, succeeded: 2, failed: 0, stopped: 0 };
    const end = async (status: object) => {
      const patch = JSON.stringify({ status: { observedGeneration: 1, conditions: [], trials: counts, ...status } });
      await cluster.kubectl('patch', await created(), '--subresource=status', '--type=merge', '--patch', patch);
    };

    test('a sweep that gets complete is well, and is deleted', async () => {
      const said = says(['--sweep'], 0, [...WELL, 'ok       sweep: two trials were trained: trial 1 is the best']);
      await end({ phase: 'Complete', message: 'trial 1 is the best' });
      await said;
      await gone();
    });

    test('a sweep that fails is told with its words, and is deleted', async () => {
      const said = says(['--sweep'], 1, [...WELL, 'failed   sweep: Failed: trial 0: Crashed (exit 1)']);
      await end({ phase: 'Failed', message: 'trial 0: Crashed (exit 1)' });
      await said;
      await gone();
    });

    test('told to stop it deletes its sweep first, and says what that waited for', async () => {
      const child = spawn(PROGRAM, ['doctor', '--sweep'], { env: { ...process.env, KUBECONFIG: cluster.kubeconfig } });
      const output = text(child.stdout);
      const degraded = {
        ...{ type: 'Degraded', status: 'True', reason: 'Unschedulable', message: 'no node', observedGeneration: 1 },
        lastTransitionTime: '2026-01-01T00:00:00Z',
      };
      await end({ phase: 'Running', message: 'two trials run', conditions: [degraded] });
      // It looks again every two seconds.
      await until(async () => ((await gets()) > 1 ? true : undefined), 'a look at the Sweep', 30_000);
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      assert.deepEqual(await exit, [1, null]);
      const last = (await output).trim().split('\n').at(-1);
      assert.equal(last, 'failed   sweep: interrupted: Running: Unschedulable: no node');
      await gone();
    });

    test('a check before it that failed leaves it out', async () => {
      const { code, stdout } = await doctor('--sweep', '--lease-namespace=default', '--lease-name=none');
      assert.equal(code, 1);
      assert.match(stdout, /skipped {2}sweep: not tried, since a check before it failed\n$/);
    });

    test('it only creates, gets and deletes', async () => {
      const verbs = (await requests()).map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
      assert.deepEqual(sorted([...new Set(verbs)]), [
        'create sweeps',
        'delete sweeps',
        'get leases',
        'get sweeps',
        'get undefined',
      ]);
    });

    const gets = async () => {
      const all = await requests();
      const at = all.findLastIndex(({ verb, requestURI }) => verb === 'create' && !requestURI.includes('dryRun'));
      return all.slice(at).filter(({ verb, objectRef }) => verb === 'get' && objectRef?.resource === 'sweeps').length;
    };
  });

  test('an API server that is away is told in time', async () => {
    const kubeconfig = `${cluster.kubeconfig}-nobody`;
    const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8'));
    config.clusters[0].cluster.server = 'https://127.0.0.1:1';
    await writeFile(kubeconfig, JSON.stringify(config));
    const began = performance.now();
    const { code, stdout } = await runProgram(['doctor', '--timeout=6'], { env: { KUBECONFIG: kubeconfig } });
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^failed {3}kinds: GET \/apis\/cnn-sweep\.dev\/v1alpha1: connect ECONNREFUSED 127\.0\.0\.1:1\n/,
    );
    assert.ok(performance.now() - began < 20_000);
  });

  async function requests() {
    const lines = (await readFile(cluster.api.auditLog, 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as AuditLine).filter(({ userAgent }) => userAgent === 'cnn-sweep');
  }
});

interface AuditLine {
  readonly verb: string;
  readonly userAgent: string;
  readonly requestURI: string;
  readonly objectRef?: { readonly resource: string };
}

async function serve(context: TestContext, status: number, body: string): Promise<{ url: string; server: Server }> {
  const server = createServer((_request, response) => void response.writeHead(status).end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

for (const [sentence, { args, want }] of Object.entries({
  'half a lease is bad input': {
    args: ['--lease-name=x'],
    want: /--lease-namespace and --lease-name: give both, or neither/,
  },
  'an address without a scheme is bad input': {
    args: ['--controller-url=controller:9090'],
    want: /expected an address, as http:\/\//,
  },
  'an address of the dashboard without a scheme is bad input': {
    args: ['--dashboard-url=dashboard:9090'],
    want: /expected an address, as http:\/\//,
  },
})) {
  test(`doctor: ${sentence}`, async () => {
    const { code, stderr } = await runProgram(['doctor', ...args]);
    assert.equal(code, 2);
    assert.match(stderr, want);
  });
}
