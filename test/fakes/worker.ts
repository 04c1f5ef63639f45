import { mkdir, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FromWorker, ToWorker } from '../../src/shared/worker-protocol.ts';
import type { Assignment } from '../../src/sweep/assignment.ts';
import { makeMeasurements, makeResult } from './trials.ts';

/** A worker process that trains nothing. Hyperparameters command it: `learningRate` is how many seconds a trial takes, and
 * these seeds misbehave; every other seed only shapes the curve.
 */
export const MISBEHAVE = {
  killsItself: 9001,
  exits2: 9002,
  hangs: 9003,
  talksGarbage: 9004,
  eatsMemory: 9005,
  exits1: 9006,
  diesOnce: 9007,
  hangsDeaf: 9008,
  leavesHalfAModel: 9009,
  neverSteps: 9010,
  hangsAfterASlowStep: 9011,
  showsItsStack: 9012,
} as const;

function send(message: FromWorker): Promise<void> {
  return new Promise((resolve) => process.send?.(message, () => resolve()) ?? resolve());
}

let steps = 0;

async function train({ assignment, modelFolder }: ToWorker): Promise<void> {
  const { learningRate } = assignment.hyperparameters;
  await misbehave({ kind: 'run', assignment, modelFolder, cacheFolder: '' });
  const measurements = makeMeasurements(assignment);
  for (const measurement of measurements) {
    await sleep((1000 * learningRate) / measurements.length);
    await send({ kind: 'heartbeat', steps: ++steps, slowestStepMs: 1 });
    await send({ kind: 'measurement', measurement });
  }
  const temporary = `${modelFolder}.tmp`;
  await mkdir(temporary);
  await writeFile(`${temporary}/model.json`, JSON.stringify({ trial: assignment.trial }));
  await rename(temporary, modelFolder);
  await send({ kind: 'result', result: makeResult(assignment, measurements) });
}

/** Says that it has come so far, and no more; heartbeats go on, steps do not. */
async function hang({ trial, attempt, attemptUID }: Assignment, slowestStepMs?: number): Promise<void> {
  if (slowestStepMs !== undefined) await send({ kind: 'heartbeat', steps: ++steps, slowestStepMs });
  const progress = {
    trial,
    attempt,
    attemptUID,
    epoch: 1,
    step: 1,
    steps: 10,
    runningTrainLoss: 1,
    examplesPerSecond: 1,
  };
  await send({ kind: 'progress', progress, milestone: false });
  await send({ kind: 'heartbeat', steps: slowestStepMs === undefined ? -1 : steps, slowestStepMs: 1 });
  await sleep(60_000);
}

async function misbehave({ assignment, modelFolder }: ToWorker): Promise<void> {
  switch (assignment.hyperparameters.seed) {
    case MISBEHAVE.killsItself:
      process.kill(process.pid, 'SIGKILL');
      return sleep(60_000);
    case MISBEHAVE.exits2:
      console.error('native: no such backend');
      process.exit(2);
      break;
    case MISBEHAVE.hangs:
      return hang(assignment, 1);
    case MISBEHAVE.hangsAfterASlowStep:
      return hang(assignment, 60_000);
    case MISBEHAVE.neverSteps:
      return hang(assignment);
    case MISBEHAVE.hangsDeaf:
      process.on('SIGTERM', () => undefined);
      return hang(assignment, 1);
    case MISBEHAVE.talksGarbage:
      process.send?.({ kind: 'song', verse: 1 });
      return sleep(60_000);
    case MISBEHAVE.eatsMemory:
      for (const eaten: number[][] = []; ; ) eaten.push(new Array(1e6).fill(eaten.length));
    case MISBEHAVE.exits1:
      console.error('first line\nError: the disk is on fire');
      process.exit(1);
      break;
    case MISBEHAVE.showsItsStack: {
      const frames = Array.from({ length: 20 }, (_, line) => `    at step (file:///src/train.ts:${line})`);
      console.error([...frames, 'RangeError: offset is out of bounds', 'CHATTER: a device was found'].join('\n'));
      process.exit(1);
      break;
    }
    case MISBEHAVE.diesOnce:
      if (assignment.attempt === 1) process.kill(process.pid, 'SIGKILL');
      return;
    case MISBEHAVE.leavesHalfAModel:
      await mkdir(`${modelFolder}.tmp`);
      process.exit(1);
  }
}

process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => void train(message));
await send({ kind: 'ready' });
