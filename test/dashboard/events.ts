import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import type { StreamData } from '../../src/dashboard/api.ts';

export interface ReceivedEvent {
  readonly name: string;
  readonly id: string | undefined;
  readonly data: StreamData;
}

export interface Events {
  readonly response: IncomingMessage;
  /** The next event; rejects when the stream has ended. */
  next(): Promise<ReceivedEvent>;
  /** Resolves when the server has ended it. */
  readonly ended: Promise<void>;
  /** Everything that came, as text. */
  readonly text: string;
  close(): void;
}

/** Follows the event stream as an EventSource does. */
export async function openEvents(port: number, topics: string, headers: Record<string, string> = {}): Promise<Events> {
  const path = `/api/v1/events?topics=${topics}`;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request: ClientRequest = get({ host: '127.0.0.1', port, path, headers, agent: false }, resolve);
  request.on('error', reject);
  const response = await promise;
  response.setEncoding('utf8');
  const waiting: PromiseWithResolvers<ReceivedEvent>[] = [];
  const arrived: ReceivedEvent[] = [];
  const ended = Promise.withResolvers<void>();
  let text = '';
  let rest = '';
  response.on('data', (chunk: string) => {
    text += chunk;
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const event of blocks.flatMap(parseBlock)) {
      const next = waiting.shift();
      if (next) next.resolve(event);
      else arrived.push(event);
    }
  });
  const over = () => {
    ended.resolve();
    for (const { reject } of waiting.splice(0)) reject(new Error('the stream has ended'));
  };
  response.on('end', over);
  response.on('error', over);
  return {
    response,
    next() {
      const event = arrived.shift();
      if (event) return Promise.resolve(event);
      const later = Promise.withResolvers<ReceivedEvent>();
      waiting.push(later);
      return later.promise;
    },
    ended: ended.promise,
    get text() {
      return text;
    },
    close: () => request.destroy(),
  };
}

/** A block that is a comment or only sets the retry time is no event. */
function parseBlock(block: string): ReceivedEvent[] {
  const fields = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1).replace(/^ /, '')] as const;
    }),
  );
  const data = fields.get('data');
  if (data === undefined) return [];
  return [{ name: fields.get('event') ?? 'message', id: fields.get('id'), data: data === '' ? {} : JSON.parse(data) }];
}
