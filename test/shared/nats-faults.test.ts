import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus, LogEntry } from '../../src/shared/bus.ts';
import { Nats, type NatsOptions } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { readModel, uploadModel } from '../../src/shared/nats-models.ts';
import {
  ensureStreams,
  MEASUREMENTS_STREAM,
  MODELS_STREAM,
  purgeSweep,
  readFill,
} from '../../src/shared/nats-streams.ts';
import { fold } from '../../src/sweep/curve.ts';
import { encodeMeasurement, type Measurement } from '../../src/sweep/measurement.ts';
import { encodeMeasurements, type Message, subjectsOfAttempt } from '../../src/sweep/message.ts';
import { Publisher } from '../../src/trainer/publisher.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { epochsOf, isEpoch, makeAttempt, readUntil } from './bus.contract.ts';
import { makeCertificate, NatsServer, needsNats } from './nats-server.ts';

const SOON = { backoff: { baseMs: 20, capMs: 200 } };

/** Waits for what another process does, and nothing announces. */
async function until(isSo: () => boolean | Promise<boolean>, what: string, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}

/** A bus that remembers what the log has acknowledged. */
class Witness implements Pick<Bus, 'publish'> {
  readonly acknowledged = new Map<string, Message>();
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async publish(message: Message): Promise<'stored' | 'duplicate'> {
    const answer = await this.#bus.publish(message);
    this.acknowledged.set(message.id, message);
    return answer;
  }
}

/** What a dashboard has read: every entry, and what it makes of it. */
class Follower {
  readonly entries: LogEntry[] = [];
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(bus: Bus) {
    this.#ended = this.#follow(bus);
  }

