import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { CHART, helm, listAt, SKIP, sorted, type Values, valuesArgs } from '../charts/helm.ts';
import { runProgram } from '../cli/program.ts';
import { makeCertificates } from '../shared/certificates.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { type RunningDashboard, startDashboard } from './dashboard.ts';
import { established } from './established.ts';

const RELEASE = 'cnn-sweep';
const NAME = 'cnn-sweep-dashboard';
const READS = ['jobs', 'pods', 'sweeps', 'trialresultslices'].flatMap((kind) => [`list ${kind}`, `watch ${kind}`]);

// One release after the other in one cluster: each mode by what the API server was asked for since its dashboard started.
describe('the rights of the dashboard are those that it uses, and no others', { skip: SKIP, timeout: 600_000 }, () => {
  let cluster: Cluster;
  let folder: string;
  let dashboard: RunningDashboard | undefined;
  /** Bytes of the audit log before it started. */
  let past = 0;
  const kubectl = (...args: string[]) => cluster.kubectl('--namespace', RELEASE, ...args);
  const inFolder = (name: string) => path.join(folder, name);

  before(async () => {
    cluster = await startControlPlane();
    folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-dashboard-'));
    await makeCertificates(folder);
    await release('install', {});
    await established(cluster);
    for (const account of ['reader', 'stranger']) await kubectl('create', 'serviceaccount', account);
    await kubectl('create', 'role', 'reads', '--resource=sweeps.cnn-sweep.dev', '--verb=list');
    for (const subject of [`--serviceaccount=${RELEASE}:reader`, '--group=team'])
      await kubectl(
        'create',
        'rolebinding',
        `reads-${subject.split('=')[1]?.replace(':', '-')}`,
        '--role=reads',
        subject,
      );
    await cluster.apply(
      JSON.stringify({
        apiVersion: 'cnn-sweep.dev/v1alpha1',
        kind: 'Sweep',
        metadata: { name: 'study', namespace: RELEASE },
        spec: { grid: [{ widths: [[3, 8]] }] },
      }),
    );
  });
  after(async () => {
    await dashboard?.stop();
    await (cluster as Cluster | undefined)?.stop(); // not there if its start failed
    await rm(folder, { recursive: true, force: true });
  });

  const release = (command: 'install' | 'upgrade', values: Values) =>
    helm(
      'helm',
      [
        ...[command, RELEASE, CHART, '--namespace', RELEASE, '--create-namespace'],
        ...valuesArgs({ nats: { enabled: false }, tests: { sweep: false }, dashboard: values }),
      ],
      { KUBECONFIG: cluster.kubeconfig },
    );

  /** As its Deployment does, with the token of its ServiceAccount; what is mounted there is in a folder here. */
  async function start(values: Values, ...more: readonly string[]): Promise<RunningDashboard> {
    await dashboard?.stop();
    await release('upgrade', values);
    const output = '--output=jsonpath={.spec.template.spec.containers[0].args}';
    const args: string[] = JSON.parse(await kubectl('get', 'deployment', NAME, output));
    const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8'));
    config.users[0].user.token = (await kubectl('create', 'token', NAME)).trim();
    await writeFile(inFolder('kubeconfig'), JSON.stringify(config), { mode: 0o600 });
    past = (await readFile(cluster.api.auditLog)).length;
    const given = args
      .filter((arg) => !/^--(host|port|ops-port)=/.test(arg))
      .map((arg) => arg.replace('/etc/cnn-sweep/tls', folder));
    dashboard = await startDashboard(inFolder('kubeconfig'), [...given, ...more]);
    return dashboard;
  }

  const tokenOf = async (account: string, audience = 'cnn-sweep') =>
    (await kubectl('create', 'token', account, `--audience=${audience}`)).trim();
  const sweepsFor = async (headers: Record<string, string>) => {
    const answer = await fetch(`${dashboard?.url}/api/v1/sweeps`, { headers });
    return answer.ok ? namesIn(await answer.json()) : answer.status;
  };

  /** Everything granted, in namespaces and beyond: `list jobs`, sorted. */
  async function granted(): Promise<string[]> {
    const ours = ['--selector=app.kubernetes.io/component=dashboard', '--all-namespaces', '--output=json'];
    const { items } = JSON.parse(await kubectl('get', 'roles,clusterroles', ...ours)) as { items: unknown[] };
    const rights = items.flatMap((role) =>
      listAt(role, 'rules').flatMap((rule) =>
        listAt(rule, 'resources').flatMap((resource) => listAt(rule, 'verbs').map((verb) => `${verb} ${resource}`)),
      ),
    );
    return sorted(rights);
  }

  async function isExact(want: readonly string[]): Promise<void> {
    const { used, refused } = usedBy((await readFile(cluster.api.auditLog)).subarray(past).toString());
    assert.deepEqual(refused, []);
    assert.deepEqual(used, sorted(want));
    assert.deepEqual(await granted(), used, 'a right that nobody uses');
  }

  test('with loopback it lists and watches four kinds', async () => {
    await start({});
    assert.deepEqual(await sweepsFor({}), ['study']);
    await isExact(READS);
  });

  test('it shows what the cluster has while the Secret of NATS is not there yet, and says so', async () => {
    const { url, lines } = await start(
      {},
      ...['--nats-url=tls://localhost:1', '--nats-user=dashboard'],
      ...[`--nats-password-file=${inFolder('not-there')}`, `--nats-ca-file=${inFolder('not-there.crt')}`],
    );
    assert.deepEqual(await sweepsFor({}), ['study']);
    const answer = (await (await fetch(`${url}/api/v1/sweeps/${RELEASE}/study`)).json()) as { notes: string[] };
    assert.match(answer.notes.join(), /not-there/);
    assert.ok(!lines.some(({ event }) => event === 'failed'));
  });

  test('with tokens it also asks whose they are, and what their owners may', async () => {
    await start({ auth: { mode: 'token' } });
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    assert.deepEqual(await sweepsFor(bearer(await tokenOf('reader'))), ['study']);
    assert.deepEqual(await sweepsFor(bearer(await tokenOf('stranger'))), []);
    assert.equal(await sweepsFor(bearer(await tokenOf('reader', 'https://kubernetes.default.svc'))), 401);
    assert.equal(await sweepsFor({}), 401);
    await isExact([...READS, 'create subjectaccessreviews', 'create tokenreviews']);
  });

  test('with a proxy, which it believes by its certificate, it asks only what its readers may', async () => {
    const { url } = await start({ auth: { mode: 'proxy' }, tls: { existingSecret: 'page-tls' } });
    const named = { 'x-forwarded-user': 'ada', 'x-forwarded-groups': 'team' };
    const ask = async (client: string | undefined, headers: Record<string, string>) => {
      const answer = await get(`${url}/api/v1/sweeps`, folder, client, headers);
      return answer.status === 200 ? namesIn(JSON.parse(answer.body)) : answer.status;
    };
    assert.deepEqual(await ask('proxy', named), ['study']);
    assert.deepEqual(await ask('proxy', { 'x-forwarded-user': 'ada', 'x-forwarded-groups': 'others' }), []);
    assert.equal(await ask(undefined, named), 401, 'anybody can send a header');
    assert.equal(await ask('another', named), 401, 'a certificate of another authority');
    await isExact([...READS, 'create subjectaccessreviews']);
  });

  test('the doctor finds it ready', async () => {
    const { stdout, code } = await runProgram(
      ['doctor', '--namespace', RELEASE, '--dashboard-url', `${dashboard?.opsUrl}`],
      { env: { KUBECONFIG: cluster.kubeconfig } },
    );
    assert.match(stdout, /^ok {7}dashboard: http:\/\/\S+\/readyz: ready$/m);
    assert.equal(code, 0);
  });
});

