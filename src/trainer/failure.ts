import { InvalidConfigError, SweepError } from '../sweep/errors.ts';

/** How a program that trains ends on an error, and its last words: 2 the same input can never work, 1 it may be tried again.
 * A fault that has a name says what to do; any other says where it happened, and last what: who reads only the end sees it. */
export function failureOf(error: unknown): { readonly exitCode: 1 | 2; readonly words: string } {
  const exitCode = error instanceof InvalidConfigError ? 2 : 1;
  if (error instanceof SweepError) return { exitCode, words: error.message };
  return { exitCode, words: error instanceof Error ? describeError(error) : String(error) };
}

function describeError({ name, message, stack = '' }: Error): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [...frames, `${name}: ${message}`].join('\n');
}

/** What TensorFlow writes to stderr whenever it starts: no part of a worker's last words. */
export const CHATTER = /^(?:[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IW] |WARNING: All log messages before absl)/;
