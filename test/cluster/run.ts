import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Box } from './box.ts';

const execute = promisify(execFile);

/** Runs a command to its end. @returns standard output @throws an error with what it wrote to standard error */
export async function run(command: readonly string[], { input = '', env = {} }: RunOptions = {}): Promise<string> {
  const [program = '', ...args] = command;
  const running = execute(program, args, { maxBuffer: 256 * 1024 * 1024, env: { ...process.env, ...env } });
  running.child.stdin?.on('error', () => undefined); // ended without reading it
  running.child.stdin?.end(input);
  return (await running).stdout;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** As `run`, in the box. */
export function runInBox(box: Box, command: readonly string[], options?: RunOptions): Promise<string> {
  return run(box.wrap(command), options);
}
