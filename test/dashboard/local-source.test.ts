import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLocalRun, tellFolder } from '../../src/dashboard/local-source.ts';
import { Store } from '../../src/dashboard/store.ts';
import type { RunEvent } from '../../src/local/events.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import { makeStudyEvents } from '../cli/events.ts';
import { FakeTimers } from '../fakes/timers.ts';
import { makeStore, STUDY } from './builders.ts';

const study = makeStudyEvents();
const now = () => new Date('2026-11-25T12:00:00Z');

function open() {
  const store = makeStore();
  const { sweep, trials } = study;
  const run = openLocalRun(store, { sweep, trials, parallelism: 2, backend: 'wasm', now });
  const show = (event: RunEvent) => run.show(event);
  const entry = () => store.sweep('local', 'study') ?? assert.fail();
  const row = (trial: number) => entry().rowOf(entry().trials[trial] ?? assert.fail());
  return { store, run, show, entry, row };
}

test('every event of a run is shown as it comes', () => {
  const { show, row, entry } = open();
  show(study.opened([9]));
  show(study.started(0));
  show(study.progress(0, { examplesPerSecond: 1234 }));
  assert.deepEqual(
    [row(9).phase, row(0).phase, row(0).backend, row(0).examplesPerSecond],
    ['Succeeded', 'Running', 'wasm', 1234],
  );
  assert.deepEqual([row(9).endedAt, row(0).startedAt], [null, '2026-11-25T12:00:00.000Z']);
  show(study.measured(0, 1));
  show(study.measured(0, 2));
  assert.deepEqual([row(0).epochsDone, row(0).finding], [2, 'StillImproving']);
  show({ kind: 'retrying', trial: 0, attempt: 1, reason: 'Crashed (signal SIGKILL)', delayMs: 1 });
  assert.deepEqual([row(0).phase, row(0).reason], ['Retrying', 'Crashed (signal SIGKILL)']);
  show(study.started(0, 2));
  assert.deepEqual([row(0).phase, row(0).epochsDone, row(0).attempt], ['Running', 0, 2]);
  show(study.recorded(0));
  show({ kind: 'note', message: 'the disk is nearly full' });
  assert.equal(row(0).phase, 'Succeeded');
  assert.deepEqual(entry().detail().notes, ['the disk is nearly full']);
  const reasons = entry()
    .trialDetail(entry().trials[0] ?? assert.fail())
    .attempts.map(({ attempt, reason }) => [attempt, reason]);
  assert.ok(
    reasons.some(([attempt, reason]) => attempt === 1 && reason === 'Crashed (signal SIGKILL)'),
    JSON.stringify(reasons),
  );
});

test('every attempt of a run has its times, and what happened is told in their order', () => {
  let minute = 0;
  const clock = () => new Date(Date.UTC(2026, 10, 25, 12, minute));
  const store = new Store({ timers: new FakeTimers(), now: clock });
  const { sweep, trials } = study;
  const run = openLocalRun(store, { sweep, trials, parallelism: 2, backend: 'wasm', now: clock });
  const entry = store.sweep('local', 'study') ?? assert.fail();
  const events: RunEvent[] = [
    study.started(0),
    { kind: 'retrying', trial: 0, attempt: 1, reason: 'Crashed (exit 1)', delayMs: 1 },
    study.started(0, 2),
    study.recorded(0, { attempt: 2, attemptUID: 'uid-0-2' }),
  ];
  for (const event of events) {
    run.show(event);
    minute++;
  }
  const { attempts, events: happened } = entry.trialDetail(entry.trials[0] ?? assert.fail());
  const time = (at: number) => `2026-11-25T12:0${at}:00.000Z`;
  const times = { createdAt: time(0), startedAt: time(0), endedAt: time(1) };
  assert.partialDeepStrictEqual(attempts[0] ?? {}, { attempt: 1, ...times, reason: 'Crashed (exit 1)' });
  assert.partialDeepStrictEqual(attempts[1] ?? {}, {
    attempt: 2,
    createdAt: time(2),
    startedAt: time(2),
    endedAt: time(3),
  });
  assert.deepEqual(
    happened.map(({ at, attempt, words }) => [at, attempt, words]),
    [
      [time(0), 1, 'began'],
      [time(1), 1, 'ended: Crashed (exit 1)'],
      [time(2), 2, 'began'],
      [time(3), 2, 'recorded: Succeeded'],
    ],
  );
  assert.equal(entry.summary().source, 'folder');
});

