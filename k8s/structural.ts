import { type Field, rangeOf } from '../src/sweep/field.ts';

/** A schema as the API server takes it: a part of OpenAPI v3, each value with one type.
 * @see kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions, "Specifying a structural schema" */
export interface Structural {
  readonly type?: string;
  readonly description?: string;
  readonly nullable?: true;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: true;
  readonly maximum?: number;
  readonly exclusiveMaximum?: true;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Structural>>;
  readonly additionalProperties?: Structural;
  readonly items?: Structural;
  readonly 'x-kubernetes-int-or-string'?: true;
  readonly 'x-kubernetes-list-type'?: 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic';
  readonly 'x-kubernetes-validations'?: readonly CelRule[];
}

/** A rule in the Common Expression Language, asked on every write. */
export interface CelRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  /** The field that the answer names, from where the rule stands. */
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueForbidden' | 'FieldValueInvalid';
}

/** What a schema does not say and a kind needs, by path: `spec.grid`, `records[]`, `` for the root. */
export type Additions = Readonly<Record<string, Partial<Structural>>>;

/** Longest quantity, as in quantity.ts; a schema of text or number cannot say so in TypeBox. */
const LONGEST_QUANTITY = 64;

/** Converts what TypeBox writes (JSON Schema) into what the API server takes.
 * Unknown fields are pruned there, so `additionalProperties: false` goes; an exclusive bound is a boolean; null is a property
 * of a type. Defaults are for what a person writes, so only the spec has them; and who has one is not required, or `kubectl explain`
 * would say that a person must write it.
 * @param path where the field stands, for `additions`
 */
export function toStructural(field: Field, path: string, additions: Additions = {}): Structural {
  const { nullable, rest } = withoutNull(field);
  const byPeople = path === 'spec' || path.startsWith('spec.');
  const required = (rest.required ?? []).filter((name) => !byPeople || rest.properties?.[name]?.default === undefined);
  const [ofKeys] = Object.values(rest.patternProperties ?? {});
  return {
    ...typeOf(rest),
    ...(rest.description && { description: byPeople ? describe(rest) : rest.description }),
    ...(nullable && { nullable }),
    ...boundsOf(rest),
    ...fractionOf(rest),
    ...(byPeople && rest.default !== undefined && { default: rest.default }),
    ...(required.length > 0 && { required }),
    ...(rest.properties && { properties: propertiesOf(rest.properties, path, additions) }),
    ...(ofKeys && { additionalProperties: toStructural(ofKeys, `${path}{}`, additions) }),
    ...(rest.items && { items: toStructural(rest.items, `${path}[]`, additions) }),
    ...additions[path],
  };
}

function propertiesOf(properties: Readonly<Record<string, Field>>, path: string, additions: Additions) {
  return Object.fromEntries(
    Object.entries(properties).map(([name, child]) => [
      name,
      toStructural(child, path === '' ? name : `${path}.${name}`, additions),
    ]),
  );
}

/** A union with null is its other part, nullable; the description stands at the union. */
function withoutNull(field: Field): { nullable: boolean; rest: Field } {
  const [other, ...more] = field.anyOf?.filter(({ type }) => type !== 'null') ?? [];
  if (field.anyOf === undefined || other === undefined || more.length > 0) return { nullable: false, rest: field };
  const { enum: values, ...rest } = { ...other, ...(field.description && { description: field.description }) };
  return { nullable: true, rest: { ...rest, ...(values && oneOfWords(values)) } };
}

/** An enum refuses null whatever `nullable` says, even where it names null (1.34); a pattern does not. */
function oneOfWords(words: readonly unknown[]): Field {
  return {
    type: 'string',
    pattern: `^(${words.join('|')})$`,
    maxLength: Math.max(...words.map((word) => `${word}`.length)),
  };
}

function typeOf({ type, enum: values, anyOf }: Field): Structural {
  if (anyOf) return { 'x-kubernetes-int-or-string': true, maxLength: LONGEST_QUANTITY };
  if (type === undefined && values === undefined) throw new Error('a field without a type');
  return { type: type ?? 'string' };
}

function boundsOf(field: Field): Structural {
  const { exclusiveMinimum, exclusiveMaximum } = field;
  const { minimum = exclusiveMinimum, maximum = exclusiveMaximum } = field;
  const { enum: values, format, pattern, minLength, maxLength, minItems, maxItems, maxProperties } = field;
  return withoutUndefined({
    enum: values,
    format,
    pattern,
    minimum,
    exclusiveMinimum: exclusiveMinimum === undefined ? undefined : true,
    maximum,
    exclusiveMaximum: exclusiveMaximum === undefined ? undefined : true,
    minLength,
    maxLength,
    minItems,
    maxItems,
    maxProperties,
  });
}

/** The API server compares an integer with a bound that it cuts to an integer: 0 would pass for 0.01. So a rule says it again. */
function fractionOf(field: Field): Structural {
  const { type, minimum } = field;
  if (type !== 'number' || minimum === undefined || Number.isInteger(minimum)) return {};
  return { 'x-kubernetes-validations': [{ rule: `self >= ${minimum}`, message: `expected ${rangeOf(field)}` }] };
}

/** `kubectl explain` shows descriptions and enums, but neither bounds nor defaults: a person who writes a spec reads them here. */
function describe(field: Field): string {
  const hints = [rangeText(field), presetText(field)].filter((hint) => hint !== '').map((hint) => ` ${hint}.`);
  return [field.description, ...hints].join('');
}

function rangeText(field: Field): string {
  if (field.type === 'integer' || field.type === 'number') return capitalised(rangeOf(field));
  return field.type === 'array' ? `${field.minItems ?? 0} to ${field.maxItems} items` : '';
}

function presetText({ type, default: preset }: Field): string {
  return preset === undefined || type === 'object' ? '' : `Default: ${JSON.stringify(preset).replaceAll('"', '')}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>;
}
