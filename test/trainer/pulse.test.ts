import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Progress } from '../../src/sweep/measurement.ts';
import { Heart, MINIBATCHES_PER_MILESTONE } from '../../src/trainer/pulse.ts';
import type { Position, Pulse } from '../../src/trainer/train.ts';
import { makeAssignment } from './builders.ts';

/** A heart on a clock that only steps move. */
function makeHeart() {
  let now = 5_000;
  const beats: { at: number; steps: number; slowestStepMs: number }[] = [];
  const shown: { at: number; progress: Progress; milestone: boolean }[] = [];
  const breaths: number[] = [];
  const heart = new Heart({
    now: () => now,
    onHeartbeat: (steps, slowestStepMs) => beats.push({ at: now, steps, slowestStepMs }),
    onProgress: (progress, milestone) => shown.push({ at: now, progress, milestone }),
    breathe: async () => void breaths.push(now),
  });
  const wait = (ms: number) => {
    now += ms;
  };
  return { heart, beats, shown, breaths, wait, time: () => now };
}

/** Minibatches of an epoch, each taking so long; the loss of each, in turn. */
function epoch(pulse: Pulse, wait: (ms: number) => void, ms: number, losses: readonly number[], number = 1): void {
  for (const [at, loss] of losses.entries()) {
    wait(ms);
    pulse({ epoch: number, step: at + 1, steps: losses.length, loss, examples: 4 * (at + 1) });
  }
}

const evaluation: Position = { epoch: 1, step: 10, steps: 10, examples: 40 };
const gaps = (times: readonly number[]) => times.slice(1).map((time, at) => time - (times[at] ?? 0));

describe('a heartbeat', () => {
  for (const ms of [1, 7, 900, 2_400, 2_500]) {
    test(`comes at least each 5 s with steps of ${ms} ms`, () => {
      const { heart, beats, wait } = makeHeart();
      epoch(heart.pulseOf(makeAssignment()), wait, ms, new Array(Math.ceil(30_000 / ms)).fill(1));
      const times = [5_000, ...beats.map(({ at }) => at)];
      assert.ok(Math.max(...gaps(times)) <= 5_000, `${gaps(times)}`);
      assert.ok(beats.length <= 13, 'and not at every step');
    });
  }

  test('comes after each step that takes longer', () => {
    const { heart, beats, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment()), wait, 20_000, [1, 1, 1]);
    assert.deepEqual(gaps(beats.map(({ at }) => at)), [20_000, 20_000]);
  });

  test('comes during an evaluation too', () => {
    const { heart, beats, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    for (let batch = 0; batch < 20; batch++) {
      wait(1_000);
      pulse(evaluation);
    }
    assert.ok(Math.max(...gaps(beats.map(({ at }) => at))) <= 5_000);
    assert.ok(beats.length > 3);
  });

  test('counts every step of every trial, and the slowest', () => {
    const { heart, beats, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment({ trial: 1 })), wait, 3_000, [1, 1]);
    wait(600_000); // the time between two trials is no step
    epoch(heart.pulseOf(makeAssignment({ trial: 2 })), wait, 2_600, [1, 1]);
    assert.deepEqual(
      beats.map(({ steps, slowestStepMs }) => [steps, slowestStepMs]),
      [
        [1, 3_000],
        [2, 3_000],
        [3, 3_000],
        [4, 3_000],
      ],
    );
  });

  test('tells of the step that has just been the slowest', () => {
    const { heart, beats, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    epoch(pulse, wait, 2_600, [1]);
    epoch(pulse, wait, 9_000, [1]);
    assert.deepEqual(
      beats.map(({ slowestStepMs }) => slowestStepMs),
      [2_600, 9_000],
    );
  });
});

