import { DATASETS } from '../sweep/dataset.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import type { Output } from './output.ts';
import { readSweepFile } from './sweep-file.ts';
import { type Column, layOut, NETWORK_CELLS } from './table.ts';

const COLUMNS: readonly Column<Trial>[] = [
  { title: 'trial', value: (t) => String(t.trial), align: 'right' },
  { title: 'network', value: (t) => t.name, flexible: NETWORK_CELLS },
  { title: 'parameters', value: (t) => count(t.parameterCount), align: 'right' },
  { title: 'multiply-adds', value: (t) => count(t.multiplyAdds), align: 'right', drop: 2 },
  { title: 'batch', value: (t) => String(t.hyperparameters.batchSize), align: 'right', drop: 1 },
  { title: 'learning rate', value: (t) => String(t.hyperparameters.learningRate), align: 'right', drop: 3 },
  { title: 'momentum', value: (t) => String(t.hyperparameters.momentum), align: 'right', drop: 5 },
  { title: 'seed', value: (t) => String(t.hyperparameters.seed), align: 'right', drop: 4 },
];

/** Shows the trials of a sweep in the order of their index, without training any. */
export async function plan(file: string, { json }: { json?: boolean }, output: Output): Promise<number> {
  const { sweep, notes } = await readSweepFile(file);
  const trials = expandTrials(sweep);
  for (const { path, message } of notes) output.note(`note: ${path}: ${message}`);
  if (json) output.json(trials);
  else for (const line of [...describeSweep(sweep), ...layOut(COLUMNS, trials, output.width)]) output.print(line);
  return 0;
}

/** What all trials share, and what they cost. */
function describeSweep({ spec: { training } }: Sweep): string[] {
  const { dataset, epochs, validationFraction, trainingExamples } = training;
  const held = Math.round(DATASETS[dataset].trainingExamples * validationFraction);
  const images = Math.min(trainingExamples ?? Number.POSITIVE_INFINITY, DATASETS[dataset].trainingExamples - held);
  return [`${dataset}: ${count(images)} training and ${count(held)} validation images, ${epochs} epochs each`, ''];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
