import { DATASETS } from './dataset.ts';
import { canonical, eachPoint } from './grid.ts';
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
  const describe = networkDescriber(DATASETS[sweep.spec.training.dataset]);
  const trials: Trial[] = [];
  eachPoint(sweep, (hyperparameters, text, _, earlier) => {
    if (earlier !== undefined) return;
    const trial = trials.length;
    const network = describe(hyperparameters);
    if (!network) throw new RangeError(`trial ${trial}: its feature map vanishes; parse the sweep first`);
    const { name, parameterCount, multiplyAdds } = network;
    const hyperparametersHash = hashText(text);
    trials.push({ trial, name, hyperparameters, hyperparametersHash, parameterCount, multiplyAdds });
  });
  return trials;
}

/** Describes points one after the other. The last axes vary fastest, and change nothing about the network: it is that of the point before. */
function networkDescriber(input: InputShape) {
  let last: Hyperparameters | undefined;
  let described: Pick<Trial, 'name' | 'parameterCount' | 'multiplyAdds'> | undefined;
  return (point: Hyperparameters) => {
    const { widths, activation, pooling, depth } = point;
    const isSame =
      last?.widths === widths && last.activation === activation && last.pooling === pooling && last.depth === depth;
    last = point;
    if (!isSame) {
      const network = describeNetwork(point, input);
      described = vanishes(network) ? undefined : { ...network, name: networkName(point) };
    }
    return described;
  };
}

/** 16 hex digits over the canonical hyperparameters: tells a trial's Job or record from a foreign one of the same name.
 * FNV-1a, 64 bits, over UTF-16 code units; written here because it must stay the same through every upgrade.
 */
export function hashHyperparameters(hyperparameters: Hyperparameters): string {
  return hashText(canonical(hyperparameters));
}

function hashText(text: string): string {
  // In two halves: with BigInt it is the larger part of expanding a grid. The prime is 2^40 + 0x1b3.
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (let at = 0; at < text.length; at++) {
    low = (low ^ text.charCodeAt(at)) >>> 0;
    const product = low * 0x1b3;
    high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + ((low << 8) >>> 0)) >>> 0;
    low = product >>> 0;
  }
  // One flat text: of two that are joined, both are kept beside the sum, and a grid of 100,000 is as much garbage as it is trials.
  for (let at = 0; at < 8; at++) {
    const shift = 28 - 4 * at;
    digits[at] = HEX.charCodeAt((high >>> shift) & 15);
    digits[at + 8] = HEX.charCodeAt((low >>> shift) & 15);
  }
  return String.fromCharCode(...digits);
}

const HEX = '0123456789abcdef';
const digits = new Array<number>(16).fill(0);
