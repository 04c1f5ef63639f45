import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { openLoopback } from './box.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { startFakeNodes } from './fake-nodes.ts';
import { claimFolder, FOLDER_PREFIX, removeCluster } from './leftovers.ts';
import { buildPrograms, programPath } from './programs.ts';
import { run } from './run.ts';

/** Whose cluster the tests use that only need an API server and nodes: one that was given (CNN_SWEEP_TEST_KUBECONFIG), one that kind makes,
 * or one that is built here. With CI=true it is the last, unless one is given: nothing is skipped there.
 */
export type Source = 'given' | 'kind' | 'built';

/** What every source can do. */
export type AnyCluster = Pick<Cluster, 'kubeconfig' | 'kubectl' | 'apply' | 'addFakeNodes' | 'stop'>;

const { CNN_SWEEP_TEST_KUBECONFIG: given, CI } = process.env;
export const source: Source = given ? 'given' : CI !== 'true' && (await isKindUsable()) ? 'kind' : 'built';

/** For `skip`: why a test does not run on a cluster that is not built here. */
export function needsOwn(what: string): string | false {
  return source === 'built' ? false : `needs a cluster of its own: ${what}`;
}

/** Why no cluster is there at all, if so. */
export async function missingCluster(): Promise<string | undefined> {
  if (CI === 'true') return undefined;
  return run(['go', 'version']).then(
    () => undefined,
    () => 'the programs of a real cluster are built with Go, which is not there',
  );
}

/** Opens a cluster with API server, controller manager and scheduler. */
export async function openAnyCluster(): Promise<AnyCluster> {
  if (source === 'built')
    return startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler']);
  await buildPrograms(['kubernetes']);
  const folder = await mkdtemp(FOLDER_PREFIX);
  await claimFolder(folder);
  const stops: (() => Promise<unknown>)[] = [() => removeCluster(folder)];
  const kubeconfig = given ?? (await createKind(folder, (stop) => stops.push(stop)));
  return useCluster(kubeconfig, folder, stops);
}

/** @param stops of what was started, first things first */
async function useCluster(kubeconfig: string, folder: string, stops: (() => Promise<unknown>)[]): Promise<AnyCluster> {
  const program = await programPath('kubectl');
  const call = (args: readonly string[], input = '') =>
    run([program, `--kubeconfig=${kubeconfig}`, ...args], { input });
  let fake: ReturnType<typeof startFakeNodes> | undefined;
  return {
    kubeconfig,
    kubectl: (...args) => call(args),
    apply: (manifest, ...args) => call(['apply', '-f', '-', ...args], manifest),
    addFakeNodes: async (count, { gpus = 8 } = {}) => {
      fake ??= startFakeNodes(openLoopback(), folder, kubeconfig, (stop) => {
        // The nodes go before who plays them, so that their Pods end.
        stops.push(stop, () => call(['delete', 'nodes', '--selector=cnn-sweep.dev/fake-node=true', '--timeout=60s']));
      });
      const nodes = await fake;
      await nodes.add(count, gpus, async (manifest) => {
        await call(['apply', '-f', '-'], manifest);
        // Nobody else's Pods shall be run by nodes that run nothing.
        const taint = ['taint', 'nodes', '--selector=cnn-sweep.dev/fake-node=true', '--overwrite'];
        await call([...taint, 'nvidia.com/gpu=fake:NoSchedule']);
      });
      return nodes;
    },
    stop: async () => {
      for (const stop of stops.toReversed()) await stop();
    },
  };
}

/** @returns its kubeconfig */
async function createKind(folder: string, onStop: (stop: () => Promise<unknown>) => void): Promise<string> {
  const kubeconfig = path.join(folder, 'kind.kubeconfig');
  const name = `--name=cnn-sweep-${process.pid}`;
  onStop(() => run(['kind', 'delete', 'cluster', name, `--kubeconfig=${kubeconfig}`]));
  await run(['kind', 'create', 'cluster', name, `--kubeconfig=${kubeconfig}`, '--wait=120s']);
  return kubeconfig;
}

/** A docker command without a daemon counts as none. */
async function isKindUsable(): Promise<boolean> {
  return run(['kind', 'version'])
    .then(() => run(['docker', 'info']))
    .then(
      () => true,
      () => false,
    );
}
