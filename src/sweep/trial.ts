import { DATASETS } from './dataset.ts';
import { canonical, expandGrid } from './grid.ts';
import { describeNetwork, type InputShape, networkName, vanishes } from './network.ts';
import type { Hyperparameters, Sweep } from './schema.ts';

/** One point of the grid, identified by its index in the expanded order. */
export interface Trial {
  readonly trial: number;
  readonly name: string;
  readonly hyperparameters: Hyperparameters;
  readonly hyperparametersHash: string;
  readonly parameterCount: number;
  /** Multiply-adds of one image's forward pass. */
  readonly multiplyAdds: number;
}

/** The trials of a parsed sweep, by index.
 * @throws RangeError for a point whose map vanishes: parseSweep refuses those
 */
export function expandTrials(sweep: Sweep): Trial[] {
  const input: InputShape = DATASETS[sweep.spec.training.dataset];
  return expandGrid(sweep).map((hyperparameters, trial) => {
    const network = describeNetwork(hyperparameters, input);
    if (vanishes(network)) throw new RangeError(`trial ${trial}: its feature map vanishes; parse the sweep first`);
    return {
      trial,
      name: networkName(hyperparameters),
      hyperparameters,
      hyperparametersHash: hashHyperparameters(hyperparameters),
      parameterCount: network.parameterCount,
      multiplyAdds: network.multiplyAdds,
    };
  });
}

/** 16 hex digits over the canonical hyperparameters: tells a trial's Job or record from a foreign one of the same name.
 * FNV-1a, 64 bits, over UTF-16 code units; written here because it must stay the same through every upgrade.
 */
export function hashHyperparameters(hyperparameters: Hyperparameters): string {
  let hash = 0xcbf29ce484222325n;
  for (const character of canonical(hyperparameters)) {
    hash ^= BigInt(character.charCodeAt(0));
    hash = BigInt.asUintN(64, hash * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