function namesIn(answer: unknown): unknown[] {
  return listAt(answer, 'items').map((item) => (item as { name?: unknown }).name);
}

/** What the ServiceAccount asked for, by the audit log: discovery aside, which is everybody's. */
function usedBy(log: string): { used: string[]; refused: string[] } {
  const used = new Set<string>();
  const refused = new Set<string>();
  for (const line of log.trim().split('\n')) {
    const { user, verb, objectRef, responseStatus } = JSON.parse(line);
    if (user?.username !== `system:serviceaccount:${RELEASE}:${NAME}` || !objectRef) continue;
    (responseStatus?.code === 403 ? refused : used).add(`${verb} ${objectRef.resource}`);
  }
  return { used: sorted([...used]), refused: sorted([...refused]) };
}

/** One request, with the certificate of a client. */
async function get(url: string, folder: string, client: string | undefined, headers: Record<string, string>) {
  const read = (name: string) => readFile(path.join(folder, name), 'utf8');
  const own = client && { cert: await read(`${client}.crt`), key: await read(`${client}.key`) };
  const asking = request(url, { ca: await read('ca.crt'), ...own, headers, agent: false });
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    asking.once('response', resolve).once('error', reject).end();
  });
  return { status: answer.statusCode, body: await text(answer) };
}
