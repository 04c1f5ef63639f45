import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Assignment } from '../../src/sweep/assignment.ts';
import { backendEnvironment } from '../../src/trainer/backend.ts';
import type { ImageSet } from '../../src/trainer/data.ts';
import type { Examples } from '../../src/trainer/minibatch.ts';
import type { TrainingPlan } from '../../src/trainer/train.ts';

/** Images of ten classes, in turn: each class is a bright square at a place of its own, in a field of noise.
 * @param set `mislabelled`: every so many images, one has the label of the next class
 */
export function makeImages({ count = 60, side = 16, channels = 1, mislabelled = 0, seed = 1 } = {}): ImageSet {
  const images = new Uint8Array(count * side * side * channels);
  const labels = new Uint8Array(count);
  let state = seed;
  const noise = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state % 100;
  };
  for (let image = 0; image < count; image++) {
    const label = image % 10;
    const wrong = mislabelled > 0 && image % mislabelled === 0;
    labels[image] = wrong ? (label + 1) % 10 : label;
    const [top, left] = [Math.floor(label / 4) * 4, (label % 4) * 4];
    for (let pixel = 0; pixel < side * side; pixel++) {
      const [y, x] = [Math.floor(pixel / side), pixel % side];
      const bright = y >= top && y < top + 4 && x >= left && x < left + 4;
      for (let channel = 0; channel < channels; channel++) {
        images[(image * side * side + pixel) * channels + channel] = noise() + (bright ? 150 : 0);
      }
    }
  }
  return { images, labels, count, height: side, width: side, channels };
}

export function makeExamples(set: ImageSet, from = 0, to = set.count): Examples {
  return { set, indices: Uint32Array.from({ length: to - from }, (_, at) => from + at) };
}

export function makePlan(plan: Partial<TrainingPlan> = {}): TrainingPlan {
  return { epochs: 3, batchSize: 4, learningRate: 0.02, momentum: 0.9, seed: 0, ...plan };
}

export type Changes = Partial<Omit<Assignment, 'hyperparameters' | 'training'>> & {
  readonly hyperparameters?: Partial<Assignment['hyperparameters']>;
  readonly training?: Partial<Assignment['training']>;
};

/** A small trial on WebAssembly. */
export function makeAssignment({ hyperparameters, training, ...assignment }: Changes = {}): Assignment {
  return {
    sweep: 'study',
    trial: 7,
    attempt: 1,
    attemptUID: 'first',
    hyperparameters: {
      widths: [3, 4],
      activation: 'relu',
      pooling: 'max',
      depth: 1,
      batchSize: 8,
      learningRate: 0.01,
      momentum: 0.9,
      seed: 0,
      ...hyperparameters,
    },
    hyperparametersHash: '0123456789abcdef',
    training: { dataset: 'cifar10', epochs: 2, splitSeed: 0, validationFraction: 0.01, ...training },
    checkpoint: 'LastEpoch',
    backend: 'wasm',
    ...assignment,
  };
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a program of the trainer. @param ipc with a channel, as a worker has */
export function start(
  program: string,
  args: readonly string[] = [],
  { env = {}, ipc = false }: { env?: Record<string, string>; ipc?: boolean } = {},
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const file = fileURLToPath(new URL(`../../src/trainer/${program}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...backendEnvironment('wasm'), ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
  process.once('exit', () => child.kill('SIGKILL')); // a test that failed leaves nobody behind
  const { stdout, stderr } = child;
  if (!stdout || !stderr) throw new Error('no pipes');
  const exit = new Promise<Pick<Ended, 'code' | 'signal'>>((resolve, reject) => {
    child.on('error', reject).on('exit', (code, signal) => resolve({ code, signal }));
  });
  const ended = Promise.all([exit, text(stdout), text(stderr)]).then(([how, out, err]) => ({
    ...how,
    stdout: out,
    stderr: err,
  }));
  return { child, ended };
}
