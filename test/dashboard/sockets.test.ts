import assert from 'node:assert/strict';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { makeApp, makeStore, STUDY, tell } from './builders.ts';

/** A server, and sockets that speak to it byte by byte. */
async function serve(t: TestContext) {
  const store = makeStore();
  tell(store, STUDY);
  const { realTimers } = await import('../../src/shared/timers.ts');
  const app = await makeApp(store, { timers: realTimers, collect: {} });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const sockets: Socket[] = [];
  const open = () => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    sockets.push(socket);
    return socket;
  };
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return app.close();
  });
  return { app, port, open };
}

/** All that comes until the other side ends it. */
async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await new Promise((resolve) => socket.on('close', resolve));
  return text;
}

test('a client that sends its headers, or its body, byte by byte is cut off within twenty seconds', {
  timeout: 60_000,
}, async (t) => {
  const { open } = await serve(t);
  const began = performance.now();
  const slow = async (start: string) => {
    const socket = open();
    socket.write(start);
    const drip = setInterval(() => socket.write('a'), 1_000);
    const text = await readAll(socket).finally(() => clearInterval(drip));
    return { text, seconds: (performance.now() - began) / 1_000 };
  };
  const post =
    'POST /collect HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\ncontent-type: application/json\r\n';
  const all = await Promise.all([
    slow('GET / HTTP/1.1\r\nhost: localhost\r\nx-a: '),
    slow(`${post}content-length: 60000\r\n\r\n{`),
  ]);
  for (const { text, seconds } of all) {
    assert.ok(seconds >= 10 && seconds <= 20, `${seconds} s`);
    assert.match(text, /^(HTTP\/1\.1 408|$)/);
  }
});

test('headers that are too large, and what is no HTTP, are refused', async (t) => {
  const { open } = await serve(t);
  for (const [sent, want] of [
    [`GET / HTTP/1.1\r\nhost: localhost\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    ['\x16\x03\x01\x02\x00\x01\r\n\r\n', /^HTTP\/1\.1 400/],
    [
      'GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400/,
    ],
    ['GET /api/v1/whoami HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
  ] as const) {
    const socket = open();
    socket.write(sent);
    assert.match(await readAll(socket), want);
  }
});

test('a body that is too large, compressed or of another type is not read', async (t) => {
  const { port } = await serve(t);
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${port}/collect`, {
      method: 'POST',
      body,
      headers: { 'sec-fetch-site': 'same-origin', ...headers },
    });
  const json = { 'content-type': 'application/json' };
  const cases: [Response, number][] = [
    [await post('{}', json), 202],
    [await post(`{"a":"${'x'.repeat(65_536)}"}`, json), 413],
    [await post(new Uint8Array(gzipSync('{}')), { ...json, 'content-encoding': 'gzip' }), 415],
    [await post('{}', { 'content-type': 'text/plain' }), 415],
    [await post('{', json), 400],
    [await post('{"__proto__":{"polluted":1}}', json), 400],
    [await post('[]', json), 400],
  ];
  for (const [response, status] of cases) {
    assert.equal(response.status, status);
    await response.text();
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('a server that stops waits for nobody who has asked for nothing', async (t) => {
  const { app, open, port } = await serve(t);
  const idle = open();
  await new Promise((resolve) => idle.once('connect', resolve));
  await fetch(`http://127.0.0.1:${port}/api/v1/whoami`).then((response) => response.text());
  const began = performance.now();
  await app.close();
  assert.ok(performance.now() - began < 2_000);
});

test('a server that stops ends within ten seconds, whoever has half asked', { timeout: 30_000 }, async (t) => {
  const { app, open } = await serve(t);
  const half = open();
  half.write(
    'POST /collect HTTP/1.1\r\nhost: localhost\r\nsec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
  );
  await new Promise((resolve) => app.server.once('request', resolve));
  const began = performance.now();
  await app.close();
  assert.ok(performance.now() - began < 10_000);
});
