import { once } from 'node:events';
import type { RequestOptions } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { KubeConfig, PortForward } from '@kubernetes/client-node';
import { Agent, request as send } from 'undici';
import { InvalidConfigError } from '../sweep/errors.ts';
import type { Wire, WireRequest, WireResponse } from './wire.ts';

/** Reads who we are and where the API server is: `KUBECONFIG`, else `~/.kube/config`, else the Pod's own token. */
export function readKubeConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}

/** Reads one kubeconfig file. */
export function readKubeConfigFile(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

/** The context's namespace: in a Pod its own. */
export function namespaceOf(config: KubeConfig): string | undefined {
  return config.getContextObject(config.getCurrentContext())?.namespace?.trim() || undefined;
}

/** Opens the way to the API server. The client library only configures and authenticates: its own requests open a socket
 * each, and its watches die every 30 s (libraries.md). What the configuration names in files is read again before each
 * request, so a rotated certificate or authority gets an agent of its own; watches stay on the old one until they end.
 * @param read again after a 401: the library keeps a token for a minute
 * @throws InvalidConfigError if there is no API server in it
 */
export function openWire(read: () => KubeConfig = readKubeConfig): Wire {
  let config = read();
  const server = config.getCurrentCluster()?.server;
  if (!server) throw new InvalidConfigError('kubeconfig: the current context names no cluster');
  if (config.getCurrentCluster()?.proxyUrl) throw new InvalidConfigError('kubeconfig: proxy-url is not supported');
  const url = new URL(server);
  // The library says so too, but at each request, where it would count as an unreachable server.
  if (url.protocol === 'http:' && !config.getCurrentCluster()?.skipTLSVerify) {
    throw new InvalidConfigError(`kubeconfig: ${server}: http needs insecure-skip-tls-verify: true`);
  }
  const prefix = url.pathname.replace(/\/$/, '');
  const agents = new Agents();

  async function exchange(request: WireRequest): Promise<WireResponse> {
    const { method, path, body, contentType, accept = 'application/json', signal } = request;
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    signal.throwIfAborted();
    const agent = agents.of(options);
    request.beforeSend?.();
    const response = await send(`${url.origin}${prefix}${path}`, {
      dispatcher: agent,
      method,
      headers: {
        accept,
        'user-agent': 'cnn-sweep',
        ...authorizationOf(options),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      },
      body: body ?? null,
      // After a DELETE with a body, as all of ours are, it would end the socket.
      reset: false,
      signal,
    });
    return { status: response.statusCode, headers: oneEach(response.headers), body: response.body };
  }

  return {
    host: url.host,
    exchange,
    refreshCredentials() {
      config = read();
    },
    close: () => agents.close(),
  };
}

/** A way from a port of this machine into a Pod. */
export interface ForwardedPort {
  readonly url: string;
  close(): Promise<void>;
}

/** As `kubectl port-forward`: what connects to a free loopback port reaches a port of a Pod, its own 127.0.0.1 too.
 * Whoever may not forward, or a Pod that is gone, ends each connection; `onError` is told why.
 */
export async function forwardPort(
  { namespace, pod, port }: { readonly namespace: string; readonly pod: string; readonly port: number },
  onError: (error: Error) => void = () => undefined,
  config: KubeConfig = readKubeConfig(),
): Promise<ForwardedPort> {
  const forward = new PortForward(config);
  const open = new Set<Socket>();
  const connect = async (socket: Socket) => {
    const channel = await forward.portForward(namespace, pod, [port], socket, null, socket);
    // The library tells neither side that the other has ended.
    const webSocket = typeof channel === 'function' ? channel() : channel;
    if (socket.destroyed) return webSocket?.close();
    webSocket?.addEventListener('close', () => socket.end());
    socket.once('close', () => webSocket?.close());
  };
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket)).on('error', () => undefined);
    connect(socket).catch((error: unknown) => {
      // A web socket that is refused throws no error, but its event.
      const { message = `${error}` } = error as { readonly message?: string };
      onError(error instanceof Error ? error : new Error(message));
      socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One agent at a time: as long as the certificates stay, so do the sockets. */
class Agents {
  #key = '';
  #agent: Agent | undefined;

  of({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Agent {
    const id = JSON.stringify([ca, cert, key, rejectUnauthorized, servername].map((part) => `${part}`));
    if (this.#agent && id === this.#key) return this.#agent;
    this.#retire();
    this.#key = id;
    this.#agent = new Agent({
      // Over HTTP/2 all share one socket, and an abort would leave a half-open one in use.
      allowH2: false,
      connect: {
        keepAlive: true,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key: key as string | Buffer }),
        ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
        ...(servername === undefined ? {} : { servername }),
      },
      // 4 s by default: whoever writes every few seconds would shake hands each time. The API server keeps them for minutes.
      keepAliveTimeout: 30_000,
      headersTimeout: 30_000, // our own limit, 10 s, comes first
      bodyTimeout: 0, // a quiet watch is healthy; the reflector's watchdog knows when it is not
    });
    return this.#agent;
  }

  async close(): Promise<void> {
    await this.#agent?.destroy();
  }

  /** Ends when its last watch has ended. */
  #retire(): void {
    void this.#agent?.close().catch(() => undefined);
  }
}

/** A token read from a file may end in a newline, which no header may hold. */
function authorizationOf({ headers, auth }: RequestOptions): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...headers })) given[name.toLowerCase()] = `${value}`.trim();
  if (auth) given.authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  return given;
}

function oneEach(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()[0]]));
}
