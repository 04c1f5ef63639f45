// What the bus carries: Measurements that are durable before they are acknowledged, and a log of a million read from its beginning.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import type { Measurement } from '../../src/sweep/measurement.ts';
import { encodeMeasurements, type Message } from '../../src/sweep/message.ts';
import { NatsServer, type ServerOptions } from '../shared/nats-server.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { type Figure, figure, report } from './figure.ts';
import { note } from './print.ts';

const SWEEP = '0b7f3a52-6f0e-4a53-9c1e-0d6c1f7c2a11';
/** As many as the trainer has. */
const IN_FLIGHT = 64;
const EPOCHS = 1000;
/** The server as operations.md has it, in all that costs time. */
const CONFIG = 'max_payload: 65536\nmax_pending: 16MB\nwrite_deadline: "10s"';

/** Measurements a second that are on disk when they are acknowledged (`sync_interval: always`), in lists of ten, and folded into
 * curves by a reader meanwhile. Publisher and reader share one core with each other, the server has the other.
 */
export async function measureDurableRate(count = 200_000): Promise<Figure[]> {
  return withBus({ config: CONFIG }, async (bus, server) => {
    const reading = new Curves();
    const reader = new Nats({ url: server.url, name: 'reader' });
    const following = reading.follow(new NatsBus(reader), count);
    const all = [...messages(count, 10)]; // trials encode their own
    const began = performance.now();
    await publish(bus, all);
    const acknowledged = (performance.now() - began) / 1000;
    await following;
    const folded = (performance.now() - began) / 1000;
    await reader.close();
    return [
      report(
        'what the disk takes: 4 KiB and fdatasync, one after the other',
        await syncsPerSecond(server.folder),
        '1/s',
      ),
      report('Measurements acknowledged durable, in lists of ten', count / acknowledged, '1/s'),
      figure('the same, and folded by a reader', count / folded, '1/s', '>=', 10_000),
    ];
  });
}

/** Seconds that a dashboard which starts needs to read and fold a million Measurements, each a message of its own as trials send them. */
export async function measureReplay(count = 1_000_000): Promise<Figure[]> {
  // How they came there is not measured.
  return withBus({ config: CONFIG, syncAlways: false }, async (bus, server) => {
    await publish(bus, messages(count, 1), 2000);
    note(`${count.toLocaleString('en-US')} messages stored`);
    const reader = new Nats({ url: server.url, name: 'reader' });
    const began = performance.now();
    await new Curves().follow(new NatsBus(reader), count);
    const seconds = (performance.now() - began) / 1000;
    await reader.close();
    return [figure(`${count.toLocaleString('en-US')} Measurements replayed and folded`, seconds, 's', '<=', 30)];
  });
}

/** Milliseconds from publishing one Measurement to reading it, on an idle log: what the bus adds to `epoch end → curve on the page`. */
export async function measureLatency(count = 200): Promise<Figure[]> {
  return withBus({ config: CONFIG }, async (bus, server) => {
    const reader = new Nats({ url: server.url, name: 'reader' });
    const stop = new AbortController();
    const times: number[] = [];
    const all = [...messages(count, 1)];
    let sentAt = 0;
    for await (const entry of new NatsBus(reader).read(stop.signal)) {
      if (entry.kind === 'epoch') times.push(performance.now() - sentAt);
      const next = all[times.length];
      if (!next) break;
      sentAt = performance.now();
      await bus.publish(next);
    }
    await reader.close();
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
    return [report(`published to read, p99 of ${count}`, p99, 'ms')];
  });
}

/** The figures above say little without this one: other programs may keep the disk busy. */
async function syncsPerSecond(folder: string): Promise<number> {
  const file = await open(join(folder, 'probe'), 'w');
  const began = performance.now();
  let count = 0;
  for (; performance.now() - began < 1000; count++) {
    await file.write(Buffer.alloc(4096));
    await file.datasync();
  }
  const seconds = (performance.now() - began) / 1000;
  await file.close();
  return count / seconds;
}

/** Curves of every attempt: of several for one epoch the first counts. */
class Curves {
  readonly #curves = new Map<string, Map<number, Measurement>>();
  #count = 0;

  /** Reads until there are so many. */
  async follow(bus: NatsBus, count: number): Promise<void> {
    const stop = new AbortController();
    for await (const entry of bus.read(stop.signal)) {
      if (entry.kind === 'rejected') throw entry.error;
      if (entry.kind === 'epoch') for (const measurement of entry.measurements) this.#add(measurement);
      if (this.#count >= count) return;
    }
  }

  #add(measurement: Measurement): void {
    let curve = this.#curves.get(measurement.attemptUID);
    if (!curve) {
      curve = new Map();
      this.#curves.set(measurement.attemptUID, curve);
    }
    if (curve.has(measurement.epoch)) return;
    curve.set(measurement.epoch, measurement);
    this.#count++;
  }
}

/** Of trials with 1,000 epochs each, figures as long as real ones. */
function* messages(count: number, perMessage: number): Generator<Message, void, void> {
  for (let at = 0; at < count; at += perMessage) {
    const trial = Math.floor(at / EPOCHS);
    const attemptUID = `7d3f5c1e-88a4-4a6e-b1d2-${String(trial).padStart(12, '0')}`;
    const list = Array.from({ length: perMessage }, (_, next) => {
      const epoch = ((at + next) % EPOCHS) + 1;
      const loss = Math.LN10 / (1 + epoch / 700);
      const figures = { trainLoss: loss, validationLoss: loss * 1.0123456789, runningTrainLoss: loss * 1.1 };
      return makeMeasurement({ trial, attemptUID, epoch, seconds: 12.345678901234, ...figures });
    });
    yield encodeMeasurements(SWEEP, list);
  }
}

async function publish(bus: NatsBus, all: Iterable<Message>, inFlight = IN_FLIGHT): Promise<void> {
  const next = all[Symbol.iterator]();
  const lane = async () => {
    for (let one = next.next(); !one.done; one = next.next()) await bus.publish(one.value);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

async function withBus(
  options: ServerOptions,
  measure: (bus: NatsBus, server: NatsServer) => Promise<Figure[]>,
): Promise<Figure[]> {
  const server = await NatsServer.start(options);
  const nats = new Nats({ url: server.url, name: 'publisher' });
  try {
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats);
    return await measure(new NatsBus(nats), server);
  } finally {
    await nats.close();
    await server.stop();
  }
}
