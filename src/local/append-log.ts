import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** One line of a file, without its newline; `complete` is false for a last line that has none. */
export interface Line {
  readonly bytes: Buffer;
  /** From 1, as editors count. */
  readonly number: number;
  /** Offset of the line after this one. */
  readonly end: number;
  readonly complete: boolean;
}

/** The lines of a file as bytes, so that a broken character cannot hide damage; at most a line and a chunk in memory. */
export async function* readLines(path: string): AsyncGenerator<Line> {
  let rest = Buffer.alloc(0);
  let number = 0;
  let end = 0;
  for await (const chunk of createReadStream(path)) {
    const bytes = Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10, start)) {
      end += newline + 1 - start;
      yield { bytes: bytes.subarray(start, newline), number: ++number, end, complete: true };
      start = newline + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield { bytes: rest, number: number + 1, end: end + rest.length, complete: false };
}

interface Pending {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Lines at the end of a file, durable once `append` resolves. Group commit: all appends that are in flight share one fsync.
 * If a write fails the file is cut back to its last good line and every append of that group rejects.
 */
export class AppendLog {
  readonly #file: FileHandle;
  #size: number;
  #uncut: boolean = false;
  #queue: Pending[] = [];
  #draining: Promise<void> | undefined;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** Opens or creates the file. @param size its good bytes; what follows is cut off */
  static async open(path: string, size: number): Promise<AppendLog> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    await file.truncate(size);
    return new AppendLog(file, size);
  }

  /** @param line without its newline */
  append(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ line: `${line}\n`, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when nothing is in flight, whatever became of it. */
  async settled(): Promise<void> {
    await this.#draining;
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // appends of the same turn join the first group
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        await this.#commit(Buffer.from(group.map(({ line }) => line).join('')));
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#draining = undefined;
  }

  async #commit(bytes: Buffer): Promise<void> {
    if (this.#uncut) await this.#cutBack();
    try {
      for (let written = 0; written < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(bytes, written, bytes.length - written, this.#size + written);
        written += bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      this.#uncut = true;
      await this.#cutBack().catch(() => undefined); // tried again before the next write
      throw error;
    }
    this.#size += bytes.length;
  }

  async #cutBack(): Promise<void> {
    await this.#file.truncate(this.#size);
    this.#uncut = false;
  }
}
