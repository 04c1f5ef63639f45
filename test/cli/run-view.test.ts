import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  applyEvent,
  clock,
  emptyView,
  lossOf,
  type RunView,
  secondsLeft,
  type ViewEvent,
} from '../../src/cli/run-view.ts';
import { makeStudyEvents } from './events.ts';

const study = makeStudyEvents();

function viewAfter(...events: readonly ViewEvent[]): RunView {
  return events.reduce(applyEvent, emptyView(study.sweep, study.trials));
}

function rowAfter(trial: number, ...events: readonly ViewEvent[]) {
  const row = viewAfter(...events).trials[trial];
  assert.ok(row);
  return row;
}

describe('the view of a run', () => {
  test('begins with every trial waiting', () => {
    const { trials, stopping } = viewAfter(study.opened());
    assert.deepEqual(new Set(trials.map(({ phase }) => phase)), new Set(['waiting']));
    assert.equal(stopping, false);
  });

  test('shows trials that --trials leaves for later as such', () => {
    const { trials } = emptyView(study.sweep, study.trials, new Set([0, 2]));
    assert.deepEqual(
      trials.filter(({ phase }) => phase === 'waiting').map(({ trial }) => trial.trial),
      [0, 2],
    );
    assert.equal(trials[1]?.phase, 'later');
  });

  test('shows what an earlier run recorded, with its finding', () => {
    const row = rowAfter(4, study.opened([4]));
    assert.equal(row.phase, 'Succeeded');
    assert.equal(row.finding, 'Overfit');
    assert.equal(row.epochs, 15);
    assert.equal(row.figures?.epoch, 15);
  });

  test('counts the part of an epoch that is done', () => {
    const row = rowAfter(2, study.started(2), study.progress(2, { epoch: 3, step: 5625 }));
    assert.equal(row.phase, 'running');
    assert.equal(row.epochs, 2.5);
  });

  test('shows figures and finding of the last epoch', () => {
    const row = rowAfter(2, study.started(2), study.measured(2, 1), study.measured(2, 2));
    assert.equal(row.epochs, 2);
    assert.equal(row.figures?.epoch, 2);
    assert.equal(row.finding, 'StillImproving');
    assert.equal(row.examplesPerSecond, 2812.4);
  });

  test('a retried trial begins again without the figures of its first attempt, and a note says why', () => {
    const retrying = { kind: 'retrying', trial: 2, attempt: 1, reason: 'signal SIGKILL', delayMs: 1000 } as const;
    const view = viewAfter(study.started(2), study.measured(2, 1), retrying);
    assert.equal(view.trials[2]?.phase, 'retrying');
    assert.deepEqual(view.notes, ['trial 2: attempt 1 signal SIGKILL; it runs again']);
    const again = applyEvent(view, study.started(2, 2)).trials[2];
    assert.equal(again?.attempt, 2);
    assert.equal(again?.epochs, 0);
    assert.equal(again?.figures, null);
    assert.equal(again?.finding, null);
    assert.equal(again?.examplesPerSecond, null);
  });

  test('keeps the last four notes', () => {
    const notes = ['a', 'b', 'c', 'd', 'e'].map((message) => ({ kind: 'note', message }) as const);
    assert.deepEqual(viewAfter(...notes).notes, ['b', 'c', 'd', 'e']);
  });

  test('takes the findings of the verdict', () => {
    const { trials } = viewAfter(study.opened(), { kind: 'verdict', verdict: study.verdict });
    assert.deepEqual(
      trials.map(({ finding }) => finding),
      study.verdict.findings.map(({ finding }) => finding),
    );
  });

  test('says after Ctrl-C that running trials finish, and what a second one does', () => {
    const view = viewAfter(study.started(0), { kind: 'interrupted' });
    assert.equal(view.stopping, true);
    assert.match(view.notes.join(), /running trials finish and are saved; Ctrl-C again ends them at once/);
  });

  test('ignores an event of a trial that it does not know, and changes no earlier view', () => {
    const before = viewAfter(study.opened());
    const after = applyEvent(before, study.started(0));
    assert.equal(before.trials[0]?.phase, 'waiting');
    assert.equal(after.trials[1], before.trials[1]);
    assert.deepEqual(applyEvent(before, study.started(99)).trials, before.trials);
  });

  test('opens a folder with 100,000 records within two seconds', () => {
    const [trial] = study.trials;
    const event = study.recorded(0);
    assert.ok(trial && event.kind === 'recorded');
    const indexes = Array.from({ length: 100_000 }, (_, index) => index);
    const many = indexes.map((index) => ({ ...trial, trial: index }));
    const recorded = indexes.map((index) => ({ ...event.result, trial: index }));
    const began = performance.now();
    const view = applyEvent(emptyView(study.sweep, many), { kind: 'opened', trials: many, recorded });
    assert.equal(secondsLeft(view, 2), 0);
    assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
  });
});

