import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { codeOf } from '../shared/durable.ts';
import { InvalidSweepError, type Violation } from '../sweep/errors.ts';
import { isScalar, show, withCommas } from '../sweep/path.ts';
import { type ParsedSweep, parseSweep } from '../sweep/sweep.ts';
import { parseYaml, type TextViolation } from './yaml.ts';

/** Largest sweep file, in bytes: what etcd takes of one object, with room for what Kubernetes adds. */
const MAX_BYTES = 1024 * 1024;

/** Reads and parses a sweep file, YAML or JSON, as kubectl would take it.
 * @throws InvalidSweepError with every violation: of the text as `file:line:column`, of the sweep by its field
 * @see reliability.md section 5, B1 to B4 */
export async function readSweepFile(path: string): Promise<ParsedSweep> {
  return parseSweepText(await readText(path), path);
}

/** As readSweepFile, of a text that somebody read already. Pure.
 * @param file how messages call the text */
export function parseSweepText(text: string, file: string): ParsedSweep {
  const yaml = parseYaml(text);
  if (yaml.kind === 'Empty') throw invalid(file, 'empty; expected a Sweep');
  const inText = yaml.violations.map((violation) => placed(violation, file));
  if (yaml.kind === 'Unreadable') throw new InvalidSweepError(inText);
  const { data } = yaml;
  if (isScalar(data) || Array.isArray(data)) {
    const message = `${show(data)}${isScalar(data) ? ':' : ';'} expected a Sweep`;
    throw new InvalidSweepError([...inText, { path: file, message }]);
  }
  try {
    const parsed = parseSweep(data);
    if (inText.length === 0) return parsed;
  } catch (error) {
    if (!(error instanceof InvalidSweepError)) throw error;
    const withLines = error.violations.map((violation) => ({ ...violation, line: yaml.lineOf(violation.path) }));
    throw new InvalidSweepError([...inText, ...withLines]);
  }
  throw new InvalidSweepError(inText);
}

function placed({ line, column, message }: TextViolation, file: string): Violation {
  return { path: `${file}:${line}:${column}`, message, line };
}

async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  const offset = firstBadByte(bytes);
  if (offset === undefined) return bytes.toString('utf8');
  const byte = (bytes[offset] ?? 0).toString(16).toUpperCase().padStart(2, '0');
  throw invalid(path, `byte 0x${byte} at offset ${offset}: not UTF-8`);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw invalid(path, 'a folder; expected a file');
    if (status.size > MAX_BYTES) throw tooLarge(path, status.size);
    // A pipe or a device has no size to ask for, and may never end.
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(path, { end: MAX_BYTES })) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (bytes.length > MAX_BYTES) throw tooLarge(path, bytes.length);
    return bytes;
  } catch (error) {
    if (error instanceof InvalidSweepError) throw error;
    const code = codeOf(error) ?? '';
    throw invalid(path, IN_WORDS.get(code) ?? `cannot be read (${code || error})`);
  }
}

const IN_WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['ENOTDIR', 'no such file'],
  ['EISDIR', 'a folder; expected a file'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['ELOOP', 'a symbolic link to itself'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ERR_INVALID_ARG_VALUE', 'no such file'], // a NUL in the name
]);

function tooLarge(path: string, bytes: number): InvalidSweepError {
  const mebibytes = (bytes / MAX_BYTES).toFixed(1);
  return invalid(
    path,
    `${mebibytes === '1.0' ? `${withCommas(bytes)} bytes` : `${mebibytes} MiB`}; the limit is 1 MiB`,
  );
}

/** The offset of the first byte that is no part of UTF-8. Decoding puts U+FFFD in its place, so encoding again first differs there. */
function firstBadByte(bytes: Buffer): number | undefined {
  const again = Buffer.from(bytes.toString('utf8'), 'utf8');
  if (bytes.equals(again)) return undefined;
  let offset = 0;
  while (bytes[offset] === again[offset]) offset++;
  // A cut sequence may begin as U+FFFD itself does (EF BF BD): back to where that began.
  while (offset > 0 && ((again[offset] ?? 0) & 0xc0) === 0x80) offset--;
  return offset;
}

function invalid(path: string, message: string): InvalidSweepError {
  return new InvalidSweepError([{ path, message }]);
}
