// The model of the API server against the real one: node test/cluster/fidelity/main.ts --scripts 500 [--from 0]; one alone: --seed 4711
import { parseArgs } from 'node:util';
import { startControlPlane } from '../cluster.ts';
import { compareAll, FLAGS, installForFidelity } from './suite.ts';

const { values } = parseArgs({
  options: {
    scripts: { type: 'string', default: '500' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
  },
});
const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.scripts) : 1;

const cluster = await startControlPlane(['etcd', 'kube-apiserver'], { flags: FLAGS });
try {
  await installForFidelity(cluster);
  const begun = performance.now();
  const differences = await compareAll(
    cluster,
    Array.from({ length: count }, (_, at) => from + at),
  );
  for (const { seed, words } of differences) {
    console.log(`seed ${seed}:\n${words}\n  replay: node test/cluster/fidelity/main.ts --seed ${seed}`);
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${count} scripts, ${differences.length} differ, ${seconds.toFixed(1)} s`);
  process.exitCode = differences.length > 0 ? 1 : 0;
} finally {
  await cluster.stop();
}
