import { fork } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment, readEnvironment } from '../../src/shared/env.ts';
import type { FromWorker, ToWorker } from '../../src/shared/worker-protocol.ts';
import { hashHyperparameters } from '../../src/sweep/trial.ts';
import { backendEnvironment } from '../../src/trainer/backend.ts';
import { type Figure, figure } from './figure.ts';

/** The most memory that a real worker held while it trained (24,64) on real CIFAR-10 with WebAssembly. */
export async function measureWorkerMemory(): Promise<Figure[]> {
  const modelFolder = join(tmpdir(), `cnn-sweep-bench-model-${process.pid}`);
  const worker = fork(new URL('../../src/trainer/worker.ts', import.meta.url), {
    env: childEnvironment(backendEnvironment('wasm')),
  });
  try {
    const result = new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => message.kind === 'result' && resolve());
      worker.on('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
    });
    worker.send({
      kind: 'run',
      assignment: buildTrial(),
      cacheFolder: readEnvironment().cacheFolder,
      modelFolder,
    } satisfies ToWorker);
    await result;
    const status = await readFile(`/proc/${worker.pid}/status`, 'utf8');
    const kibibytes = Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]);
    return [figure('worker, wasm, CIFAR-10, (24,64), most resident', (kibibytes * 1024) / 1e6, 'MB', '<=', 600)];
  } finally {
    worker.removeAllListeners('exit');
    worker.disconnect();
    await rm(modelFolder, { recursive: true, force: true });
  }
}

function buildTrial(): ToWorker['assignment'] {
  const hyperparameters = {
    widths: [24, 64],
    activation: 'relu',
    pooling: 'max',
    depth: 1,
    batchSize: 32,
    learningRate: 0.001,
    momentum: 0.9,
    seed: 0,
  } as const;
  return {
    sweep: 'bench',
    trial: 0,
    attempt: 1,
    attemptUID: 'bench',
    hyperparameters: { ...hyperparameters, widths: [...hyperparameters.widths] },
    hyperparametersHash: hashHyperparameters(hyperparameters),
    training: { dataset: 'cifar10', epochs: 2, splitSeed: 0, validationFraction: 0.1, trainingExamples: 4000 },
    checkpoint: 'BestEpoch',
    backend: 'wasm',
  };
}
