import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { fromSeed, Prefix } from 'nkeys.js';
import { Codec } from 'nkeys.js/lib/codec.js';

/** Changes never: every installation's key follows from it. */
const PHRASE = 'cnn-sweep auth callout account key v1';

/** The key that vouches for who may connect to NATS. */
export interface AccountKey {
  /** As the server's configuration has it: `A…`, 56 characters. */
  readonly publicKey: string;
  sign(text: string): string;
}

// What DER wants before the 32 bytes of a private and of a public key (RFC 8410).
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex');

/** Derives the account's key from a random value that the release keeps: the server and every controller come to the same, and
 * nobody has to make or store a key. @param random of at least 128 bits, as text; a newline at its end does not count */
export function deriveAccountKey(random: string): AccountKey {
  const seed = createHash('sha256').update(PHRASE).update('\0').update(random.trim()).digest();
  const pair = fromSeed(Codec.encodeSeed(Prefix.Account, seed));
  // Node's own signature takes a quarter of a millisecond, the library's several: hundreds of trials may connect at once.
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, seed]), format: 'der', type: 'pkcs8' });
  return {
    publicKey: pair.getPublicKey(),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64url'),
  };
}

/** Whether a server (`N…`) signed this. */
export function isSignedByServer(server: string, text: string, signature: string): boolean {
  try {
    return verify(null, Buffer.from(text), serverKey(server), Buffer.from(signature, 'base64url'));
  } catch {
    return false; // no key at all
  }
}

function serverKey(server: string): KeyObject {
  const bytes = Codec.decode(Prefix.Server, Buffer.from(server));
  return createPublicKey({ key: Buffer.concat([PUBLIC_DER, bytes]), format: 'der', type: 'spki' });
}
