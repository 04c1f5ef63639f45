// Writes k8s/crds from the schemas of src/sweep: `node k8s/generate.ts`. A test proves that they are up to date.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { buildCrds } from './crds.ts';

const NOTE = '# Written by k8s/generate.ts from src/sweep/{schema,status,slice}.ts; do not edit.\n';

/** Path → content of every generated file. */
export function buildFiles(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(buildCrds()).map(([plural, crd]) => [
      fileURLToPath(new URL(`crds/${plural}.yaml`, import.meta.url)),
      // The same schema in two places is written twice: not every reader of YAML follows aliases.
      NOTE + stringify(crd, { aliasDuplicateObjects: false, lineWidth: 120 }),
    ]),
  );
}

if (import.meta.main) for (const [path, text] of buildFiles()) await writeFile(path, text);
