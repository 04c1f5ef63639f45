import type { Problem } from '../api.ts';
import { openVariable, type Source } from './source.ts';

/** What the API said instead of an answer, or why there was none (status 0). */
export class ApiError extends Error {
  readonly status: number;
  /** `not-found` of `urn:cnn-sweep:not-found`. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = new.target.name;
    this.status = status;
    this.code = code;
  }
}

/** Told of each answer: the route's pattern, never its names. */
export type LatencyListener = (route: string, milliseconds: number, status: number) => void;

export interface Client {
  /** @param route pattern of the path, for those who count @throws ApiError */
  get<Answer>(route: string, path: string, signal?: AbortSignal): Promise<Answer>;
  /** For links: where a path of the API lies, whatever the page's own address. */
  url(path: string): string;
  /** The server does not know who asks: nobody has logged in, or the login has ended. */
  readonly isLoginNeeded: Source<boolean>;
}

/** Everything stands relative to the page, so that a proxy may put it under a path of its own. */
export function openClient(base: string, onLatency: LatencyListener = () => {}): Client {
  const url = (path: string) => new URL(`api/v1/${path}`, base).href;
  const isLoginNeeded = openVariable<boolean>(false);
  return {
    url,
    isLoginNeeded,
    async get(route, path, signal) {
      const begin = performance.now();
      const response = await fetch(url(path), {
        headers: { accept: 'application/json' },
        // Asks with the ETag that it has: 304 where nothing changed.
        cache: 'no-cache',
        ...(signal && { signal }),
      }).catch((cause: unknown) => {
        if (signal?.aborted) throw cause;
        throw new ApiError(0, 'unreachable', 'the server is out of reach');
      });
      onLatency(route, performance.now() - begin, response.status);
      if (response.status === 401) isLoginNeeded.set(true);
      if (!response.ok) throw await errorOf(response);
      return response.json();
    },
  };
}

async function errorOf(response: Response): Promise<ApiError> {
  const problem: Partial<Problem> = await response.json().catch(() => ({}));
  const code =
    String(problem.type ?? '')
      .split(':')
      .at(-1) ?? '';
  return new ApiError(response.status, code, String(problem.detail ?? problem.title ?? `status ${response.status}`));
}

export const sweepPath = (sweep: string) => `sweeps/${sweep.split('/').map(encodeURIComponent).join('/')}`;

/** Why a stream was refused, which its own answer does not tell: whether a login is needed, the client then knows. */
export function askWhy(client: Client): void {
  client.get('whoami', 'whoami').catch(() => {});
}
