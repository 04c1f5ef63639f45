import { crc32 } from 'node:zlib';
import { codeOf, writeWhole } from '../shared/durable.ts';
import type { Timers } from '../shared/timers.ts';
import {
  InvalidConfigError,
  InvalidSweepError,
  messageOf,
  SweepError,
  toError,
  type Violation,
} from '../sweep/errors.ts';
import { decodeResult, encodeResult, type TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import { AppendLog, type Line, readLines } from './append-log.ts';

/** Version of the format: a header line, then a record a line; a line is the CRC-32 of its JSON in 8 hex digits, a space, the JSON. */
export const JOURNAL_FORMAT = 1;
const RETRY_MS = 2_000;
const DAMAGED_HEADER = 'journal:1: the header is damaged; restore it from a copy, or start in a new folder';

/** What a journal says. `goodBytes` is where the next record goes. */
export interface JournalFold {
  /** The sweep as the folder was started with; null if there is no journal yet. */
  readonly startedWith: Sweep | null;
  /** The record of each trial that counts: of several the first that Succeeded, else the last. A trial that was Stopped was only
   * cut off, and one that Failed is run again if asked for: their next record replaces it. What Succeeded never changes.
   */
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly goodBytes: number;
  readonly notes: readonly string[];
}

/** Results could not be written, and no trial runs any more whose end would be worth waiting for. */
export class JournalUnwritableError extends SweepError {
  constructor(cause: unknown) {
    super('JournalUnwritable', `journal: ${messageOf(cause)}`, { cause });
  }
}

export interface JournalOptions {
  readonly timers: Timers;
  /** Told when the disk first refuses a record (the error), and when it takes records again (null). */
  readonly onBlocked: (error: Error | null) => void;
}

/** The append-only record of results. Opening it is a fold, so that kill -9 loses nothing that was recorded. */
export class Journal {
  readonly #log: AppendLog;
  readonly #options: JournalOptions;
  readonly #waiting = new Set<() => void>();
  #blocked: boolean = false;
  #givenUp: boolean = false;

  constructor(log: AppendLog, options: JournalOptions) {
    this.#log = log;
    this.#options = options;
  }

  /** True while the disk refuses records: nothing new should start. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Records a result; it counts once this resolves. A write that fails is tried again every 2 s, until `giveUp`.
   * @throws JournalUnwritableError after giveUp
   * @throws InvalidMessageError if the result does not encode
   */
  async append(result: TrialResult): Promise<void> {
    const line = encodeLine(encodeResult(result));
    for (;;) {
      const last = this.#givenUp;
      try {
        await this.#log.append(line);
        this.#givenUp = false;
        this.#setBlocked(null);
        return;
      } catch (error) {
        this.#setBlocked(toError(error));
        if (last) throw new JournalUnwritableError(error);
        await this.#nextTry();
      }
    }
  }

  /** Tries each waiting record once more, now; what fails then is lost to the caller. */
  giveUp(): void {
    this.#givenUp = true;
    for (const wake of [...this.#waiting]) wake();
  }

  async close(): Promise<void> {
    await this.#log.close();
  }

  #nextTry(): Promise<void> {
    if (this.#givenUp) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const cancel = this.#options.timers.after(RETRY_MS, wake);
      this.#waiting.add(wake);
    });
  }

  #setBlocked(error: Error | null): void {
    if (this.#blocked === (error !== null)) return;
    this.#blocked = error !== null;
    this.#options.onBlocked(error);
  }
}

/** Opens the journal of a run, or begins it. The caller holds the folder's lock.
 * @throws InvalidConfigError if a line is damaged or the format is newer
 * @throws InvalidSweepError if the folder was started with another sweep
 */
export async function openJournal(
  path: string,
  sweep: Sweep,
  options: JournalOptions,
): Promise<{ journal: Journal; results: ReadonlyMap<number, TrialResult>; notes: readonly string[] }> {
  let fold = await readJournal(path);
  checkSweep(fold, sweep);
  if (!fold.startedWith) {
    const header = encodeLine(JSON.stringify({ journal: JOURNAL_FORMAT, name: sweep.metadata.name, sweep }));
    await writeWhole(path, `${header}\n`);
    fold = { ...fold, goodBytes: Buffer.byteLength(header) + 1 };
  }
  const log = await AppendLog.open(path, fold.goodBytes);
  return { journal: new Journal(log, options), results: fold.results, notes: fold.notes };
}

/** @throws InvalidSweepError if the journal was begun with another sweep */
export function checkSweep({ startedWith }: JournalFold, sweep: Sweep): void {
  if (!startedWith) return;
  const violations = differences('', comparable(sweep), comparable(startedWith));
  if (violations.length > 0) throw new InvalidSweepError(violations);
}

/** Whether there is a journal, by its first line. It is written whole, so a torn or empty one is never ours to go on with.
 * @throws InvalidConfigError if there is a file that is none, or a damaged one
 */
export async function isJournal(path: string): Promise<boolean> {
  try {
    for await (const line of readLines(path)) {
      decodeHeader(line);
      return true;
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
  throw new InvalidConfigError(DAMAGED_HEADER);
}

/** Folds a journal without changing it. A file that does not exist is an empty one.
 * @throws InvalidConfigError `journal:17: damaged; …`, or if the format is newer
 */
export async function readJournal(path: string): Promise<JournalFold> {
  const results = new Map<number, TrialResult>();
  const notes: string[] = [];
  let startedWith: Sweep | null = null;
  let goodBytes = 0;
  try {
    for await (const line of readLines(path)) {
      if (line.number === 1) {
        startedWith = decodeHeader(line);
      } else if (!line.complete) {
        notes.push(`journal:${line.number}: torn last line dropped; its trial runs again`);
        break;
      } else {
        const result = decodeRecord(line);
        if (results.get(result.trial)?.outcome === 'Succeeded')
          notes.push(`journal:${line.number}: a second record of trial ${result.trial}; the first counts`);
        else results.set(result.trial, result);
      }
      goodBytes = line.end;
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return { startedWith, results, goodBytes, notes };
  }
  if (!startedWith) throw new InvalidConfigError(DAMAGED_HEADER);
  return { startedWith, results, goodBytes, notes };
}

function encodeLine(json: string): string {
  return `${checksum(json)} ${json}`;
}

function checksum(json: string | Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** The JSON of a line; undefined if its checksum does not agree. */
function decodeLine({ bytes }: Line): string | undefined {
  const json = bytes.subarray(9);
  const intact = bytes[8] === 0x20 && bytes.toString('latin1', 0, 8) === checksum(json);
  return intact ? json.toString('utf8') : undefined;
}

function decodeHeader(line: Line): Sweep {
  const json = line.complete ? decodeLine(line) : undefined;
  if (json === undefined) throw new InvalidConfigError(DAMAGED_HEADER);
  // Only we write headers and the checksum agrees: the sweep is one that parseSweep had let through.
  const header = JSON.parse(json) as { journal: number; sweep: Sweep };
  if (header.journal !== JOURNAL_FORMAT) {
    throw new InvalidConfigError(
      `journal: format ${header.journal}; this cnn-sweep reads ${JOURNAL_FORMAT}: continue with the newer version`,
    );
  }
  return header.sweep;
}

function decodeRecord(line: Line): TrialResult {
  const json = decodeLine(line);
  const damaged = `journal:${line.number}: damaged; delete the line to run its trial again`;
  if (json === undefined) throw new InvalidConfigError(damaged);
  try {
    return decodeResult(json);
  } catch (cause) {
    throw new InvalidConfigError(damaged, { cause });
  }
}

/** What must not change between two runs of a folder: all that decides what a trial's record says. */
function comparable({ metadata, spec }: Sweep) {
  return {
    metadata: { name: metadata.name },
    spec: {
      grid: spec.grid,
      training: spec.training,
      selection: { checkpoint: spec.selection.checkpoint },
      trainer: { backend: spec.trainer.backend },
    },
  };
}

function differences(path: string, now: unknown, then: unknown): Violation[] {
  if (isObject(now) && isObject(then) && Array.isArray(now) === Array.isArray(then)) {
    const keys = new Set([...Object.keys(then), ...Object.keys(now)]);
    const under = (key: string) => (Array.isArray(now) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
    return [...keys].flatMap((key) => differences(under(key), now[key], then[key]));
  }
  if (Object.is(now, then)) return [];
  const shown = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
  return [{ path, message: `${shown(now)}: this folder was started with ${shown(then)}` }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
