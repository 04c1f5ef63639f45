import type { Environment } from '../shared/env.ts';
import { DATASETS, type DatasetName } from '../sweep/dataset.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { fetchDataset } from '../trainer/dataset.ts';
import type { Output } from './output.ts';

/** Sees to it that a data set is in the cache, whole and verified. */
export async function data(name: string, output: Output, { cacheFolder }: Environment): Promise<number> {
  if (!isDataset(name)) {
    throw new InvalidConfigError(`${JSON.stringify(name)}: expected ${Object.keys(DATASETS).join(' or ')}`);
  }
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  try {
    await fetchDataset(name, { cacheFolder, log: output.print, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    output.note('interrupted; nothing was installed');
    return 130;
  }
  return 0;
}

function isDataset(name: string): name is DatasetName {
  return Object.hasOwn(DATASETS, name);
}
