import { mkdir, writeFile } from 'node:fs/promises';
import type { AttemptEnd, Job, Pool, Report } from '../../src/local/engine.ts';
import type { Assignment } from '../../src/sweep/assignment.ts';
import { makeMeasurements, makeResult } from './trials.ts';

/** A pool without processes: `train` says how each attempt ends; by default at once and well. Keeps count. */
export class FakePool implements Pool {
  readonly ran: Assignment[] = [];
  atOnce = 0;
  mostAtOnce = 0;
  closed = false;
  readonly #train: (job: Job, onReport: (report: Report) => void) => AttemptEnd | Promise<AttemptEnd>;

  constructor(train: (job: Job, onReport: (report: Report) => void) => AttemptEnd | Promise<AttemptEnd> = succeed) {
    this.#train = train;
  }

  async run(job: Job, onReport: (report: Report) => void, signal: AbortSignal): Promise<AttemptEnd> {
    this.ran.push(job.assignment);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    const stopped = new Promise<AttemptEnd>((resolve) => {
      signal.addEventListener('abort', () => resolve({ kind: 'stopped' }));
      if (signal.aborted) resolve({ kind: 'stopped' });
    });
    const end = await Promise.race([this.#train(job, onReport), stopped]);
    this.atOnce--;
    return end;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Trains as the fake worker does, without weights. */
export function succeed({ assignment }: Job, onReport?: (report: Report) => void): AttemptEnd {
  const measurements = makeMeasurements(assignment);
  if (onReport) for (const measurement of measurements) onReport({ kind: 'measurement', measurement });
  return { kind: 'result', result: makeResult(assignment, measurements) };
}

export async function succeedWithModel(job: Job, onReport?: (report: Report) => void): Promise<AttemptEnd> {
  await mkdir(job.modelFolder);
  await writeFile(`${job.modelFolder}/model.json`, JSON.stringify({ trial: job.assignment.trial }));
  return succeed(job, onReport);
}

export function crash(reason = 'Crashed (exit 1)'): AttemptEnd {
  return { kind: 'crashed', reason };
}
