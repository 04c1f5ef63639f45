import assert from 'node:assert/strict';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { freePort } from '../free-port.ts';
import { makeSmallDisk } from '../local/folders.ts';
import { epochsOf, makeAttempt, readUntil } from './bus.contract.ts';
import { NatsServer, needsNats } from './nats-server.ts';

async function fill(file: string): Promise<void> {
  const filler = await open(file, 'w');
  await assert.rejects(
    async () => {
      for (;;) await filler.write(Buffer.alloc(4096));
    },
    { code: 'ENOSPC' },
  );
  await filler.close();
}

describe('a disk that is full', { ...needsNats, timeout: 120_000 }, () => {
  test('takes nothing that was acknowledged; the server is not well until it starts again, and then takes what comes', async (context) => {
    const folder = await makeSmallDisk(context, 4096);
    if (folder === undefined) return;
    const monitor = await freePort();
    const server = await NatsServer.start({ store: folder, config: `http: 127.0.0.1:${monitor}` });
    const nats = new Nats({ url: server.url, name: 'test', backoff: { baseMs: 20, capMs: 200 } });
    const bus = new NatsBus(nats);
    // As the chart's probes ask.
    const isWell = async () => (await fetch(`http://127.0.0.1:${monitor}/healthz`)).ok;
    try {
      await nats.connected(AbortSignal.timeout(10_000));
      await ensureStreams(nats, { maxBytes: 1e7 });
      const { message } = makeAttempt();
      for (let epoch = 1; epoch <= 10; epoch++) await bus.publish(message(epoch));
      assert.equal(await isWell(), true);

      const filler = join(folder, 'filler');
      await fill(filler);
      const refused: number[] = [];
      // What is left of a page that was written before has room for one more, perhaps.
      for (let epoch = 11; epoch <= 13; epoch++) await bus.publish(message(epoch)).catch(() => refused.push(epoch));
      assert.ok(refused.length >= 2, `refused: ${refused}`);
      assert.deepEqual([bus.status().connected, Object(bus.status()).reason], [false, 'TimedOut']);
      assert.equal(await isWell(), false);
      await rm(filler);
      assert.equal(await isWell(), false, 'room alone does not help');

      await server.kill('SIGTERM');
      await server.restart();
      await nats.connected(AbortSignal.timeout(10_000));
      for (const epoch of [1, ...refused, 14]) await bus.publish(message(epoch));
      const entries = await readUntil(bus, ({ pending, kind }) => kind === 'epoch' && pending === 0);
      const epochs = epochsOf(entries)
        .flat()
        .sort((a, b) => a - b);
      assert.deepEqual(epochs, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
      assert.deepEqual([bus.status(), await isWell()], [{ connected: true }, true]);
    } finally {
      await nats.close();
      await server.stop();
    }
  });
});
