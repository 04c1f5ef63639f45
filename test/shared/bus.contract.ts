import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus, LogEntry } from '../../src/shared/bus.ts';
import { encodeMeasurements, encodeProgress, joinMessage, subjectOf } from '../../src/sweep/message.ts';
import { makeMeasurement } from '../sweep/builders.ts';

/** A bus of its own for each test, and a way to write into its log what no publisher of ours would. */
export interface OpenedBus {
  readonly bus: Bus;
  append(subject: string, payload: Uint8Array | string): Promise<void>;
}

let sweeps = 0;

/** A sweep that no other test has heard of, and what its attempts publish. */
export function makeAttempt({ trial = 7, attemptUID = 'pod-1' } = {}) {
  const sweepUID = `sweep-${process.pid}-${sweeps++}`;
  const address = { sweepUID, trial, attemptUID };
  const measure = (epoch: number, changes = {}) => makeMeasurement({ trial, attemptUID, epoch, ...changes });
  const message = (...epochs: number[]) =>
    encodeMeasurements(
      sweepUID,
      epochs.map((epoch) => measure(epoch)),
    );
  return { address, measure, message, subject: subjectOf(address, 'epoch') };
}

/** Reads until a predicate has held for so many entries. */
export async function readUntil(
  bus: Bus,
  isWanted: (entry: LogEntry) => boolean,
  { count = 1, from }: { count?: number; from?: { log: string; position: number } } = {},
): Promise<LogEntry[]> {
  const stop = new AbortController();
  const entries: LogEntry[] = [];
  let found = 0;
  for await (const entry of bus.read(stop.signal, from)) {
    entries.push(entry);
    if (isWanted(entry) && ++found >= count) stop.abort();
    if (stop.signal.aborted) break;
  }
  return entries;
}

export const isEpoch = (entry: LogEntry) => entry.kind === 'epoch';

/** The epochs of a log, message by message. */
export function epochsOf(entries: readonly LogEntry[]): number[][] {
  return entries.flatMap((entry) =>
    entry.kind === 'epoch' ? [entry.measurements.map(({ epoch }) => epoch)] : ([] as number[][]),
  );
}

/** Texts that come where a list of Measurements should, and what the reader says. */
export function badPayloads(attempt: ReturnType<typeof makeAttempt>): Record<string, [Uint8Array | string, RegExp]> {
  const good = attempt.message(1).payload;
  const loss = (text: string) => good.replace(/"trainLoss":[^,]*/, `"trainLoss":${text}`);
  const foreign = (changes: object) => JSON.stringify([attempt.measure(1, changes)]);
  return {
    'a bare NaN': [loss('NaN'), /NaN is not JSON/],
    'a loss of 1e400': [loss('1e400'), /0\.trainLoss: Infinity: must be number or null/],
    'a field __proto__': [good.replace('{', '{"__proto__":{"a":1},'), /unknown field "__proto__"/],
    'one byte more than 64 KiB': [good + ' '.repeat(65_537 - good.length), /65537 bytes; at most 65536/],
    'UTF-16': [Buffer.from(`\ufeff${good}`, 'utf16le'), /not UTF-8/],
    'UTF-16 without a mark': [Buffer.from(good, 'utf16le'), /not JSON/],
    'a message cut in the middle': [good.slice(0, 100), /not JSON/],
    '10,000 lists in each other': [`${'['.repeat(10_000)}${']'.repeat(10_000)}`, /must be object/],
    'a Measurement alone': [good.slice(1, -1), /must be array/],
    'an empty list': ['[]', /must not have fewer than 1/],
    '101 Measurements': [`[${Array(101).fill('1').join(',')}]`, /must not have more than 100|must be object/],
    nothing: ['', /not JSON/],
    'epoch 2^31': [good.replace('"epoch":1', '"epoch":2147483648'), /epoch: 2147483648: must be <= 1000/],
    'epoch -1': [good.replace('"epoch":1', '"epoch":-1'), /epoch: -1: must be >= 1/],
    'epoch 1.5': [good.replace('"epoch":1', '"epoch":1.5'), /epoch: 1.5: must be integer/],
    'the curve of another trial': [foreign({ trial: 8 }), /0\.trial: 8: the subject says 7/],
    'the curve of another attempt': [foreign({ attemptUID: 'pod-2' }), /attemptUID: "pod-2": the subject says pod-1/],
  };
}

