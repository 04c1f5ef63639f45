// Writes what the NATS server's configuration includes: the public key of the account that the controller signs with, and the passwords.
// Run before the server, from the same Secret that the controller reads: nobody makes a key, and no Pod writes a Secret.
//   node src/controller/nats-account-main.ts --auth-folder=/etc/nats-auth --out=/etc/nats-secrets/secrets.conf
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readFlags, textFlag } from '../shared/flags.ts';
import { InvalidConfigError, messageOf } from '../sweep/errors.ts';
import { deriveAccountKey } from './callout-account.ts';

const USERS = ['controller', 'dashboard', 'sys'] as const;

function main(args: readonly string[]): void {
  const { 'auth-folder': folder, out } = readFlags(args, { 'auth-folder': textFlag, out: textFlag });
  if (!folder || !out) throw new InvalidConfigError('--auth-folder and --out: one is missing');
  const read = (key: string) => {
    const value = readFileSync(path.join(folder, key), 'utf8').trim();
    if (value === '') throw new InvalidConfigError(`${path.join(folder, key)}: empty`);
    return value;
  };
  const variables = [
    ['account_key', deriveAccountKey(read('callout')).publicKey],
    ...USERS.map((user) => [`${user}_password`, read(user)]),
  ];
  const text = variables.map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join('');
  writeFileSync(out, text, { mode: 0o600 });
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = error instanceof InvalidConfigError ? 2 : 1;
}
