import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Nats, type NatsConnection } from '../../src/shared/nats.ts';
import { readStream } from '../../src/shared/nats-reader.ts';
import { ensureStreams, MEASUREMENTS_STREAM as stream } from '../../src/shared/nats-streams.ts';
import { NatsServer, needsNats } from './nats-server.ts';

describe('a reader of a stream', { ...needsNats, timeout: 60_000 }, () => {
  let server: NatsServer;
  let nats: Nats;

  before(async () => {
    server = await NatsServer.start();
    nats = new Nats({ url: server.url, name: 'test' });
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats, { maxBytes: 1e7 });
    await nats.request('cs.v1.a.0.b.epoch', 'payload');
  });
  after(async () => {
    await nats.close();
    await server.stop();
  });

  /** Reads its first message, and stops. */
  async function readOne(from: Nats): Promise<WeakRef<AbortSignal>> {
    const reading = new AbortController();
    for await (const { kind } of readStream(from, { stream, signal: reading.signal })) {
      if (kind === 'message') reading.abort();
    }
    return new WeakRef(reading.signal);
  }

  test('that has stopped is forgotten, though its connection goes on', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const signals: WeakRef<AbortSignal>[] = [];
    for (let count = 0; count < 10; count++) signals.push(await readOne(nats));
    // A signal that is alive has a reader that holds it.
    for (let turn = 0; turn < 20 && signals.some((each) => each.deref()); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      collectGarbage();
    }
    assert.deepEqual(signals.filter((each) => each.deref()).length, 0);
  });

  test('begins anew if the connection breaks at the very moment of its beginning', async () => {
    let broken = 0;
    const fragile: Pick<Nats, 'connected' | 'request' | 'inbox'> = {
      connected: (signal) => nats.connected(signal),
      inbox: () => nats.inbox(),
      request: async (subject, ...rest) => {
        const connection = (await nats.connected(AbortSignal.timeout(10_000))) as NatsConnection;
        const answer = await nats.request(subject, ...rest);
        if (subject.includes('CONSUMER.CREATE') && broken++ === 0) await connection.close();
        return answer;
      },
    };
    await readOne(fragile as Nats);
    assert.equal(broken, 2);
  });

  test('an answerer subscribes again if the connection breaks as it subscribes', async () => {
    const stopping = new AbortController();
    const connection = (await nats.connected(stopping.signal)) as NatsConnection;
    const serving = nats.serve('question', 'all', async () => 'answer', stopping.signal);
    await connection.close();
    // It may not be back at once.
    const ask = async (): Promise<string> => {
      await nats.connected(stopping.signal);
      return nats.request('question', '').then((answer) => answer.string(), ask);
    };
    assert.equal(await ask(), 'answer');
    stopping.abort();
    await serving;
  });
});
