// HTTP as the API server speaks it, below retries and meaning. The real one is in cluster.ts; tests have an API server in memory.

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface WireRequest {
  readonly method: Method;
  /** From the root of the server, with the query: `/api/v1/pods?limit=500`. */
  readonly path: string;
  readonly contentType?: string | undefined;
  /** `application/json` unless said. */
  readonly accept?: string | undefined;
  readonly body?: string | undefined;
  /** Closes the socket, whether the answer has begun or not. */
  readonly signal: AbortSignal;
  /** Called last, when all that had to be waited for is there; what it throws is thrown, and nothing is sent. */
  readonly beforeSend?: (() => void) | undefined;
}

export interface WireResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Throws when it is cut short. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Wire {
  /** `10.0.0.1:443`, for metrics. */
  readonly host: string;
  /** Answers as soon as the headers are there.
   * @throws the network's error, or the signal's reason
   */
  exchange(request: WireRequest): Promise<WireResponse>;
  /** Forgets token and certificates, so that the next request reads them again. */
  refreshCredentials(): void;
  close(): Promise<void>;
}
