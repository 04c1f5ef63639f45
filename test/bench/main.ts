// Measures what architecture.md section 9 asks for, prints a table and writes bench/results.json. Exit 1: a bar was missed.
import { measureWorkerMemory } from './memory.ts';
import { measureDecisions, measureOverhead } from './overhead.ts';
import { measureAll, note } from './print.ts';
import { measureRay } from './ray.ts';
import { measureTraining } from './training.ts';

const parts = {
  'overhead of a run': measureOverhead,
  'overhead of Ray Tune': () => measureRay(note),
  'decisions and records': measureDecisions,
  'memory of a worker': measureWorkerMemory,
  'training speed': measureTraining,
};

process.exitCode = (await measureAll(parts, 'results.json')) ? 0 : 1;
