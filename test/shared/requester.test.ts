import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../../src/shared/api-error.ts';
import { openRequester, type RequesterOptions, type RequestSeen } from '../../src/shared/requester.ts';
import type { Wire, WireRequest, WireResponse } from '../../src/shared/wire.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';

type Answer = { status?: number; text?: string; retryAfter?: string } | Error | 'hang';

const OK: Answer = {};
const POST = { method: 'POST', path: '/x', body: {} } as const;

/** Answers one after the other; the last one for ever. */
class Script {
  readonly clock = new VirtualClock();
  readonly sent: number[] = [];
  readonly seen: RequestSeen[] = [];
  refreshed = 0;
  readonly #answers: Answer[];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  open(options: RequesterOptions = {}) {
    const wire: Wire = {
      host: 'host',
      exchange: (request) => this.#exchange(request),
      refreshCredentials: () => void this.refreshed++,
      close: async () => undefined,
    };
    const onRequest = (seen: RequestSeen) => this.seen.push(seen);
    return openRequester(wire, { timers: this.clock, random: () => 0.5, onRequest, ...options });
  }

  async #exchange({ signal, beforeSend }: WireRequest): Promise<WireResponse> {
    beforeSend?.();
    this.sent.push(this.clock.now());
    const answer = (this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0]) ?? OK;
    if (answer instanceof Error) throw answer;
    if (answer === 'hang') {
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    const { status = 200, text = '{}', retryAfter } = answer;
    return {
      status,
      headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
      body: (async function* () {
        yield Buffer.from(text);
      })(),
    };
  }
}

const reset = new Error('read ECONNRESET');

const waits: Record<string, { answer: Answer; wantMs: number }> = {
  'K4: a broken connection': { answer: reset, wantMs: 400 },
  'K4: an answer that was cut': { answer: { text: '{"kind":"Jo' }, wantMs: 400 },
  'K6: 429 with Retry-After 1': { answer: { status: 429, retryAfter: '1' }, wantMs: 1_500 },
  'K6: 429 with Retry-After 10': { answer: { status: 429, retryAfter: '10' }, wantMs: 10_500 },
  'K6: 429 with Retry-After 120': { answer: { status: 429, retryAfter: '120' }, wantMs: 120_500 },
  'K6: 429 with Retry-After of a year': { answer: { status: 429, retryAfter: '31536000' }, wantMs: 300_500 },
  'K6: 429 with Retry-After garbage': { answer: { status: 429, retryAfter: 'soon' }, wantMs: 400 },
  'K6: 429 with a negative Retry-After': { answer: { status: 429, retryAfter: '-1' }, wantMs: 400 },
  'K6: 429 with a date': { answer: { status: 429, retryAfter: 'Wed, 25 Nov 2026 12:00:00 GMT' }, wantMs: 400 },
  'K6: 429 without Retry-After': { answer: { status: 429 }, wantMs: 400 },
  'K8: 500': { answer: { status: 500, retryAfter: '7' }, wantMs: 400 },
  'K8: 502': { answer: { status: 502, text: '<html>' }, wantMs: 400 },
  'K8: 503 with Retry-After 2': { answer: { status: 503, retryAfter: '2' }, wantMs: 2_500 },
  'K8: 504': { answer: { status: 504 }, wantMs: 400 },
  'no answer in 10 s': { answer: 'hang', wantMs: 10_400 },
};
for (const [what, { answer, wantMs }] of Object.entries(waits)) {
  test(`${what}: sent again after ${wantMs} ms`, async () => {
    const script = new Script(answer, OK);
    const done = script.open().request(POST);
    await script.clock.advance(wantMs - 1);
    assert.deepEqual(script.sent, [0]);
    await script.clock.advance(1);
    await done;
    assert.deepEqual(script.sent, [0, wantMs]);
    assert.deepEqual(
      script.seen.map(({ retried }) => retried),
      [true, false],
    );
  });
}

for (const status of [400, 403, 404, 405, 409, 410, 413, 415, 422]) {
  test(`${status} is the answer: sent once`, async () => {
    const text = JSON.stringify({
      kind: 'Status',
      reason: 'Word',
      message: 'why',
      details: { causes: [{ field: 'f' }] },
    });
    const script = new Script({ status, text });
    await assert.rejects(script.open().request(POST), (error) => {
      assert.ok(error instanceof ApiError);
      const { code, reason, message, details } = error;
      assert.deepEqual({ code, reason, message }, { code: status, reason: 'Word', message: 'POST /x: why' });
      assert.deepEqual(details?.causes, [{ field: 'f' }]);
      return true;
    });
    assert.equal(script.sent.length, 1);
  });
}

test('a field that older kinds do not have is refused for good, though with 500: sent once', async () => {
  const message = 'failed to create typed patch object: .status.best.loss: field not declared in schema';
  const text = JSON.stringify({ kind: 'Status', reason: 'InternalError', message });
  const script = new Script({ status: 500, text });
  await assert.rejects(script.open().request(POST), { code: 500, message: `POST /x: ${message}` });
  assert.equal(script.sent.length, 1);
});

