import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { childEnvironment, readEnvironment } from '../../src/shared/env.ts';
import { type BackendName, backendEnvironment, nativeBindingFile } from '../../src/trainer/backend.ts';
import { type Figure, figure, median, report } from './figure.ts';

const run = promisify(execFile);
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const ROUNDS = 3;

type Rival = BackendName | 'TensorFlow';

/** Images per second of every backend on one core, in turns, so that a slower minute of the machine meets all of them.
 * Plain JavaScript takes one round of three steps: at batch 32 one of its steps takes seconds. Without `make native` its
 * figures are missing and its bars are missed: what was not measured does not hold.
 */
export async function measureTraining(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const widths of ['12,32', '24,64']) {
    for (const batch of [4, 32]) {
      const speeds = await inTurns(widths, batch);
      for (const [rival, speed] of speeds) figures.push(report(nameOf(rival, widths, batch), speed, 'images/s'));
      const ratio = (a: Rival, b: Rival) => (speeds.get(a) ?? Number.NaN) / (speeds.get(b) ?? Number.NaN);
      if (batch !== 32) continue;
      figures.push(figure(`wasm / cpu, (${widths}), batch ${batch}`, ratio('wasm', 'cpu'), '×', '>=', 150));
      figures.push(figure(`native / wasm, (${widths}), batch ${batch}`, ratio('native', 'wasm'), '×', '>=', 2));
      const name = `native / TensorFlow's Python loop, (${widths}), batch ${batch}`;
      figures.push(figure(name, ratio('native', 'TensorFlow'), '×', '>=', 0.5));
    }
  }
  return figures;
}

async function inTurns(widths: string, batch: number): Promise<Map<Rival, number>> {
  const rivals: Rival[] = nativePython() ? ['wasm', 'native', 'TensorFlow'] : ['wasm'];
  const seen = new Map<Rival, number[]>([['cpu', [await speedOf('cpu', widths, batch, 1)]]]);
  for (let round = 0; round < ROUNDS; round++) {
    for (const rival of rivals) seen.set(rival, [...(seen.get(rival) ?? []), await speedOf(rival, widths, batch, 3)]);
  }
  return new Map([...seen].map(([rival, speeds]) => [rival, median(speeds)]));
}

async function speedOf(rival: Rival, widths: string, batch: number, seconds: number): Promise<number> {
  const settings = [widths, String(batch), String(seconds)];
  const [program, args] =
    rival === 'TensorFlow'
      ? [nativePython() ?? 'python3', [here('tensorflow_loop.py'), ...settings]]
      : [process.execPath, [here('train-speed.ts'), rival, ...settings]];
  const { stdout } = await run(program, args, { env: childEnvironment(backendEnvironment()) });
  return Number(stdout.trim().split('\n').at(-1));
}

/** The Python that `make native` made, with TensorFlow in it; undefined where it was not called. */
function nativePython(): string | undefined {
  const python = join(dirname(nativeBindingFile(readEnvironment().cacheFolder)), 'venv', 'bin', 'python');
  return existsSync(python) ? python : undefined;
}

function nameOf(rival: Rival, widths: string, batch: number): string {
  const who = rival === 'TensorFlow' ? "TensorFlow's Python loop" : rival;
  return `training, ${who}, (${widths}), batch ${batch}, one core`;
}
