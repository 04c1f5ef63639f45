import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeEvent } from '../../src/cli/plain.ts';
import type { RunEvent } from '../../src/local/engine.ts';
import { makeStudyEvents } from './events.ts';

const study = makeStudyEvents();
const stopped = {
  outcome: 'Stopped',
  reason: 'Stopped: more than 1 trials failed',
  summary: null,
  seconds: 12,
} as const;

const cases: Record<string, { event: RunEvent; want: string[] }> = {
  'a fresh folder says how much there is to do': { event: study.opened(), want: ['10 trials of 15 epochs'] },
  'a folder that goes on says how much is done': {
    event: study.opened([0, 3]),
    want: ['2 of 10 trials recorded already'],
  },
  'a start names the network': { event: study.started(2), want: ['trial 2 (12,32) relu max: started'] },
  'a second attempt says so': { event: study.started(2, 2), want: ['trial 2 (12,32) relu max: started, attempt 2'] },
  'progress within an epoch is no line': { event: study.progress(2), want: [] },
  'an epoch is a line with its figures': {
    event: study.measured(2, 3, {
      trainLoss: 1.2344,
      validationLoss: 1.3456,
      validationAccuracy: 0.6523,
      trainAccuracy: 0.6923,
    }),
    want: [
      'trial 2 (12,32) relu max: epoch 3/15: train loss 1.234, validation loss 1.346, accuracy 65.2 %, gap 4 points, StillImproving, 2,812 images/s',
    ],
  },
  'a loss that is not finite is said so': {
    event: study.measured(2, 3, { trainLoss: null, validationLoss: null, validationAccuracy: 0.1, trainAccuracy: 0.1 }),
    want: [
      'trial 2 (12,32) relu max: epoch 3/15: train loss not finite, validation loss not finite, accuracy 10.0 %, gap 0 points, StillImproving, 2,812 images/s',
    ],
  },
  'an overfit trial ends with its numbers': {
    event: study.recorded(4, { seconds: 754.2 }),
    want: [`trial 4 (48,128) relu max: done after 12:35; Overfit: ${study.verdict.findings[4]?.reason}`],
  },
  'a failed trial ends with its reason': {
    event: study.recorded(1, { outcome: 'Failed', reason: 'exit 1: Error: out of luck', summary: null, seconds: 3 }),
    want: ['trial 1 (6,16) relu max: failed after 0:03; exit 1: Error: out of luck'],
  },
  'a stopped trial says why': {
    event: study.recorded(1, stopped),
    want: ['trial 1 (6,16) relu max: stopped after 0:12; Stopped: more than 1 trials failed'],
  },
  'a retry says what happened and when it runs again': {
    event: { kind: 'retrying', trial: 1, attempt: 2, reason: 'signal SIGKILL', delayMs: 2000 },
    want: ['trial 1 (6,16) relu max: attempt 2 signal SIGKILL; runs again in 2 s'],
  },
  'a note is marked as one': {
    event: { kind: 'note', message: 'journal: written again' },
    want: ['note: journal: written again'],
  },
  'the verdict is said elsewhere': { event: { kind: 'verdict', verdict: study.verdict }, want: [] },
};
for (const [sentence, { event, want }] of Object.entries(cases)) {
  test(sentence, () => assert.deepEqual(describeEvent(event, study.trials, 15), want));
}

test('one trial of one epoch is not many', () => {
  const opened = { kind: 'opened', trials: study.trials.slice(0, 1), recorded: [] } as const;
  assert.deepEqual(describeEvent(opened, study.trials, 1), ['1 trial of 1 epoch']);
});
