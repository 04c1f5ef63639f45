import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../bin/cnn-sweep', import.meta.url));

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What standard input says; absent: it is empty. */
  readonly input?: string | Buffer;
  /** Another way to the program than its own path. */
  readonly program?: string;
  /** Told of each line of standard output as it comes. */
  readonly onLine?: (line: string, child: ChildProcessWithoutNullStreams) => void;
}

/** Runs bin/cnn-sweep as a person would, to its end. No terminal, so no colours and no live table. */
export async function runProgram(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramEnd> {
  const { cwd, env, input = '', program = PROGRAM, onLine } = options;
  const child = spawn(program, args, { ...(cwd !== undefined && { cwd }), env: { ...process.env, ...env } });
  const exit = once(child, 'close');
  const said = { stdout: '', stderr: '' };
  child.stdin.on('error', () => undefined); // a program that refuses its input closes it
  child.stdin.end(input);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  if (onLine) createInterface({ input: child.stdout }).on('line', (line) => onLine(line, child));
  const [code, signal] = await exit;
  return { code, signal, ...said };
}

export interface SweepText {
  readonly name?: string;
  readonly grid?: string;
  readonly training?: string;
  readonly rest?: string;
}

/** A sweep that trains in a few seconds on real images. */
export function sweepText({
  name = 'tiny',
  grid = '{widths: [[3], [4]]}',
  training = '',
  rest = '',
}: SweepText = {}): string {
  return `apiVersion: cnn-sweep.dev/v1alpha1
kind: Sweep
metadata: {name: ${name}}
spec:
  grid:
    - ${grid}
  training: {dataset: cifar10, trainingExamples: 600, validationFraction: 0.01, epochs: 2, batchSize: 16, learningRate: 0.003${training && `, ${training}`}}
  selection: {checkpoint: LastEpoch}
${rest}`;
}

export async function writeSweep(folder: string, text: string = sweepText()): Promise<string> {
  const path = join(folder, 'sweep.yaml');
  await writeFile(path, text);
  return path;
}
