// A campaign: node test/controller/simulation/main.ts --seeds 100000 [--from 0]; one seed with its whole trace: --seed 4711
import { parseArgs } from 'node:util';
import { runSeed } from './seeds.ts';
import { Threads } from './threads.ts';

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
  const threads = new Threads();
  let failed = 0;
  const slowestMs = await threads.runSeeds(from, count, (told) => {
    failed++;
    console.log(told);
  });
  await threads.close();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${count} seeds, ${failed} failed, ${seconds} s; slowest to converge: ${(slowestMs / 1000).toFixed(0)} s`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}
