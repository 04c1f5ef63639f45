import type { IncomingHttpHeaders } from 'node:http';
import type { AuthMode } from './flags.ts';

/** Who asks. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

/** What a request shows of who sent it. */
export interface Visitor {
  readonly headers: IncomingHttpHeaders;
  /** Whether a header was sent more than once: Node joins some of those with commas. */
  isTwice(header: string): boolean;
  /** Its address, or that of whoever passes on what many send. */
  readonly address: string;
  /** Of our login cookie. */
  readonly cookie: string | undefined;
  /** It came over TLS with a client certificate of the authority that we were given. */
  readonly isProvenPeer: boolean;
}

/** Who may read what. Whoever implements it remembers answers for a minute. */
export interface Access {
  readonly mode: AuthMode;
  /** Undefined: nobody we know. @throws ProblemError `unavailable` if whoever decides is out of reach */
  who(visitor: Visitor): Promise<User | undefined>;
  /** Whether a user may list the Sweeps of a namespace. @throws as `who` */
  mayRead(user: User, namespace: string): Promise<boolean>;
  /** A token, tried. Only where there is a login. */
  login?(token: string, address: string): Promise<User | undefined>;
}

const EVERYBODY: User = { name: 'local', groups: [] };

/** Whoever reaches this port may read: it listens on 127.0.0.1 only, and who may forward a port to it, Kubernetes decides. */
export function openToLoopback(): Access {
  return { mode: 'loopback', who: async () => EVERYBODY, mayRead: async () => true };
}

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/** A page of another site can make its own name resolve to 127.0.0.1; the Host header then still bears that name. */
export function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && LOOPBACK_HOST.test(host);
}
