import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { type ForwardedPort, forwardPort, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { ROOT } from '../../src/shared/package.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { SweepStatus } from '../../src/sweep/status.ts';
import { CHART, helm, valuesArgs } from '../charts/helm.ts';
import { type ClusterWithNode, startCluster } from '../cluster/cluster.ts';
import { buildImages, whyNoImages } from '../cluster/images.ts';
import { programImage } from '../cluster/program-image.ts';
import { run } from '../cluster/run.ts';
import { testModel } from '../trainer/read-model.ts';
import { WatchedPage } from './watched-page.ts';

const why = await whyNoImages();
const skip = why !== undefined && process.env.CI !== 'true' ? why : false;

const NAMESPACE = 'vision';

/** Four networks on 2,000 real images: seconds each. */
const SWEEP = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'study' },
  spec: {
    grid: [
      {
        widths: [
          [3, 8],
          [6, 16],
        ],
        activation: ['relu'],
        pooling: ['max'],
        depth: [1],
        seed: [0, 1],
      },
    ],
    training: {
      dataset: 'cifar10',
      trainingExamples: 2000,
      epochs: 4,
      batchSize: 8,
      learningRate: 0.003,
      momentum: 0.9,
      seed: 0,
    },
    selection: { checkpoint: 'LastEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError' },
    parallelism: 4,
    trainer: { backend: 'native' },
  },
};

let cluster: ClusterWithNode;
let folder: string;
let port: ForwardedPort;
let page: WatchedPage;
let growth: Promise<number[]>;

before(
  async () => {
    if (skip) return;
    const images = await buildImages();
    cluster = await startCluster();
    // Fewer than `parallelism`, so that the scheduler has to hold Pods back.
    await cluster.setGpus(2);
    await cluster.node.loadImage(images.controller.archive);
    await cluster.node.loadImage(images.trainer.archive);
    await cluster.node.loadImage((await programImage('nats-server')).archive);
    folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-e2e-'));
    await cluster.apply(JSON.stringify(await natsVolume()));
  },
  { timeout: 1_200_000 },
);

