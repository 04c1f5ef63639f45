import { plain } from './table.ts';

/** Where a command writes. */
export interface Output {
  /** What was asked for: a line on standard output. */
  readonly print: (line: string) => void;
  /** What a person should know beside it: a line on standard error. */
  readonly note: (line: string) => void;
  /** Width of the terminal, in character cells; Infinity where standard output is none. */
  readonly width: number;
}

export function openOutput(): Output {
  return {
    print: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${plain(line)}\n`),
    width: process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY,
  };
}

export function printJson(output: Output, value: unknown): void {
  output.print(JSON.stringify(value, null, 2));
}
