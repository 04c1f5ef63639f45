import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type SecureVersion, type TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { openToProxy } from '../../src/dashboard/known-users.ts';
import { makeCertificates } from '../shared/certificates.ts';
import { makeApp, makeStore } from './builders.ts';

describe('a proxy that proves itself by its certificate', () => {
  let folder: string;
  let app: FastifyInstance;
  const read = (name: string) => readFile(path.join(folder, name), 'utf8');

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-proven-'));
    await makeCertificates(folder);
    const tls = { cert: await read('tls.crt'), key: await read('tls.key'), ca: await read('ca.crt') };
    app = await makeApp(makeStore(), { access: openToProxy({ mayList: async () => true }), tls });
    await app.listen({ host: '127.0.0.1', port: 0 });
  });
  after(async () => {
    await app.close();
    await rm(folder, { recursive: true });
  });

  /** Asks as whom it says it is, on a connection of its own. @returns the status, and the last session it was given */
  async function ask(options: ConnectionOptions, headers = 'X-Forwarded-User: alice\r\n') {
    const { port } = app.server.address() as AddressInfo;
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: await read('ca.crt'), ...options }); // biome-ignore format: one line
    let session = undefined as Buffer | undefined;
    let isReused: boolean | undefined;
    let answer = '';
    socket.once('secureConnect', () => {
      isReused = socket.isSessionReused();
    });
    socket.on('session', (given) => {
      session = given;
    });
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(`GET /api/v1/whoami HTTP/1.1\r\nHost: localhost\r\n${headers}Connection: close\r\n\r\n`);
    await new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject));
    const [, status] = /^HTTP\/1.1 (\d+)/.exec(answer) ?? [];
    return { status: Number(status), isReused, session };
  }

  const proxy = async () => ({ cert: await read('proxy.crt'), key: await read('proxy.key') });

  for (const version of ['TLSv1.2', 'TLSv1.3'] satisfies SecureVersion[]) {
    const only = { minVersion: version, maxVersion: version };

    test(`is believed, and nobody else is: ${version}`, async () => {
      const stranger = { cert: await read('another.crt'), key: await read('another.key') };
      assert.equal((await ask({ ...only, ...(await proxy()) })).status, 200);
      assert.equal((await ask(only)).status, 401);
      assert.equal((await ask({ ...only, ...stranger })).status, 401);
    });

    test(`a session of somebody without a certificate proves nothing when it is resumed: ${version}`, async () => {
      const { session } = await ask(only);
      const again = await ask({ ...only, ...(session && { session }) });
      assert.deepEqual([again.isReused, again.status], [false, 401]);
    });

    test(`who comes back is believed again: ${version}`, async () => {
      const first = await ask({ ...only, ...(await proxy()) });
      const again = await ask({ ...only, ...(await proxy()), ...(first.session && { session: first.session }) });
      assert.deepEqual([again.isReused, again.status], [false, 200]);
    });
  }

  test('whose headers somebody has added to is nobody', async () => {
    const user = 'X-Forwarded-User: alice\r\n';
    const groups = 'X-Forwarded-Groups: dev\r\nX-Forwarded-Groups: admins\r\n';
    assert.equal((await ask(await proxy(), `${user}X-Forwarded-Groups: dev,admins\r\n`)).status, 200);
    assert.equal((await ask(await proxy(), user + groups)).status, 401);
    assert.equal((await ask(await proxy(), user + user)).status, 401);
  });
});
