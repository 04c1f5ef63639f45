import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Feed, type FeedEntry, followFeed, noFeed } from '../../src/dashboard/feed.ts';
import { InProcessBus } from '../../src/shared/bus.ts';
import { encodeMeasurements } from '../../src/sweep/message.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { makeInput, makeStore, SILENT, STUDY, tell, UID } from './builders.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function follow(t: TestContext, feed: Feed) {
  const timers = new FakeTimers();
  const store = makeStore(timers);
  store.putSweep(makeInput());
  const ended = new AbortController();
  const seen: string[] = [];
  const observer = {
    ingested: (result: string) => seen.push(result),
    lagged: (seconds: number, trial: string) => seen.push(`${trial} after ${seconds} s`),
    pending: () => undefined,
  };
  const now = () => new Date(60_000);
  const done = followFeed({ feed, store, observer, log: SILENT, timers, now, signal: ended.signal });
  t.after(() => {
    ended.abort();
    return done;
  });
  const entry = () => store.sweeps[0] ?? assert.fail();
  return { store, timers, seen, entry };
}

/** Says what it is given. */
function scripted(
  entries: readonly FeedEntry[],
  status: () => ReturnType<Feed['status']> = () => ({ connected: true }),
): Feed {
  return {
    async *read(signal) {
      yield* entries;
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    status,
  };
}

const address = { sweepUID: UID, trial: 0, attemptUID: 'first' };
const epoch = (position: number, epoch: number, more: Partial<FeedEntry> = {}): FeedEntry =>
  ({ kind: 'epoch', position, pending: 0, address, measurements: [makeMeasurement({ epoch })], ...more }) as FeedEntry;

test('what is published on the bus is on the curve; what does not decode is counted', async (t) => {
  const bus = new InProcessBus();
  const { entry, seen } = follow(t, bus);
  await bus.publish(encodeMeasurements(UID, [makeMeasurement({ epoch: 1 }), makeMeasurement({ epoch: 2 })]));
  bus.append(`cs.v1.${UID}.0.first.epoch`, 'garbage');
  bus.append('cs.v1.x', '[]');
  await bus.publish(encodeMeasurements(UID, [makeMeasurement({ epoch: 3 })]));
  await turn();
  const [state = assert.fail()] = entry().trials;
  assert.equal(entry().rowOf(state).epochsDone, 3);
  assert.deepEqual(
    seen.filter((one) => !one.includes(' ')),
    ['stored', 'stored', 'rejected', 'rejected', 'stored'],
  );
});

test('a log that is read twice changes nothing; one that was made anew adds to what is known', async (t) => {
  const opened: FeedEntry = { kind: 'opened', position: 0, pending: 1, isAnother: false };
  const { seen, entry } = follow(
    t,
    scripted([
      opened,
      epoch(7, 1),
      epoch(9, 2),
      opened,
      epoch(7, 1),
      { ...opened, isAnother: true },
      epoch(1, 3),
      epoch(2, 1, { measurements: [makeMeasurement({ epoch: 1, validationLoss: 9 })] }),
    ]),
  );
  await turn();
  assert.deepEqual(seen, ['stored', 'stored', 'duplicate', 'stored', 'duplicate']);
  const [state = assert.fail()] = entry().trials;
  assert.equal(entry().rowOf(state).epochsDone, 3);
  assert.deepEqual(
    entry()
      .read(state)
      .curve?.epochs.map(({ validationLoss }) => validationLoss),
    [1, 1, 1],
  );
});

test('the lag is that of what is live, not of what is caught up with', async (t) => {
  const { seen } = follow(
    t,
    scripted([epoch(1, 1, { pending: 5, publishedMs: 1_000 }), epoch(2, 2, { publishedMs: 59_500 })]),
  );
  await turn();
  assert.deepEqual(seen, ['stored', 'stored', 'study/0 after 0.5 s']);
});

test('while it is out of reach the page says since when, and why; results and verdict do not care', async (t) => {
  let status: ReturnType<Feed['status']> = { connected: true };
  const { timers, store, entry } = follow(
    t,
    scripted([], () => status),
  );
  tell(store, STUDY);
  store.judge(entry());
  assert.equal(entry().summary().staleSince, null);
  status = { connected: false, reason: 'Unreachable', message: 'connection refused' };
  timers.advance(1_000);
  assert.equal(entry().summary().staleSince, '1970-01-01T00:01:00.000Z');
  assert.deepEqual(entry().detail().notes, ['curves stand still: Unreachable: connection refused']);
  assert.equal(entry().verdictView().isFinal, true);
  status = { connected: true };
  timers.advance(1_000);
  assert.deepEqual([entry().summary().staleSince, entry().detail().notes], [null, []]);
});

test('without NATS the page says that there are no curves', () => {
  const store = makeStore();
  noFeed(store);
  store.putSweep(makeInput());
  assert.match(store.sweeps[0]?.detail().notes[0] ?? '', /^telemetry is off: no NATS/);
});
