import { lowestLoss, smoothLosses } from '../sweep/curve.ts';
import type { EpochFigures } from '../sweep/measurement.ts';
import type { Selection } from '../sweep/schema.ts';
import type { Sequential, Tf } from './tf.ts';

/** The values of a model's weights, in the order of its variables, outside of the backend. */
type Weights = readonly Float32Array[];

// The window of the smoothing and of the choice around the turning point: an epoch can still be chosen two epochs later.
const RECENT_EPOCHS = 3;

/** Holds the weights of every epoch that may still turn out to be the kept one: rule 2 of architecture.md section 5.
 * The turning point is known an epoch late, so with BestEpoch these are the last three epochs, and the best near the turning
 * point of the epochs whose smoothed loss is settled (all but the newest).
 */
export class Checkpoint {
  readonly #rule: Selection['checkpoint'];
  readonly #weights = new Map<number, Weights>();
  readonly #epochs: EpochFigures[] = [];

  constructor(rule: Selection['checkpoint']) {
    this.#rule = rule;
  }

  /** Takes the weights as they are after this epoch, and lets go of those that can no longer be kept. */
  offer(figures: EpochFigures, model: Sequential): void {
    this.#epochs.push(figures);
    this.#weights.set(figures.epoch, readWeights(model));
    const candidate = this.#rule === 'BestEpoch' ? settledBest(this.#epochs) : undefined;
    const oldest = this.#rule === 'BestEpoch' ? figures.epoch - RECENT_EPOCHS : figures.epoch - 1;
    for (const epoch of this.#weights.keys()) {
      if (epoch <= oldest && epoch !== candidate) this.#weights.delete(epoch);
    }
  }

  /** Epochs whose weights are held now. */
  get held(): number[] {
    return [...this.#weights.keys()];
  }

  /** Puts the weights of an epoch back into the model.
   * @throws RangeError if they are not held: the rule of what to hold would be wrong
   */
  restore(tf: Tf, model: Sequential, epoch: number): void {
    const weights = this.#weights.get(epoch);
    if (!weights) throw new RangeError(`the weights of epoch ${epoch} are not held, only ${this.held.join(', ')}`);
    tf.tidy(() => {
      for (const [at, variable] of model.trainableWeights.entries()) {
        variable.write(tf.tensor(weights[at] ?? [], variable.shape as number[]));
      }
    });
  }
}

/** The epoch that BestEpoch would keep if the newest epoch's smoothed loss, the only one that may still change, were the highest. */
function settledBest(epochs: readonly EpochFigures[]): number | undefined {
  const settled = smoothLosses(epochs).slice(0, -1);
  const turn = settled.indexOf(Math.min(...settled));
  return turn < 0 ? undefined : lowestLoss(epochs.slice(Math.max(0, turn - 1), turn + 2))?.epoch;
}

function readWeights(model: Sequential): Weights {
  // A copy: on some backends the values are the variable's own memory.
  return model.trainableWeights.map((variable) => Float32Array.from(variable.read().dataSync()));
}
