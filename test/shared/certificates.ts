import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** An authority and another: ca.crt signed tls.crt and proxy.crt, other.crt signed another.crt. */
export async function makeCertificates(folder: string): Promise<void> {
  const file = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args);
  for (const name of ['ca', 'other'])
    await openssl(
      'req',
      '-x509',
      ...EC,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.crt`),
      '-subj',
      `/CN=${name}`,
    );
  await writeFile(file('names'), 'subjectAltName=DNS:localhost');
  for (const [name, authority] of Object.entries({ tls: 'ca', proxy: 'ca', another: 'other' })) {
    await openssl('req', ...EC, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`);
    const signer = ['-CA', file(`${authority}.crt`), '-CAkey', file(`${authority}.key`), '-CAcreateserial'];
    const out = ['-out', file(`${name}.crt`), '-extfile', file('names')];
    await openssl('x509', '-req', '-in', file(`${name}.csr`), ...signer, ...out);
  }
}
