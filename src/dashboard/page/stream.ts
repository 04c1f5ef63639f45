import type { StreamData } from '../api.ts';

/** Whether what is shown is live, and since when it is not, in milliseconds since 1970. */
export type Connection =
  | { readonly status: 'connecting' | 'live' }
  | { readonly status: 'reconnecting'; readonly since: number };

export interface StreamListener {
  snapshot(data: StreamData): void;
  delta(data: StreamData): void;
  connection(now: Connection): void;
  /** The answer was no stream. The browser does not say why: a request may. */
  refused(): void;
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;

/** One EventSource, opened again for as long as nobody closes it: the browser retries a lost connection with `Last-Event-ID` itself,
 * but gives up at an answer that is no stream (503, a proxy's page).
 * @returns closes it
 */
export function openStream(url: string, listener: StreamListener): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  let lostSince: number | undefined;
  listener.connection({ status: 'connecting' });

  const lost = () => {
    lostSince ??= Date.now();
    listener.connection({ status: 'reconnecting', since: lostSince });
    if (source?.readyState !== EventSource.CLOSED) return;
    listener.refused();
    clearTimeout(timer);
    timer = setTimeout(open, retryMs * (0.75 + 0.5 * Math.random()));
    retryMs = Math.min(LAST_RETRY_MS, 2 * retryMs);
  };
  const received = (event: MessageEvent<string>, to: (data: StreamData) => void) => {
    lostSince = undefined;
    retryMs = FIRST_RETRY_MS;
    listener.connection({ status: 'live' });
    to(JSON.parse(event.data));
  };
  function open(): void {
    source?.close();
    source = new EventSource(url);
    source.addEventListener('snapshot', (event) => received(event, listener.snapshot));
    source.addEventListener('delta', (event) => received(event, listener.delta));
    // A connection that goes on after a pause has nothing to say where nothing changed.
    source.addEventListener('open', () => {
      if (lostSince === undefined) return;
      lostSince = undefined;
      listener.connection({ status: 'live' });
    });
    source.addEventListener('error', lost);
  }
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
