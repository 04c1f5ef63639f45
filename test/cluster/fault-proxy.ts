import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import { Agent, request as sendSecure } from 'node:https';
import type { Method } from '../../src/shared/wire.ts';
import { type Fault, isWrite, type Route, routeOf, type Seen, type Write } from '../fakes/route.ts';

/** A small proxy of ours before the real API server: it does to requests and watches what networks and servers do.
 * The same faults as the API server in memory has.
 */
export class FaultProxy {
  /** Every write that came, in order, with the code of its answer; 0 if it was not passed on. */
  readonly writes: Write[] = [];
  readonly requests: Seen[] = [];
  /** Connections that were opened to it, ever. */
  connections = 0;
  /** Tokens that are no longer accepted. */
  readonly expired = new Set<string>();
  fault: (request: Seen) => Fault | undefined = () => undefined;
  readonly #target: URL;
  readonly #agent: Agent;
  readonly #server: Server;
  readonly #watches = new Set<ProxiedWatch>();

  private constructor(target: URL, agent: Agent) {
    this.#target = target;
    this.#agent = agent;
    this.#server = createServer(
      (request, response) => void this.#pass(request, response).catch(() => response.destroy()),
    );
    this.#server.on('connection', () => this.connections++);
  }

  /** @param ca of the API server's certificate, in PEM */
  static async open(url: string, ca: string, servername: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(url), new Agent({ ca, servername, keepAlive: true }));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  /** Open watches. */
  get watches(): readonly ProxiedWatch[] {
    return [...this.#watches];
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await once(this.#server, 'close');
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const route = this.#routeOf(request, body);
    this.requests.push(route);
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const fault: Fault | undefined = this.expired.has(token) ? { kind: 'refuse', status: 401 } : this.fault(route);
    if (fault?.kind === 'late') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (fault?.kind === 'hang' && !fault.done) return;
    if (fault?.kind === 'lost') {
      this.#record(route, 0);
      request.socket.destroy();
    } else if (fault?.kind === 'refuse') {
      this.#record(route, fault.status);
      refuse(response, fault);
    } else if (route.verb === 'watch') await this.#watch(request, route, response);
    else await this.#forward(request, body, route, response, fault);
  }

  async #forward(
    request: IncomingMessage,
    body: string,
    route: Route,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> {
    const path = fault?.kind === 'stale' ? atVersion(request.url ?? '', fault.version) : request.url;
    const answer = await this.#ask(request, path, body);
    const text = await readAll(answer);
    this.#record(route, answer.statusCode ?? 0);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    if (fault?.kind === 'cut') {
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' });
    response.end(text);
  }

  async #watch(request: IncomingMessage, route: Route, response: ServerResponse): Promise<void> {
    const answer = await this.#ask(request, request.url, '');
    response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch = new ProxiedWatch(route, answer, response);
    this.#watches.add(watch);
    response.once('close', () => {
      this.#watches.delete(watch);
      answer.destroy();
    });
  }

  async #ask(request: IncomingMessage, path: string | undefined, body: string): Promise<IncomingMessage> {
    const secure = this.#target.protocol === 'https:';
    const { host: _, connection: __, ...headers } = request.headers;
    const options = { method: request.method, path, headers, host: this.#target.hostname, port: this.#target.port };
    const asked = secure ? sendSecure({ ...options, agent: this.#agent }) : send(options);
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }

  #routeOf(request: IncomingMessage, body: string): Route {
    const { signal } = new AbortController();
    const described = routeOf({
      method: (request.method ?? 'GET') as Method,
      path: request.url ?? '/',
      contentType: request.headers['content-type'],
      accept: request.headers.accept,
      body: body === '' ? undefined : body,
      signal,
    });
    return { ...described, client: 'proxied', at: performance.now() };
  }

  #record(route: Route, status: number): void {
    const { query: _, ...seen } = route;
    if (isWrite(route)) this.writes.push({ ...seen, status });
  }
}

/** One watch on its way through the proxy. */
export class ProxiedWatch {
  readonly plural: string;
  readonly namespace: string | undefined;
  /** Changes a line on its way: none, one or several; absent: as it is. */
  spoil: (line: string) => readonly string[] = (line) => [line];
  readonly #response: ServerResponse;
  #held: string[] | undefined;

  constructor({ plural, namespace }: Seen, source: IncomingMessage, response: ServerResponse) {
    this.plural = plural;
    this.namespace = namespace;
    this.#response = response;
    void this.#follow(source).catch(() => this.cut());
  }

  /** Nothing goes out any more, and nothing says so: a half-open connection, or events that are late. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const text of held) this.write(text);
  }

  /** The connection breaks. */
  cut(): void {
    this.#response.socket?.destroy();
  }

  /** The normal end. */
  end(): void {
    this.#response.end();
  }

  /** Any text, a newline at its end or not. */
  write(text: string): void {
    if (this.#held) this.#held.push(text);
    else if (!this.#response.destroyed) this.#response.write(text);
  }

  async #follow(source: IncomingMessage): Promise<void> {
    let rest = '';
    for await (const text of source.setEncoding('utf8')) {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) for (const one of this.spoil(line)) this.write(`${one}\n`);
    }
    this.end();
  }
}

function refuse(
  response: ServerResponse,
  { status, reason = '', retryAfter }: Extract<Fault, { kind: 'refuse' }>,
): void {
  response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message: 'by the proxy', reason, code: status }));
}

/** The list as it was: what a stale cache of the server would say. */
function atVersion(path: string, version: number): string {
  const url = new URL(path, 'http://proxy');
  url.searchParams.set('resourceVersion', `${version}`);
  url.searchParams.set('resourceVersionMatch', 'Exact');
  return `${url.pathname}${url.search}`;
}

async function readAll(source: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of source.setEncoding('utf8')) text += part;
  return text;
}
