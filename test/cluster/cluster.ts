import { mkdtemp } from 'node:fs/promises';
import { type Box, openLoopback, openNamespaces } from './box.ts';
import {
  type ApiServer,
  type ControlPlanePart,
  type Flags,
  PARTS,
  startControlPlane as startPlane,
} from './control-plane.ts';
import { type FakeNodes, startFakeNodes } from './fake-nodes.ts';
import { claimFolder, FOLDER_PREFIX, removeAbandoned, removeCluster } from './leftovers.ts';
import { NODE_ADDRESS, NODE_PARTS, type RealNode, startNode } from './node.ts';
import type { Part } from './part.ts';
import { buildPrograms, type Module, programPath } from './programs.ts';
import { run } from './run.ts';

/** A cluster that a test owns. */
export interface Cluster {
  readonly api: ApiServer;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly parts: Readonly<Record<ControlPlanePart, Part>>;
  /** @returns standard output @throws an error with what kubectl says */
  kubectl(...args: string[]): Promise<string>;
  /** `kubectl apply` of a manifest given as text. */
  apply(manifest: string, ...args: string[]): Promise<string>;
  /** Adds nodes that only seem to run Pods, each with so many GPUs. Starts what plays them. */
  addFakeNodes(count: number, options?: { gpus?: number }): Promise<FakeNodes>;
  stop(): Promise<void>;
}

/** A cluster with a node that really runs Pods. */
export interface ClusterWithNode extends Cluster {
  readonly node: RealNode;
  /** Says that the node has so many GPUs: the scheduler counts them, nothing uses them. */
  setGpus(count: number): Promise<void>;
}

/** A control plane on loopback, without a node: etcd and API server, and what else is asked for. Needs no rights.
 * @param flags of its programs, beside their own
 */
export async function startControlPlane(
  parts: readonly ControlPlanePart[] = ['etcd', 'kube-apiserver'],
  { flags }: { flags?: Flags } = {},
): Promise<Cluster> {
  await buildPrograms(['etcd', 'kubernetes']);
  return inFolder(async (folder, onStop) => {
    const box = openLoopback();
    const { cluster } = await open(box, folder, onStop, { parts, ...(flags && { flags }) });
    return cluster;
  });
}

/** A whole cluster with one real node, in namespaces of its own. Needs root, and containerd, runc, CNI plugins and iptables. */
export async function startCluster(): Promise<ClusterWithNode> {
  const modules: readonly Module[] = ['etcd', 'kubernetes', 'coredns', 'pause'];
  await buildPrograms(modules);
  return inFolder(async (folder, onStop) => {
    const box = await openNamespaces();
    onStop(() => box.close());
    const { cluster } = await open(box, folder, onStop, { advertise: NODE_ADDRESS });
    const node = await startNode(box, folder, cluster.api, cluster);
    onStop(async () => {
      for (const name of NODE_PARTS) await node.parts[name].stop('SIGKILL');
    });
    const setGpus = async (count: number) => {
      const gpus = { 'nvidia.com/gpu': String(count) };
      const patch = JSON.stringify({ status: { capacity: gpus, allocatable: gpus } });
      await cluster.kubectl('patch', 'node', node.name, '--subresource=status', '--type=merge', '-p', patch);
    };
    return { ...cluster, node, setGpus };
  });
}

type OnStop = (stop: () => Promise<void>) => void;

/** Gives `start` a folder; whatever happens, what was started is stopped, last things first, and the folder removed. */
async function inFolder<C extends Cluster>(start: (folder: string, onStop: OnStop) => Promise<C>): Promise<C> {
  await removeAbandoned();
  const folder = await mkdtemp(FOLDER_PREFIX);
  await claimFolder(folder);
  const stops: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      for (const each of stops.toReversed()) await each();
      await removeCluster(folder);
    })();
    return stopping;
  };
  try {
    return { ...(await start(folder, (each) => stops.push(each))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open(
  box: Box,
  folder: string,
  onStop: OnStop,
  options: { advertise?: string; parts?: readonly ControlPlanePart[]; flags?: Flags },
): Promise<{ cluster: Omit<Cluster, 'stop'> & { stop: () => Promise<void> } }> {
  const plane = await startPlane(box, folder, options, (parts) =>
    onStop(async () => {
      for (const name of PARTS.toReversed()) await parts[name].stop('SIGKILL');
    }),
  );
  const kubeconfig = plane.api.kubeconfigs.admin;
  const program = await programPath('kubectl');
  const call = (args: readonly string[], input = '') =>
    run([program, `--kubeconfig=${kubeconfig}`, ...args], { input });
  let fake: Promise<FakeNodes> | undefined;
  const addFakeNodes: Cluster['addFakeNodes'] = async (count, { gpus = 8 } = {}) => {
    fake ??= startFakeNodes(box, folder, plane.api.kubeconfigs.kwok, onStop);
    const nodes = await fake;
    await nodes.add(count, gpus, (manifest) => call(['apply', '-f', '-'], manifest));
    return nodes;
  };
  return {
    cluster: {
      ...plane,
      kubeconfig,
      kubectl: (...args) => call(args),
      apply: (manifest, ...args) => call(['apply', '-f', '-', ...args], manifest),
      addFakeNodes,
      stop: async () => undefined,
    },
  };
}
