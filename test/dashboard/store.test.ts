import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { judgeResults } from '../../src/sweep/records.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeMeasurement, makeResult, makeStudy } from '../sweep/builders.ts';
import { makeInput, makeLarge, makeStore, STUDY, tell, UID } from './builders.ts';

function open() {
  const timers = new FakeTimers();
  const store = makeStore(timers);
  store.putSweep(makeInput());
  const entry = () => {
    const found = store.sweep('local', 'study');
    assert.ok(found);
    return found;
  };
  const row = (trial: number) => {
    const state = entry().trials[trial];
    assert.ok(state);
    return entry().rowOf(state);
  };
  return { timers, store, entry, row };
}

test('a measurement counts once, whenever and however often it arrives', () => {
  const { store, row } = open();
  assert.equal(store.measure(UID, makeMeasurement({ epoch: 1 }), 7), 'stored');
  const { revision } = store;
  assert.equal(store.measure(UID, makeMeasurement({ epoch: 1 }), 7), 'duplicate');
  assert.equal(store.measure(UID, makeMeasurement({ epoch: 1, validationLoss: 9 }), 8), 'duplicate');
  assert.deepEqual([store.revision, row(0).validationLoss, row(0).epochsDone], [revision, 1, 1]);
});

test('of two that conflict the earlier in the log stays, even if it arrives later', () => {
  const { store, row } = open();
  store.measure(UID, makeMeasurement({ epoch: 1, validationLoss: 9 }), 8);
  assert.equal(store.measure(UID, makeMeasurement({ epoch: 1, validationLoss: 3 }), 5), 'stored');
  assert.equal(row(0).validationLoss, 3);
});

test('a measurement of an attempt that does not count any more is stale, and kept among the attempts', () => {
  const { store, entry, row } = open();
  store.setTrial(UID, 0, { phase: 'Running', attempt: 2, attemptUID: 'second' });
  assert.equal(store.measure(UID, makeMeasurement({ attempt: 1, attemptUID: 'first' })), 'stale');
  assert.equal(store.measure(UID, makeMeasurement({ attempt: 2, attemptUID: 'second', epoch: 1 })), 'stored');
  store.record(UID, makeResult({ attempt: 2, attemptUID: 'second' }));
  assert.equal(store.measure(UID, makeMeasurement({ attempt: 1, attemptUID: 'first', epoch: 2 })), 'stale');
  const [state] = entry().trials;
  assert.ok(state);
  const { attempts, curve } = entry().trialDetail(state);
  assert.deepEqual(
    attempts.map(({ attemptUID, epochsDone, isShown }) => [attemptUID, epochsDone, isShown]),
    [
      ['first', 2, false],
      ['second', 1, true],
    ],
  );
  assert.deepEqual([curve?.attemptUID, row(0).attempt], ['second', 2]);
});

test('of two Pods of one attempt the curve is that of the one that the log first mentions last, whatever arrives first', () => {
  const { store, row } = open();
  store.measure(UID, makeMeasurement({ attemptUID: 'evicted', epoch: 2 }), 2);
  store.measure(UID, makeMeasurement({ attemptUID: 'new', epoch: 1 }), 3);
  store.measure(UID, makeMeasurement({ attemptUID: 'evicted', epoch: 1 }), 1);
  assert.deepEqual([row(0).attemptUID, row(0).epochsDone], ['new', 1]);
  const other = open();
  other.store.measure(UID, makeMeasurement({ attemptUID: 'new', epoch: 1 }), 3);
  other.store.measure(UID, makeMeasurement({ attemptUID: 'evicted', epoch: 1 }), 1);
  assert.equal(other.row(0).attemptUID, 'new');
});

test('measurements that come before their sweep wait for it; those of a sweep that is gone do not', () => {
  const { store, row } = open();
  assert.equal(store.measure('later', makeMeasurement({ epoch: 1 })), 'stored');
  store.putSweep(makeInput({ name: 'later', uid: 'later' }));
  const state = store.sweep('local', 'later')?.trials[0];
  assert.equal(state && store.sweep('local', 'later')?.rowOf(state).epochsDone, 1);
  store.removeSweep('later');
  assert.equal(store.measure('later', makeMeasurement({ epoch: 2 })), 'stale');
  assert.equal(store.measure(UID, makeMeasurement({ trial: 99 })), 'stale');
  assert.equal(row(0).epochsDone, 0);
});

