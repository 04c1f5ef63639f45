import { zipSync } from 'fflate';

/** The attempt whose weights are wanted. */
export interface ModelName {
  readonly namespace: string;
  readonly sweep: string;
  readonly sweepUID: string;
  readonly trial: number;
  readonly attemptUID: string;
}

/** Where weights are kept. */
export interface Models {
  /** A zip with model.json and its weights, their digest checked. */
  zip(model: ModelName): Promise<Uint8Array | 'missing'>;
}

export const NO_MODELS: Models = { zip: async () => 'missing' };

/** Zips the files of a model; weights do not get smaller. The same files give the same bytes. */
export function zipModel(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const entries = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1));
  return zipSync(Object.fromEntries(entries), { level: 0, mtime: new Date(1980, 0, 1) });
}
