// A shell with a cluster of its own: KUBECONFIG is set, and everything is gone when the shell ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { startCluster, startControlPlane } from './cluster.ts';
import { programPath } from './programs.ts';

const fakeNodes = Number(process.argv[2] ?? 0);
const cluster =
  fakeNodes > 0
    ? await startControlPlane(['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'])
    : await startCluster();
if (fakeNodes > 0) await cluster.addFakeNodes(fakeNodes);
const programs = [path.dirname(await programPath('kubectl')), path.dirname(await programPath('helm'))];
console.log(`kubectl and helm reach the cluster; its files are in ${path.dirname(cluster.kubeconfig)}; exit ends it`);
const shell = spawn(process.env.SHELL ?? 'sh', {
  stdio: 'inherit',
  env: { ...process.env, KUBECONFIG: cluster.kubeconfig, PATH: [...programs, process.env.PATH].join(':') },
});
process.on('SIGINT', () => undefined); // the shell's own
await once(shell, 'exit');
await cluster.stop();
