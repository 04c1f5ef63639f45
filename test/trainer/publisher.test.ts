import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BusError, type BusReason } from '../../src/shared/bus.ts';
import { encodeMeasurement } from '../../src/sweep/measurement.ts';
import { decodeMessage, MAX_PAYLOAD_BYTES, type Message } from '../../src/sweep/message.ts';
import { Outbox } from '../../src/trainer/outbox.ts';
import { Publisher } from '../../src/trainer/publisher.ts';
import { VirtualClock } from '../fakes/virtual-clock.ts';
import { makeMeasurement } from '../sweep/builders.ts';

const address = { sweepUID: 'sweep', trial: 0, attemptUID: 'first' };
const epoch = (number: number) =>
  ({ kind: 'epoch', number, text: encodeMeasurement(makeMeasurement({ epoch: number })) }) as const;
const progress = (number: number) => ({ kind: 'progress', number, text: `{"n":${number}}` }) as const;

/** The epochs of a message as a reader decodes it. */
function epochsOf({ subject, payload }: Message): number[] {
  const content = decodeMessage(subject, payload);
  return content.kind === 'epoch' ? content.measurements.map((measurement) => measurement.epoch) : [];
}

describe('the outbox', () => {
  test('joins what waits into lists of at most 100 that a reader takes', () => {
    const outbox = new Outbox(address);
    for (let number = 1; number <= 250; number++) outbox.add(epoch(number));
    const messages = [outbox.take(), outbox.take(), outbox.take()].flatMap((formed) => formed?.message ?? []);
    assert.equal(outbox.take(), undefined);
    assert.deepEqual(messages.flatMap(epochsOf), Array.from({ length: 250 }, (_, at) => at + 1)); // biome-ignore format: one line
    assert.deepEqual(messages.map(({ id }) => id), ['first/epoch/100', 'first/epoch/200', 'first/epoch/250']); // biome-ignore format: one line
  });

  test('no list is longer than the server takes', () => {
    const outbox = new Outbox(address);
    for (let number = 1; number <= 100; number++) outbox.add({ ...epoch(number), text: `{"x":"${'x'.repeat(2000)}"}` });
    for (let formed = outbox.take(); formed; formed = outbox.take()) {
      assert.ok(formed.message.payload.length <= MAX_PAYLOAD_BYTES, `${formed.message.payload.length}`);
    }
  });

  test('a message that failed is sent again as it was, whatever has come since', () => {
    const outbox = new Outbox(address);
    outbox.add(epoch(1));
    const first = outbox.take();
    assert.ok(first);
    outbox.settle(first, 'Failed');
    outbox.add(epoch(2));
    assert.deepEqual(outbox.take()?.message, first.message);
    assert.deepEqual(outbox.take()?.message.id, 'first/epoch/2');
  });

  test('where there is no room the oldest progress goes first, then the oldest epoch, and both are counted', () => {
    const bytes = epoch(1).text.length;
    const outbox = new Outbox(address, 3 * bytes + 20);
    outbox.add(progress(1));
    outbox.add(progress(2));
    for (const number of [1, 2, 3]) outbox.add(epoch(number));
    assert.deepEqual(outbox.lost, { epoch: 0, progress: 0 });
    outbox.add(progress(3));
    assert.deepEqual(outbox.lost, { epoch: 0, progress: 1 });
    outbox.add(epoch(4));
    assert.deepEqual(outbox.lost, { epoch: 1, progress: 3 });
    assert.deepEqual(epochsOf(outbox.take()?.message ?? assert.fail()), [2, 3, 4]);
    assert.ok(outbox.bytes <= 3 * bytes + 20);
  });

  test('the epochs of the longest trial fit into a MiB', () => {
    const outbox = new Outbox(address);
    const figures = { trainLoss: 1 / 3, validationLoss: 2 / 3, trainAccuracy: 1 / 7, validationAccuracy: 1 / 9 };
    const more = {
      sweep: 'x'.repeat(40),
      attemptUID: 'x'.repeat(36),
      seconds: 1234.123456789,
      examplesPerSecond: 1 / 3,
    };
    for (let number = 1; number <= 1000; number++) {
      const text = encodeMeasurement(makeMeasurement({ epoch: number, ...figures, ...more }));
      outbox.add({ kind: 'epoch', number, text });
    }
    for (let number = 1; number <= 9000; number++) outbox.add({ ...progress(number), text: 'x'.repeat(200) });
    assert.equal(outbox.lost.epoch, 0);
    assert.ok(outbox.lost.progress > 0);
  });
});

