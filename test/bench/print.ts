import { mkdir, writeFile } from 'node:fs/promises';
import { layOut } from '../../src/cli/table.ts';
import { ROOT } from '../../src/shared/package.ts';
import type { Figure } from './figure.ts';

const columns = [
  { title: 'figure', value: (f: Figure) => f.name },
  { title: 'value', value: (f: Figure) => String(f.value ?? 'not measured'), align: 'right' as const },
  { title: 'unit', value: (f: Figure) => f.unit },
  { title: 'bar', value: (f: Figure) => f.bar ?? '' },
  { title: '', value: (f: Figure) => (f.bar === null ? '' : f.holds ? 'holds' : 'MISSED') },
];

/** Measures each part, prints a table and writes `bench/<file>`. @returns whether every bar holds */
export async function measureAll(
  parts: Readonly<Record<string, () => Promise<Figure[]>>>,
  file: string,
): Promise<boolean> {
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(parts)) {
    note(`measuring: ${name}`);
    const found = await measure();
    // At once: a long part may be ended, and what came before it stays.
    for (const { name: figure, value, unit } of found) note(`  ${figure}: ${value ?? 'not measured'} ${unit}`);
    figures.push(...found);
  }
  for (const line of layOut(columns, figures, Number.POSITIVE_INFINITY)) process.stdout.write(`${line}\n`);
  await mkdir(`${ROOT}bench`, { recursive: true });
  await writeFile(`${ROOT}bench/${file}`, `${JSON.stringify(figures, null, 2)}\n`);
  return figures.every(({ holds }) => holds);
}

export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
