import type { TSchema } from 'typebox';
import { Settings } from 'typebox/system';
import Value from 'typebox/value';
import type { Violation } from './errors.ts';
import { childOf, type Field, itemNoun, rangeOf } from './field.ts';
import { nearest } from './nearest.ts';
import { either, formatPath, isScalar, type Path, show } from './path.ts';
import { SWEEP_NAME } from './schema.ts';

// TypeBox stops at eight errors unless told otherwise, and we promise all of them. The setting is the library's own, for the
// whole process; it changes no verdict, only how many reasons come with it.
Settings.Set({ maxErrors: 1000 });

/** A violation that the schema found, with its place as data. An unknown field makes no other value wrong. */
export interface SchemaViolation extends Violation {
  readonly at: Path;
  readonly unknownField: boolean;
}

/** Everything in which a value departs from a schema, in our words, one violation a path. Pure but for what it is given. */
export function schemaViolations(schema: TSchema, value: unknown): SchemaViolation[] {
  const found = new Map<string, SchemaViolation>();
  const add = (at: Path, message: string, unknownField = false) => {
    const path = formatPath(at);
    if (!found.has(path)) found.set(path, { path, message, at, unknownField });
  };
  for (const error of Value.Errors(schema, value)) {
    const place = locate(schema as Field, value, error.instancePath);
    if (error.keyword === 'required') {
      for (const name of error.params.requiredProperties)
        add([...place.path, name], missing(childOf(place.field, name)));
    } else if (error.keyword === 'additionalProperties') {
      for (const name of error.params.additionalProperties)
        add([...place.path, name], unknownField(place.field, name), true);
    } else if (error.keyword !== 'boolean') {
      // `boolean` repeats what additionalProperties says.
      add(place.path, complaint(place.field ?? {}, place.value, place.path));
    }
  }
  return [...found.values()];
}

/** Keys without a value (`epochs:2` in braces is a key, `poolng:` a typo) that the schema does not know either. */
export function unknownAbsent(schema: TSchema, places: readonly Path[]): SchemaViolation[] {
  return places.flatMap((at) => {
    const name = String(at.at(-1));
    const parent = at.slice(0, -1).reduce<Field | undefined>(childOf, schema as Field);
    const isKnown = childOf(parent, name) !== undefined || (at.length === 1 && name === 'status');
    if (parent?.additionalProperties !== false || isKnown) return [];
    return [{ path: formatPath(at), message: unknownField(parent, name), at, unknownField: true }];
  });
}

function unknownField(parent: Field | undefined, name: string): string {
  if (/^\w+:/.test(name)) return 'unknown field; a space is missing after the colon';
  if (childOf(parent?.properties?.spec, name)) return 'unknown field; it belongs under spec, indented';
  return `unknown field${didYouMean(name, Object.keys(parent?.properties ?? {}))}`;
}

/** Follows a JSON pointer through schema and value at once. */
function locate(
  schema: Field,
  root: unknown,
  pointer: string,
): { path: Path; field: Field | undefined; value: unknown } {
  const path: (string | number)[] = [];
  let field: Field | undefined = schema;
  let value = root;
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    const key: string | number = Array.isArray(value) ? Number(name) : name;
    path.push(key);
    field = childOf(field, key);
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
  }
  return { path, field, value };
}

function missing(field: Field | undefined): string {
  return field?.const === undefined ? 'missing' : `missing; expected ${show(field.const)}`;
}

/** What is wrong with a value and what is allowed, from the whole field: the same words whichever keyword failed. */
function complaint(field: Field, value: unknown, path: Path): string {
  if (Array.isArray(value) && field.type === 'array') return wrongLength(field, value.length, path);
  if (field.type === 'string' && typeof value === 'string' && !field.enum && field.const === undefined)
    return wrongText(field, value);
  if (field.type === 'object' && typeof value === 'object' && value !== null && !Array.isArray(value))
    return `${Object.keys(value).length} entries; at most ${field.maxProperties}`;
  return `${show(value)}${isScalar(value) ? ':' : ';'} expected ${expectation(field, value, path)}`;
}