after(async () => {
  // biome-ignore lint/suspicious/noUnnecessaryConditions: there is none if an earlier test failed
  await page?.close();
  // biome-ignore lint/suspicious/noUnnecessaryConditions: likewise
  await port?.close();
  // biome-ignore lint/suspicious/noUnnecessaryConditions: there is none if its start failed
  await cluster?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A folder of this machine: nothing here makes volumes for claims. */
async function natsVolume() {
  const disk = path.join(folder, 'nats');
  await mkdir(disk);
  // The owner of such a volume is not changed to the Pod's user.
  await chmod(folder, 0o755);
  await chmod(disk, 0o777);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'nats' },
    spec: { capacity: { storage: '10Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: disk } },
  };
}

const values = {
  image: { registry: 'localhost', repository: 'cnn-sweep', tag: 'test', pullPolicy: 'Never' },
  trainer: { image: { registry: 'localhost', repository: 'cnn-sweep-trainer', tag: 'test', pullPolicy: 'Never' } },
  nats: { image: { registry: 'localhost', repository: 'cnn-sweep-nats-server', tag: 'test', pullPolicy: 'Never' } },
  tests: { sweep: true },
};

const ours = () => ({ KUBECONFIG: cluster.kubeconfig });

test('a release is installed and its controller gets ready', { skip, timeout: 300_000 }, async () => {
  const args = [
    'install',
    'cnn-sweep',
    CHART,
    '--namespace',
    NAMESPACE,
    '--create-namespace',
    '--wait',
    '--timeout=3m',
  ];
  await helm('helm', [...args, ...valuesArgs(values)], ours());
});

test('helm test finds all well, trains two trials, and leaves nothing', { skip, timeout: 600_000 }, async () => {
  const said = await helm('helm', ['test', 'cnn-sweep', '--namespace', NAMESPACE, '--timeout=9m'], ours());
  assert.match(said, /TEST SUITE: +cnn-sweep-test\n.*\n.*\nPhase: +Succeeded/);
  assert.equal(await cluster.kubectl('get', 'sweeps', '--namespace', NAMESPACE, '--output=name'), '');
});

test('a sweep is trained in Pods, two at once on two GPUs, and its verdict is the local run’s to the last digit', {
  skip,
  timeout: 900_000,
}, async () => {
  const file = path.join(folder, 'sweep.yaml');
  await writeFile(file, stringify(SWEEP));
  port = await forwardPort(await dashboardPod(), undefined, readKubeConfigFile(cluster.kubeconfig));
  page = await WatchedPage.open(port.url);
  assert.match(await page.emptyText(), /no sweep/i);
  await cluster.kubectl('apply', '--namespace', NAMESPACE, '-f', file);
  await page.follow('study');
  const watching = page.epochsUntilTheEnd(SWEEP.spec.training.epochs, 600_000);
  watching.catch(() => undefined); // looked at by its own test
  growth = watching;
  const gpus = watchRunningPods();
  await cluster.kubectl('wait', '-n', NAMESPACE, '--for=condition=Complete', 'sweep/study', '--timeout=10m');
  assert.equal(await gpus.stop(), 2, 'Pods that ran at once, at most');

  const inCluster = await readResults();
  const runFolder = path.join(folder, 'run');
  await run([path.join(ROOT, 'bin/cnn-sweep'), 'run', file, '--folder', runFolder]);
  const local = JSON.parse(await readFile(path.join(runFolder, 'verdict.json'), 'utf8'));

  const { best, trials, phase } = inCluster.status;
  assert.equal(phase, 'Complete');
  assert.deepEqual(trials, { total: 4, waiting: 0, running: 0, succeeded: 4, failed: 0, stopped: 0 });
  const { trial, epoch, parameterCount, validationLoss, validationLossStandardError } = local.verdict.best;
  const { validationAccuracy, gap, rise, finding } = local.verdict.best;
  assert.deepEqual(best, {
    trial,
    network: best?.network,
    epoch,
    parameterCount,
    validationLoss,
    loss: `${validationLoss.toFixed(3)} ± ${validationLossStandardError.toFixed(3)}`,
    validationLossStandardError,
    validationAccuracy,
    gap,
    rise,
    finding,
    testLoss: local.test.loss,
    testAccuracy: local.test.accuracy,
    backend: 'native',
  });
  assert.match(inCluster.status.message, new RegExp(`trial ${trial}, kept at epoch ${epoch}`));
  assert.deepEqual(await curvesOf(runFolder), inCluster.lastEpochs, 'validation losses of every trial');
});

test('its curves grew on the page without a reload, and its verdict is the same there, in the status, the API and Prometheus', {
  skip,
}, async () => {
  const epochs = await growth;
  assert.ok(epochs.length >= 5, `${epochs}`);
  assert.deepEqual(
    epochs,
    epochs.toSorted((a, b) => a - b),
  );
  assert.equal(epochs.at(-1), 4 * SWEEP.spec.training.epochs);
  const { best } = (await readResults()).status;
  assert.ok(best);
  // The page tells networks apart that differ in their seed alone.
  const network = `${best.network}, seed ${best.trial % 2}`;
  assert.equal(await page.headline(), `${network} is the best network that does not overfit`);
  const words = await page.verdict();
  const figures = [best.validationLoss.toFixed(3), (100 * best.validationAccuracy).toFixed(1)];
  for (const figure of [...figures, (100 * (best.testAccuracy ?? 0)).toFixed(1)]) {
    assert.ok(words.includes(figure), `${figure} in ${words}`);
  }
  assert.deepEqual(page.complaints, []);

  const answer = await fetch(`${port.url}/api/v1/sweeps/${NAMESPACE}/study/verdict`);
  const said = (await answer.json()) as { best: Record<string, unknown>; isFinal: boolean; test: { accuracy: number } };
  assert.equal(said.isFinal, true);
  assert.equal(said.best.network, network);
  for (const name of ['trial', 'epoch', 'validationLoss', 'validationAccuracy', 'gap', 'rise'] as const) {
    assert.equal(said.best[name], best[name], name);
  }
  assert.equal(said.test.accuracy, best.testAccuracy);

  const { pod } = await dashboardPod();
  const metrics = await cluster.kubectl(
    'get',
    '--raw',
    `/api/v1/namespaces/${NAMESPACE}/pods/${pod}:9090/proxy/metrics`,
  );
  const gauge = (name: string) =>
    Number(new RegExp(`^${name}\\{sweep_namespace="${NAMESPACE}",sweep="study"\\} (.*)$`, 'm').exec(metrics)?.[1]);
  assert.equal(gauge('cnn_sweep_best_validation_accuracy_ratio'), best.validationAccuracy);
  assert.equal(gauge('cnn_sweep_best_accuracy_gap_ratio'), best.gap);
});

test('the model that is downloaded has the test accuracy that was reported, to the last digit', { skip }, async () => {
  const { best } = (await readResults()).status;
  const output = path.join(folder, 'downloaded');
  const where = ['--namespace', NAMESPACE, '--release-namespace', NAMESPACE, '--output', output];
  const said = await run([path.join(ROOT, 'bin/cnn-sweep'), 'model', 'study', ...where], { env: ours() });
  assert.match(said, new RegExp(`^model: ${output} \\(trial ${best?.trial}, .*, epoch ${best?.epoch}, test accuracy`));
  const { test: tested, parameterCount } = await testModel(output, 'native');
  assert.deepEqual(tested, { loss: best?.testLoss, accuracy: best?.testAccuracy });
  assert.equal(parameterCount, best?.parameterCount);
});

test('its curves and models are in NATS, told by Pods that each showed a token of their own', { skip }, async () => {
  const trials = SWEEP.spec.grid[0]?.seed.length ?? 0;
  const count = 2 * trials;
  const pod = `/api/v1/namespaces/${NAMESPACE}/pods/cnn-sweep-nats-0:8222/proxy`;
  const jsz = JSON.parse(await cluster.kubectl('get', '--raw', `${pod}/jsz?accounts=true&streams=true&config=true`));
  const streams: StreamSeen[] = jsz.account_details.flatMap(
    (each: { stream_detail?: StreamSeen[] }) => each.stream_detail ?? [],
  );
  const stream = (name: string) => streams.find((each) => each.name === name) ?? assert.fail(`no stream ${name}`);
  const curves = stream('CNN_SWEEP');
  assert.ok(curves.state.messages >= count * SWEEP.spec.training.epochs, `${curves.state.messages} messages`);
  assert.equal(curves.config.discard, 'new');
  // Of each trial a meta message, and a chunk or more.
  assert.ok(stream('OBJ_CNN_SWEEP_MODELS').state.messages >= 2 * count);

  // The server knows trials by the name that the controller vouched for.
  const connz = JSON.parse(await cluster.kubectl('get', '--raw', `${pod}/connz?state=any&auth=true&limit=1000`));
  const users = new Set<string>(connz.connections.map((each: { authorized_user?: string }) => each.authorized_user));
  const admitted = [...users].filter((user) => user.startsWith(`${NAMESPACE}/study-`));
  assert.ok(admitted.length >= count, `${[...users]}`);
  const metrics = `/api/v1/namespaces/${NAMESPACE}/services/cnn-sweep-controller:9090/proxy/metrics`;
  assert.match(
    await cluster.kubectl('get', '--raw', metrics),
    /^cnn_sweep_nats_connected\{component="controller"\} 1$/m,
  );
});

interface StreamSeen {
  readonly name: string;
  readonly config: { readonly discard: string };
  readonly state: { readonly messages: number };
}

test('a sweep and a release that are deleted leave nothing but the kinds', { skip, timeout: 300_000 }, async () => {
  await cluster.kubectl('delete', '-n', NAMESPACE, 'sweep', 'study');
  await helm('helm', ['uninstall', 'cnn-sweep', '--namespace', NAMESPACE, '--wait'], ours());
  const kinds =
    'jobs,pods,trialresultslices,leases,roles,rolebindings,services,deployments,statefulsets,secrets,pvc,networkpolicies';
  let left = '';
  for (let tries = 0; tries < 60; tries++) {
    left = await cluster.kubectl('get', kinds, '-n', NAMESPACE, '-o', 'name');
    if (left === '') break;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assert.equal(left, '');
  const wide = 'clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings';
  const names = await cluster.kubectl('get', wide, '-o', 'name');
  assert.doesNotMatch(names, /cnn-sweep/);
});

async function dashboardPod(): Promise<{ namespace: string; pod: string; port: number }> {
  const selector = 'app.kubernetes.io/component=dashboard';
  const pod = await cluster.kubectl(
    'get',
    'pods',
    '-n',
    NAMESPACE,
    '-l',
    selector,
    '-o',
    'jsonpath={.items[0].metadata.name}',
  );
  return { namespace: NAMESPACE, pod, port: 8080 };
}

async function readResults(): Promise<{ status: SweepStatus; lastEpochs: Record<number, number | null> }> {
  const sweep = JSON.parse(await cluster.kubectl('get', 'sweep', 'study', '-n', NAMESPACE, '-o', 'json'));
  const slices = JSON.parse(await cluster.kubectl('get', 'trialresultslices', '-n', NAMESPACE, '-o', 'json'));
  const records: TrialRecord[] = slices.items.flatMap(({ records }: { records: TrialRecord[] }) => records);
  return {
    status: sweep.status,
    lastEpochs: losses(records.map(({ trial, summary }) => [trial, summary?.last?.validationLoss])),
  };
}

async function curvesOf(runFolder: string): Promise<Record<number, number | null>> {
  const lines = (await readFile(path.join(runFolder, 'curves.ndjson'), 'utf8')).trim().split('\n');
  const measurements = lines.map((line) => JSON.parse(line));
  return losses(
    measurements
      .filter(({ epoch }) => epoch === SWEEP.spec.training.epochs)
      .map(({ trial, validationLoss }) => [trial, validationLoss]),
  );
}

function losses(entries: readonly [number, number | null | undefined][]): Record<number, number | null> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => a - b).map(([trial, loss]) => [trial, loss ?? null]));
}

/** Counts trainer Pods that run, every half second. */
function watchRunningPods(): { stop(): Promise<number> } {
  let most = 0;
  let stopped = false;
  const selector = ['-l', 'app.kubernetes.io/component=trainer', '--field-selector=status.phase=Running'];
  const watching = (async () => {
    while (!stopped) {
      const pods = await cluster.kubectl('get', 'pods', '-n', NAMESPACE, ...selector, '-o', 'name');
      most = Math.max(most, pods.split('\n').filter(Boolean).length);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await watching;
      return most;
    },
  };
}