/** What every bus promises. @param open for a test, closed by the suite */
export function busKeepsItsPromises(open: () => Promise<OpenedBus>): void {
  const on = (sentence: string, run: (opened: OpenedBus) => Promise<void>) =>
    test(sentence, { timeout: 20_000 }, async () => {
      const opened = await open();
      try {
        await run(opened);
      } finally {
        await opened.bus.close();
      }
    });

  on('what was published before reading began and what comes later is one stream, in one order', async ({ bus }) => {
    const { message } = makeAttempt();
    await bus.publish(message(1));
    await bus.publish(message(2));
    const stop = new AbortController();
    const entries: LogEntry[] = [];
    for await (const entry of bus.read(stop.signal)) {
      entries.push(entry);
      const epochs = epochsOf(entries).flat();
      if (entry.kind === 'epoch' && epochs.length === 2) await bus.publish(message(3, 4));
      if (epochs.length === 4) break;
    }
    assert.deepEqual(epochsOf(entries), [[1], [2], [3, 4]]);
    const positions = entries.map(({ position }) => position);
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(positions).size, positions.length);
    assert.equal(entries[0]?.kind, 'opened');
    assert.deepEqual(
      entries.map(({ pending }) => pending),
      [2, 1, 0, 0],
    );
  });

  on('a message of the same id is taken once', async ({ bus }) => {
    const { message } = makeAttempt();
    assert.equal(await bus.publish(message(1)), 'stored');
    assert.equal(await bus.publish(message(1)), 'duplicate');
    assert.equal(await bus.publish(message(2)), 'stored');
    assert.deepEqual(epochsOf(await readUntil(bus, isEpoch, { count: 2 })), [[1], [2]]);
  });

  on('every Measurement arrives as it was sent, with the sweep that the subject names', async ({ bus }) => {
    const { message, measure, address } = makeAttempt();
    await bus.publish(message(3));
    const [entry] = (await readUntil(bus, isEpoch)).slice(-1);
    assert.ok(entry?.kind === 'epoch');
    assert.deepEqual([entry.address, entry.measurements], [address, [measure(3)]]);
    assert.ok(Math.abs(Date.now() - (entry.publishedMs ?? 0)) < 60_000, 'when it was published');
  });

  on('progress arrives beside Measurements', async ({ bus }) => {
    const { address } = makeAttempt();
    const figures = { epoch: 1, step: 2000, steps: 11_250, runningTrainLoss: 2.1, examplesPerSecond: 900 };
    const progress = { trial: address.trial, attempt: 1, attemptUID: address.attemptUID, ...figures };
    await bus.publish(joinMessage({ address, kind: 'progress', number: 1 }, [encodeProgress(progress)]));
    const [entry] = (await readUntil(bus, ({ kind }) => kind === 'progress')).slice(-1);
    assert.ok(entry?.kind === 'progress');
    assert.deepEqual([entry.address, entry.progress], [address, [progress]]);
  });

  on('two readers read the same', async ({ bus }) => {
    const { message } = makeAttempt();
    const reading = [1, 2].map(() => readUntil(bus, isEpoch, { count: 3 }));
    for (const epoch of [1, 2, 3]) await bus.publish(message(epoch));
    const [a = [], b = []] = await Promise.all(reading);
    assert.deepEqual(epochsOf(a), [[1], [2], [3]]);
    assert.deepEqual(epochsOf(b), epochsOf(a));
  });

  on('who knows the log up to a position reads on behind it', async ({ bus }) => {
    const { message } = makeAttempt();
    for (const epoch of [1, 2, 3]) await bus.publish(message(epoch));
    const [opened, ...rest] = await readUntil(bus, isEpoch, { count: 2 });
    assert.ok(opened?.kind === 'opened');
    const from = { log: opened.log, position: rest.at(-1)?.position ?? 0 };
    const again = await readUntil(bus, isEpoch, { from });
    assert.deepEqual(epochsOf(again), [[3]]);
    assert.deepEqual([again[0]?.kind, again[0]?.pending], ['opened', 1]);
  });

  on('who knows another log reads this one from its first message, and is told', async ({ bus }) => {
    const { message } = makeAttempt();
    await bus.publish(message(1));
    const entries = await readUntil(bus, isEpoch, { from: { log: 'another', position: 1 } });
    assert.deepEqual(epochsOf(entries), [[1]]);
    assert.ok(entries[0]?.kind === 'opened' && entries[0].isAnother);
  });

  on('an empty log is said to be live', async ({ bus }) => {
    const [opened] = await readUntil(bus, ({ kind }) => kind === 'opened');
    assert.deepEqual([opened?.pending, opened?.position], [0, 0]);
  });

  on('what does not decode is an entry of its own with its reason, and the next message comes', async (opened) => {
    const attempt = makeAttempt();
    const bad = badPayloads(attempt);
    for (const [payload] of Object.values(bad)) await opened.append(attempt.subject, payload);
    await opened.append(attempt.subject.replace('.7.', '.007.'), attempt.message(1).payload);
    await opened.append(attempt.subject.replace('.epoch', '.other'), attempt.message(1).payload);
    await opened.bus.publish(attempt.message(1));
    const entries = (await readUntil(opened.bus, isEpoch)).filter(({ kind }) => kind === 'rejected');
    const reasons = [...Object.values(bad).map(([, want]) => want), /^subject "cs\.v1\./, /^subject "cs\.v1\./];
    assert.equal(entries.length, reasons.length);
    for (const [at, entry] of entries.entries()) {
      assert.ok(entry.kind === 'rejected' && entry.error.name === 'InvalidMessageError');
      assert.match(entry.error.message, reasons[at] ?? /never/, Object.keys(bad)[at]);
    }
    assert.equal(Object.hasOwn(Object.prototype, 'a'), false);
  });

  on('an abort ends the reading without a throw', async ({ bus }) => {
    const stop = new AbortController();
    let opened = false;
    for await (const _ of bus.read(stop.signal)) {
      opened = true;
      setImmediate(() => stop.abort());
    }
    assert.ok(opened);
  });

  on('it says that it is connected, and once it is closed that it is not', async ({ bus }) => {
    await bus.publish(makeAttempt().message(1));
    assert.deepEqual(bus.status(), { connected: true });
    await bus.close();
    assert.deepEqual([bus.status().connected, Object(bus.status()).reason], [false, 'Closed']);
    await assert.rejects(bus.publish(makeAttempt().message(2)), { name: 'BusError', reason: 'Closed' });
  });
}
