import type { Environment } from '../shared/env.ts';
import { DATASETS, type DatasetName } from '../sweep/dataset.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { nearest } from '../sweep/nearest.ts';
import { fetchDataset } from '../trainer/dataset.ts';
import { interrupts } from './interrupts.ts';
import type { Output } from './output.ts';

/** Sees to it that a data set is in the cache, whole and verified. @returns exit code: 0, or 130 interrupted */
export async function data(name: string, output: Output, { cacheFolder }: Environment): Promise<number> {
  if (!isDataset(name)) throw new InvalidConfigError(explainName(name));
  const signals = interrupts(() => output.note('interrupted'));
  try {
    await fetchDataset(name, { cacheFolder, log: output.print, signal: signals.interrupt });
    return 0;
  } catch (error) {
    if (!signals.interrupt.aborted) throw error;
    output.note(`nothing was installed; try again with: cnn-sweep data ${name}`);
    return 130;
  } finally {
    signals.close();
  }
}

function isDataset(name: string): name is DatasetName {
  return Object.hasOwn(DATASETS, name);
}

function explainName(name: string): string {
  const known = Object.keys(DATASETS);
  const meant = nearest(name, known);
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  return `${JSON.stringify(name)}: expected ${known.join(' or ')}${hint}`;
}
