import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { parseUnanswered, readUnanswered } from '../../src/dashboard/unanswered.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00001A2B:00000000 01:00000A10 0000000B     0        0 2 2 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:C351 01 00000000:00000000 02:00000A10 00000000     0        0 3 2 0 20 4 30 10 -1
   3: 0200007F:1F90 0100007F:C350 01 00000000:00000000 02:00000A10 00000000     0        0 3 2 0 20 4 30 10 -1
   4: 0100007F:1F90 0100007F:C352 01 00001A2B:00000000 01:00000A10 00000007     0        0 2 2 0 20 4 30 10 -1`;

test('what the kernel says of a connection; of two with the same ports the better', () => {
  const unanswered = parseUnanswered(TABLE);
  const of = (remotePort: number) => unanswered({ localPort: 8080, remotePort });
  assert.deepEqual([of(50_000), of(50_001), of(50_002), of(1)], [0, 0, 7, 0]);
  assert.equal(parseUnanswered('')({ localPort: undefined, remotePort: undefined }), 0);
});

test('a connection that answers has nothing to send again', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const client = connect({ host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 });
  const [socket] = (await once(server, 'connection')) as [Socket];
  assert.equal((await readUnanswered())(socket), 0);
  client.destroy();
  socket.destroy();
});