function wrongLength(field: Field, length: number, path: Path): string {
  const noun = itemNoun(path);
  if (length > 0) return `${length} ${noun}s; at most ${field.maxItems}`;
  return `empty; at least ${field.minItems}${noun === 'value' ? '' : ` ${noun}`}`;
}

/** What each pattern of the schema means. */
const PATTERN_WORDS: ReadonlyMap<string, string> = new Map([
  [SWEEP_NAME, 'a-z 0-9 -'],
  ['^[!-~]+$', 'an image reference'],
]);

function wrongText(field: Field, value: string): string {
  const { pattern, maxLength } = field;
  const shown = show(value);
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    // Every character is allowed, so the hyphen stands where none may.
    if (/^[-a-z0-9]+$/.test(value)) return `${shown}: expected a letter or digit at both ends`;
    return `${shown}: expected ${PATTERN_WORDS.get(pattern) ?? `text that matches ${pattern}`}`;
  }
  if (value === '') return `${shown}: expected at least 1 character`;
  return `${shown}: ${[...value].length} characters; at most ${maxLength}`;
}

/** Beyond this no text is a number that somebody meant; the expression below would take quadratic time to say so. */
const LONGEST_NUMBER = 64;
const NUMBER_AS_TEXT = /^\s*[-+]?(0x[\da-f]+|[\d_,]*\.?\d[\d_,]*\.?(e[-+]?\d+)?|\.nan|\.inf)\s*$/i;

function expectation(field: Field, value: unknown, path: Path): string {
  if (field.const !== undefined) return show(field.const);
  if (field.enum) {
    const words = field.enum.map(String);
    return `${either(words)}${typeof value === 'string' ? didYouMean(value, words) : ''}`;
  }
  if (field.anyOf) return 'a whole number or text, as "500m"';
  switch (field.type) {
    case 'number':
    case 'integer':
      return isNumberAsText(value) ? 'a number, not text' : (asPercentage(field, value) ?? rangeOf(field));
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list${listExample(field, value, path)}`;
    case 'object':
      return 'a mapping';
    default:
      return isScalar(value) && value !== null ? `text, as "${String(value)}"` : 'text';
  }
}

function isNumberAsText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= LONGEST_NUMBER && NUMBER_AS_TEXT.test(value);
}

/** `10%` is a number that somebody meant; said only of one that the field would take. */
function asPercentage(field: Field, value: unknown): string | undefined {
  const [, digits] = (typeof value === 'string' && /^\s*(\d{1,6}(?:\.\d{1,6})?)\s*%\s*$/.exec(value)) || [];
  if (digits === undefined || field.type !== 'number') return undefined;
  const fraction = Number((Number(digits) / 100).toPrecision(12));
  const { minimum = 0, exclusiveMinimum = -1, maximum = Infinity, exclusiveMaximum = Infinity } = field;
  const fits = fraction >= minimum && fraction > exclusiveMinimum && fraction <= maximum && fraction < exclusiveMaximum;
  return fits ? `a number; write ${fraction}` : undefined;
}

/** A scalar where a list belongs is nearly always a list of one whose brackets were forgotten: show them. */
function listExample(field: Field, value: unknown, path: Path): string {
  const noun = itemNoun(path);
  if (noun === 'grid' || noun === 'toleration') return ` of ${noun}s`;
  if (path.includes('widths')) return ', as [[3,8]]';
  const words = field.items?.enum?.map(String);
  if (words && isScalar(value)) return `, as [${nearest(String(value), words) ?? words[0]}]`;
  return typeof value === 'number' ? `, as [${value}]` : ' of values';
}

function didYouMean(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `; did you mean "${meant}"?`;
}
