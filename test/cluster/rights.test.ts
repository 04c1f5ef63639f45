import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { connect } from 'nats';
import { CHART, helm, listAt, podsOf, type Rendered, render, SKIP, sorted, valuesArgs } from '../charts/helm.ts';
import { runProgram } from '../cli/program.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { type RunningController, startController, until } from './controller.ts';
import { established } from './established.ts';
import { type ChartNats, startChartNats } from './nats-server.ts';

const RELEASE = 'cnn-sweep';
const NAME = 'cnn-sweep-controller';
const valuesWith = (nats: boolean) => ({
  controller: { extraArgs: ['--delete-delay-seconds=1'] },
  kueue: { enabled: true },
  tests: { sweep: true },
  nats: { enabled: nats },
});

/** Rights that nothing asks for by itself: whoever has them gets more than the right's own. */
const NEVER_ASKED: Readonly<Record<string, readonly string[]>> = {
  controller: [],
  // The admission policy asks whether the author of a Sweep has it.
  test: ['create batch/jobs'],
};

// What is done here follows from the rights: a step that nobody else needs says which right it is for.
for (const withNats of [true, false]) {
  const words = `the rights of a release ${withNats ? 'with' : 'without'} NATS are those that it uses, and no others`;
  describe(words, { skip: SKIP, timeout: 600_000 }, () => testRights(withNats));
}