test('the verdict is that of judgeResults over the records, whatever was measured', () => {
  const { store, entry } = open();
  tell(store, STUDY);
  store.judge(entry());
  assert.deepEqual(entry().verdict, judgeResults(STUDY.sweep, STUDY.results));
  const { best, findings } = entry().verdict;
  for (const { trial, finding, reason } of findings) {
    const state = entry().trials[trial];
    assert.ok(state);
    const row = entry().rowOf(state);
    assert.deepEqual([row.finding, row.reason], [finding, reason], `trial ${trial}`);
  }
  assert.equal(entry().summary().best?.trial, best?.trial);
});

test('in any order, with repeats and with measurements left out, the verdict and the rows are the same', () => {
  const whole = makeStore();
  tell(whole, STUDY);
  const want = whole.sweep('local', 'study');
  assert.ok(want);
  whole.judge(want);
  const events = [
    ...STUDY.measurements.map((measurement, position) => ({ measurement, position })),
    ...STUDY.results.map((result) => ({ result })),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray(events, { minLength: events.length }), fc.nat(), (order, seed) => {
      const store = makeStore();
      store.putSweep(makeInput({ sweep: STUDY.sweep, phase: 'Complete' }));
      for (const [at, event] of order.entries()) {
        const times = (at + seed) % 5 === 0 ? 2 : 1;
        for (let time = 0; time < times; time++) {
          if ('result' in event) store.record(UID, event.result);
          else store.measure(UID, event.measurement, event.position);
        }
      }
      const entry = store.sweep('local', 'study');
      assert.ok(entry);
      store.judge(entry);
      assert.deepEqual(entry.verdictView(), want.verdictView());
      assert.deepEqual(
        entry.trials.map((state) => entry.rowOf(state)),
        want.trials.map((state) => want.rowOf(state)),
      );
    }),
    { numRuns: 25 },
  );
});

test('test figures stay sealed until nothing is left to choose from, and are then the winner’s alone', () => {
  const { store, entry } = open();
  const [last, ...others] = STUDY.results;
  assert.ok(last);
  store.putSweep(makeInput({ sweep: STUDY.sweep }));
  for (const result of others) store.record(UID, result);
  store.judge(entry());
  assert.deepEqual([entry().verdictView().test, entry().winnerTest], [null, null]);
  assert.doesNotMatch(JSON.stringify([entry().detail(), [...entry().records.values()]]), /7\.00\d/);
  store.record(UID, last);
  store.judge(entry());
  const { best, test: opened } = entry().verdictView();
  assert.ok(best);
  assert.equal(opened?.loss, 7 + best.trial / 1000);
  assert.equal(opened?.optimism, 7 + best.trial / 1000 - best.validationLoss);
  for (const state of entry().trials) {
    assert.equal(entry().trialDetail(state).test !== null, state.trial.trial === best.trial, `${state.trial.trial}`);
  }
});

test('a trial that was stopped keeps the verdict from being final', () => {
  const { store, entry } = open();
  for (let trial = 0; trial < 10; trial++) {
    store.record(UID, makeResult({ trial, outcome: trial === 4 ? 'Stopped' : 'Succeeded' }));
  }
  store.judge(entry());
  assert.deepEqual([entry().isFinal, entry().verdictView().test], [false, null]);
});

test('many records in a short time are judged once; what is slow to judge is judged less often', () => {
  const { store, entry, timers } = open();
  for (let trial = 0; trial < 9; trial++) store.record(UID, makeResult({ trial }));
  assert.equal(entry().verdict.findings.length, 0);
  const before = entry().verdictRevision;
  timers.advance(200);
  assert.equal(entry().verdict.findings.length, 9);
  timers.advance(10_000);
  assert.equal(entry().verdictRevision, entry().verdictRevision);
  assert.ok(entry().verdictRevision > before);
});

test('other thresholds judge all again', () => {
  const { store, entry, row } = open();
  tell(store, STUDY);
  store.judge(entry());
  assert.equal(row(3).finding, 'Overfit');
  const { spec } = STUDY.sweep;
  const selection = { ...spec.selection, maxLossRise: 5 };
  store.changeSweep(UID, { sweep: { ...STUDY.sweep, spec: { ...spec, selection } } });
  store.judge(entry());
  assert.deepEqual([row(3).finding, entry().verdict.findings[3]?.finding], ['Healthy', 'Healthy']);
});

test('phases are counted as the status counts them', () => {
  const { store, entry } = open();
  store.setTrial(UID, 0, { phase: 'Queued' });
  store.setTrial(UID, 1, { phase: 'Pending', reason: 'InsufficientGPU' });
  store.setTrial(UID, 2, { phase: 'Running', attempt: 1, attemptUID: 'a' });
  store.setTrial(UID, 3, { phase: 'Retrying', reason: 'Crashed' });
  store.record(UID, makeResult({ trial: 4 }));
  store.record(UID, makeResult({ trial: 5, outcome: 'Failed', reason: 'OutOfMemory: 2 GiB', summary: null }));
  assert.deepEqual(entry().counts(), { total: 10, waiting: 7, running: 1, succeeded: 1, failed: 1, stopped: 0 });
});

