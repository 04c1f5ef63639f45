/** A schema as data: the part of JSON Schema that schema.ts uses, for whoever walks it (messages, the reference page, tests). */
export interface Field {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Field[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Field;
  readonly maxProperties?: number;
  // TypeBox types it so where nothing is required.
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, Field>>;
  readonly patternProperties?: Readonly<Record<string, Field>>;
  readonly additionalProperties?: unknown;
}

/** The schema of what stands under a key or an index of a field; undefined where the schema has no word on it. */
export function childOf(field: Field | undefined, key: string | number): Field | undefined {
  if (field === undefined) return undefined;
  if (typeof key === 'number') return field.items;
  // Own keys only: `constructor` is no field of anything.
  if (field.properties && Object.hasOwn(field.properties, key)) return field.properties[key];
  return field.patternProperties && Object.values(field.patternProperties)[0];
}

const NOUNS: Readonly<Record<string, string>> = { grid: 'grid', tolerations: 'toleration' };

/** What one item of a list is called in a sentence. `widths` is a list of lists: the inner one has a stage an item. */
export function itemNoun(path: readonly (string | number)[]): string {
  const last = path.at(-1);
  if (typeof last === 'number' && path.at(-2) === 'widths') return 'stage';
  return (typeof last === 'string' && Object.hasOwn(NOUNS, last) && NOUNS[last]) || 'value';
}

/** The numbers a field takes, in words: `an integer from 1 to 1000`, `above 0, at most 10`, `0 to below 1`. */
export function rangeOf(field: Field): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = field;
  const integer = field.type === 'integer' ? 'an integer from ' : '';
  if (exclusiveMinimum !== undefined) return `above ${exclusiveMinimum}, at most ${maximum}`;
  if (exclusiveMaximum !== undefined) return `${integer}${minimum} to below ${exclusiveMaximum}`;
  return `${integer}${minimum} to ${maximum}`;
}