describe('progress', () => {
  test('is shown about each second, with where the trial stands and how fast it is', () => {
    const { heart, shown, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment()), wait, 300, new Array(20).fill(1.5));
    assert.deepEqual(gaps(shown.map(({ at }) => at)), [1_200, 1_200, 1_200, 1_200]);
    assert.deepEqual(shown[1]?.progress, {
      trial: 7,
      attempt: 1,
      attemptUID: 'first',
      epoch: 1,
      step: 8,
      steps: 20,
      runningTrainLoss: 1.5,
      examplesPerSecond: 32 / 2.4,
    });
    assert.ok(shown.every(({ milestone }) => !milestone));
  });

  test('lets the event loop turn whenever it is shown, and in an evaluation as often', () => {
    const { heart, shown, breaths, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    epoch(pulse, wait, 500, [1, 1, 1, 1]);
    for (let batch = 0; batch < 4; batch++) {
      wait(500);
      pulse(evaluation);
    }
    assert.deepEqual(gaps(breaths), [1_000, 1_000, 1_000]);
    assert.equal(shown.length, 2);
  });

  test('does not wait between two breaths', () => {
    const { heart, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    wait(10);
    assert.equal(pulse(evaluation), undefined);
    wait(1_000);
    assert.ok(pulse(evaluation) instanceof Promise);
  });

  test('measures the speed from the first minibatch of the epoch, the evaluation before it left out', () => {
    const { heart, shown, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    epoch(pulse, wait, 500, [1, 1]);
    wait(60_000);
    pulse(evaluation);
    epoch(pulse, wait, 500, [1, 1], 2);
    assert.equal(shown.at(-1)?.progress.epoch, 2);
    assert.equal(shown.at(-1)?.progress.examplesPerSecond, 8);
  });

  test('has null for a loss that is not finite', () => {
    const { heart, shown, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment()), wait, 1_000, [Number.NaN]);
    assert.equal(shown[0]?.progress.runningTrainLoss, null);
  });

  test('has the mean loss since the last milestone', () => {
    const { heart, shown, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment()), wait, 500, [4, 2, 1, 1]);
    assert.deepEqual(
      shown.map(({ progress }) => progress.runningTrainLoss),
      [3, 2],
    );
  });
});

describe('a milestone', () => {
  test('is each 2,000 minibatches, across epochs, with the mean of exactly those', () => {
    const { heart, shown, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    const losses = Array.from({ length: 6_500 }, (_, at) => at);
    epoch(pulse, wait, 0.01, losses.slice(0, 3_000), 1);
    epoch(pulse, wait, 0.01, losses.slice(3_000), 2);
    const milestones = shown.filter(({ milestone }) => milestone).map(({ progress }) => progress);
    assert.equal(MINIBATCHES_PER_MILESTONE, 2_000);
    assert.deepEqual(
      milestones.map(({ epoch, step, runningTrainLoss }) => [epoch, step, runningTrainLoss]),
      [
        [1, 2_000, 999.5],
        [2, 1_000, 2_999.5],
        [2, 3_000, 4_999.5],
      ],
    );
  });

  test('does not count batches of an evaluation', () => {
    const { heart, shown, wait } = makeHeart();
    const pulse = heart.pulseOf(makeAssignment());
    epoch(pulse, wait, 0.01, new Array(1_999).fill(1));
    for (let batch = 0; batch < 5; batch++) pulse(evaluation);
    assert.equal(shown.length, 0);
    epoch(pulse, wait, 0.01, [2_001]);
    assert.equal(shown[0]?.progress.runningTrainLoss, 2);
  });

  test('begins anew with every trial', () => {
    const { heart, shown, wait } = makeHeart();
    epoch(heart.pulseOf(makeAssignment()), wait, 0.01, new Array(1_500).fill(9));
    epoch(heart.pulseOf(makeAssignment({ trial: 8 })), wait, 0.01, new Array(2_000).fill(1));
    const [milestone] = shown.filter((report) => report.milestone);
    assert.deepEqual(
      [milestone?.progress.trial, milestone?.progress.step, milestone?.progress.runningTrainLoss],
      [8, 2_000, 1],
    );
  });
});