test('a trial that failed says why, one that waits says for what', () => {
  const { store, row } = open();
  store.setTrial(UID, 1, { phase: 'Pending', reason: 'Unschedulable: no GPU' });
  store.record(UID, makeResult({ trial: 5, outcome: 'Failed', reason: 'OutOfMemory: 2 GiB', summary: null }));
  assert.deepEqual(
    [row(1).reason, row(5).reason, row(5).finding],
    ['Unschedulable: no GPU', 'OutOfMemory: 2 GiB', null],
  );
});

test('an attempt that has just begun shows nothing of the one before', () => {
  const { store, row } = open();
  store.setTrial(UID, 0, { phase: 'Running', attempt: 1, attemptUID: 'first' });
  store.measure(UID, makeMeasurement({ epoch: 1 }));
  assert.equal(row(0).epochsDone, 1);
  store.setTrial(UID, 0, { phase: 'Running', attempt: 2, attemptUID: 'second' });
  assert.deepEqual([row(0).epochsDone, row(0).validationLoss, row(0).attempt], [0, null, 2]);
});

test('a row is where and when the attempt is that counts, and names those before it', () => {
  const { store, row } = open();
  const time = (minute: number) => `2026-11-25T09:0${minute}:00Z`;
  const first = { attempt: 1, attemptUID: 'first', node: 'n1', createdAt: time(0), startedAt: time(1) };
  store.seeAttempt(UID, 0, first);
  store.setTrial(UID, 0, { phase: 'Running', attempt: 1, attemptUID: 'first' });
  store.measure(UID, makeMeasurement({ attemptUID: 'first', epoch: 1 }));
  const { revision } = store;
  store.seeAttempt(UID, 0, first);
  assert.equal(store.revision, revision, 'nothing new is no change');
  assert.deepEqual(
    [row(0).node, row(0).createdAt, row(0).startedAt, row(0).endedAt, row(0).earlierAttempts],
    ['n1', time(0), time(1), null, []],
  );
  store.seeAttempt(UID, 0, { attempt: 1, endedAt: time(2), reason: 'x'.repeat(300) });
  assert.equal(row(0).endedAt, time(2));
  store.seeAttempt(UID, 0, { attempt: 2, attemptUID: 'second', createdAt: time(3) });
  store.setTrial(UID, 0, { phase: 'Pending', attempt: 2, attemptUID: 'second' });
  const { attempt, currentAttempt, node, createdAt, startedAt, endedAt, earlierAttempts } = row(0);
  assert.deepEqual([attempt, currentAttempt], [1, 2], 'its figures are still those of the first');
  assert.deepEqual([node, createdAt, startedAt, endedAt], [null, time(3), null, null]);
  const reason = `${'x'.repeat(199)}…`;
  assert.deepEqual(earlierAttempts, [
    { attempt: 1, node: 'n1', createdAt: time(0), startedAt: time(1), endedAt: time(2), reason },
  ]);
});

test('of the attempts before it a row names the latest 12, a trial’s details the latest 30', () => {
  const { store, entry, row } = open();
  for (let attempt = 1; attempt <= 40; attempt++) {
    store.seeAttempt(UID, 0, { attempt, attemptUID: `uid-${attempt}`, reason: 'evicted' });
    store.setTrial(UID, 0, { phase: 'Running', attempt, attemptUID: `uid-${attempt}` });
  }
  const numbers = row(0).earlierAttempts.map(({ attempt }) => attempt);
  assert.deepEqual([numbers.length, numbers[0], numbers.at(-1)], [12, 28, 39]);
  assert.equal(entry().trialDetail(entry().trials[0] ?? assert.fail()).attempts.length, 30);
});

test('a record ends its attempt, unless its container has said when', () => {
  const { store, entry } = open();
  const ends = (trial: number) =>
    entry()
      .trialDetail(entry().trials[trial] ?? assert.fail())
      .attempts.map(({ attemptUID, endedAt }) => [attemptUID, endedAt]);
  for (const trial of [0, 1])
    store.seeAttempt(UID, trial, { attempt: 1, attemptUID: 'a', startedAt: '2026-11-25T11:00:00Z' });
  store.seeAttempt(UID, 1, { attempt: 1, attemptUID: 'a', endedAt: '2026-11-25T11:59:58Z' });
  for (const trial of [0, 1]) store.record(UID, makeResult({ trial, attempt: 1, attemptUID: 'a' }));
  assert.deepEqual([ends(0), ends(1)], [[['a', '2026-11-25T12:00:00.000Z']], [['a', '2026-11-25T11:59:58Z']]]);
});

