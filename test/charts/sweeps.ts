import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { CHART } from '../../k8s/manifests.ts';
import { at } from './helm.ts';

const K8S = path.join(CHART, '..', 'k8s');

/** Every Sweep that we show to people, by where it stands. */
export async function shownSweeps(): Promise<ReadonlyMap<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const name of ['sweep.yaml', ...readdirSync(path.join(K8S, 'samples')).map((file) => `samples/${file}`)])
    found.set(`k8s/${name}`, parse(await readFile(path.join(K8S, name), 'utf8')));
  const chart: unknown = parse(await readFile(path.join(CHART, 'Chart.yaml'), 'utf8'));
  for (const example of parse(String(at(chart, 'annotations', 'artifacthub.io/crdsExamples'))) as unknown[])
    found.set('Chart.yaml', example);
  const guide = await readFile(path.join(CHART, '../docs/kubernetes.md'), 'utf8');
  for (const [index, block] of [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].entries()) {
    const object: unknown = parse(block[1] ?? '');
    if (at(object, 'kind') === 'Sweep') found.set(`docs/kubernetes.md, block ${index + 1}`, object);
  }
  return found;
}

/** The Sweep that the notes after an installation offer. @param said what `helm install` printed */
export function sweepOfNotes(said: string): unknown {
  const manifest = /<<'END'\n([\s\S]*?)\n {2}END/.exec(said.split('NOTES:')[1] ?? '')?.[1] ?? '';
  return parse(manifest.replace(/^ {2}/gm, ''));
}
