import { plain } from './table.ts';

/** Where a command writes. No text of its own reaches a terminal with control characters in it. */
export interface Output {
  /** What was asked for: a line on standard output. */
  readonly print: (line: string) => void;
  /** What was asked for, for a program: JSON on standard output. */
  readonly json: (value: unknown) => void;
  /** What a person should know beside it: one or more lines on standard error. */
  readonly note: (text: string) => void;
  /** Of the terminal as it is now, in character cells; Infinity where standard output is none. */
  readonly width: number;
}

export function openOutput(): Output {
  return {
    print: (line) => void process.stdout.write(`${plain(line)}\n`),
    json: (value) => void process.stdout.write(`${encodeJson(value)}\n`),
    note: (text) =>
      void process.stderr.write(
        text
          .split('\n')
          .map((line) => `${plain(line)}\n`)
          .join(''),
      ),
    get width() {
      return process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
    },
  };
}

/** JSON escapes only the older half of the control characters. */
function encodeJson(value: unknown): string {
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
}
