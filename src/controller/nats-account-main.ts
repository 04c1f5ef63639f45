// Writes what the NATS server's configuration includes: the public key of the account that the controller signs with, and the passwords.
// Run before the server, from the same Secret that the controller reads: nobody makes a key, and no Pod writes a Secret.
//   node src/controller/nats-account-main.ts --auth-folder=/etc/nats-auth --out=/etc/nats-secrets/secrets.conf
//   node src/controller/nats-account-main.ts --callout-file=FILE      prints the public key alone, for a server of one's own
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readFlags, textFlag } from '../shared/flags.ts';
import { InvalidConfigError, messageOf } from '../sweep/errors.ts';
import { deriveAccountKey } from './callout-account.ts';

const USERS = ['controller', 'dashboard', 'sys'] as const;

function main(args: readonly string[]): void {
  const kinds = { 'auth-folder': textFlag, out: textFlag, 'callout-file': textFlag };
  const { 'auth-folder': folder, out, 'callout-file': callout } = readFlags(args, kinds);
  if (callout) {
    process.stdout.write(`${deriveAccountKey(read(callout)).publicKey}\n`);
    return;
  }
  if (!folder || !out) throw new InvalidConfigError('--auth-folder and --out, or --callout-file: one is missing');
  const variables = [
    ['account_key', deriveAccountKey(read(path.join(folder, 'callout'))).publicKey],
    ...USERS.map((user) => [`${user}_password`, read(path.join(folder, user))]),
  ];
  const text = variables.map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join('');
  writeFileSync(out, text, { mode: 0o600 });
}

function read(file: string): string {
  const value = readFileSync(file, 'utf8').trim();
  if (value === '') throw new InvalidConfigError(`${file}: empty`);
  return value;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof InvalidConfigError ? 2 : 1;
}
