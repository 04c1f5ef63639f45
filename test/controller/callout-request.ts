import { createServer, type KeyPair } from 'nkeys.js';
import { deriveAccountKey } from '../../src/controller/callout-account.ts';

export const account = deriveAccountKey('n0123456789');
/** A NATS server. */
export const server = createServer();
export const USER = `U${'A'.repeat(55)}`;

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** As a server writes it. */
export function makeRequest(changes: object = {}, key: KeyPair = server): string {
  const claims = {
    iss: server.getPublicKey(),
    sub: account.publicKey,
    aud: 'nats-authorization-request',
    nats: {
      server_id: { id: server.getPublicKey() },
      user_nkey: USER,
      client_info: { host: '10.0.0.7' },
      connect_opts: { auth_token: 'secret' },
    },
    ...changes,
  };
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`;
  return `${signed}.${Buffer.from(key.sign(Buffer.from(signed))).toString('base64url')}`;
}
