import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { InvalidMessageError } from './errors.ts';

/** Encodes a message as one line of JSON.
 * @throws InvalidMessageError if it would not decode again, or is longer than `maxBytes`
 */
export function encode<Schema extends TSchema>(schema: Schema, message: Static<Schema>, maxBytes: number): string {
  check(schema, message);
  const text = JSON.stringify(message);
  checkSize(text, maxBytes);
  return text;
}

/** Decodes one JSON message strictly: every key known, every number finite, nothing beyond its bounds.
 * @param defaults values of keys that may be absent
 * @throws InvalidMessageError with the field, its value and what was expected
 */
export function decode<Schema extends TSchema>(
  schema: Schema,
  text: string,
  maxBytes: number,
  defaults?: Partial<Static<Schema>>,
): Static<Schema> {
  checkSize(text, maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const hint = /\b(NaN|-?Infinity)\b/.exec(text);
    throw new InvalidMessageError(hint ? `${hint[0]} is not JSON; write null` : 'not JSON', { cause });
  }
  // `__proto__` is a plain key to JSON.parse and to a spread (not to Object.assign), so the schema sees and refuses it.
  const message = defaults && isRecord(value) ? { ...defaults, ...value } : value;
  check(schema, message);
  return message as Static<Schema>;
}

// Compiled once for each schema: a dashboard that starts replays a million messages.
const validators = new WeakMap<TSchema, Validator>();

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema);
  if (known) return known;
  const validator = Compile(schema);
  validators.set(schema, validator);
  return validator;
}

function check(schema: TSchema, message: unknown): void {
  const validator = validatorOf(schema);
  if (!validator.Check(message)) throw new InvalidMessageError(explain(validator.Errors(message), message));
}

/** `epoch: 1.5: must be integer`, `training: missing dataset`, `unknown field "__proto__"`: the first error, in words. */
function explain(errors: readonly TLocalizedValidationError[], message: unknown): string {
  // An unknown key is told twice, first as a property whose schema is false.
  const [first] = errors.filter(({ keyword }) => keyword !== 'boolean');
  if (!first) return 'does not decode';
  const keys = first.instancePath.split('/').slice(1);
  const at = keys.length === 0 ? '' : `${keys.join('.')}: `;
  if (first.keyword === 'required') return `${at}missing ${first.params.requiredProperties.join(', ')}`;
  if (first.keyword === 'additionalProperties') {
    return `${at}unknown field ${first.params.additionalProperties.map(quote).join(', ').slice(0, 200)}`;
  }
  const value = keys.reduce<unknown>((parent, key) => (parent as Record<string, unknown> | undefined)?.[key], message);
  return `${at}${describe(value)}: ${expectation(first, errors)}`;
}

function expectation(first: TLocalizedValidationError, errors: readonly TLocalizedValidationError[]): string {
  if (first.keyword === 'enum') return `must be one of ${first.params.allowedValues.join(', ')}`;
  if (first.keyword !== 'type') return first.message;
  // A union tells each of its types by itself: must be number, must be null.
  const types = errors.flatMap((error) =>
    error.keyword === 'type' && error.instancePath === first.instancePath ? [error.params.type] : [],
  );
  return `must be ${types.join(' or ')}`;
}

/** A value that would be long, or nested too deep for JSON.stringify, is named by its kind. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isRecord(value)) return 'a mapping';
  return typeof value === 'string' ? quote(value.slice(0, 80)) : String(value);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function checkSize(text: string, maxBytes: number): void {
  if (3 * text.length <= maxBytes) return; // no UTF-16 unit takes more than three bytes of UTF-8
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > maxBytes) throw new InvalidMessageError(`${bytes} bytes; at most ${maxBytes}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
