import { createReadStream } from 'node:fs';
import { codeOf } from '../shared/durable.ts';
import { InvalidConfigError, InvalidMessageError } from '../sweep/errors.ts';
import { decodeForeignMeasurement, MAX_MESSAGE_BYTES, type Measurement } from '../sweep/measurement.ts';

export interface CurveFile {
  readonly measurements: readonly Measurement[];
  readonly notes: readonly string[];
}

/** Reads a file of Measurements, one as JSON a line, as programs on any system write it (CRLF, a byte order mark, empty lines).
 * @param file `-` is standard input
 * @param sweep name of the sweep whose curves they should be: others are taken too, with a note
 * @param trials of the sweep
 * @throws InvalidConfigError naming file, line and what is wrong with it
 */
export async function readCurveFile(file: string, sweep: string, trials: number): Promise<CurveFile> {
  const name = file === '-' ? 'standard input' : file;
  const measurements: Measurement[] = [];
  const strangers = new Map<string, number>();
  let number = 0;
  for await (const line of readLines(file, name)) {
    number++;
    if (line.trim() === '') continue;
    const measurement = decodeLine(line, `${name}:${number}`, trials);
    measurements.push(measurement);
    if (line.includes('"sweep"') && measurement.sweep !== sweep) {
      strangers.set(measurement.sweep, (strangers.get(measurement.sweep) ?? 0) + 1);
    }
  }
  if (measurements.length === 0) throw new InvalidConfigError(`${name}: empty; expected a Measurement a line`);
  const notes = [...strangers].map(
    ([other, count]) =>
      `${name}: ${count} of ${measurements.length} lines are of sweep "${other}", judged as "${sweep}"`,
  );
  return { measurements, notes };
}

function decodeLine(line: string, place: string, trials: number): Measurement {
  try {
    const measurement = decodeForeignMeasurement(line);
    if (measurement.trial < trials) return measurement;
    const there = trials === 1 ? 'only trial 0' : `trials 0 to ${trials - 1}`;
    throw new InvalidConfigError(`${place}: trial: ${measurement.trial}: the sweep has ${there}`);
  } catch (cause) {
    if (!(cause instanceof InvalidMessageError)) throw cause;
    throw new InvalidConfigError(`${place}: ${cause.message}`, { cause });
  }
}

/** The lines of a text, never holding more than one and a chunk: whatever the file is, memory does not grow with it. */
async function* readLines(file: string, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true }); // takes a byte order mark away
  let rest = '';
  let first = true;
  for await (const chunk of readChunks(file, name)) {
    if (first) refuseBinary(chunk, name);
    first = false;
    const lines = (rest + decode(decoder, chunk, name)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > MAX_MESSAGE_BYTES) {
      throw new InvalidConfigError(
        `${name}: a line of more than ${MAX_MESSAGE_BYTES} bytes; expected a Measurement a line`,
      );
    }
  }
  rest += decode(decoder, undefined, name);
  if (rest !== '') yield rest;
}

function decode(decoder: TextDecoder, chunk: Buffer | undefined, name: string): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw new InvalidConfigError(`${name}: not UTF-8 text; expected a Measurement as JSON a line`, { cause });
  }
}

function refuseBinary(chunk: Buffer, name: string): void {
  if (chunk[0] !== 0x1f || chunk[1] !== 0x8b) return;
  throw new InvalidConfigError(
    `${name}: compressed with gzip; decompress it first: gunzip -c FILE | cnn-sweep verdict … -`,
  );
}

async function* readChunks(file: string, name: string): AsyncGenerator<Buffer> {
  try {
    yield* file === '-' ? process.stdin : createReadStream(file);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') throw new InvalidConfigError(`${name}: no such file`);
    if (code === 'EISDIR') throw new InvalidConfigError(`${name}: a folder; expected a file`);
    throw error;
  }
}
