import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { stringify } from 'yaml';
import { ROOT } from '../../src/shared/package.ts';
import type { TrialRecord } from '../../src/sweep/slice.ts';
import type { SweepStatus } from '../../src/sweep/status.ts';
import { CHART, helm, valuesArgs } from '../charts/helm.ts';
import { type ClusterWithNode, startCluster } from '../cluster/cluster.ts';
import { buildImages, whyNoImages } from '../cluster/images.ts';
import { run } from '../cluster/run.ts';

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

before(
  async () => {
    if (skip) return;
    const images = await buildImages();
    cluster = await startCluster();
    // Fewer than `parallelism`, so that the scheduler has to hold Pods back.
    await cluster.setGpus(2);
    await cluster.node.loadImage(images.controller.archive);
    await cluster.node.loadImage(images.trainer.archive);
    folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-e2e-'));
  },
  { timeout: 1_200_000 },
);

after(async () => {
  // biome-ignore lint/suspicious/noUnnecessaryConditions: there is none if its start failed
  await cluster?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const values = {
  image: { registry: 'localhost', repository: 'cnn-sweep', tag: 'test', pullPolicy: 'Never' },
  trainer: { image: { registry: 'localhost', repository: 'cnn-sweep-trainer', tag: 'test', pullPolicy: 'Never' } },
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
  await cluster.kubectl('apply', '--namespace', NAMESPACE, '-f', file);
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

test('a sweep and a release that are deleted leave nothing but the kinds', { skip, timeout: 300_000 }, async () => {
  await cluster.kubectl('delete', '-n', NAMESPACE, 'sweep', 'study');
  await helm('helm', ['uninstall', 'cnn-sweep', '--namespace', NAMESPACE, '--wait'], ours());
  const kinds = 'jobs,pods,trialresultslices,leases,roles,rolebindings,services,deployments,networkpolicies';
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