test('at the end the winner’s test figures are opened, and nobody else’s', () => {
  const { run, show, entry, store } = open();
  show(study.opened(study.trials.map(({ trial }) => trial)));
  store.judge(entry());
  const { best } = entry().verdict;
  assert.deepEqual(entry().verdict.best, study.verdict.best);
  assert.equal(entry().verdictView().test, null, 'events carry no test figures');
  run.end({ outcome: 'finished', complete: true, file: { test: { loss: 1.1, accuracy: 0.65 }, verdict: { best } } });
  const { phase, completionTime } = entry().summary();
  assert.deepEqual([phase, completionTime], ['Complete', '2026-11-25T12:00:00.000Z']);
  assert.deepEqual(entry().verdictView().test, {
    loss: 1.1,
    accuracy: 0.65,
    optimism: 1.1 - (best?.validationLoss ?? 0),
  });
});

test('a run that was interrupted or failed says so', () => {
  const { run, entry } = open();
  const file = { test: null, verdict: { best: null } };
  run.end({ outcome: 'interrupted', complete: false, file });
  assert.equal(entry().summary().phase, 'Suspended');
  run.end({ outcome: 'failed', complete: false, file });
  assert.equal(entry().summary().phase, 'Failed');
});

test('a run that goes on shows the curves of what was measured before', () => {
  const store = makeStore();
  const { sweep, trials } = study;
  const earlier = STUDY.measurements.filter(({ trial }) => trial === 3);
  openLocalRun(store, { sweep, trials, parallelism: 2, backend: 'wasm', earlier, now });
  const entry = store.sweep('local', 'study') ?? assert.fail();
  assert.equal(entry.rowOf(entry.trials[3] ?? assert.fail()).epochsDone, 15);
});

test('a run folder as it lies there: its verdict is that of its records', () => {
  const store = makeStore();
  const results = new Map(STUDY.results.map((result) => [result.trial, result]));
  const { sweep, measurements } = STUDY;
  tellFolder(
    store,
    {
      sweep,
      sweepText: '# as written\n',
      results,
      measurements,
      notes: ['curves.ndjson: 1 damaged line left out'],
    },
    false,
  );
  const entry = store.sweep('local', 'study') ?? assert.fail();
  store.judge(entry);
  assert.deepEqual(entry.verdict, judgeResults(sweep, STUDY.results));
  assert.deepEqual(
    [entry.summary().phase, entry.sweepText(), entry.detail().notes.length],
    ['Complete', '# as written\n', 1],
  );
  assert.equal(entry.verdictView().test?.accuracy, 0.7);
});

test('a folder that is not whole, or in which all failed, says so', () => {
  const { sweep } = STUDY;
  const tellOf = (results: typeof STUDY.results) => {
    const store = makeStore();
    tellFolder(
      store,
      {
        sweep,
        sweepText: '',
        results: new Map(results.map((one) => [one.trial, one])),
        measurements: [],
        notes: [],
      },
      false,
    );
    return store.sweep('local', 'study')?.summary().phase;
  };
  assert.equal(tellOf(STUDY.results.slice(1)), 'Suspended');
  assert.equal(tellOf(STUDY.results.map((one) => ({ ...one, outcome: 'Failed' as const, summary: null }))), 'Failed');
});

test('of a folder that a run holds what was measured runs; once nobody holds it, it waits, its curve still shown, until another attempt measures', () => {
  const store = makeStore();
  const { sweep } = STUDY;
  const measurements = STUDY.measurements.filter(({ trial, epoch }) => trial === 3 && epoch <= 5);
  const tell = (isHeld: boolean, more: typeof measurements = []) => {
    const found = { sweep, sweepText: '', results: new Map(), measurements: [...measurements, ...more], notes: [] };
    tellFolder(store, found, isHeld);
    const entry = store.sweep('local', 'study') ?? assert.fail();
    const { phase, secondsLeft, trials } = entry.summary();
    const row = entry.rowOf(entry.trials[3] ?? assert.fail());
    const of = { phase, isTimed: secondsLeft !== null, running: trials.running, its: row.phase };
    return { ...of, epochsDone: row.epochsDone, ...(row.phase === 'Waiting' && { reason: row.reason }) };
  };
  const held = { phase: 'Running', isTimed: true, running: 1, its: 'Running', epochsDone: 5 };
  assert.deepEqual(tell(true), held);
  const reason = 'its run was interrupted; the next attempt begins with the first epoch';
  const left = { phase: 'Suspended', isTimed: false, running: 0, its: 'Waiting', epochsDone: 5, reason };
  assert.deepEqual(tell(false), left);
  assert.deepEqual(tell(false), left, 'looked at again');
  const again = measurements.slice(0, 1).map((one) => ({ ...one, attemptUID: 'another' }));
  assert.deepEqual(tell(true, again), { ...held, epochsDone: 1 });
});