test('at most ten tries, each wait longer, then the last error', async () => {
  const script = new Script(reset);
  const failed = assert.rejects(script.open().request(POST), {
    name: 'ApiError',
    code: 0,
    reason: 'Unreachable',
    message: 'POST /x: read ECONNRESET',
  });
  await script.clock.advance(600_000);
  await failed;
  const gaps = script.sent.slice(1).map((at, index) => at - (script.sent[index] ?? 0));
  assert.deepEqual(gaps, [400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000, 15_000]);
});

test('fewer tries and less time where the caller says so', async () => {
  const script = new Script('hang');
  const failed = assert.rejects(script.open().request({ ...POST, tries: 1, timeoutMs: 5_000 }), { reason: 'Timeout' });
  await script.clock.advance(5_000);
  await failed;
  assert.equal(script.sent.length, 1);
});

test('K19: 401 reads the token again and is sent once more at once; a second one is the answer', async () => {
  const renewed = new Script({ status: 401 }, OK);
  await renewed.open().request(POST);
  assert.equal(renewed.refreshed, 1);
  const refused = new Script({ status: 401 });
  await assert.rejects(refused.open().request(POST), { code: 401, reason: 'Unauthorized' });
  assert.deepEqual(refused.sent, [0, 0]);
});

test('the guard is asked before each try of a write, not of a read, and what it throws is thrown', async () => {
  let asked = 0;
  const beforeWrite = () => {
    if (++asked === 3) throw new RangeError('no lease');
  };
  const script = new Script(reset);
  const requester = script.open({ beforeWrite });
  const failed = assert.rejects(requester.request(POST), RangeError);
  await script.clock.advance(60_000);
  await failed;
  assert.equal(script.sent.length, 2);
  const reading = assert.rejects(requester.request({ method: 'GET', path: '/x', tries: 1 }), ApiError);
  await reading;
  assert.equal(asked, 3);
  assert.equal(requester.inFlight, 0);
});

test('sixteen requests in flight, the others in their order; who gives up leaves the line', async () => {
  const script = new Script('hang');
  const requester = script.open();
  const gone = new AbortController();
  const ends = Array.from({ length: 20 }, (_, index) =>
    requester
      .request({ ...POST, tries: 1, ...(index === 17 ? { signal: gone.signal } : {}) })
      .catch((error: Error) => error.message),
  );
  await script.clock.advance(0);
  assert.equal(script.sent.length, 16);
  assert.equal(requester.inFlight, 16);
  gone.abort(new Error('no matter'));
  assert.equal(await ends[17], 'no matter');
  await script.clock.advance(10_000);
  assert.equal(script.sent.length, 19);
  await script.clock.advance(10_000);
  await Promise.all(ends);
  assert.equal(requester.inFlight, 0);
});

test('a request that waits for its next try holds no place', async () => {
  const script = new Script({ status: 429, retryAfter: '100' }, OK);
  const requester = script.open({ maxInFlight: 1 });
  const first = requester.request(POST);
  await script.clock.advance(0);
  await requester.request(POST);
  await script.clock.advance(101_000);
  await first;
  assert.equal(script.sent.length, 3);
});

test('an abort ends the request, or its wait, with its reason', async () => {
  for (const answer of ['hang', reset] as const) {
    const script = new Script(answer);
    const gone = new AbortController();
    const failed = assert.rejects(script.open().request({ ...POST, signal: gone.signal }), { message: 'enough' });
    await script.clock.advance(100);
    gone.abort(new Error('enough'));
    await failed;
    assert.equal(script.clock.waiting, 0);
  }
});

test('a program that stops begins no other try, and lets the one in flight end', async () => {
  const stopping = new AbortController();
  const waiting = new Script(reset);
  const failed = assert.rejects(waiting.open({ stopping: stopping.signal }).request(POST), { reason: 'Unreachable' });
  await waiting.clock.advance(100);
  stopping.abort();
  await failed;
  assert.equal(waiting.sent.length, 1);
  const flying = new Script(OK);
  await flying.open({ stopping: stopping.signal }).request(POST);
});

test('the metrics see every try: method, host, code, time, and whether another follows', async () => {
  const script = new Script('hang', { status: 503 }, OK);
  const done = script.open().request(POST);
  await script.clock.advance(60_000);
  await done;
  const common = { method: 'POST', host: 'host' };
  assert.deepEqual(script.seen, [
    { ...common, code: '<error>', seconds: 10, retried: true },
    { ...common, code: '503', seconds: 0, retried: true },
    { ...common, code: '200', seconds: 0, retried: false },
  ]);
});

test('nothing is left behind by a request that succeeded', async () => {
  const script = new Script(OK);
  await script.open().request(POST);
  assert.equal(script.clock.waiting, 0);
});
