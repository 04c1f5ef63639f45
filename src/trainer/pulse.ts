import type { Assignment } from '../sweep/assignment.ts';
import { finiteOrNull, type Progress } from '../sweep/measurement.ts';
import type { Position, Pulse } from './train.ts';

/** The running training loss is recorded each 2,000 minibatches, as in the study's own protocol. */
export const MINIBATCHES_PER_MILESTONE = 2000;

const SHOW_EVERY_MS = 1000;
const HEARTBEAT_EVERY_MS = 2500;

export interface PulseDeps {
  readonly onProgress: (progress: Progress, milestone: boolean) => void;
  readonly onHeartbeat: (steps: number, slowestStepMs: number) => void;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
  /** Lets the event loop turn, so that messages get out and in. */
  readonly breathe: () => Promise<void>;
}

/** What happens between the steps of a training run: signs of life, and where it stands. Steps count through all trials of a process. */
export class Heart {
  readonly #deps: PulseDeps;
  #steps = 0;
  #slowestStepMs = 0;
  #lastStep: number;
  #lastShown: number;
  #lastHeartbeat: number;

  constructor(deps: PulseDeps) {
    this.#deps = deps;
    this.#lastStep = this.#lastShown = this.#lastHeartbeat = deps.now();
  }

  /** The pulse of one attempt. */
  pulseOf({ trial, attempt, attemptUID }: Assignment): Pulse {
    this.#lastStep = this.#deps.now(); // the time between two trials is no step
    let losses = 0;
    let minibatches = 0;
    let epochBegan = this.#lastStep;

    return (position) => {
      const now = this.#deps.now();
      if (position.loss !== undefined) {
        if (position.step === 1) epochBegan = this.#lastStep;
        losses += position.loss;
        minibatches++;
      }
      const milestone = minibatches === MINIBATCHES_PER_MILESTONE;
      const shown = milestone || now - this.#lastShown >= SHOW_EVERY_MS;
      if (shown) this.#lastShown = now;
      if (shown && position.loss !== undefined) {
        const figures = {
          runningTrainLoss: finiteOrNull(losses / minibatches),
          examplesPerSecond: speedOf(position, now - epochBegan),
        };
        this.#deps.onProgress({ trial, attempt, attemptUID, ...whereOf(position), ...figures }, milestone);
      }
      if (milestone) losses = minibatches = 0;
      this.#beat(now);
      return shown ? this.#deps.breathe() : undefined;
    };
  }

  #beat(now: number): void {
    this.#steps++;
    this.#slowestStepMs = Math.max(this.#slowestStepMs, now - this.#lastStep);
    this.#lastStep = now;
    if (now - this.#lastHeartbeat < HEARTBEAT_EVERY_MS) return;
    this.#lastHeartbeat = now;
    this.#deps.onHeartbeat(this.#steps, this.#slowestStepMs);
  }
}

function whereOf({ epoch, step, steps }: Position) {
  return { epoch, step, steps };
}

function speedOf({ examples }: Position, ms: number): number {
  return (1000 * examples) / Math.max(1, ms);
}
