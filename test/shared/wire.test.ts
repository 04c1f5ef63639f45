import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { KubeConfig } from '@kubernetes/client-node';
import { openCluster } from '../../src/shared/calls.ts';
import { openWire } from '../../src/shared/cluster.ts';
import { JOBS } from '../../src/shared/kinds.ts';
import { makeCertificates } from './certificates.ts';

/** A server that has nothing, and counts who comes. */
async function serve(t: TestContext) {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404, message: 'none' }),
      );
    });
  });
  let sockets = 0;
  server.on('connection', () => sockets++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: 'any', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'any' },
  );
  const wire = openWire(() => config);
  t.after(async () => {
    await wire.close();
    server.close();
  });
  return { calls: openCluster(wire), sockets: () => sockets };
}

test('one request after another, deletes too, does not open a socket each time', async (t) => {
  const { calls, sockets } = await serve(t);
  const job = { namespace: 'team', name: 'study-0-r1', uid: 'u' };
  for (let count = 0; count < 20; count++) {
    assert.equal(await calls.getJob(job), undefined);
    await calls.delete(JOBS, job);
  }
  // One that has just answered is not always free yet.
  assert.ok(sockets() <= 3, `${sockets()} sockets`);
});

test('K19: a client certificate that was rotated is shown from the next request on', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-wire-'));
  const file = (name: string) => path.join(folder, name);
  await makeCertificates(folder);
  const read = (name: string) => readFile(file(name), 'utf8');
  const shown: string[] = [];
  const server = createSecureServer(
    { cert: await read('tls.crt'), key: await read('tls.key'), ca: await read('ca.crt'), requestCert: true },
    (request, response) => {
      shown.push(`${(request.socket as TLSSocket).getPeerCertificate().subject.CN}`);
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"items":[],"metadata":{"resourceVersion":"1"}}');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const rotateTo = async (name: string) => {
    await copyFile(file(`${name}.crt`), file('client.crt'));
    await copyFile(file(`${name}.key`), file('client.key'));
  };
  await rotateTo('tls');
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: 'any', server: `https://localhost:${port}`, caFile: file('ca.crt'), skipTLSVerify: false },
    { name: 'any', certFile: file('client.crt'), keyFile: file('client.key') },
  );
  const wire = openWire(() => config);
  t.after(async () => {
    await wire.close();
    server.close();
    await rm(folder, { recursive: true });
  });
  const calls = openCluster(wire);
  await calls.list(JOBS, { namespace: 'team', limit: 1 });
  await rotateTo('proxy');
  await calls.list(JOBS, { namespace: 'team', limit: 1 });
  assert.deepEqual(shown, ['tls', 'proxy']);
});