/** A bus that answers as told. */
class ToldBus {
  readonly published: Message[] = [];
  #open: ((failure?: BusReason) => void)[] = [];

  publish(message: Message): Promise<'stored'> {
    this.published.push(message);
    return new Promise((resolve, reject) => {
      this.#open.push((failure) => (failure ? reject(new BusError(failure, failure)) : resolve('stored')));
    });
  }

  /** Answers all that is under way. */
  async answer(failure?: BusReason): Promise<void> {
    for (const settle of this.#open.splice(0)) settle(failure);
    await new Promise(setImmediate);
  }
}

function publish() {
  const bus = new ToldBus();
  const clock = new VirtualClock();
  const publisher = new Publisher(bus, address, { timers: clock, random: () => 1 });
  return { bus, clock, publisher };
}

describe('the publisher', () => {
  test('sends an epoch as soon as it is there, alone', () => {
    const { bus, publisher } = publish();
    publisher.add(epoch(1));
    publisher.add(epoch(2));
    assert.deepEqual(bus.published.map(epochsOf), [[1], [2]]);
  });

  test('has at most 64 messages under way; what waits then goes as one list', async () => {
    const { bus, publisher } = publish();
    for (let number = 1; number <= 100; number++) publisher.add(epoch(number));
    assert.equal(bus.published.length, 64);
    await bus.answer();
    assert.equal(bus.published.length, 65);
    assert.equal(epochsOf(bus.published[64] ?? assert.fail()).length, 36);
    await bus.answer();
    assert.deepEqual(publisher.unstored, { epoch: 0, progress: 0 });
  });

  test('after a failure it waits longer each time, asks with one message, and goes on when one is stored', async () => {
    const { bus, clock, publisher } = publish();
    for (const number of [1, 2, 3]) publisher.add(epoch(number));
    await bus.answer('Unreachable');
    assert.equal(publisher.trouble?.reason, 'Unreachable');
    assert.equal(bus.published.length, 3);
    await clock.advance(269);
    assert.equal(bus.published.length, 3, 'not before its time');
    await clock.advance(1);
    assert.equal(bus.published.length, 4, 'one asks for all');
    await bus.answer('TimedOut');
    await clock.advance(519);
    assert.equal(bus.published.length, 4);
    await clock.advance(1);
    await bus.answer();
    assert.equal(bus.published.length, 7);
    await bus.answer();
    assert.deepEqual([publisher.unstored.epoch, publisher.trouble], [0, undefined]);
    assert.deepEqual(new Set(bus.published.map(({ id }) => id)).size, 3, 'the same messages again');
  });

  test('what the log will never take is lost, and the next one goes on at once', async () => {
    const { bus, publisher } = publish();
    publisher.add(epoch(1));
    await bus.answer('Refused');
    publisher.add(epoch(2));
    await bus.answer();
    assert.deepEqual(bus.published.map(epochsOf), [[1], [2]]);
    assert.deepEqual(publisher.unstored, { epoch: 1, progress: 0 });
  });

  test('the end waits until all is stored', async () => {
    const { bus, publisher } = publish();
    publisher.add(epoch(1));
    let isDrained = false;
    const drained = publisher.drain(5000).then(() => {
      isDrained = true;
    });
    await new Promise(setImmediate);
    assert.equal(isDrained, false);
    await bus.answer();
    await drained;
  });

  test('the end waits no longer than it may, and counts what is under way as not stored', async () => {
    const { bus, clock, publisher } = publish();
    publisher.add(epoch(1));
    publisher.add(progress(1));
    await bus.answer('Unreachable');
    const drained = publisher.drain(5000);
    await clock.advance(5000);
    await drained;
    assert.deepEqual(publisher.unstored, { epoch: 1, progress: 1 });
  });

  test('a bus that is back is used at once', async () => {
    const { bus, publisher } = publish();
    publisher.add(epoch(1));
    await bus.answer('Unreachable');
    publisher.wake();
    assert.equal(bus.published.length, 2);
  });
});
