import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { connect, headers, type NatsConnection } from 'nats';
import { modelSubjects, subjectOf } from '../../src/sweep/message.ts';
import { SKIP } from '../charts/helm.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { installKinds, type RunningController, startController, until } from './controller.ts';
import { type ChartNats, startChartNats } from './nats-server.ts';

const TRIALS = 12;

interface PodSeen {
  readonly metadata: { readonly name: string; readonly uid: string; readonly labels: Readonly<Record<string, string>> };
}

// Tokens are the API server's own, the Pods the Job controller's, the server has the chart's configuration, and our controller answers.
describe('the callout on a real API server', { skip: SKIP, timeout: 300_000 }, () => {
  let cluster: Cluster;
  let nats: ChartNats;
  let controller: RunningController;
  let ca: string;
  let sweepUID: string;
  let pods: readonly PodSeen[];
  const open: NatsConnection[] = [];

  before(async () => {
    [cluster, nats] = await Promise.all([
      startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']),
      startChartNats(),
    ]);
    ca = await readFile(nats.caFile, 'utf8');
    await installKinds(cluster);
    await cluster.kubectl('label', 'namespace', 'default', 'pod-security.kubernetes.io/enforce=restricted');
    controller = await start();
    await createSweep('study', TRIALS);
    sweepUID = await cluster.kubectl('get', 'sweep', 'study', '--output=jsonpath={.metadata.uid}');
    pods = await podsOf('study', TRIALS);
    const made = () => controller.lines.filter(({ event }) => event === 'nats stream');
    await until(async () => (made().length === 2 ? true : undefined), 'both streams', 20_000);
  });
  after(async () => {
    for (const connection of open) await connection.close();
    await (controller as RunningController | undefined)?.stop(); // not there if its start failed
    await (nats as ChartNats | undefined)?.stop();
    await (cluster as Cluster | undefined)?.stop();
  });

  const start = () =>
    startController(cluster.kubeconfig, [
      `--nats-url=${nats.url}`,
      '--nats-user=controller',
      `--nats-password-file=${nats.passwordFile('controller')}`,
      `--nats-ca-file=${nats.caFile}`,
      `--nats-callout-file=${nats.calloutFile}`,
      '--nats-purge-delay-seconds=1',
      '--delete-delay-seconds=600',
    ]);

  const createSweep = (name: string, trials: number, trainer: object = {}) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: 'cnn-sweep.dev/v1alpha1',
        kind: 'Sweep',
        metadata: { name, namespace: 'default' },
        spec: {
          grid: [{ widths: Array.from({ length: trials }, (_, at) => [at + 3]) }],
          training: { epochs: 1 },
          parallelism: trials,
          trainer: { resources: { limits: { memory: '1Gi' } }, ...trainer },
        },
      }),
    );

  /** In the order of their trials. */
  const podsOf = (sweep: string, count: number) =>
    until(
      async () => {
        const list = await cluster.kubectl('get', 'pods', `--selector=cnn-sweep.dev/sweep=${sweep}`, '--output=json');
        const { items } = JSON.parse(list) as { items: PodSeen[] };
        return items.length === count ? items.sort((a, b) => trialOf(a) - trialOf(b)) : undefined;
      },
      `Pods of ${sweep}`,
      60_000,
    );
  const trialOf = ({ metadata }: PodSeen) => Number(metadata.labels['cnn-sweep.dev/trial']);
  const podAt = (at: number): PodSeen => pods[at] ?? assert.fail(`no Pod ${at}`);

  const tokenOf = (
    { metadata }: { metadata: { name: string; uid: string } },
    { account = 'cnn-sweep-trainer', audience = 'nats' } = {},
  ) =>
    cluster
      .kubectl(
        ...['create', 'token', account, `--audience=${audience}`, '--bound-object-kind=Pod'],
        ...[`--bound-object-name=${metadata.name}`, `--bound-object-uid=${metadata.uid}`],
      )
      .then((token) => token.trim());

  const join = async (token: string, podUID: string) => {
    const connection = await connect({
      ...{ servers: nats.url, tls: { ca }, reconnect: false, timeout: 8_000 },
      ...{ token, inboxPrefix: `_INBOX_${podUID}` },
    });
    open.push(connection);
    return connection;
  };
  const joinAs = async (pod: PodSeen) => join(await tokenOf(pod), pod.metadata.uid);
  const refused = async (token: string, want: readonly string[]) => {
    const before = refusals().length;
    await assert.rejects(join(token, 'x'), { code: 'AUTHORIZATION_VIOLATION' });
    const reason = await until(async () => refusals()[before], 'a refusal in the log', 5_000);
    assert.ok(want.includes(`${reason}`), `${reason}`);
  };
  const refusals = () =>
    controller.lines.filter(({ event }) => event === 'nats client refused').map(({ reason }) => reason);

  const address = (pod: PodSeen) => ({ sweepUID, trial: trialOf(pod), attemptUID: pod.metadata.uid });
  const publish = async (connection: NatsConnection, subject: string, rollup = false) => {
    const rolledUp = headers();
    rolledUp.set('Nats-Rollup', 'all');
    const answer = await connection.request(subject, '[]', { timeout: 5_000, ...(rollup && { headers: rolledUp }) });
    const { error, stream } = JSON.parse(answer.string()) as { error?: object; stream?: string };
    return error ? undefined : stream;
  };
  const subjects = async (stream: string): Promise<string[]> => {
    const user = { user: 'dashboard', pass: nats.passwords.dashboard, inboxPrefix: '_INBOX_dashboard' };
    const dashboard = await connect({ servers: nats.url, tls: { ca }, ...user });
    const info = await dashboard.request(`$JS.API.STREAM.INFO.${stream}`, JSON.stringify({ subjects_filter: '>' }));
    await dashboard.close();
    return Object.keys((JSON.parse(info.string()) as { state: { subjects?: object } }).state.subjects ?? {});
  };
  const modelSubjectsThere = async () =>
    (await subjects('OBJ_CNN_SWEEP_MODELS')).filter((subject) => subject.startsWith('$O.CNN_SWEEP_MODELS.M.'));

  const running = new Map<number, NatsConnection>();

  test('every trial of a sweep is admitted by its Pod’s own token, and its stream is there', async () => {
    for (const pod of pods) {
      const connection = await joinAs(pod);
      running.set(trialOf(pod), connection);
      assert.equal(await publish(connection, subjectOf(address(pod), 'epoch')), 'CNN_SWEEP');
    }
    assert.equal(await controller.metric('cnn_sweep_nats_connected'), 1);
    assert.equal(await controller.metric('cnn_sweep_nats_callouts_total'), TRIALS);
    assert.equal(await controller.metric('cnn_sweep_nats_reconnects_total'), 0);
    const events = controller.lines.filter(({ event }) => event === 'nats stream');
    assert.deepEqual(
      events.map(({ stream, outcome }) => [stream, outcome]),
      [
        ['CNN_SWEEP', 'Created'],
        ['OBJ_CNN_SWEEP_MODELS', 'Created'],
      ],
    );
  });

  test('a Pod that asks for the token as ours do gets it', async () => {
    const pod = JSON.parse(await cluster.kubectl('get', 'pod', podAt(0).metadata.name, '--output=json'));
    const source = { path: 'token', audience: 'nats', expirationSeconds: 600 };
    const volume = pod.spec.volumes.find(({ name }: { name: string }) => name === 'nats');
    const field = (path: string, fieldPath: string) => ({ path, fieldRef: { apiVersion: 'v1', fieldPath } });
    const items = [field('pod-uid', 'metadata.uid'), field('ca.crt', "metadata.annotations['cnn-sweep.dev/nats-ca']")];
    assert.deepEqual(volume.projected.sources, [{ serviceAccountToken: source }, { downwardAPI: { items } }]);
    assert.equal(pod.metadata.annotations['cnn-sweep.dev/nats-ca'], ca);
    assert.ok(pod.spec.containers[0].args.includes(sweepUID));
  });

  const REFUSED: Readonly<Record<string, { want: string; token: () => Promise<string> }>> = {
    'a token for the API server': {
      want: 'TokenRejected',
      token: () => tokenOf(podAt(0), { audience: 'https://kubernetes.default.svc.cluster.local' }),
    },
    'a token that is none': { want: 'TokenRejected', token: async () => 'secret' },
    'a token of the right account, bound to no Pod': {
      want: 'NotBoundToPod',
      token: async () => (await cluster.kubectl('create', 'token', 'cnn-sweep-trainer', '--audience=nats')).trim(),
    },
    'a token of another account’s Pod': {
      want: 'ForeignServiceAccount',
      token: async () => tokenOf(await createPod('other', 'default'), { account: 'default' }),
    },
    'a token of a Pod that somebody made by hand': {
      want: 'NoTrial',
      token: async () => tokenOf(await createPod('by-hand', 'cnn-sweep-trainer')),
    },
  };
  for (const [what, { want, token }] of Object.entries(REFUSED)) {
    test(`not admitted: ${what}`, async () => refused(await token(), [want]));
  }

  async function createPod(name: string, serviceAccountName: string): Promise<PodSeen> {
    const container = {
      name: 'a',
      image: 'b',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    };
    const securityContext = { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } };
    const spec = { serviceAccountName, securityContext, containers: [container] };
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }));
    return JSON.parse(await cluster.kubectl('get', 'pod', name, '--output=json')) as PodSeen;
  }

  test('while no controller answers a trial that is connected goes on; another comes in when one is there again', async () => {
    await controller.stop();
    await assert.rejects(joinAs(podAt(1)), /authorization|timeout|closed/i);
    const connection = running.get(0) ?? assert.fail();
    assert.equal(await publish(connection, subjectOf(address(podAt(0)), 'progress')), 'CNN_SWEEP');
    controller = await start();
    await until(
      () =>
        joinAs(podAt(1)).then(
          () => true,
          () => undefined,
        ),
      'a trial that comes in',
      30_000,
    );
  });

  test('the server that was away is met again, and what it held is still there', async () => {
    await nats.part.stop('SIGKILL');
    await until(
      async () => ((await controller.metric('cnn_sweep_nats_connected')) === 0 ? true : undefined),
      'gone',
      20_000,
    );
    await nats.part.start();
    await until(
      async () => ((await controller.metric('cnn_sweep_nats_connected')) === 1 ? true : undefined),
      'connected',
      30_000,
    );
    assert.ok((await controller.metric('cnn_sweep_nats_reconnects_total')) >= 1);
    running.clear();
    for (const pod of pods) running.set(trialOf(pod), await joinAs(pod));
    assert.ok((await subjects('CNN_SWEEP')).includes(subjectOf(address(podAt(0)), 'epoch')));
  });

  test('of twelve models of recorded trials ten stay', async () => {
    await cluster.addFakeNodes(2);
    await cluster.kubectl('wait', '--for=condition=Complete', 'sweep/study', '--timeout=60s');
    for (const pod of pods) {
      const { chunks, meta } = modelSubjects(address(pod));
      const connection = running.get(trialOf(pod)) ?? assert.fail();
      assert.equal(await publish(connection, chunks), 'OBJ_CNN_SWEEP_MODELS');
      assert.equal(await publish(connection, meta), 'OBJ_CNN_SWEEP_MODELS');
      assert.equal(await publish(connection, meta, true), undefined);
    }
    const left = await until(
      async () => {
        const there = await modelSubjectsThere();
        return there.length === 10 ? there : undefined;
      },
      'ten models',
      20_000,
    );
    // All are alike: the lower index wins.
    const winners = pods.slice(0, 10).map((pod) => modelSubjects(address(pod)).meta);
    assert.deepEqual(left.sort(), winners.sort());
    assert.ok((await controller.metric('cnn_sweep_nats_stream_bytes')) > 0);
    assert.equal(await controller.metric('cnn_sweep_nats_stream_max_bytes'), 8 * 1024 ** 3);
  });

  test('the token of a Pod that has ended is refused, and that of one that is gone', async () => {
    const [ended, gone] = [podAt(0), podAt(1)];
    const [endedToken, goneToken] = [await tokenOf(ended), await tokenOf(gone)];
    await refused(endedToken, ['PodOver']);
    await cluster.kubectl('delete', 'pod', gone.metadata.name);
    // The API server remembers for ten seconds whom it has known.
    await refused(goneToken, ['PodGone', 'TokenRejected']);
  });

  test('a Sweep that is deleted leaves neither curve nor model, and another’s stay', async () => {
    await createSweep('kept', 1, { nodeSelector: { nobody: 'has-this' } });
    const [pod] = await podsOf('kept', 1);
    assert.ok(pod);
    const uid = await cluster.kubectl('get', 'sweep', 'kept', '--output=jsonpath={.metadata.uid}');
    const kept = subjectOf({ sweepUID: uid, trial: 0, attemptUID: pod.metadata.uid }, 'epoch');
    assert.equal(await publish(await joinAs(pod), kept), 'CNN_SWEEP');
    await cluster.kubectl('delete', 'sweep', 'study');
    await until(
      async () => ((await subjects('CNN_SWEEP')).some((subject) => subject.includes(sweepUID)) ? undefined : true),
      'no curve left',
      30_000,
    );
    await until(
      async () => ((await subjects('OBJ_CNN_SWEEP_MODELS')).length === 0 ? true : undefined),
      'no model left',
      30_000,
    );
    assert.deepEqual(await subjects('CNN_SWEEP'), [kept]);
  });
});
