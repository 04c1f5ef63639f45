import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from './cluster.ts';
import { removeAbandoned } from './leftovers.ts';
import { run } from './run.ts';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'sleeper' },
  spec: {
    automountServiceAccountToken: false,
    containers: [{ name: 'sleeper', image: 'localhost/cnn-sweep-pause:test', imagePullPolicy: 'Never' }],
  },
};

/** What a cluster has or had on the machine: links, mounts, processes, network namespaces, cgroups, iptables rules. */
async function tracesOf({ folder, address }: Traced): Promise<string[]> {
  const name = path.basename(folder);
  const lines = async (command: readonly string[], pattern: RegExp | string) =>
    (await run(command))
      .split('\n')
      .filter((line) => (typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line)));
  const [, , net] = address.split('.');
  const links = await lines(['ip', '-o', 'link'], new RegExp(`cnnsweep${net}\\b`));
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').filter((line) => line.includes(name));
  const processes = await lines(['ps', '-eo', 'pid,args'], name);
  const namespaces = await lines(['ip', 'netns', 'list'], /cni-/);
  const rules = await lines(['iptables-save'], /KUBE-|CNI-/);
  return [...links, ...mounts, ...processes, ...namespaces, ...rules, ...(await containersWithCgroups(folder))];
}

interface Traced {
  readonly folder: string;
  /** Of the box, as the machine sees it. */
  readonly address: string;
}

/** Containers by their id, while the folder that names them is there. */
const containersOf = new Map<string, readonly string[]>();

async function containersWithCgroups(folder: string): Promise<string[]> {
  const tasks = path.join(folder, 'containerd-state/io.containerd.runtime.v2.task/k8s.io');
  const containers = await readdir(tasks).catch(() => containersOf.get(folder) ?? []);
  containersOf.set(folder, containers);
  const hierarchies = await readdir('/sys/fs/cgroup');
  const found = await Promise.all(
    hierarchies.map((name) => readdir(path.join('/sys/fs/cgroup', name, 'k8s.io')).catch(() => [])),
  );
  return containers.filter((container) => found.flat().includes(container));
}

/** Namespaces are taken down by the kernel a moment after their last process. */
async function waitUntilGone(cluster: Traced): Promise<string[]> {
  let traces = await tracesOf(cluster);
  for (let tries = 0; tries < 100 && traces.length > 0; tries++) {
    await sleep(100);
    traces = await tracesOf(cluster);
  }
  return traces;
}

test('a cluster runs a Pod, counts GPUs, and leaves nothing behind', async () => {
  const cluster = await startCluster();
  const traced = { folder: path.dirname(cluster.kubeconfig), address: new URL(cluster.api.url).hostname };
  try {
    await cluster.setGpus(4);
    const gpus = await cluster.kubectl('get', 'node', 'n1', '-o', 'jsonpath={.status.allocatable.nvidia\\.com/gpu}');
    assert.equal(gpus, '4');
    await cluster.apply(JSON.stringify(POD));
    await cluster.kubectl('wait', '--for=condition=Ready', 'pod/sleeper', '--timeout=60s');
    const traces = (await tracesOf(traced)).join('\n');
    for (const part of ['cnnsweep', 'kubelet', 'containerd'])
      assert.match(traces, new RegExp(part), 'it looks in the wrong place');
    assert.equal(containersOf.get(traced.folder)?.length, 2);
  } finally {
    await cluster.stop();
  }
  assert.deepEqual(await waitUntilGone(traced), []);
  await assert.rejects(readdir(traced.folder), { code: 'ENOENT' });
});

test('a cluster whose tests are killed leaves nothing that runs, and the next one removes its files', async () => {
  const program = `
    import { startCluster } from ${JSON.stringify(path.join(import.meta.dirname, 'cluster.ts'))};
    const cluster = await startCluster();
    await cluster.apply(${JSON.stringify(JSON.stringify(POD))});
    await cluster.kubectl('wait', '--for=condition=Ready', 'pod/sleeper', '--timeout=60s');
    console.log(cluster.kubeconfig, new URL(cluster.api.url).hostname);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const [kubeconfig = '', address = ''] = line.split(' ');
  const traced = { folder: path.dirname(kubeconfig), address };
  assert.notEqual((await tracesOf(traced)).length, 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await sleep(500);
  await removeAbandoned();
  assert.deepEqual(await waitUntilGone(traced), []);
  await assert.rejects(readdir(traced.folder), { code: 'ENOENT' });
});