  async #follow(bus: Bus): Promise<void> {
    for await (const entry of bus.read(this.#stop.signal)) this.entries.push(entry);
  }

  get measurements(): Measurement[] {
    return this.entries.flatMap((entry) => (entry.kind === 'epoch' ? entry.measurements : []));
  }

  get keys(): Set<string> {
    return new Set(this.measurements.map(({ attemptUID, epoch }) => `${attemptUID}/${epoch}`));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

describe('faults of NATS', { ...needsNats, timeout: 240_000 }, () => {
  let server: NatsServer;
  let nats: Nats;
  let bus: NatsBus;
  const opened: Nats[] = [];

  function open(options: Partial<NatsOptions> = {}): Nats {
    const opening = new Nats({ url: server.url, name: 'test', ...SOON, ...options });
    opened.push(opening);
    return opening;
  }

  before(async () => {
    server = await NatsServer.start();
  });
  after(() => server.stop());
  beforeEach(async () => {
    await server.kill();
    await rm(join(server.folder, 'jetstream'), { recursive: true, force: true });
    await server.restart();
    nats = open();
    bus = new NatsBus(nats);
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats, { maxBytes: 1e8 });
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  /** A publisher of an attempt, as the trainer has it. */
  function publisherOf(
    attempt: ReturnType<typeof makeAttempt>,
    { onto = bus as Pick<Bus, 'publish'>, maxBytes = 1e6 } = {},
  ) {
    const publisher = new Publisher(onto, attempt.address, { maxBytes });
    const add = (number: number) =>
      publisher.add({ kind: 'epoch', number, text: encodeMeasurement(attempt.measure(number)) });
    return { publisher, add };
  }

  test('killed 20 times while ten trials publish: nothing that it acknowledged is lost, nothing counts twice', async () => {
    const follower = new Follower(new NatsBus(open()));
    const witness = new Witness(bus);
    const attempts = Array.from({ length: 10 }, (_, at) => makeAttempt({ trial: at, attemptUID: `pod-${at}` }));
    const publishers: Publisher[] = [];
    // The trainer's own connection tells its publisher when it is back.
    const own = open({ onStatus: () => publishers.forEach((each) => void each.wake()) });
    const trainers = attempts.map((attempt) => publisherOf(attempt, { onto: witness }));
    publishers.push(...trainers.map(({ publisher }) => publisher));
    let epoch = 0;
    let isOver = false;
    const training = (async () => {
      for (; epoch < 1000 && !isOver; await sleep(5)) {
        epoch++;
        for (const { add } of trainers) add(epoch);
      }
    })();
    for (let kill = 0; kill < 20; kill++) {
      const before = witness.acknowledged.size;
      await until(() => witness.acknowledged.size > before + 5, `messages before kill ${kill}`);
      await server.kill();
      await server.restart();
    }
    isOver = true;
    await training;
    await Promise.all(publishers.map((each) => each.drain(20_000)));
    assert.deepEqual(
      publishers.map(({ unstored }) => unstored.epoch),
      attempts.map(() => 0),
    );
    const wanted = new Set(
      attempts.flatMap(({ address }) => Array.from({ length: epoch }, (_, at) => `${address.attemptUID}/${at + 1}`)),
    );
    await until(() => follower.keys.size === wanted.size, 'the follower has all');
    await follower.stop();
    assert.deepEqual(follower.keys, wanted);
    // From the log itself, once more: every message that was acknowledged is there, as it was sent.
    const again = new Follower(new NatsBus(own));
    await until(() => again.entries.at(-1)?.pending === 0, 'all is read again');
    await again.stop();
    const payloads = new Map(again.measurements.map((each) => [`${each.attemptUID}/${each.epoch}`, each]));
    for (const { payload } of witness.acknowledged.values()) {
      for (const sent of JSON.parse(payload)) assert.deepEqual(payloads.get(`${sent.attemptUID}/${sent.epoch}`), sent);
    }
    const curves = fold(follower.measurements);
    for (const { address } of attempts) assert.equal(curves.get(address.trial)?.epochs.length, epoch);
    const twice = again.measurements.length - wanted.size;
    assert.equal(twice, 0, 'within the window the log itself takes each message once');
  });

  test('frozen for longer than an answer may take: what was asked meanwhile is stored once', async () => {
    const attempt = makeAttempt();
    const { publisher, add } = publisherOf(attempt);
    add(1);
    await until(() => publisher.unstored.epoch === 0, 'the first epoch');
    await server.freeze();
    for (const epoch of [2, 3, 4]) add(epoch);
    await until(() => publisher.trouble?.reason === 'TimedOut', 'an answer that does not come');
    server.thaw();
    await publisher.drain(15_000);
    assert.deepEqual([publisher.unstored.epoch, publisher.trouble], [0, undefined]);
    const entries = await readUntil(bus, ({ pending, kind }) => kind === 'epoch' && pending === 0);
    assert.deepEqual(epochsOf(entries).flat(), [1, 2, 3, 4]);
  });

  test('a stream that is deleted and made again is read from its beginning; the trial goes on, what was read stays', async () => {
    const follower = new Follower(new NatsBus(open()));
    const attempt = makeAttempt();
    const { publisher, add } = publisherOf(attempt);
    for (const epoch of [1, 2, 3]) add(epoch);
    await until(() => follower.keys.size === 3, 'three epochs');
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.delete(MEASUREMENTS_STREAM);
    add(4);
    await until(() => publisher.trouble?.reason === 'NoStream', 'the publisher says that there is no stream');
    assert.deepEqual(bus.status().connected, false);
    add(5);
    await ensureStreams(nats, { maxBytes: 1e8 });
    await publisher.drain(10_000);
    assert.equal(publisher.unstored.epoch, 0);
    await until(() => follower.keys.size === 5, 'all five');
    await follower.stop();
    const openings = follower.entries.flatMap((entry) => (entry.kind === 'opened' ? [entry.isAnother] : []));
    assert.deepEqual([openings[0], openings.at(-1)], [false, true]);
    assert.equal(fold(follower.measurements).get(7)?.epochs.length, 5);
  });

  test('a stream that lost its end in a power cut is read again, and what comes then is not missed', async () => {
    const attempt = makeAttempt();
    for (const epoch of [1, 2, 3]) await bus.publish(attempt.message(epoch));
    await server.kill();
    const copy = await mkdtemp(join(tmpdir(), 'cnn-sweep-copy-'));
    await cp(join(server.folder, 'jetstream'), copy, { recursive: true });
    await server.restart();
    await nats.connected(AbortSignal.timeout(10_000));
    const follower = new Follower(new NatsBus(open()));
    for (const epoch of [4, 5, 6]) await bus.publish(attempt.message(epoch));
    await until(() => follower.keys.size === 6, 'six epochs');
    await server.kill();
    await rm(join(server.folder, 'jetstream'), { recursive: true });
    await cp(copy, join(server.folder, 'jetstream'), { recursive: true });
    await rm(copy, { recursive: true });
    await server.restart();
    await until(() => bus.publish(attempt.message(7)).then(() => true, () => false), 'a publish'); // biome-ignore format: one line
    await until(() => follower.keys.size === 7, 'the epoch after the cut');
    await follower.stop();
    assert.ok(follower.entries.some((entry) => entry.kind === 'opened' && entry.isAnother));
    assert.equal(fold(follower.measurements).get(7)?.epochs.length, 7);
  });

  test('a consumer that is deleted begins anew where it was', async () => {
    const follower = new Follower(new NatsBus(open()));
    const attempt = makeAttempt();
    const manager = await nats.connection.jetstreamManager();
    for (let round = 1; round <= 3; round++) {
      await bus.publish(attempt.message(round));
      await until(() => follower.keys.size === round, `epoch ${round}`);
      for await (const { name } of manager.consumers.list(MEASUREMENTS_STREAM)) {
        await manager.consumers.delete(MEASUREMENTS_STREAM, name);
      }
    }
    await bus.publish(attempt.message(4));
    await until(() => follower.keys.size === 4, 'the last epoch');
    await follower.stop();
    assert.equal(follower.measurements.length, 4, 'none was read twice');
  });

  test('a reader that stands still is waited for, and asks for no more than it can hold', async () => {
    const attempt = makeAttempt();
    const many = 8000;
    const messages = Array.from({ length: many }, (_, at) => {
      const uid = `pod-${Math.floor(at / 1000)}`;
      const measurement = makeMeasurement({ trial: 7, attemptUID: uid, epoch: (at % 1000) + 1 });
      return encodeMeasurements(attempt.address.sweepUID, [measurement]);
    });
    for (let at = 0; at < many; at += 500) {
      await Promise.all(messages.slice(at, at + 500).map((message) => bus.publish(message)));
    }
    const manager = await nats.connection.jetstreamManager();
    let read = 0;
    for await (const entry of bus.read(AbortSignal.timeout(30_000))) {
      if (entry.kind !== 'epoch') continue;
      read++;
      if (read === 10) {
        await sleep(500);
        const [consumer] = await manager.consumers.list(MEASUREMENTS_STREAM).next();
        // What it reads, and what it has asked for meanwhile.
        assert.ok((consumer?.delivered.consumer_seq ?? many) <= 4000, 'the server holds the rest');
      }
      if (entry.pending === 0) break;
    }
    assert.equal(read, many);
  });

  test('a full stream refuses, is named and counted; when there is room again all is stored', async () => {
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.update(MEASUREMENTS_STREAM, { max_bytes: 100_000 });
    const [old, attempt] = [makeAttempt({ attemptUID: 'old' }), makeAttempt()];
    let stored = 0;
    const fill = async () => {
      for (let epoch = 1; epoch <= 1000; epoch++) {
        await bus.publish(encodeMeasurements(old.address.sweepUID, [old.measure(epoch)]));
        stored++;
      }
    };
    await assert.rejects(fill(), { name: 'BusError', reason: 'StorageFull', message: /maximum bytes exceeded/ });
    assert.ok(stored > 50);
    assert.deepEqual([bus.status().connected, Object(bus.status()).reason], [false, 'StorageFull']);
    const { publisher, add } = publisherOf(attempt, { maxBytes: 2000 });
    add(1);
    await until(() => publisher.trouble?.reason === 'StorageFull', 'the publisher names it');
    for (let epoch = 2; epoch <= 50; epoch++) add(epoch);
    assert.equal(publisher.unstored.epoch, 50);
    await purgeSweep(nats, old.address.sweepUID);
    await publisher.drain(10_000);
    const lost = publisher.unstored.epoch;
    assert.ok(lost > 0 && lost < 50, `${lost} were dropped, the rest is there`);
    const entries = await readUntil(bus, ({ pending, kind }) => kind === 'epoch' && pending === 0);
    assert.equal(epochsOf(entries).flat().length, 50 - lost);
    assert.equal(epochsOf(entries).flat().includes(50), true, 'the oldest went first');
    assert.deepEqual(bus.status(), { connected: true });
  });

  test('the same message after the window of the log is stored twice, and counts once', async () => {
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.update(MEASUREMENTS_STREAM, { duplicate_window: 100_000_000 });
    const attempt = makeAttempt();
    await bus.publish(attempt.message(1));
    await until(async () => (await bus.publish(attempt.message(1))) === 'stored', 'the window is over');
    const entries = await readUntil(bus, isEpoch, { count: 2 });
    assert.deepEqual(epochsOf(entries), [[1], [1]]);
    const measurements = entries.flatMap((entry) => (entry.kind === 'epoch' ? entry.measurements : []));
    assert.equal(fold(measurements).get(7)?.epochs.length, 1);
  });

  test('late and out of order, and with others that say otherwise, the curve is the same', async () => {
    const attempt = makeAttempt();
    const inOrder = [1, 2, 3, 4].map((epoch) => attempt.measure(epoch, { trainLoss: epoch }));
    const lie = attempt.measure(2, { trainLoss: 99 });
    const other = makeMeasurement({ trial: 7, attempt: 1, attemptUID: 'pod-0', epoch: 1 });
    const late = inOrder.map((measurement) => ({ ...measurement, attempt: 2 }));
    const publish = (...measurements: Measurement[]) =>
      bus.nats.request(
        `cs.v1.${attempt.address.sweepUID}.7.${measurements[0]?.attemptUID}.epoch`,
        JSON.stringify(measurements),
      );
    for (const at of [2, 0, 3, 1]) await publish(late[at] ?? assert.fail());
    await publish({ ...lie, attempt: 2 });
    await publish(other); // a Pod that was cut off from the network is back
    const entries = await readUntil(bus, ({ pending, kind }) => kind === 'epoch' && pending === 0);
    const measurements = entries.flatMap((entry) => (entry.kind === 'epoch' ? entry.measurements : []));
    assert.deepEqual(fold(measurements), fold(late));
  });

  test('who answers requests does so again after the server was away', async () => {
    const stop = new AbortController();
    const serving = nats.serve('ask', 'queue', async (payload) => `to ${Buffer.from(payload)}`, stop.signal);
    const ask = () => bus.nats.request('ask', 'me').then((answer) => answer.string(), () => ''); // biome-ignore format: one line
    await until(async () => (await ask()) === 'to me', 'an answer');
    await server.kill();
    await server.restart();
    await until(async () => (await ask()) === 'to me', 'an answer after the restart');
    stop.abort();
    await serving;
    await assert.rejects(nats.request('ask', 'me'), { reason: 'NoStream' });
  });

  test('with the rights that operations.md gives, and no more, each does its part; beyond them it is refused and named', async () => {
    const [mine, other] = [makeAttempt(), makeAttempt({ attemptUID: 'pod-2' })];
    const both = [MEASUREMENTS_STREAM, MODELS_STREAM];
    const onBoth = (...calls: string[]) =>
      calls.flatMap((call) => both.map((stream) => `$JS.API.${call.replace('#', stream)}`));
    const rights = {
      controller: ['$JS.API.INFO', ...onBoth('STREAM.CREATE.#', 'STREAM.UPDATE.#', 'STREAM.INFO.#', 'STREAM.PURGE.#')],
      dashboard: [
        ...['$JS.API.INFO', '$JS.API.STREAM.NAMES', `$JS.API.DIRECT.GET.${MODELS_STREAM}.>`],
        ...onBoth('STREAM.INFO.#', 'CONSUMER.CREATE.#.>', 'CONSUMER.INFO.#.>', 'CONSUMER.DELETE.#.>'),
        ...onBoth('CONSUMER.MSG.NEXT.#.>'),
      ],
      trial: subjectsOfAttempt(mine.address),
    };
    const users = Object.entries(rights).map(
      ([user, publish]) =>
        `{ user: ${user}, password: p, permissions { publish: ${JSON.stringify(publish)}, subscribe: ["_INBOX_${user}.>"] } }`,
    );
    const guarded = await NatsServer.start({ config: `authorization { users: [${users.join(', ')}] }` });
    const as = async (user: string) => {
      const credentials = () => ({ user, password: 'p' });
      const one = open({ url: guarded.url, credentials, inboxPrefix: `_INBOX_${user}` });
      await one.connected(AbortSignal.timeout(5000));
      return one;
    };
    try {
      const [controller, dashboard, trial] = [await as('controller'), await as('dashboard'), await as('trial')];
      await ensureStreams(controller, { maxBytes: 1e7 });
      await ensureStreams(controller, { maxBytes: 2e7 });
      await new NatsBus(trial).publish(mine.message(1));
      const upload = { signal: AbortSignal.timeout(5000), patienceMs: 100 };
      await uploadModel(trial, mine.address, Buffer.from('weights'), upload);
      assert.deepEqual(epochsOf(await readUntil(new NatsBus(dashboard), isEpoch)), [[1]]);
      const read = await readModel(dashboard, mine.address, AbortSignal.timeout(5000));
      assert.equal(read !== 'missing' && Buffer.from(read).toString(), 'weights');

      const forbidden = { name: 'BusError', reason: 'Forbidden' };
      await assert.rejects(new NatsBus(trial).publish(other.message(1)), forbidden);
      await assert.rejects(uploadModel(trial, other.address, Buffer.from('x'), upload), forbidden);
      await assert.rejects(trial.request(`$JS.API.STREAM.INFO.${MEASUREMENTS_STREAM}`, ''), forbidden);
      await assert.rejects(new NatsBus(dashboard).publish(mine.message(2)), forbidden);
      await assert.rejects(purgeSweep(dashboard, mine.address.sweepUID), forbidden);

      await purgeSweep(controller, mine.address.sweepUID);
      assert.deepEqual((await readFill(controller)).map(({ messages }) => messages), [0, 0]); // biome-ignore format: one line
    } finally {
      await guarded.stop();
    }
  });

  test('why there is no connection is named, and mended files are read at the next try', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-tls-'));
    const otherFolder = await mkdtemp(join(tmpdir(), 'cnn-sweep-tls-'));
    const { certFile, keyFile, cert } = await makeCertificate(folder);
    const { cert: wrongCert } = await makeCertificate(otherFolder);
    const config = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }\nauthorization { token: right }`;
    const secure = await NatsServer.start({ config });
    const files = { ca: wrongCert, token: 'wrong' };
    const reasons: string[] = [];
    const cautious = open({
      url: secure.url,
      ca: () => files.ca,
      credentials: () => ({ token: files.token }),
      onStatus: (status) => reasons.push(status.connected ? 'connected' : status.reason),
    });
    const last = () => reasons.at(-1);
    try {
      await until(() => last() === 'TlsFailed', 'a certificate that another authority signed');
      assert.throws(() => cautious.connection, { name: 'BusError', reason: 'TlsFailed' });
      files.ca = cert;
      await until(() => last() === 'Unauthorized', 'a token that the server does not know');
      files.token = 'right';
      await until(() => last() === 'connected', 'the right ones');
      const plain = open({ url: secure.url });
      await until(() => Object(plain.status()).reason === 'TlsFailed', 'a certificate that nobody vouches for');
      const insisting = open({ ca: cert });
      await until(() => Object(insisting.status()).reason === 'TlsFailed', 'plain text where TLS is asked for');
      assert.match(Object(insisting.status()).message, /the server speaks plain text/);
    } finally {
      await secure.stop();
      for (const each of [folder, otherFolder]) await rm(each, { recursive: true });
    }
  });
});
