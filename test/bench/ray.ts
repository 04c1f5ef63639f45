import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Figure, report } from './figure.ts';

const run = promisify(execFile);

/** The same 60 trials of 1 s on 2 slots by Ray Tune, where the system's Python has it: `pip install 'ray[tune]'`. */
export async function measureRay(note: (line: string) => void): Promise<Figure[]> {
  try {
    await run('python3', ['-c', 'import ray.tune']);
  } catch {
    note("Ray Tune is not installed (pip install 'ray[tune]'); its overhead is not measured");
    return [];
  }
  const { stdout } = await run('python3', [fileURLToPath(new URL('ray_overhead.py', import.meta.url))]);
  const seconds = Number(stdout.trim().split('\n').at(-1));
  return [report('overhead of the same by Ray Tune', 100 * (seconds / 30 - 1), '%')];
}
