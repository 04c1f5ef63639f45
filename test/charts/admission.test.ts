import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { PLAIN } from '../../k8s/manifests.ts';
import { type Cluster, startControlPlane } from '../cluster/cluster.ts';
import { established } from '../cluster/established.ts';
import { at, eventually, listAt, type Rendered, render, SKIP, sorted, type Values } from './helm.ts';

const HOME = 'cnn-sweep';
const CONTROLLER = `system:serviceaccount:${HOME}:cnn-sweep-controller`;
const POLICY = 'cnn-sweep-author.cnn-sweep';

/** reliability.md section 7: what the controller may do in a watched namespace, and in its own with the lease. */
const RIGHTS: Readonly<Record<string, string>> = {
  'cnn-sweep.dev/sweeps': 'get list watch',
  'cnn-sweep.dev/sweeps/status': 'patch',
  'cnn-sweep.dev/trialresultslices': 'create get list patch watch',
  'batch/jobs': 'create delete get list watch',
  '/pods': 'get list watch',
  '/events': 'create list patch',
};
const LEASE_RIGHTS = {
  'coordination.k8s.io/leases': 'create',
  'coordination.k8s.io/leases/cnn-sweep-controller': 'get update',
};
const KUEUE_RIGHTS = { 'kueue.x-k8s.io/localqueues': 'get' };

function sweep(name: string, namespace: string, trainer: Values = {}): string {
  return JSON.stringify({
    apiVersion: 'cnn-sweep.dev/v1alpha1',
    kind: 'Sweep',
    metadata: { name, namespace },
    spec: { grid: [{ widths: [[3, 8]] }], trainer },
  });
}

