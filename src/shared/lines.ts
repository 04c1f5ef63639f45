/** A line of a stream is longer than we take. */
export class LineTooLongError extends Error {
  constructor(limit: number) {
    super(`a line of more than ${limit} bytes`);
    this.name = new.target.name;
  }
}

/** Cuts bytes into lines of text, each as soon as its newline is there; what follows the last newline was cut off.
 * @throws LineTooLongError; TypeError for what is not UTF-8
 */
export async function* readLines(bytes: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (let chunk of bytes) {
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE)) {
      if (length + end > limit) throw new LineTooLongError(limit);
      yield decoder.decode(Buffer.concat([...parts, chunk.subarray(0, end)]));
      chunk = chunk.subarray(end + 1);
      parts = [];
      length = 0;
    }
    if (chunk.length === 0) continue;
    length += chunk.length;
    if (length > limit) throw new LineTooLongError(limit);
    parts.push(chunk);
  }
  if (length > 0) throw new CutLineError();
}

/** The stream ended in the middle of a line. */
export class CutLineError extends Error {
  constructor() {
    super('the stream ended in the middle of a line');
    this.name = new.target.name;
  }
}

const NEWLINE = 0x0a;
