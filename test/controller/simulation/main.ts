// A campaign: node test/controller/simulation/main.ts --seeds 100000 [--from 0]; one seed with its whole trace: --seed 4711
import { parseArgs } from 'node:util';
import { runSeed } from './seeds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
  },
});

if (values.seed !== undefined) {
  const { violations, convergedMs } = await runSeed(Number(values.seed), (line) => console.log(line));
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
  console.log(`converged ${convergedMs / 1000} s after the last fault`);
  process.exitCode = violations.length > 0 ? 1 : 0;
} else {
  const [from, count] = [Number(values.from), Number(values.seeds)];
  const begun = performance.now();
  let failed = 0;
  let slowest = 0;
  for (let seed = from; seed < from + count; seed++) {
    const { violations, convergedMs } = await runSeed(seed);
    slowest = Math.max(slowest, convergedMs);
    if (violations.length === 0) continue;
    failed++;
    console.log(`seed ${seed}: ${violations[0]}\n  replay: node test/controller/simulation/main.ts --seed ${seed}`);
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(
    `${count} seeds, ${failed} failed, ${seconds.toFixed(1)} s; slowest to converge: ${(slowest / 1000).toFixed(0)} s`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}