test('an attempt of which only the number is known is among the attempts, or is the one that measured', () => {
  const { store, entry } = open();
  const attempts = () =>
    entry()
      .trialDetail(entry().trials[0] ?? assert.fail())
      .attempts.map(({ attempt, attemptUID, epochsDone, reason }) => [attempt, attemptUID, epochsDone, reason]);
  store.seeAttempt(UID, 0, { attempt: 1, reason: 'DeadlineExceeded' });
  assert.deepEqual(attempts(), [[1, null, 0, 'DeadlineExceeded']]);
  store.measure(UID, makeMeasurement({ attempt: 1, attemptUID: 'first', epoch: 1 }));
  assert.deepEqual(attempts(), [[1, 'first', 1, 'DeadlineExceeded']]);
});

test('a curve that lacks epochs of its record says so', () => {
  const { store, row } = open();
  const [first] = STUDY.results;
  assert.ok(first);
  store.putSweep(makeInput({ sweep: STUDY.sweep }));
  for (const measurement of STUDY.measurements.filter(({ trial, epoch }) => trial === 0 && epoch !== 4)) {
    store.measure(UID, measurement);
  }
  assert.equal(row(0).isCurveComplete, false);
  store.record(UID, first);
  assert.deepEqual([row(0).isCurveComplete, row(0).epochsDone], [false, 15]);
});

test('stale since the first source that went away, until the last is back', () => {
  const { store, entry } = open();
  store.setStale('nats', '2026-11-25T12:05:00Z');
  store.setStale('kubernetes', '2026-11-25T12:01:00Z');
  assert.equal(entry().summary().staleSince, '2026-11-25T12:01:00Z');
  store.setStale('kubernetes', null);
  assert.equal(entry().summary().staleSince, '2026-11-25T12:05:00Z');
  store.putSweep(makeInput({ name: 'new', uid: 'new' }));
  assert.equal(store.sweep('local', 'new')?.summary().staleSince, '2026-11-25T12:05:00Z');
  store.setStale('nats', null);
  assert.equal(entry().summary().staleSince, null);
});

test('a sweep of the same name and another UID takes nothing over', () => {
  const { store, entry, row } = open();
  store.measure(UID, makeMeasurement({ epoch: 1 }));
  store.record(UID, makeResult({ trial: 1 }));
  store.putSweep(makeInput({ uid: 'again' }));
  assert.deepEqual([row(0).epochsDone, row(1).phase, entry().uid], [0, 'Waiting', 'again']);
  assert.equal(store.measure(UID, makeMeasurement({ epoch: 2 })), 'stale');
});

test('a sweep that does not parse is shown, with what is wrong', () => {
  const { store } = open();
  store.putSweep(makeInput({ name: 'bad', uid: 'bad', sweep: null, phase: 'Pending', message: 'spec.grid: empty' }));
  const bad = store.sweep('local', 'bad');
  assert.deepEqual(
    [bad?.summary().message, bad?.summary().trials.total, bad?.detail().axes],
    ['spec.grid: empty', 0, []],
  );
});

test('the time left follows from what epochs took', () => {
  const { store, entry } = open();
  assert.equal(entry().summary().secondsLeft, null);
  store.putSweep(makeInput({ sweep: makeStudy(), parallelism: 1 }));
  for (let epoch = 1; epoch <= 15; epoch++) store.measure(UID, makeMeasurement({ trial: 2, epoch, seconds: 10 }));
  const all = entry().summary().secondsLeft;
  store.record(UID, makeResult({ trial: 5, seconds: 1 }));
  const fewer = entry().summary().secondsLeft;
  assert.ok(all !== null && fewer !== null && fewer < all, `${all} → ${fewer}`);
  store.changeSweep(UID, { phase: 'Suspended' });
  assert.equal(entry().summary().secondsLeft, null, 'nothing new starts');
});

test('10,000 trials: a measurement costs the same however many there are, and more than 10,000 fold in a second', () => {
  const large = makeLarge(10_000, 15);
  const store = makeStore();
  store.putSweep(makeInput({ sweep: large.sweep }));
  const began = performance.now();
  for (const measurement of large.measurements) store.measure(UID, measurement);
  const perSecond = (1_000 * large.measurements.length) / (performance.now() - began);
  assert.ok(perSecond > 10_000, `${Math.round(perSecond)} measurements/s`);
});
