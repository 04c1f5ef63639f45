import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { epochsOf, makeAttempt, readUntil } from './bus.contract.ts';
import { NatsServer, needsNats } from './nats-server.ts';

/** A disk of 4 MiB; undefined where one may not mount: under CI=true it must be there. */
async function mountSmall(context: TestContext): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'pipe' });
    return folder;
  } catch (error) {
    await rmdir(folder);
    if (process.env.CI === 'true') throw error;
    context.skip('needs root, to have a disk that is full');
    return undefined;
  }
}

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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

describe('a disk that is full', { ...needsNats, timeout: 120_000 }, () => {
  test('takes nothing that was acknowledged; the server is not well until it starts again, and then takes what comes', async (context) => {
    const folder = await mountSmall(context);
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
      execFileSync('umount', [folder]);
      await rmdir(folder);
    }
  });
});
