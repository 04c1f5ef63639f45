import type { Field } from '../src/sweep/field.ts';
import type { Change } from './bad-input.ts';

/** A bounded field: how to write a sweep whose field has a value, and the values at its bounds and just beyond. */
export interface Bound {
  readonly path: string;
  readonly bound: string;
  readonly at: unknown;
  readonly beyond: unknown;
}

/** Values of fields whose schema alone does not tell a valid one. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  'spec.grid': [{ widths: [[3]] }],
  'spec.trainer.resources.limits': { cpu: 1 },
  'spec.trainer.resources.requests': { cpu: 1 },
};

function exampleOf(field: Field, path: string): unknown {
  if (EXAMPLES[path] !== undefined) return EXAMPLES[path];
  if (field.enum) return field.enum[0];
  if (field.type === 'array') return [exampleOf(field.items ?? {}, `${path}[0]`)];
  if (field.type === 'string') return 'a';
  if (field.type === 'object') return {};
  return field.minimum ?? 1;
}

const step = (field: Field) => (field.type === 'integer' ? 1 : 1e-9);

/** Every bound of a schema. */
export function* boundsOf(field: Field, path: string): Generator<Bound> {
  const {
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    minLength,
    maxLength,
    minItems,
    maxItems,
    maxProperties,
  } = field;
  const here = (bound: string, at: unknown, beyond: unknown): Bound => ({ path, bound, at, beyond });
  if (minimum !== undefined) yield here('minimum', minimum, minimum - step(field));
  if (maximum !== undefined) yield here('maximum', maximum, maximum + Math.max(step(field), maximum * 1e-9));
  if (exclusiveMinimum !== undefined) yield here('exclusive minimum', exclusiveMinimum + step(field), exclusiveMinimum);
  if (exclusiveMaximum !== undefined) yield here('exclusive maximum', exclusiveMaximum - step(field), exclusiveMaximum);
  if (minLength !== undefined) yield here('shortest text', 'a'.repeat(minLength), 'a'.repeat(minLength - 1));
  if (maxLength !== undefined) yield here('longest text', 'a'.repeat(maxLength), 'a'.repeat(maxLength + 1));
  const item = exampleOf(field.items ?? {}, `${path}[0]`);
  const items = (count: number) =>
    Array.from({ length: count }, () => (path === 'spec.grid' ? { widths: [[3]] } : item));
  if (minItems !== undefined) yield here('fewest items', items(minItems), items(minItems - 1));
  if (maxItems !== undefined) yield here('most items', items(maxItems), items(maxItems + 1));
  const entries = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`a.b/c${index}`, path.includes('resources') ? 1 : 'a']),
    );
  if (maxProperties !== undefined) yield here('most entries', entries(maxProperties), entries(maxProperties + 1));

  for (const [name, child] of Object.entries(field.properties ?? {}))
    yield* boundsOf(child, path === '' ? name : `${path}.${name}`);
  if (field.items) yield* boundsOf(field.items, `${path}[0]`);
  for (const child of Object.values(field.patternProperties ?? {})) yield* boundsOf(child, `${path}["a.b/c0"]`);
}

/** What must stand around a value so that only its own bound can speak: no rule beyond the schema is in its way. */
export function surroundings(path: string): Change {
  if (path.startsWith('spec.grid[0].depth') || path === 'spec.grid[0].widths[0]')
    return { 'spec.grid[0].pooling': ['none'], 'spec.grid[0].widths': [[3]] };
  if (path === 'spec.training.trainingExamples') return { 'spec.training.batchSize': 1 };
  if (path === 'spec.trainer.resources.requests')
    return {
      'spec.trainer.resources.limits': Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`a.b/c${i}`, 1])),
    };
  return {};
}