// With the controller manager: it adds up the cluster's roles, collects garbage and checks the policy's types.
suite('who may do what, on a real API server', { skip: SKIP, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let alice: string;
  const folder = mkdtempSync(path.join(tmpdir(), 'cnn-sweep-admission-'));

  before(async () => {
    cluster = await startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager']);
    alice = `--kubeconfig=${cluster.api.kubeconfigs.alice}`;
    for (const name of ['team', 'unwatched']) await cluster.kubectl('create', 'namespace', name);
    await cluster.kubectl('apply', '--filename', PLAIN);
    await established(cluster, 'crd/sweeps.cnn-sweep.dev');
    for (const namespace of [HOME, 'team', 'unwatched']) await grant(namespace, 'sweeps.cnn-sweep.dev', '*');
    await eventually(() => refused(sweep('probe', HOME), /you may not create Jobs/));
  });
  after(async () => {
    await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
    rmSync(folder, { recursive: true, force: true });
  });

  let rights = 0;
  async function grant(namespace: string, resource: string, verbs: string, ...args: string[]) {
    const name = `alice-${rights++}`;
    await cluster.kubectl(
      'create',
      'role',
      name,
      '-n',
      namespace,
      `--resource=${resource}`,
      `--verb=${verbs}`,
      ...args,
    );
    await cluster.kubectl('create', 'rolebinding', name, '-n', namespace, `--role=${name}`, '--user=alice');
    return () => cluster.kubectl('delete', 'role,rolebinding', name, '-n', namespace);
  }
  const tried = (manifest: string) => cluster.apply(manifest, alice, '--dry-run=server');
  const refused = (manifest: string, want: RegExp) => assert.rejects(tried(manifest), want);
  const get = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await cluster.kubectl('get', ...args, '--output=json', '--ignore-not-found')) || 'null');

  /** What the API server says that somebody may do in a namespace; what everybody may do is left out. */
  async function rightsOf(user: string, namespace: string): Promise<Record<string, string>> {
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
    const file = path.join(folder, 'review.json');
    writeFileSync(file, JSON.stringify(review));
    // Not applied: that would look for the object first.
    const answer: unknown = JSON.parse(
      await cluster.kubectl('create', '--filename', file, '--validate=false', `--as=${user}`, '--output=json'),
    );
    const found: Record<string, string[]> = {};
    for (const rule of listAt(answer, 'status', 'resourceRules'))
      for (const group of listAt(rule, 'apiGroups'))
        for (const resource of listAt(rule, 'resources'))
          for (const name of at(rule, 'resourceNames') ? listAt(rule, 'resourceNames') : [undefined]) {
            const key = `${group}/${resource}${name === undefined ? '' : `/${name}`}`;
            found[key] = [...(found[key] ?? []), ...(listAt(rule, 'verbs') as string[])];
          }
    return Object.fromEntries(
      Object.entries(found)
        .filter(([key]) => !/^(authorization|authentication)\.k8s\.io\//.test(key))
        .map(([key, verbs]) => [key, sorted([...new Set(verbs)]).join(' ')]),
    );
  }

  test('the policy says nothing that the kinds’ types contradict', async () => {
    await eventually(async () => {
      const status = at(await get('validatingadmissionpolicy', POLICY), 'status');
      assert.equal(at(status, 'observedGeneration'), 1);
      assert.deepEqual(at(status, 'typeChecking'), {});
    });
  });

  test('who may not create Jobs may not create a Sweep, and reads why', async () => {
    await refused(
      sweep('first', HOME),
      /forbidden: ValidatingAdmissionPolicy 'cnn-sweep-author\.cnn-sweep' with binding '\S+' denied request: you may not create Jobs in namespace "cnn-sweep"\s*$/,
    );
    const revoke = await grant(HOME, 'jobs.batch', 'create');
    await eventually(() => tried(sweep('first', HOME)));
    await revoke();
    await eventually(() => refused(sweep('first', HOME), /you may not create Jobs in namespace "cnn-sweep"/));
  });

  test('a claim must be one that its author may read', async () => {
    const revoke = await grant(HOME, 'jobs.batch', 'create');
    const wanted = sweep('first', HOME, { dataClaim: 'images' });
    await eventually(() =>
      refused(
        wanted,
        /spec\.trainer\.dataClaim: you may not get PersistentVolumeClaim "images" in namespace "cnn-sweep"/,
      ),
    );
    const other = await grant(HOME, 'persistentvolumeclaims', 'get', '--resource-name=others');
    await refused(wanted, /you may not get PersistentVolumeClaim "images"/);
    const right = await grant(HOME, 'persistentvolumeclaims', 'get', '--resource-name=images');
    await eventually(() => tried(wanted));
    for (const each of [revoke, other, right]) await each();
  });

  test('a priority class must be one that its author may use', async () => {
    const revoke = await grant(HOME, 'jobs.batch', 'create');
    const wanted = sweep('first', HOME, { priorityClassName: 'high' });
    await eventually(() => refused(wanted, /spec\.trainer\.priorityClassName: you may not use PriorityClass "high"/));
    const rule = {
      apiGroups: ['scheduling.k8s.io'],
      resources: ['priorityclasses'],
      resourceNames: ['high'],
      verbs: ['use'],
    };
    const kind = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' };
    await cluster.apply(JSON.stringify({ ...kind, metadata: { name: 'use-high' }, rules: [rule] }));
    await cluster.kubectl('create', 'clusterrolebinding', 'use-high', '--clusterrole=use-high', '--user=alice');
    await eventually(() => tried(wanted));
    await revoke();
  });

  test('who lost the right may label and delete a Sweep, but not change what it asks for', async () => {
    const revoke = await grant(HOME, 'jobs.batch', 'create');
    await eventually(() => tried(sweep('changed', HOME)));
    await cluster.apply(sweep('changed', HOME), alice);
    await revoke();
    const change = (patch: string) =>
      cluster.kubectl(
        ...['patch', 'sweep', 'changed', '-n', HOME, alice, '--dry-run=server', '--type=merge', '--patch', patch],
      );
    await eventually(() =>
      assert.rejects(change('{"spec":{"parallelism":5}}'), /you may not create Jobs in namespace "cnn-sweep"/),
    );
    await change('{"metadata":{"labels":{"a":"b"}}}');
    await cluster.kubectl('delete', 'sweep', 'changed', '-n', HOME, alice);
  });

  test('the garbage collector, which may not create Jobs either, can take its finalizer from a Sweep', async () => {
    // Its own account, as on clusters of others: here the controller manager may do everything.
    const collector = '--as=system:serviceaccount:kube-system:generic-garbage-collector';
    const object = JSON.parse(sweep('waits', HOME)) as { metadata: object };
    const held = { ...object, metadata: { ...object.metadata, finalizers: ['cnn-sweep.dev/held-by-a-test'] } };
    await cluster.apply(JSON.stringify(held));
    await cluster.kubectl('delete', 'sweep', 'waits', '-n', HOME, '--wait=false');
    const patch = ['--type=merge', '--patch', '{"metadata":{"finalizers":null}}'];
    await cluster.kubectl('patch', 'sweep', 'waits', '-n', HOME, collector, ...patch);
    assert.equal(await get('sweep', 'waits', '-n', HOME), null);
  });

  test('a namespace that is not watched is left alone', async () => {
    await tried(sweep('first', 'unwatched'));
  });

  test('the controller may do what its table says, and nothing more', async () => {
    assert.deepEqual(await rightsOf(CONTROLLER, HOME), { ...RIGHTS, ...LEASE_RIGHTS });
    assert.deepEqual(await rightsOf(CONTROLLER, 'team'), {});
    assert.deepEqual(await rightsOf(`system:serviceaccount:${HOME}:cnn-sweep-trainer`, HOME), {});
    for (const [verb, what] of [
      ['get', 'secrets'],
      ['create', 'pods'],
      ['create', 'pods/exec'],
      ['patch', 'sweeps.cnn-sweep.dev'],
      ['delete', 'trialresultslices.cnn-sweep.dev'],
      ['update', 'leases.coordination.k8s.io/another'],
      ['impersonate', 'users'],
    ] as const)
      await assert.rejects(cluster.kubectl('auth', 'can-i', verb, what, '-n', HOME, `--as=${CONTROLLER}`), verb);
  });

  test('the dashboard may read four kinds, and nothing more', async () => {
    const user = `system:serviceaccount:${HOME}:cnn-sweep-dashboard`;
    assert.deepEqual(await rightsOf(user, HOME), {
      'cnn-sweep.dev/sweeps': 'list watch',
      'cnn-sweep.dev/trialresultslices': 'list watch',
      'batch/jobs': 'list watch',
      '/pods': 'list watch',
    });
    assert.deepEqual(await rightsOf(user, 'team'), {});
    for (const [verb, what] of [
      ['get', 'secrets'],
      ['get', 'pods/log'],
      ['patch', 'sweeps.cnn-sweep.dev'],
      ['create', 'tokenreviews.authentication.k8s.io'],
      ['create', 'subjectaccessreviews.authorization.k8s.io'],
    ] as const)
      await assert.rejects(cluster.kubectl('auth', 'can-i', verb, what, '-n', HOME, `--as=${user}`), verb);
  });

  test('the cluster’s view reads, its edit writes Sweeps, and nobody writes results', async () => {
    const groups = ['view', 'edit', 'admin'].map((role) => ({ role, user: `of-${role}` }));
    for (const { role, user } of groups)
      await cluster.kubectl('create', 'rolebinding', user, '-n', 'team', `--clusterrole=${role}`, `--user=${user}`);
    const [view, edit, admin] = [
      { 'cnn-sweep.dev/sweeps': 'get list watch', 'cnn-sweep.dev/trialresultslices': 'get list watch' },
      {
        'cnn-sweep.dev/sweeps': 'create delete deletecollection get list patch update watch',
        'cnn-sweep.dev/trialresultslices': 'get list watch',
      },
      {
        'cnn-sweep.dev/sweeps': 'create delete deletecollection get list patch update watch',
        'cnn-sweep.dev/trialresultslices': 'delete deletecollection get list watch',
      },
    ];
    for (const [user, want] of Object.entries({ 'of-view': view, 'of-edit': edit, 'of-admin': admin }))
      await eventually(async () => {
        const ours = Object.entries(await rightsOf(user, 'team')).filter(([key]) => key.startsWith('cnn-sweep.dev/'));
        assert.deepEqual(Object.fromEntries(ours), want);
      });
  });

  test('with other namespaces watched the own one refuses Sweeps, and the rights go where Sweeps are', async () => {
    await install({ watchNamespaces: ['team'], kueue: { enabled: true } });
    await eventually(() =>
      refused(
        sweep('first', HOME),
        /denied request: cnn-sweep does not watch its own namespace "cnn-sweep"; create the Sweep in team/,
      ),
    );
    await refused(sweep('first', 'team'), /you may not create Jobs in namespace "team"/);
    await tried(sweep('first', 'unwatched'));
    assert.deepEqual(await rightsOf(CONTROLLER, 'team'), { ...RIGHTS, ...KUEUE_RIGHTS });
  });

  test('with all namespaces watched each of them asks, and the rights are everywhere', async () => {
    await install({ watchNamespaces: ['*'] });
    await eventually(() => refused(sweep('first', 'unwatched'), /you may not create Jobs in namespace "unwatched"/));
    await eventually(async () => assert.deepEqual(await rightsOf(CONTROLLER, 'unwatched'), RIGHTS));
  });

  /** Without Helm's own bookkeeping: what is no longer rendered stays, and here nothing minds. */
  async function install(values: Values) {
    const objects: Rendered[] = (await render(values)).filter(
      ({ metadata }) => !metadata.annotations?.['helm.sh/hook'],
    );
    await cluster.apply(
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
      '--server-side',
      '--force-conflicts',
    );
  }
});
