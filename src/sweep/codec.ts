import type { Static, TSchema } from 'typebox';
import Value from 'typebox/value';
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
  // A spread would run `__proto__` through the literal's own setter; JSON.parse made it a plain key, which the schema refuses.
  const message = defaults && isRecord(value) ? Object.assign(Object.create(null), defaults, value) : value;
  check(schema, message);
  return message as Static<Schema>;
}

function check(schema: TSchema, message: unknown): void {
  if (Value.Check(schema, message)) return;
  const [error] = Value.Errors(schema, message).filter(({ keyword }) => keyword !== 'boolean');
  const path = error?.instancePath.slice(1).replaceAll('/', '.') ?? '';
  const value = path.split('.').reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), message);
  const shown = path === '' ? '' : `${path}: ${describe(value)}: `;
  throw new InvalidMessageError(`${shown}${error?.message ?? 'does not decode'}${unknownKeys(error?.params)}`);
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value); // JSON would turn Infinity into null
  return JSON.stringify(value).slice(0, 80);
}

function unknownKeys(params: object | undefined): string {
  if (!params) return '';
  const names = Object.values(params).find((value) => Array.isArray(value));
  return names ? `: ${names.join(', ').slice(0, 200)}` : '';
}

function checkSize(text: string, maxBytes: number): void {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > maxBytes) throw new InvalidMessageError(`${bytes} bytes; at most ${maxBytes}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
