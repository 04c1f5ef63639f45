import { after, before, describe } from 'node:test';
import { openNatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams, MEASUREMENTS_STREAM } from '../../src/shared/nats-streams.ts';
import { busKeepsItsPromises } from './bus.contract.ts';
import { NatsServer, needsNats } from './nats-server.ts';

describe('the bus over NATS', needsNats, () => {
  let server: NatsServer;
  before(async () => {
    server = await NatsServer.start();
  });
  after(() => server.stop());

  busKeepsItsPromises(async () => {
    const bus = openNatsBus({ url: server.url, name: 'test' });
    await bus.nats.connected(AbortSignal.timeout(5000));
    const manager = await bus.nats.connection.jetstreamManager();
    // Each test has a log of its own; and one that takes what ours refuses, so that the reader sees it.
    await manager.streams.delete(MEASUREMENTS_STREAM).catch(() => undefined);
    await ensureStreams(bus.nats, { maxBytes: 1e8 });
    await manager.streams.update(MEASUREMENTS_STREAM, { max_msg_size: 1_000_000 });
    return {
      bus,
      append: async (subject, payload) => {
        await bus.nats.connection.request(subject, payload, { timeout: 5000 });
      },
    };
  });
});