function testRights(withNats: boolean): void {
  const values = valuesWith(withNats);
  let nats: ChartNats | undefined;
  let cluster: Cluster;
  let controller: RunningController;
  const kubectl = (...args: string[]) => cluster.kubectl('--namespace', RELEASE, ...args);

  before(async () => {
    cluster = await startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']);
    await cluster.addFakeNodes(2);
    nats = withNats ? await startChartNats() : undefined;
    const args = ['install', RELEASE, CHART, '--namespace', RELEASE, '--create-namespace', ...valuesArgs(values)];
    await helm('helm', args, { KUBECONFIG: cluster.kubeconfig });
    await established(cluster);
    controller = await start();
  });
  after(async () => {
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await nats?.stop();
    await (cluster as Cluster | undefined)?.stop();
  });

  /** As its Deployment does, with the token of its ServiceAccount. */
  async function start(): Promise<RunningController> {
    const path = 'jsonpath={.spec.template.spec.containers[0].args}';
    const args: string[] = JSON.parse(await kubectl('get', 'deployment', NAME, '--output', path));
    return startController(
      await kubeconfigOf(NAME),
      args.filter((arg) => !arg.startsWith('--port')).map((arg) => reachable(arg)),
    );
  }

  /** The server of the chart has no Pod here; where it is, and what is mounted from its Secrets, is another. */
  function reachable(arg: string): string {
    const instead: Readonly<Record<string, string | undefined>> = {
      '--nats-url': nats?.url,
      '--nats-password-file': nats?.passwordFile('controller'),
      '--nats-ca-file': nats?.caFile,
      '--nats-callout-file': nats?.calloutFile,
    };
    const [flag = ''] = arg.split('=');
    return flag in instead ? `${flag}=${instead[flag]}` : arg;
  }

  async function kubeconfigOf(account: string): Promise<string> {
    const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8'));
    config.users[0].user.token = (await kubectl('create', 'token', account)).trim();
    const file = `${cluster.kubeconfig}-${account}`;
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  const apply = (name: string, spec: object = {}) =>
    create(
      JSON.stringify({
        apiVersion: 'cnn-sweep.dev/v1alpha1',
        kind: 'Sweep',
        metadata: { name, namespace: RELEASE },
        spec: { grid: [{ widths: [[3], [4], [5]] }], training: { epochs: 1 }, ...spec },
      }),
    );
  const create = (manifest: string) => cluster.apply(manifest);
  const change = (name: string, spec: object) =>
    kubectl('patch', 'sweep', name, '--type=merge', '--patch', JSON.stringify({ spec }));
  const condition = (name: string, type: string, reason: string, ms = 60_000) =>
    until(
      async () => {
        const path = `jsonpath={.status.conditions[?(@.type=="${type}")].reason}`;
        return (await kubectl('get', 'sweep', name, '--output', path)) === reason ? true : undefined;
      },
      `${type} ${reason} of ${name}`,
      ms,
    );
  const used = async (account: string) => usedBy(await readFile(cluster.api.auditLog, 'utf8'), account);
  /** Pods of these have no node. */
  const nowhere = { trainer: { nodeSelector: { nobody: 'has-this' } } };
  const firstPod = (sweep: string) =>
    until(
      async () => {
        const selector = `--selector=cnn-sweep.dev/sweep=${sweep},cnn-sweep.dev/trial=0`;
        return (await kubectl('get', 'pods', selector, '--output=name')).trim() || undefined;
      },
      `a Pod of ${sweep}`,
      30_000,
    );
  /** What a kubelet would say of its trainer. */
  async function setPod(pod: string, phase: string, state: object): Promise<void> {
    const container = { name: 'trainer', image: 'x', imageID: '', ready: false, restartCount: 0, state };
    const status = JSON.stringify({ status: { phase, containerStatuses: [container] } });
    await kubectl('patch', pod, '--subresource=status', '--type=merge', '--patch', status);
  }

  test('sweeps are trained, fail, are changed and deleted', async () => {
    // One after the other: the second record is appended to a slice that is there.
    await apply('good', { parallelism: 1 });
    await condition('good', 'Complete', 'Finished');
    await until(
      async () => ((await kubectl('get', 'jobs', '--output=name')) === '' ? true : undefined),
      'Jobs',
      30_000,
    );

    await apply('bad', { ...nowhere, maxFailedTrials: 0 });
    const terminated = { exitCode: 2, finishedAt: '2026-01-01T00:00:00Z', message: 'no such backend' };
    await setPod(await firstPod('bad'), 'Failed', { terminated });
    await condition('bad', 'Failed', 'MaxFailedTrialsExceeded');

    await apply('invalid', { grid: [{ widths: [[3, 8, 16, 32]], pooling: ['max'] }] });
    await condition('invalid', 'Accepted', 'InvalidSweep');
    await kubectl('delete', 'sweep', 'bad', 'invalid');
  });

  test('create tokenreviews, get pods: a trial tells how it gets on', {
    skip: !withNats && 'without NATS',
  }, async () => {
    await apply('told', { ...nowhere, parallelism: 1 });
    const pod = (await firstPod('told')).replace('pod/', '');
    const bound = ['--bound-object-kind=Pod', `--bound-object-name=${pod}`];
    const token = (await kubectl('create', 'token', 'cnn-sweep-trainer', '--audience=nats', ...bound)).trim();
    const ca = await readFile(nats?.caFile ?? '', 'utf8');
    const connection = await connect({ servers: nats?.url ?? '', tls: { ca }, token, reconnect: false });
    await connection.close();
    await kubectl('delete', 'sweep', 'told');
  });

  test('list events: a Job gets no Pod', async () => {
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'none', namespace: RELEASE } };
    await create(JSON.stringify({ ...quota, spec: { hard: { pods: '0' } } }));
    await apply('quota', { parallelism: 1 });
    await condition('quota', 'Degraded', 'QuotaExceeded');
    await kubectl('delete', 'sweep/quota', 'resourcequota/none');
  });

  test('get localqueues: a sweep names one', async () => {
    await apply('queued', { trainer: { ...nowhere.trainer, queueName: 'gpus' } });
    await condition('queued', 'Degraded', 'QueueNotFound');
    await kubectl('delete', 'sweep', 'queued');
  });

  test('get trialresultslices: a stranger’s has the name that is needed', async () => {
    await apply('stranger', { suspend: true });
    const uid = await kubectl('get', 'sweep', 'stranger', '--output=jsonpath={.metadata.uid}');
    const slice = {
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'TrialResultSlice',
      sweep: 'other',
      slice: 0,
      records: [],
    };
    const name = `stranger-${uid.slice(0, 6)}-s0`;
    await create(JSON.stringify({ ...slice, metadata: { name, namespace: RELEASE } }));
    await change('stranger', { suspend: false });
    await condition('stranger', 'Degraded', 'NameCollision');
    await kubectl('delete', `trialresultslice/${name}`, 'sweep/stranger');
  });

  test('patch events: another controller tells again what one told', async () => {
    await apply('paused', { ...nowhere, suspend: true });
    await condition('paused', 'Progressing', 'Suspended');
    await change('paused', { suspend: false });
    await setPod(await firstPod('paused'), 'Running', { running: { startedAt: '2026-01-01T00:00:00Z' } });
    await condition('paused', 'Progressing', 'TrialsRunning');
    await controller.stop();
    controller = await start();
    await change('paused', { suspend: true });
    await condition('paused', 'Progressing', 'Suspended');
    await change('paused', { suspend: false });
    await condition('paused', 'Progressing', 'TrialsRunning');
    await kubectl('delete', 'sweep', 'paused');
  });

  test('create leases: the one that the chart made is gone', async () => {
    const holder = () =>
      kubectl('get', 'lease', NAME, '--output=jsonpath={.spec.holderIdentity}', '--ignore-not-found');
    await kubectl('delete', 'lease', NAME);
    // An update makes it anew, and asks for the right to create; the audit log calls it an update.
    await until(async () => ((await holder()) !== '' ? true : undefined), 'another Lease', 60_000);
    await controller.stop();
    await kubectl('delete', 'lease', NAME);
    controller = await start();
    assert.notEqual(await holder(), '');
  });

  test('the controller used every right that it has, and was refused nothing', async () => {
    const all = await used(NAME);
    assert.deepEqual(all.refused, []);
    const clusterRoles = withNats ? [`clusterrole/${RELEASE}-callout.${RELEASE}`] : [];
    const rules = await rulesOf(`role/${NAME}`, `role/${NAME}-lease`, ...clusterRoles);
    assert.deepEqual(
      all.used,
      rules.filter((right) => !NEVER_ASKED.controller?.includes(right)),
    );
  });

  test('helm test trains a sweep with every right that it has', async () => {
    const hooks = (await render(values)).filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']);
    const rights = hooks.filter(({ kind }) => kind !== 'Pod');
    for (const hook of rights) await create(JSON.stringify(hook));
    const [args] = podsOf(hooks).map(({ pod }) => listAt(pod, 'containers', 0, 'args').map(String));
    // Our programs are processes of this machine: there is no Service that leads to them.
    const given = (args ?? []).filter((arg) => !/^--(controller|dashboard)-url=/.test(arg));
    const env = { KUBECONFIG: await kubeconfigOf('cnn-sweep-test') };
    const { code, stdout } = await runProgram(['doctor', ...given], { env });
    assert.match(stdout, /^ok {7}lease: Lease cnn-sweep\/cnn-sweep-controller: held by .*, which renews it$/m);
    assert.match(stdout, /^ok {7}sweep: two trials were trained: /m);
    assert.equal(code, 0, stdout);
    const all = await used('cnn-sweep-test');
    assert.deepEqual(all.refused, []);
    const rules = rights.filter(({ kind }) => kind === 'Role').flatMap((role) => expand(role));
    assert.deepEqual(all.used, sorted(rules.filter((right) => !NEVER_ASKED.test?.includes(right))));
  });

  async function rulesOf(...roles: string[]): Promise<string[]> {
    const objects = await Promise.all(roles.map((role) => kubectl('get', role, '--output=json')));
    return sorted([...new Set(objects.flatMap((object) => expand(JSON.parse(object))))]);
  }
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** `create batch/jobs`, each. */
function expand(role: Rendered): string[] {
  return (role.rules as Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group === '' ? '' : `${group}/`}${resource}`)),
    ),
  );
}

/** What a ServiceAccount asked for, by the audit log: discovery aside, which is everybody's. */
function usedBy(log: string, account: string): { used: string[]; refused: string[] } {
  const used = new Set<string>();
  const refused = new Set<string>();
  for (const line of log.trim().split('\n')) {
    const { user, verb, objectRef, responseStatus } = JSON.parse(line);
    if (user?.username !== `system:serviceaccount:${RELEASE}:${account}` || !objectRef) continue;
    const { apiGroup, resource, subresource } = objectRef;
    const what = `${verb} ${apiGroup ? `${apiGroup}/` : ''}${resource}${subresource ? `/${subresource}` : ''}`;
    (responseStatus?.code === 403 ? refused : used).add(what);
  }
  return { used: sorted([...used]), refused: sorted([...refused]) };
}
