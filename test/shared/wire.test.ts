import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { openCluster } from '../../src/shared/calls.ts';
import { openWire } from '../../src/shared/cluster.ts';
import { JOBS } from '../../src/shared/kinds.ts';

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
