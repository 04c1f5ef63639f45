// The JSON Web Tokens of NATS's auth callout: what a server asks, and what it is answered. Version 2 of its claims.
import { createHash } from 'node:crypto';
import { InvalidMessageError } from '../sweep/errors.ts';
import { type AccountKey, isSignedByServer } from './callout-account.ts';

/** Who wants to connect, as the server tells it. */
export interface CalloutRequest {
  /** Of this connection alone; the answer must be for it. */
  readonly userKey: string;
  readonly serverId: string;
  /** Address of the client. */
  readonly host: string;
  /** What it presents; empty: nothing. */
  readonly token: string;
}

/** What a client may do; subjects as the server writes them, with `*` and `>`. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const REQUEST_AUDIENCE = 'nats-authorization-request';
const HEADER = encode({ typ: 'JWT', alg: 'ed25519-nkey' });

/** Strict: of our account, signed by the server that it names. @throws InvalidMessageError */
export function decodeCalloutRequest(text: string, account: AccountKey): CalloutRequest {
  const [header = '', body = '', signature = '', ...more] = text.split('.');
  const claims = parse(body);
  const [issuer, subject, audience] = [textAt(claims, 'iss'), textAt(claims, 'sub'), textAt(claims, 'aud')];
  if (more.length > 0 || !isSignedByServer(issuer, `${header}.${body}`, signature))
    throw new InvalidMessageError('callout request: not signed by the server that it names');
  if (audience !== REQUEST_AUDIENCE) throw new InvalidMessageError(`callout request: audience ${quote(audience)}`);
  if (subject !== account.publicKey)
    throw new InvalidMessageError(`callout request: for account ${quote(subject)}, and ours is ${account.publicKey}`);
  const request = {
    userKey: textAt(claims, 'nats', 'user_nkey'),
    serverId: textAt(claims, 'nats', 'server_id', 'id'),
    host: textAt(claims, 'nats', 'client_info', 'host'),
    token: textAt(claims, 'nats', 'connect_opts', 'auth_token'),
  };
  if (request.serverId !== issuer || request.userKey === '')
    throw new InvalidMessageError('callout request: incomplete');
  return request;
}

export interface Admitted {
  /** Account of the server that the client is put into. */
  readonly account: string;
  readonly name: string;
  readonly permissions: Permissions;
  /** When the server cuts the connection, so that the client comes back and is looked at again; seconds since 1970. */
  readonly expires: number;
}

/** The answer to one request. @param verdict who it is, or why it may not connect @param now seconds since 1970 */
export function encodeCalloutAnswer(
  { userKey, serverId }: CalloutRequest,
  verdict: Admitted | { readonly refused: string },
  account: AccountKey,
  now: number,
): string {
  const nats = 'refused' in verdict ? { error: verdict.refused } : { jwt: encodeUser(userKey, verdict, account, now) };
  return encodeClaims(account, now, {
    sub: userKey,
    aud: serverId,
    nats: { ...nats, type: 'authorization_response', version: 2 },
  });
}

function encodeUser(userKey: string, admitted: Admitted, key: AccountKey, now: number): string {
  const { account, name, permissions, expires } = admitted;
  return encodeClaims(key, now, {
    sub: userKey,
    aud: account,
    name,
    exp: expires,
    nats: {
      pub: { allow: permissions.publish },
      sub: { allow: permissions.subscribe },
      ...{ subs: -1, data: -1, payload: -1 }, // the server's own limits hold
      allowed_connection_types: ['STANDARD'],
      type: 'user',
      version: 2,
    },
  });
}

function encodeClaims(key: AccountKey, now: number, claims: object): string {
  const content = { iat: now, iss: key.publicKey, ...claims };
  const jti = createHash('sha256').update(JSON.stringify(content)).digest('base64url');
  const signed = `${HEADER}.${encode({ jti, ...content })}`;
  return `${signed}.${key.sign(signed)}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function parse(body: string): unknown {
  try {
    return JSON.parse(Buffer.from(body, 'base64url').toString());
  } catch (cause) {
    throw new InvalidMessageError('callout request: no token of JSON', { cause });
  }
}

/** The text at a path; anything else counts as empty. */
function textAt(value: unknown, ...keys: readonly string[]): string {
  let inner = value;
  for (const key of keys) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, key)) return '';
    inner = (inner as Record<string, unknown>)[key];
  }
  return typeof inner === 'string' ? inner : '';
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
