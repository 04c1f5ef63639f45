import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { epochsOf, makeAttempt, readUntil } from './bus.contract.ts';
import { NatsServer, needsNats } from './nats-server.ts';

/** A disk that is a file, so that one can see what of it is written when the power fails: not what the kernel still holds. */
class Disk {
  readonly folder: string;
  readonly #file: string;

  constructor(folder: string, file: string) {
    this.folder = folder;
    this.#file = file;
  }

  /** Undefined where one may not mount; under CI=true it must be there. */
  static async mount(context: TestContext): Promise<Disk | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-cut-'));
    const file = join(folder, 'disk');
    try {
      execFileSync('truncate', ['-s', '64M', file]);
      execFileSync('mkfs.ext4', ['-q', file], { stdio: 'pipe' });
      return new Disk(await mountFile(file), file);
    } catch (error) {
      await rm(folder, { recursive: true });
      if (process.env.CI === 'true') throw error;
      context.skip('needs root and a loop device, to cut the power of a disk');
      return undefined;
    }
  }

  /** What a machine finds that starts again after the power was cut now. */
  async afterCut(): Promise<Disk> {
    const copy = `${this.#file}.after`;
    execFileSync('cp', ['--sparse=always', this.#file, copy]);
    return new Disk(await mountFile(copy), copy);
  }

  unmount(): void {
    execFileSync('umount', [this.folder]);
  }

  /** Once it and its copy are unmounted. */
  async remove(): Promise<void> {
    await rm(dirname(this.#file), { recursive: true });
  }
}

async function mountFile(file: string): Promise<string> {
  const folder = `${file}.mounted`;
  await mkdir(folder);
  execFileSync('mount', ['-o', 'loop', file, folder], { stdio: 'pipe' });
  return folder;
}

describe('a power cut', { ...needsNats, timeout: 60_000 }, () => {
  const cases = {
    'takes nothing that was acknowledged, since each message is on the disk before': { syncAlways: true },
    'would take what was acknowledged under the default sync_interval': { syncAlways: false },
  };
  for (const [sentence, { syncAlways }] of Object.entries(cases)) {
    test(sentence, async (context) => {
      const disk = await Disk.mount(context);
      if (!disk) return;
      const { message } = makeAttempt();
      const server = await NatsServer.start({ store: disk.folder, syncAlways });
      const nats = new Nats({ url: server.url, name: 'test', backoff: { baseMs: 20, capMs: 200 } });
      const bus = new NatsBus(nats);
      let after: Disk | undefined;
      try {
        await nats.connected(AbortSignal.timeout(10_000));
        await ensureStreams(nats, { maxBytes: 1e7 });
        execFileSync('sync', ['-f', disk.folder]); // the streams are there; only the messages are in question
        for (let epoch = 1; epoch <= 20; epoch++) await bus.publish(message(epoch));
        after = await disk.afterCut();
        await server.kill();
        await server.restart({ store: after.folder, syncAlways });
        await nats.connected(AbortSignal.timeout(10_000));
        const outcomes = (await ensureStreams(nats, { maxBytes: 1e7 })).map(({ outcome }) => outcome);
        assert.deepEqual(outcomes, ['Unchanged', 'Unchanged']);
        const entries = await readUntil(bus, ({ pending }) => pending === 0);
        const left = epochsOf(entries).length;
        assert.ok(syncAlways ? left === 20 : left < 20, `${left} of 20 are left`);
      } finally {
        await nats.close();
        await server.stop();
        after?.unmount();
        disk.unmount();
        await disk.remove();
      }
    });
  }
});