describe('the time left', () => {
  test('is unknown before anything has been trained', () => {
    assert.equal(secondsLeft(viewAfter(study.opened(), study.started(0)), 2), null);
  });

  test('is nothing when everything is recorded', () => {
    assert.equal(secondsLeft(viewAfter(study.opened([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])), 2), 0);
  });

  test('is guessed from the speed within the first epoch', () => {
    const view = only(0, study.started(0), study.progress(0, { step: 0, steps: 11_250, examplesPerSecond: 3000 }));
    assert.equal(secondsLeft(view, 1), 15 * 15); // 45,000 images at 3,000 a second, 15 epochs
  });

  test('is measured once an epoch is over: the mean of all so far', () => {
    const one = only(0, study.started(0), study.progress(0), study.measured(0, 1, { seconds: 10 }));
    assert.equal(secondsLeft(one, 1), 140);
    const two = [study.progress(0, { epoch: 2, examplesPerSecond: 1 }), study.measured(0, 2, { seconds: 20 })].reduce(
      applyEvent,
      one,
    );
    assert.equal(secondsLeft(two, 1), 13 * 15);
  });

  test('is shared by the slots, but never less than the longest trial takes', () => {
    const alike = [0, 1, 2, 3].map((trial) => ({ ...study.trials[0], trial }) as (typeof study.trials)[number]);
    const timed = [study.started(0), study.measured(0, 1, { seconds: 1 })];
    const view = timed.reduce(applyEvent, emptyView(study.sweep, alike));
    assert.equal(secondsLeft(view, 2), (14 + 3 * 15) / 2);
    assert.equal(Math.round(secondsLeft(view, 100) ?? 0), 15);
  });

  test('of a trial that has not run follows its multiply-adds', () => {
    const view = viewAfter(study.started(0), study.measured(0, 15, { seconds: 1 }), study.recorded(0));
    const cost = (trial: number) => (study.trials[trial]?.multiplyAdds ?? 0) + 500_000;
    const want = (15 * [1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, trial) => sum + cost(trial), 0)) / cost(0);
    assert.ok(Math.abs((secondsLeft(view, 1) ?? 0) - want) < 1e-6);
  });

  test('after Ctrl-C counts what runs only', () => {
    const view = viewAfter(study.started(0), study.measured(0, 1, { seconds: 10 }), { kind: 'interrupted' });
    assert.equal(secondsLeft(view, 1), 140);
  });

  test('does not count trials that are left for another run', () => {
    assert.equal(secondsLeft(only(0, study.started(0), study.measured(0, 1, { seconds: 10 })), 1), 140);
  });

  test('of a recorded trial without epochs is not guessed', () => {
    const failed = study.recorded(0, { outcome: 'Failed', summary: null, seconds: 5 });
    assert.equal(secondsLeft(viewAfter(failed), 1), null);
  });

  /** The view of a run that was asked for one trial. */
  function only(trial: number, ...events: readonly ViewEvent[]): RunView {
    return events.reduce(applyEvent, emptyView(study.sweep, study.trials, new Set([trial])));
  }
});

test('times are written as clocks', () => {
  assert.deepEqual([null, 0, 5.2, 65, 3600, 7390, 359_999].map(clock), [
    '–',
    '0:00',
    '0:06',
    '1:05',
    '1:00:00',
    '2:03:10',
    '99:59:59',
  ]);
});

test('a loss that is absent is blank, one that is not finite is said so', () => {
  assert.deepEqual([undefined, null, 1.23456].map(lossOf), ['', 'not finite', '1.235']);
});

test('a loss of any size takes at most nine characters', () => {
  assert.deepEqual([9999, 1e20, 1.7e308].map(lossOf), ['9999.000', '1.0e+20', '1.7e+308']);
});
