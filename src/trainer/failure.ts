import { InvalidConfigError, SweepError } from '../sweep/errors.ts';

/** How a program that trains ends on an error, and its last words: 2 the same input can never work, 1 it may be tried again.
 * A fault that has a name says what to do; any other says where it happened. */
export function failureOf(error: unknown): { readonly exitCode: 1 | 2; readonly words: string } {
  const exitCode = error instanceof InvalidConfigError ? 2 : 1;
  if (error instanceof SweepError) return { exitCode, words: error.message };
  return { exitCode, words: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
