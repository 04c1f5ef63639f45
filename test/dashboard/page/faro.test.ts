import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransportItemType } from '@grafana/faro-core';
import { CollectTransport, framesOf } from '../../../src/dashboard/page/faro.ts';

const item = (text: string) => ({
  type: TransportItemType.EXCEPTION,
  payload: { type: 'Error', value: text, timestamp: '2026-11-25T12:00:00Z' },
  meta: { app: { name: 'cnn-sweep' } },
});

/** A server that answers as told, and notes what it was sent. */
function openServer(...answers: (() => Response)[]) {
  const sent: RequestInit[] = [];
  let nowMs = 0;
  const transport = new CollectTransport(
    'http://localhost/collect',
    async (_url, init) => {
      sent.push(init);
      return (answers[Math.min(sent.length, answers.length) - 1] ?? (() => new Response('ok', { status: 202 })))();
    },
    () => nowMs,
  );
  return { transport, sent, pass: (ms: number) => (nowMs += ms) };
}
const answer =
  (status: number, headers = {}) =>
  () =>
    new Response('', { status, headers });

test('a batch is one body with the meta once', async () => {
  const { transport, sent } = openServer();
  assert.equal(transport.isBatched(), true);
  await transport.send([item('a'), item('b')]);
  const body = JSON.parse(String(sent[0]?.body));
  assert.equal(body.meta.app.name, 'cnn-sweep');
  assert.deepEqual(
    body.exceptions.map(({ value }: { value: string }) => value),
    ['a', 'b'],
  );
  assert.equal(sent[0]?.keepalive, true);
});

test('a batch above 60,000 bytes is divided; what is too large alone is dropped', async () => {
  const { transport, sent } = openServer();
  await transport.send([item('x'.repeat(40_000)), item('y'.repeat(40_000)), item('z'.repeat(70_000))]);
  assert.equal(sent.length, 2);
  for (const { body } of sent) assert.ok(String(body).length <= 60_000);
});

test('where keepalive is refused it is sent again without, and a dead server is silent', async () => {
  const refuse = () => {
    throw new TypeError('keepalive');
  };
  const { transport, sent } = openServer(refuse, answer(202), refuse, refuse);
  await transport.send([item('a')]);
  assert.deepEqual(
    sent.map(({ keepalive }) => keepalive),
    [true, false],
  );
  await transport.send([item('b')]);
  assert.equal(sent.length, 4);
});

test('429 is obeyed: for Retry-After, else five seconds', async () => {
  const { transport, sent, pass } = openServer(answer(429, { 'retry-after': '2' }), answer(429), answer(202));
  await transport.send([item('a')]);
  await transport.send([item('b')]);
  assert.equal(sent.length, 1);
  pass(2001);
  await transport.send([item('c')]);
  assert.equal(sent.length, 2);
  pass(4900);
  await transport.send([item('d')]);
  assert.equal(sent.length, 2);
  pass(200);
  await transport.send([item('e')]);
  assert.equal(sent.length, 3);
});

for (const status of [404, 405]) {
  test(`${status} means switched off: nothing is sent any more`, async () => {
    const { transport, sent, pass } = openServer(answer(status));
    await transport.send([item('a')]);
    pass(1e6);
    await transport.send([item('b')]);
    assert.equal(sent.length, 1);
  });
}

test('stack traces of Chromium and of Firefox become frames without query strings', () => {
  const chromium =
    'Error: x\n    at run (https://h/assets/main-1f.js?sweep=a/b:1:23)\n    at https://h/assets/main-1f.js:4:5';
  const firefox = 'run@https://h/assets/main-1f.js:1:23\n@https://h/assets/main-1f.js:4:5\n';
  const want = [
    { function: 'run', filename: 'https://h/assets/main-1f.js', lineno: 1, colno: 23 },
    { function: '', filename: 'https://h/assets/main-1f.js', lineno: 4, colno: 5 },
  ];
  assert.deepEqual(framesOf({ stack: firefox }), want);
  assert.deepEqual(framesOf({ stack: chromium.replace('?sweep=a/b', '') }), want);
  assert.ok(!JSON.stringify(framesOf({ stack: chromium })).includes('sweep=a'));
});
