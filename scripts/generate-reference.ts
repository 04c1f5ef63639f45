// Writes docs/sweep-file.md from the schema and a sample: `node scripts/generate-reference.ts`. A test proves that the page is up to date.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MAX_LEVELS } from '../src/sweep/data.ts';
import { type Field, rangeOf } from '../src/sweep/field.ts';
import { either, withCommas } from '../src/sweep/path.ts';
import { MAX_TRIALS, SweepSchema } from '../src/sweep/schema.ts';

export const REFERENCE = fileURLToPath(new URL('../docs/sweep-file.md', import.meta.url));
const SAMPLE = new URL('../k8s/samples/quick.yaml', import.meta.url);

/** The reference page of the sweep file: a whole one, then every field with its type, bound, default and sentence. */
export function buildReference(): string {
  const rows = [...fieldsOf(SweepSchema as Field, '', true)];
  return `<!-- Written by scripts/generate-reference.ts from src/sweep/schema.ts and k8s/samples/quick.yaml; do not edit. -->

# The sweep file

One YAML (or JSON) file describes a sweep, for a run on one machine and for \`kubectl apply\` alike. \`cnn-sweep validate\` reports everything
that is wrong in it at once. This one, [quick.yaml](../k8s/samples/quick.yaml), is complete: \`bin/cnn-sweep run FILE\` trains it.

\`\`\`yaml
${readFileSync(SAMPLE, 'utf8').trim()}
\`\`\`

In a cluster each of its trials asks for a GPU, since it names no resources. With some, and no GPU: [mnist.yaml](../k8s/samples/mnist.yaml); through
a queue: [kueue.yaml](../k8s/samples/kueue.yaml).

## Every field

\`[]\` stands for an item of a list, \`*\` for a key of your own; \`null\` counts as absent, and \`status\` is ignored.

| field | type | allowed | default | |
|---|---|---|---|---|
${rows.join('\n')}

## Beyond what the table says

- A file has at most 1 MiB, one document, ${MAX_LEVELS} levels and 100 aliases; no key is given twice, and no unknown field is accepted.
- A sweep has at most ${withCommas(MAX_TRIALS)} trials, counted before equal points are merged.
- No network's feature map may vanish: each convolution takes 4 pixels off height and width, each pooling halves what is left.
- \`spec.training.trainingExamples\` is at most what the validation split leaves, and no batch is larger than the training set.
- A GPU is a whole number, and its request equals its limit; no request is above its limit.
- \`spec.grid\`, \`spec.training\`, \`spec.trainer\` and \`spec.selection.checkpoint\` never change after creation: create a new Sweep.
`;
}

function* fieldsOf(field: Field, path: string, required: boolean): Generator<string> {
  if (path !== '') yield row(field, path, required);
  for (const [name, child] of Object.entries(field.properties ?? {}))
    yield* fieldsOf(child, path === '' ? name : `${path}.${name}`, field.required?.includes(name) === true);
  for (const child of Object.values(field.patternProperties ?? {}))
    if (child.description) yield* fieldsOf(child, `${path}.*`, false);
  // Items that are plain values are told in the row of their list.
  if (field.items?.properties || field.items?.items) yield* fieldsOf(field.items, `${path}[]`, false);
}

function row(field: Field, path: string, required: boolean): string {
  const cells = [`\`${path}\``, typeOf(field), allowed(field), preset(field, required), field.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeOf(field: Field): string {
  const [ofKeys] = Object.values(field.patternProperties ?? {});
  if (field.type === 'array') return `list of ${plural(typeOf(field.items ?? {}))}`;
  if (ofKeys) return `mapping to ${plural(typeOf(ofKeys))}`;
  return TYPE_WORDS.get(field.type) ?? field.type ?? '';
}

/** A field without a type is the one that Kubernetes calls int-or-string. */
const TYPE_WORDS: ReadonlyMap<string | undefined, string> = new Map([
  ['object', 'mapping'],
  ['string', 'text'],
  ['boolean', 'true or false'],
  [undefined, 'quantity'],
]);

function plural(type: string): string {
  if (type === 'text') return type;
  return type === 'quantity' ? 'quantities' : type.replace(/^\w+/, (noun) => `${noun}s`);
}

function allowed(field: Field): string {
  if (field.const !== undefined) return `\`${field.const}\``;
  if (field.enum) return either(field.enum.map((value) => `\`${value}\``));
  if (field.type === 'array') {
    const each = field.items ? allowed(field.items) : '';
    return `${field.minItems ?? 0} to ${field.maxItems} items${each && !field.items?.properties ? `, each ${each}` : ''}`;
  }
  if (field.type === 'integer' || field.type === 'number') return rangeOf(field).replace('an integer from ', '');
  if (field.maxProperties !== undefined) return `at most ${field.maxProperties} entries`;
  const length = field.maxLength === undefined ? '' : `at most ${field.maxLength} characters`;
  return field.pattern ? `${length}, \`${field.pattern}\`` : length;
}

function preset(field: Field, required: boolean): string {
  if (field.default !== undefined) return `\`${JSON.stringify(field.default)}\``.replace('`{}`', '');
  return required && field.type !== 'object' ? 'required' : '';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(REFERENCE, buildReference());
