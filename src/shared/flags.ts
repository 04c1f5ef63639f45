import { type ParseArgsConfig, parseArgs } from 'node:util';
import { InvalidConfigError, messageOf } from '../sweep/errors.ts';

/** A flag with a value, as `--port=9090`. */
export const textFlag = { type: 'string' } as const;
export const presetFlag = (value: string) => ({ type: 'string', default: value }) as const;

/** The flags of a program; no other arguments.
 * @throws InvalidConfigError naming a flag that is not known, or lacks its value
 */
export function readFlags<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (cause) {
    throw new InvalidConfigError(messageOf(cause), { cause });
  }
}

/** @throws InvalidConfigError unless it is a number, 0 or above */
export function numberFlag(name: string, value: unknown): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  if (Number.isFinite(number) && number >= 0) return number;
  throw new InvalidConfigError(`--${name}: ${JSON.stringify(value)}: expected a number, 0 or above`);
}

/** @throws InvalidConfigError unless it is one of them */
export function choiceFlag<Choice extends string>(name: string, value: unknown, choices: readonly Choice[]): Choice {
  const choice = choices.find((each) => each === value);
  if (choice !== undefined) return choice;
  throw new InvalidConfigError(`--${name}: ${JSON.stringify(value)}: expected ${choices.join(', ')}`);
}

/** `a,b`, each once; `*`: all; undefined if nothing is said. */
export function namespacesFlag(value: string | undefined): readonly string[] | '*' | undefined {
  const names = (value ?? '').split(',').filter((name) => name !== '');
  if (names.length === 0) return undefined;
  return names.includes('*') ? '*' : [...new Set(names)];
}
