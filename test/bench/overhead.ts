import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pool, runSweep } from '../../src/local/engine.ts';
import { openPool } from '../../src/local/pool.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import { FakePool, succeed } from '../fakes/pool.ts';
import { makeSweep } from '../fakes/trials.ts';
import { type Figure, figure } from './figure.ts';

const SLOTS = 2;

/** What a sweep costs beside its trials: 60 no-op trials of 1 s on 2 worker processes, from an empty folder to the verdict. */
export async function measureOverhead(): Promise<Figure[]> {
  const trials = 60;
  const sweep = makeSweep({ seeds: Array.from({ length: trials }, (_, seed) => seed), epochs: 1, seconds: 1 });
  const pool = openPool({ entry: new URL('../fakes/worker.ts', import.meta.url), env: process.env });
  const { seconds, rssMiB } = await timeRun(sweep, pool);
  const overhead = 100 * (seconds / (trials / SLOTS) - 1);
  return [
    figure('overhead of 60 trials of 1 s on 2 slots', overhead, '%', '<=', 5),
    // No bar is set anywhere for the memory; 150 MiB is what a plain Node process with our libraries may take.
    figure('main process, resident', rssMiB, 'MiB', '<=', 150),
  ];
}

/** How fast trials are decided and recorded: 10,000 that take no time, through planSweep and the fsynced journal. */
export async function measureDecisions(): Promise<Figure[]> {
  const seeds = Array.from({ length: 50 }, (_, seed) => seed);
  const learningRate = Array.from({ length: 50 }, (_, at) => (at + 1) / 100);
  const sweep = makeSweep({ seeds, epochs: 1, widths: [[4], [8], [12], [16]] });
  const grid = sweep.spec.grid.map((axes) => ({ ...axes, learningRate }));
  const pool = new FakePool((job) => succeed(job));
  const { seconds } = await timeRun({ ...sweep, spec: { ...sweep.spec, grid } }, pool);
  const rate = pool.ran.length / seconds;
  return [figure(`trials decided and recorded, ${pool.ran.length} no-op`, rate, '1/s', '>=', 1000)];
}

async function timeRun(sweep: Sweep, pool: Pool): Promise<{ seconds: number; rssMiB: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-bench-'));
  try {
    const began = performance.now();
    const versions = { 'cnn-sweep': 'bench' };
    const end = await runSweep(sweep, {
      folder,
      pool,
      parallelism: SLOTS,
      cacheFolder: folder,
      versions,
      onEvent: () => undefined,
    });
    const seconds = (performance.now() - began) / 1000;
    if (!end.complete) throw new Error(`bench: the run ended ${end.outcome}, not complete`);
    return { seconds, rssMiB: process.memoryUsage.rss() / 2 ** 20 };
  } finally {
    await rm(folder, { recursive: true });
  }
}
