// Measures what architecture.md section 9 asks for, prints a table and writes bench/results.json. Exit 1: a bar was missed.
import { mkdir, writeFile } from 'node:fs/promises';
import { layOut } from '../../src/cli/table.ts';
import { ROOT } from '../../src/shared/package.ts';
import type { Figure } from './figure.ts';
import { measureWorkerMemory } from './memory.ts';
import { measureDecisions, measureOverhead } from './overhead.ts';
import { measureRay } from './ray.ts';
import { measureTraining } from './training.ts';

const note = (line: string) => process.stderr.write(`${line}\n`);
const parts: Record<string, () => Promise<Figure[]>> = {
  'overhead of a run': measureOverhead,
  'overhead of Ray Tune': () => measureRay(note),
  'decisions and records': measureDecisions,
  'memory of a worker': measureWorkerMemory,
  'training speed': measureTraining,
};

const figures: Figure[] = [];
for (const [name, measure] of Object.entries(parts)) {
  note(`measuring: ${name}`);
  figures.push(...(await measure()));
}

const columns = [
  { title: 'figure', value: (f: Figure) => f.name },
  { title: 'value', value: (f: Figure) => String(f.value ?? 'not measured'), align: 'right' as const },
  { title: 'unit', value: (f: Figure) => f.unit },
  { title: 'bar', value: (f: Figure) => f.bar ?? '' },
  { title: '', value: (f: Figure) => (f.bar === null ? '' : f.holds ? 'holds' : 'MISSED') },
];
for (const line of layOut(columns, figures, Number.POSITIVE_INFINITY)) process.stdout.write(`${line}\n`);
await mkdir(`${ROOT}bench`, { recursive: true });
await writeFile(`${ROOT}bench/results.json`, `${JSON.stringify(figures, null, 2)}\n`);
process.exitCode = figures.every(({ holds }) => holds) ? 0 : 1;
