import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Box } from './box.ts';
import type { ApiServer } from './control-plane.ts';
import { Part } from './part.ts';
import { pauseImage } from './program-image.ts';
import { programPath } from './programs.ts';
import { runInBox } from './run.ts';

/** The node's own address, in its box. */
export const NODE_ADDRESS = '10.77.0.1';
const DNS_ADDRESS = '10.99.0.10';
const NODE = 'n1';

export const NODE_PARTS = ['containerd', 'kubelet', 'kube-proxy', 'coredns'] as const;
export type NodePart = (typeof NODE_PARTS)[number];

export interface RealNode {
  readonly name: string;
  readonly parts: Readonly<Record<NodePart, Part>>;
  /** Imports an OCI or Docker archive. */
  loadImage(archive: string): Promise<void>;
}

/** A real kubelet over a real containerd, with Pod network, Services and DNS. */
export async function startNode(box: Box, folder: string, api: ApiServer, apply: Apply): Promise<RealNode> {
  const at = (...names: string[]) => path.join(folder, ...names);
  await mkdir(at('cni'), { recursive: true });
  const socket = at('containerd.sock');
  const pause = await pauseImage();
  await writeFile(at('containerd.toml'), containerdConfig(folder, socket, pause.name));
  await writeFile(at('cni', '10-pods.conflist'), JSON.stringify(podNetwork(folder)));
  await writeFile(at('kubelet.json'), JSON.stringify(kubeletConfig(socket)));
  await writeFile(at('Corefile'), corefile(api.kubeconfigs.coredns));
  await writeFile(at('resolv.conf'), 'nameserver 127.0.0.1\n');

  const part = (name: NodePart, command: readonly string[], ready: () => Promise<boolean>) =>
    new Part(box, { name, command, ready, logFile: at(`${name}.log`) });
  const ctr = ['ctr', '--address', socket, '--namespace', 'k8s.io'];
  const isNodeReady = async () =>
    (await apply.kubectl('get', 'node', NODE, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')) ===
    'True';
  const parts = {
    containerd: part('containerd', ['containerd', '--config', at('containerd.toml')], async () => {
      await runInBox(box, [...ctr, 'version']);
      return true;
    }),
    kubelet: part(
      'kubelet',
      [
        await programPath('kubelet'),
        `--kubeconfig=${api.kubeconfigs['system:node:n1']}`,
        `--config=${at('kubelet.json')}`,
        `--hostname-override=${NODE}`,
        `--node-ip=${NODE_ADDRESS}`,
        `--root-dir=${at('kubelet')}`,
      ],
      isNodeReady,
    ),
    'kube-proxy': part(
      'kube-proxy',
      [
        await programPath('kube-proxy'),
        `--kubeconfig=${api.kubeconfigs['system:kube-proxy']}`,
        '--proxy-mode=iptables',
        `--hostname-override=${NODE}`,
        '--cluster-cidr=10.88.0.0/16',
        // The connection table belongs to the machine: its limits are not ours to set.
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0',
      ],
      async () => true,
    ),
    coredns: part('coredns', [await programPath('coredns'), '-conf', at('Corefile')], async () => true),
  };
  await parts.containerd.start();
  const loadImage = async (archive: string) => {
    await runInBox(box, [...ctr, 'images', 'import', archive]);
  };
  await loadImage(pause.archive);
  await parts.kubelet.start();
  await apply.apply(JSON.stringify(DNS_SERVICE));
  await parts['kube-proxy'].start();
  await parts.coredns.start();
  return { name: NODE, parts, loadImage };
}

interface Apply {
  kubectl(...args: string[]): Promise<string>;
  apply(manifest: string, ...args: string[]): Promise<string>;
}

function containerdConfig(folder: string, socket: string, pause: string): string {
  return `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pause}"
  # Without CAP_SYS_RESOURCE runc dies otherwise: "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
`;
}

const podNetwork = (folder: string) => ({
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods0',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: path.join(folder, 'addresses'),
        ranges: [[{ subnet: '10.88.0.0/16' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

function kubeletConfig(socket: string) {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '0.0.0.0',
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    failCgroupV1: false,
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    imageGCHighThresholdPercent: 100,
    containerRuntimeEndpoint: `unix://${socket}`,
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: 'cluster.local',
    // Answers sooner than the defaults, for tests.
    nodeStatusUpdateFrequency: '2s',
    syncFrequency: '10s',
    volumeStatsAggPeriod: '0s',
    maxPods: 250,
    serializeImagePulls: false,
  };
}

function corefile(kubeconfig: string): string {
  return `.:53 {
  bind ${NODE_ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
  }
  cache 5
}
`;
}

const DNS_SERVICE = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      spec: {
        clusterIP: DNS_ADDRESS,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'kube-dns-1', namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } },
      addressType: 'IPv4',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
      endpoints: [{ addresses: [NODE_ADDRESS] }],
    },
  ],
};
