import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { BusError } from '../../src/shared/bus.ts';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { CHUNK_BYTES, readModel, uploadModel } from '../../src/shared/nats-models.ts';
import {
  ensureStreams,
  MEASUREMENTS_STREAM,
  MODELS_STREAM,
  purgeModel,
  purgeSweep,
  readFill,
} from '../../src/shared/nats-streams.ts';
import { MAX_MODEL_BYTES, modelSubjects, parseModelSubject } from '../../src/sweep/message.ts';
import { makeAttempt } from './bus.contract.ts';
import { NatsServer, needsNats } from './nats-server.ts';

describe('stream and bucket', { ...needsNats, timeout: 60_000 }, () => {
  let server: NatsServer;
  let nats: Nats;
  const small = { maxBytes: 1e7 };
  const soon = () => AbortSignal.timeout(10_000);
  const patient = () => ({ signal: soon(), patienceMs: 500 });

  before(async () => {
    server = await NatsServer.start();
  });
  after(() => server.stop());
  beforeEach(async () => {
    nats = new Nats({ url: server.url, name: 'test' });
    await nats.connected(soon());
  });
  afterEach(async () => {
    const manager = await nats.connection.jetstreamManager();
    for (const stream of [MEASUREMENTS_STREAM, MODELS_STREAM]) await manager.streams.delete(stream).catch(() => false);
    await nats.close();
  });

  const outcomes = async (options = small) => (await ensureStreams(nats, options)).map(({ outcome }) => outcome);

  test('are made once; the second time nothing is changed', async () => {
    assert.deepEqual(await outcomes(), ['Created', 'Created']);
    assert.deepEqual(await outcomes(), ['Unchanged', 'Unchanged']);
    const manager = await nats.connection.jetstreamManager();
    const { config } = await manager.streams.info(MEASUREMENTS_STREAM);
    const { subjects, discard, max_age, max_msgs_per_subject, max_msg_size, duplicate_window, deny_delete } = config;
    assert.deepEqual(subjects, ['cs.v1.*.*.*.*']);
    assert.deepEqual([discard, deny_delete, max_msgs_per_subject, max_msg_size], ['new', true, 1024, 65_536]);
    assert.deepEqual([max_age / 1e9 / 86_400, duplicate_window / 1e9], [30, 120]);
  });

  test('are made by two replicas at once, and both are content', async () => {
    const both = await Promise.all([outcomes(), outcomes()]);
    for (const each of both) assert.ok(each.every((outcome) => outcome !== 'Refused'), JSON.stringify(both)); // biome-ignore format: one line
  });

  test('that somebody changed are changed back, and keep what they hold', async () => {
    await outcomes();
    await new NatsBus(nats).publish(makeAttempt().message(1));
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.update(MEASUREMENTS_STREAM, { max_msgs_per_subject: 5 });
    const [stream, bucket] = await ensureStreams(nats, small);
    assert.deepEqual([stream?.outcome, bucket?.outcome], ['Updated', 'Unchanged']);
    assert.equal(stream?.message, 'max_msgs_per_subject: 5, expected 1024');
    const [fill] = await readFill(nats);
    assert.deepEqual([fill?.stream, fill?.messages, fill?.maxBytes], ['CNN_SWEEP', 1, 1e7]);
  });

  test('that have more room than they should keep it, and it is said; the rest is changed back', async () => {
    await outcomes({ maxBytes: 3e7 });
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.update(MEASUREMENTS_STREAM, { max_msgs_per_subject: 5 });
    await manager.streams.update(MODELS_STREAM, { max_bytes: -1 });
    const [stream, bucket] = await ensureStreams(nats, small);
    assert.deepEqual([stream?.outcome, bucket?.outcome], ['Updated', 'Unchanged']);
    const kept = 'max_bytes: 30000000 is kept, since less (10000000) is never taken';
    assert.equal(stream?.message, `max_msgs_per_subject: 5, expected 1024; ${kept}`);
    assert.equal(bucket?.message, 'max_bytes: -1 is kept, since less (10000000) is never taken');
    assert.deepEqual((await readFill(nats)).map(({ maxBytes }) => maxBytes), [3e7, -1]); // biome-ignore format: one line
  });

  test('grow, and where the server has no room for that they stay as they are, which is said', async () => {
    await outcomes();
    assert.deepEqual(await outcomes({ maxBytes: 2e7 }), ['Updated', 'Updated']);
    const [stream, bucket] = await ensureStreams(nats, { maxBytes: 30e9 });
    assert.deepEqual([stream?.outcome, bucket?.outcome], ['Refused', 'Refused']);
    assert.match(stream?.message ?? '', /^max_bytes: 20000000, expected 30000000000; .*insufficient storage/);
    assert.deepEqual((await readFill(nats)).map(({ maxBytes }) => maxBytes), [2e7, 2e7]); // biome-ignore format: one line
  });

  test('what cannot be changed in place is said, and nothing is deleted', async () => {
    const manager = await nats.connection.jetstreamManager();
    const memory = { name: MEASUREMENTS_STREAM, subjects: ['cs.v1.*.*.*.*'], storage: 'memory' };
    await manager.streams.add(memory as unknown as Parameters<typeof manager.streams.add>[0]);
    await new NatsBus(nats).publish(makeAttempt().message(1));
    const [stream, bucket] = await ensureStreams(nats, small);
    assert.deepEqual([stream?.outcome, bucket?.outcome], ['Refused', 'Created']);
    assert.match(stream?.message ?? '', /storage: "memory", expected "file".*; CNN_SWEEP: .*storage/);
    assert.equal((await readFill(nats))[0]?.messages, 1);
  });

  test('without room for both it is said why', async () => {
    await assert.rejects(ensureStreams(nats, { maxBytes: 19e9 }), { name: 'BusError', reason: 'StorageFull' });
  });

  test('a model is read as it was uploaded, whatever its size', async () => {
    await outcomes();
    for (const size of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 40 * CHUNK_BYTES + 7]) {
      const { address } = makeAttempt({ attemptUID: `pod-of-${size}` });
      const bytes = randomBytes(size);
      await uploadModel(nats, address, bytes, patient());
      const read = await readModel(nats, address, soon());
      assert.ok(read !== 'missing' && Buffer.from(read).equals(bytes), `${size} bytes`);
    }
  });

  test('a model is what the object store of the NATS client reads', async () => {
    await outcomes();
    const { address } = makeAttempt();
    const bytes = randomBytes(3 * CHUNK_BYTES);
    await uploadModel(nats, address, bytes, patient());
    const store = await nats.connection.jetstream().views.os('CNN_SWEEP_MODELS');
    const { sweepUID, trial, attemptUID } = address;
    const read = await store.getBlob(`${sweepUID}/${trial}/${attemptUID}`);
    assert.ok(read && Buffer.from(read).equals(bytes));
  });

  test('a model that nobody uploaded is missing; where there is no bucket nobody can tell', async () => {
    const { address } = makeAttempt();
    await assert.rejects(readModel(nats, address, soon()), { name: 'BusError', reason: 'NoStream' });
    await outcomes();
    assert.equal(await readModel(nats, address, soon()), 'missing');
  });

  test('a model of which a part is another is refused, one of which parts are gone is missing', async () => {
    await outcomes();
    const { address } = makeAttempt();
    const bytes = randomBytes(3 * CHUNK_BYTES);
    await uploadModel(nats, address, bytes, patient());
    const { chunks } = modelSubjects(address);
    const manager = await nats.connection.jetstreamManager();
    await manager.streams.purge(MODELS_STREAM, { filter: chunks, keep: 2 });
    assert.equal(await readModel(nats, address, soon()), 'missing');
    await nats.request(chunks, randomBytes(CHUNK_BYTES));
    await assert.rejects(readModel(nats, address, soon()), { reason: 'Refused', message: /damaged/ });
  });

  test('what a trial claims beyond its own model is not read', async () => {
    await outcomes();
    const [mine, other] = [makeAttempt().address, makeAttempt({ attemptUID: 'pod-2' }).address];
    await uploadModel(nats, other, randomBytes(10), patient());
    for (const text of [
      JSON.stringify({ name: `${mine.sweepUID}/7/pod-1`, nuid: 'pod-2', size: 10, chunks: 1, digest: '' }),
      JSON.stringify({ name: `${mine.sweepUID}/7/pod-1`, nuid: 'pod-1', size: 1e12, chunks: 1, digest: '' }),
      'null',
      '{"name":',
    ]) {
      await nats.request(modelSubjects(mine).meta, text);
      await assert.rejects(readModel(nats, mine, soon()), { reason: 'Refused', message: /not as a trial of ours/ });
    }
  });

  test('a model that is too large is not uploaded', async () => {
    await outcomes();
    const upload = uploadModel(nats, makeAttempt().address, new Uint8Array(MAX_MODEL_BYTES + 1), patient());
    await assert.rejects(upload, { reason: 'Refused', message: 'a model of 67108865 bytes; at most 67108864' });
  });

  test('a model that the bucket has no room for is given up, with the reason', async () => {
    await ensureStreams(nats, { maxBytes: 300_000 });
    const { address } = makeAttempt();
    const upload = uploadModel(nats, address, randomBytes(10 * CHUNK_BYTES), patient());
    await assert.rejects(upload, { name: 'BusError', reason: 'StorageFull', message: /maximum bytes/ });
    assert.equal(await readModel(nats, address, soon()), 'missing');
  });

  test('of a Sweep that is deleted nothing stays, parts of models that were never finished included; others keep theirs', async () => {
    await outcomes();
    const bus = new NatsBus(nats);
    const [gone, kept] = [makeAttempt(), makeAttempt({ attemptUID: 'pod-2' })];
    for (const { address, message } of [gone, kept]) {
      await bus.publish(message(1));
      await uploadModel(nats, address, randomBytes(2 * CHUNK_BYTES), patient());
    }
    const unfinished = { ...gone.address, attemptUID: 'pod-3' };
    const { payload } = gone.message(1);
    await nats.request(`cs.v1.${unfinished.sweepUID}.7.pod-3.epoch`, payload);
    await nats.request(modelSubjects(unfinished).chunks, 'a part');
    // What no trial of ours would write, and its rights let it.
    for (const end of ['pod-1.other', 'pod-1.ä', 'p$d.epoch']) {
      await nats.request(`cs.v1.${gone.address.sweepUID}.7.${end}`, 'x');
    }
    await purgeSweep(nats, gone.address.sweepUID);
    await purgeSweep(nats, gone.address.sweepUID);
    const manager = await nats.connection.jetstreamManager();
    const subjectsOf = async (stream: string) =>
      Object.keys((await manager.streams.info(stream, { subjects_filter: '>' })).state.subjects ?? {});
    assert.deepEqual(await subjectsOf(MEASUREMENTS_STREAM), [kept.subject]);
    assert.deepEqual(new Set(await subjectsOf(MODELS_STREAM)), new Set(Object.values(modelSubjects(kept.address))));
    assert.ok((await readModel(nats, kept.address, soon())) !== 'missing');
  });

  test('one model can be deleted alone', async () => {
    await outcomes();
    const { address } = makeAttempt();
    await uploadModel(nats, address, randomBytes(10), patient());
    await purgeModel(nats, address);
    assert.equal(await readModel(nats, address, soon()), 'missing');
  });

  test('where there are no streams there is nothing to delete', async () => {
    await purgeSweep(nats, 'nowhere');
  });

  test('without a server it is said why', async () => {
    const lost = new Nats({ url: 'nats://localhost:1', name: 'test' });
    await assert.rejects(ensureStreams(lost), (error) => error instanceof BusError && error.reason === 'Unreachable');
    await lost.close();
  });
});

test('whose model it is stands in its subject, and nobody else’s does', () => {
  const { address } = makeAttempt();
  assert.deepEqual(parseModelSubject(modelSubjects(address).meta), address);
  const name = (text: string) => `$O.CNN_SWEEP_MODELS.M.${Buffer.from(text).toString('base64url')}`;
  for (const subject of ['', name('a/b'), name('a/01/c'), name('a/1/c/d'), name('a/1/bcd'), '$O.X.M.YQ==']) {
    assert.equal(parseModelSubject(subject), undefined, subject);
  }
});
