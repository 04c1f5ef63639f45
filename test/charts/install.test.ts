import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { type Cluster, startControlPlane } from '../cluster/cluster.ts';
import { established } from '../cluster/established.ts';
import { programPath } from '../cluster/programs.ts';
import {
  at,
  CHART,
  eventually,
  find,
  HELMS,
  type Helm,
  helm,
  podsOf,
  render,
  SKIP,
  sorted,
  type Values,
  valuesArgs,
} from './helm.ts';
import { shownSweeps, sweepOfNotes } from './sweeps.ts';

const execute = promisify(execFile);
const HOME = 'cnn-sweep';
const LEASE = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
const SWEEP = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'kept', namespace: HOME },
  spec: { grid: [{ widths: [[3, 8]] }] },
};

const SECRET_KEYS = [
  ['callout', 'controller', 'dashboard', 'sys'],
  ['ca.crt', 'tls.crt', 'tls.key'],
];

// There is no node: what is installed does not run, and nothing waits for it.
suite('on a real API server', { skip: SKIP, timeout: 600_000 }, () => {
  let cluster: Cluster;
  const folder = mkdtempSync(path.join(tmpdir(), 'cnn-sweep-chart-'));

  before(async () => {
    cluster = await startControlPlane();
    for (const name of [HOME, 'team']) await cluster.kubectl('create', 'namespace', name);
    await cluster.kubectl('label', 'namespace', HOME, 'pod-security.kubernetes.io/enforce=restricted');
  });
  after(async () => {
    await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (program: Helm, command: string, args: readonly string[] = [], values: Values = {}) => {
    const [name, ...rest] = command.split(' ');
    const options = name === 'install' || name === 'upgrade' ? valuesArgs(values) : [];
    return helm(program, [`${name}`, HOME, ...rest, '--namespace', HOME, ...args, ...options], {
      KUBECONFIG: cluster.kubeconfig,
    });
  };
  const get = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await cluster.kubectl('get', ...args, '--output=json', '--ignore-not-found')) || 'null');
  const deployment = () => get('deployment', 'cnn-sweep-controller', '--namespace', HOME);
  /** What the chart made for NATS. */
  const secretsOf = async () => {
    const data = async (name: string) => at(await get('secret', name, '--namespace', HOME), 'data');
    const both = [await data('cnn-sweep-nats-auth'), await data('cnn-sweep-nats-tls')];
    assert.deepEqual(
      both.map((each) => Object.keys(each as object)),
      SECRET_KEYS,
    );
    return both;
  };
  const everything = async () => {
    // Events come and go, and the API server keeps its own list of groups.
    const kinds = (await cluster.kubectl('api-resources', '--verbs=list', '--output=name')).trim().split('\n');
    const names = kinds.filter((each) => !/^(events|apiservices)\b/.test(each)).join(',');
    return sorted((await cluster.kubectl('get', names, '--all-namespaces', '--output=name')).trim().split('\n'));
  };

  for (const [index, program] of HELMS.entries()) {
    suite(program, () => {
      let beforehand: string[];
      let secrets: unknown;

      test('installs, also over kinds that an earlier release left', async () => {
        beforehand = await everything();
        const said = await run(program, `install ${CHART}`);
        assert.equal(at(await deployment(), 'spec', 'replicas'), 1);
        await established(cluster, 'crd/sweeps.cnn-sweep.dev');
        await cluster.apply(JSON.stringify(sweepOfNotes(said)), '--dry-run=server', '--validate=strict');
        await cluster.apply(JSON.stringify(SWEEP));
        secrets = await secretsOf();
      });

      test('upgrades to two replicas in two namespaces, and the other way to start anew', async () => {
        const lease = { name: 'cnn-sweep-controller', namespace: HOME };
        // As a controller does: all of it is replaced, labels too.
        const held = { ...LEASE, metadata: lease, spec: { holderIdentity: 'somebody', leaseDurationSeconds: 15 } };
        writeFileSync(path.join(folder, 'lease.json'), JSON.stringify(held));
        await cluster.kubectl('replace', '--filename', path.join(folder, 'lease.json'));

        const values = { controller: { replicas: 2 }, watchNamespaces: [HOME, 'team'], kueue: { enabled: true } };
        await run(program, `upgrade ${CHART}`, [], values);
        assert.equal(at(await deployment(), 'spec', 'replicas'), 2);
        assert.deepEqual(at(await get('lease', lease.name, '--namespace', HOME), 'spec'), held.spec, 'who leads');
        assert.ok(await get('role', 'cnn-sweep-controller', '--namespace=team'));
        assert.ok(await get('poddisruptionbudget', 'cnn-sweep-controller', '--namespace', HOME));
        assert.deepEqual(await secretsOf(), secrets, 'passwords and certificates are the same');

        await run(program, `upgrade ${CHART}`, [], { controller: { leaderElection: { enabled: false } } });
        assert.deepEqual(at(await deployment(), 'spec', 'strategy'), { type: 'Recreate' });
        assert.equal(at(await deployment(), 'spec', 'replicas'), 1);
        assert.equal(await get('role', 'cnn-sweep-controller', '--namespace=team'), null);
        assert.equal(await get('poddisruptionbudget', '--namespace', HOME, 'cnn-sweep-controller'), null);
      });

      test('upgrades the kinds, and Sweeps stay', async () => {
        const next = path.join(folder, `${program}-next`);
        cpSync(CHART, next, { recursive: true });
        const file = path.join(next, 'templates/crds/sweeps.yaml');
        const text = readFileSync(file, 'utf8');
        writeFileSync(file, text.replace('shortNames:\n      - sw\n', 'shortNames:\n      - sw\n      - swp\n'));
        assert.notEqual(readFileSync(file, 'utf8'), text);
        await run(program, `upgrade ${next}`);
        const crd = await get('crd', 'sweeps.cnn-sweep.dev');
        assert.deepEqual(at(crd, 'spec', 'names', 'shortNames'), ['sw', 'swp']);
        assert.ok(await get('sweep', 'kept', '--namespace', HOME));
      });

      test('opens the dashboard to others, scaled by its load, which an upgrade leaves alone; and closes it again', async () => {
        const dashboard = ['cnn-sweep-dashboard', '--namespace', HOME];
        const port = async () => at(await get('service', ...dashboard), 'spec', 'ports', 0, 'name');
        const replicas = async () => at(await get('deployment', ...dashboard), 'spec', 'replicas');
        assert.equal(await get('service', ...dashboard), null, 'with loopback nothing leads to the page');

        const values = (podAnnotations: Values) => ({
          dashboard: {
            auth: { mode: 'proxy' },
            tls: { existingSecret: 'page-tls' },
            ingress: { enabled: true, className: 'ours', host: 'sweeps.test', tlsSecret: 'sweeps-tls' },
            autoscaling: { enabled: true },
            podAnnotations,
          },
          networkPolicy: { ingressFrom: [{ namespaceSelector: {} }] },
        });
        await run(program, `upgrade ${CHART}`, [], values({}));
        assert.equal(await port(), 'https');
        for (const kind of ['ingress', 'horizontalpodautoscaler', 'poddisruptionbudget'])
          assert.ok(await get(kind, ...dashboard), kind);
        assert.ok(await get('clusterrole', `cnn-sweep-dashboard-auth.${HOME}`));
        await cluster.kubectl('scale', 'deployment', ...dashboard, '--replicas=4');
        await run(program, `upgrade ${CHART}`, [], values({ note: 'another' }));
        assert.equal(await replicas(), 4, 'the autoscaler says how many');

        await run(program, `upgrade ${CHART}`, [], { dashboard: { auth: { mode: 'loopback' } } });
        assert.equal(await replicas(), 1);
        for (const kind of ['service', 'ingress', 'horizontalpodautoscaler', 'poddisruptionbudget'])
          assert.equal(await get(kind, ...dashboard), null, kind);
        assert.equal(await get('clusterrole', `cnn-sweep-dashboard-auth.${HOME}`), null);
      });

      test('rolls back', async () => {
        await run(program, 'rollback 2');
        assert.equal(at(await deployment(), 'spec', 'replicas'), 2);
        assert.equal(at(await deployment(), 'spec', 'strategy', 'type'), 'RollingUpdate');
        assert.ok(await get('role', 'cnn-sweep-controller', '--namespace=team'));
      });

      for (const phase of ['Succeeded', 'Failed']) {
        test(`helm test leaves nothing when its Pod has ${phase}`, async () => {
          const before = await everything();
          const ended = run(program, 'test', ['--timeout=60s']).then(
            () => 'Succeeded',
            () => 'Failed',
          );
          const pod = ['pod', 'cnn-sweep-test', '--namespace', HOME];
          await eventually(async () => assert.ok(await get(...pod)));
          for (const right of ['get leases/cnn-sweep-controller', 'create sweeps', 'create jobs'])
            await cluster.kubectl(
              ...['auth', 'can-i', ...right.split(' '), '--namespace', HOME],
              `--as=system:serviceaccount:${HOME}:cnn-sweep-test`,
            );
          // No node runs it: its end is written here.
          const status = JSON.stringify({ status: { phase } });
          await cluster.kubectl('patch', ...pod, '--subresource=status', '--type=merge', '--patch', status);
          assert.equal(await ended, phase);
          assert.deepEqual(await everything(), before);
        });
      }

      test('uninstalls: only the kinds and their Sweeps are left', async () => {
        await run(program, 'uninstall');
        assert.deepEqual(
          (await everything()).filter((each) => !beforehand.includes(each)),
          index > 0
            ? []
            : [
                'customresourcedefinition.apiextensions.k8s.io/sweeps.cnn-sweep.dev',
                'customresourcedefinition.apiextensions.k8s.io/trialresultslices.cnn-sweep.dev',
                'sweep.cnn-sweep.dev/kept',
              ],
        );
      });
    });
  }

  for (const program of HELMS) {
    test(`installs from an archive, takes over kinds that kubectl made, and upgrades them (${program})`, async () => {
      const kinds = ['sweeps.cnn-sweep.dev', 'trialresultslices.cnn-sweep.dev'];
      await cluster.kubectl('delete', 'crd', ...kinds, '--timeout=60s');
      await cluster.kubectl('apply', '--server-side', '--filename', path.join(CHART, '../k8s/crds'));
      await helm(program, ['package', CHART, '--destination', folder]);
      await run(program, `install ${folder}/cnn-sweep-0.1.0.tgz`, ['--take-ownership']);
      const crd = await get('crd', 'sweeps.cnn-sweep.dev');
      assert.equal(at(crd, 'metadata', 'annotations', 'meta.helm.sh/release-name'), HOME);
      const next = path.join(folder, `${program}-next`);
      if (program === 'helm4') await assert.rejects(run(program, `upgrade ${next}`), /conflict with "kubectl"/);
      await run(program, `upgrade ${next}`, program === 'helm4' ? ['--force-conflicts'] : []);
      await run(program, 'uninstall');
    });
  }

  test('a release of Helm 3 goes on with Helm 4', async () => {
    await run('helm', `install ${CHART}`);
    await run('helm4', `upgrade ${CHART}`, [], { controller: { leaderElection: { enabled: false } } });
    assert.deepEqual(at(await deployment(), 'spec', 'strategy'), { type: 'Recreate' });
    await run('helm4', `upgrade ${CHART}`, [], { controller: { replicas: 2 } });
    assert.equal(at(await deployment(), 'spec', 'replicas'), 2);
    await run('helm4', 'uninstall');
  });

  test('our Pods are admitted where the level is restricted', async () => {
    await run('helm', `install ${CHART}`);
    // A claim becomes a volume of a Pod only by its StatefulSet.
    const dashboard = { auth: { mode: 'proxy' }, tls: { existingSecret: 'page-tls' } };
    const values = { controller: { replicas: 2 }, nats: { persistence: { enabled: false } }, dashboard };
    for (const { name, pod } of podsOf(await render(values))) {
      const object = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'one', namespace: HOME },
        // The account of `helm test` is there only during the test.
        spec: { ...(pod as object), serviceAccountName: 'cnn-sweep-controller' },
      };
      assert.match(await cluster.apply(JSON.stringify(object), '--dry-run=server'), /created/, name);
    }
    await assert.rejects(
      cluster.apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'one', namespace: HOME },
          spec: { serviceAccountName: 'cnn-sweep-controller', containers: [{ name: 'a', image: 'b' }] },
        }),
        '--dry-run=server',
      ),
      /violates PodSecurity/,
    );
  });

  test('passwords are letters and digits, each its own, and the certificate is for the names of the Service', async () => {
    const [auth, tls] = (await secretsOf()) as [Record<string, string>, Record<string, string>];
    const words = Object.values(auth).map((value) => Buffer.from(value, 'base64').toString());
    for (const word of words) assert.match(word, /^n[A-Za-z0-9]{39}$/);
    assert.equal(new Set(words).size, 4);
    assertCertificate(tls);
  });

  test('the Secrets of the plain manifests are made once, with the same keys', async () => {
    const secretsFor = () => execute('sh', [path.join(CHART, '../k8s/nats-secrets.sh'), 'team'], environment);
    const kubectl = path.dirname(await programPath('kubectl'));
    const environment = {
      // As many have it: a path that begins where they are.
      cwd: path.dirname(cluster.kubeconfig),
      env: { ...process.env, KUBECONFIG: path.basename(cluster.kubeconfig), PATH: `${kubectl}:${process.env.PATH}` },
    };
    const data = async (name: string) => at(await get('secret', name, '--namespace=team'), 'data');
    await secretsFor();
    const made = [await data('cnn-sweep-nats-auth'), await data('cnn-sweep-nats-tls')] as Record<string, string>[];
    assert.deepEqual(
      made.map((each) => Object.keys(each)),
      SECRET_KEYS,
    );
    assertCertificate(made[1] ?? {}, 'team');
    await secretsFor();
    assert.deepEqual([await data('cnn-sweep-nats-auth'), await data('cnn-sweep-nats-tls')], made);
  });

  test('the objects of `helm test` are accepted', async () => {
    const hooks = (await render()).filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    assert.equal(hooks.length, 6);
    for (const hook of hooks.filter(({ kind }) => kind !== 'Pod'))
      await cluster.apply(JSON.stringify(hook), '--dry-run=server', '--validate=strict');
  });

  test('every Sweep that we show is accepted', async () => {
    for (const [where, sweep] of await shownSweeps()) {
      const said = await cluster.apply(stringify(sweep), '--dry-run=server', '--validate=strict', '--namespace', HOME);
      assert.match(said, /sweep\.cnn-sweep\.dev\/\S+ created/, where);
    }
  });

  test('nothing that is rendered has a field that Kubernetes does not know', async () => {
    const values = {
      controller: { replicas: 2 },
      watchNamespaces: ['*'],
      kueue: { enabled: true },
      networkPolicy: { scrapeFrom: [{ namespaceSelector: {} }], ingressFrom: [{ namespaceSelector: {} }] },
      dashboard: {
        auth: { mode: 'token' },
        service: { type: 'LoadBalancer', annotations: { a: 'b' } },
        ingress: { enabled: true, host: 'sweeps.test', tlsSecret: 'sweeps-tls' },
        autoscaling: { enabled: true },
        faro: { forwardUrl: 'http://alloy.test:12347/collect', existingSecret: 'alloy' },
      },
    };
    const objects = (await render(values)).filter(({ kind }) => kind !== 'Pod');
    for (const object of objects)
      await cluster.apply(
        JSON.stringify(object),
        '--dry-run=server',
        '--validate=strict',
        '--server-side',
        '--force-conflicts',
      );
    for (const name of ['cnn-sweep-controller', 'cnn-sweep-dashboard'])
      assert.ok(find(objects, 'PodDisruptionBudget', name));
  });
});

/** Signed by the authority beside it, which stays trusted for years, for every name that the Service has. */
function assertCertificate(tls: Readonly<Record<string, string>>, namespace = HOME): void {
  const read = (key: string) => Buffer.from(tls[key] ?? '', 'base64');
  const [authority, certificate] = [new X509Certificate(read('ca.crt')), new X509Certificate(read('tls.crt'))];
  assert.ok(certificate.verify(authority.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(read('tls.key'))));
  const host = `cnn-sweep-nats.${namespace}`;
  for (const name of ['cnn-sweep-nats', host, `${host}.svc`, `${host}.svc.cluster.local`])
    assert.equal(certificate.checkHost(name), name);
  assert.equal(certificate.checkHost('localhost'), undefined);
  for (const each of [authority, certificate])
    assert.ok(new Date(each.validTo).getTime() - Date.now() > 9 * 365 * 86_400_000);
}
