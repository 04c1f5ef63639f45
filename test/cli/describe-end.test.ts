import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { describeEnd, type EndContext } from '../../src/cli/describe-end.ts';
import type { RunEnd } from '../../src/local/engine.ts';
import { makeStudyEvents } from './events.ts';

const { sweep, trials, verdict, recorded } = makeStudyEvents();

function makeEnd({
  waiting = 0,
  failed = 0,
  stopped = 0,
  maxFailedTrials,
  ...given
}: Partial<RunEnd> & { waiting?: number; failed?: number; stopped?: number; maxFailedTrials?: number } = {}): RunEnd {
  const counts = { total: 10, succeeded: 10 - waiting - failed - stopped, failed, stopped, waiting };
  const left = waiting + stopped;
  const complete = left === 0;
  const file = {
    sweep: { ...sweep, spec: { ...sweep.spec, ...(maxFailedTrials !== undefined && { maxFailedTrials }) } },
    complete,
    trials: counts,
    outcomes: [],
    verdict,
    test: complete ? { loss: 1, accuracy: 0.6534 } : null,
    optimism: null,
    model: complete ? ('model' as const) : null,
    backend: 'wasm',
    machine: { os: 'linux', arch: 'x64', cpu: 'a cpu', cores: 2 },
    versions: {},
  };
  return { outcome: 'finished', complete, left, unsaved: [], noRoom: null, verdict, counts, file, ...given };
}

function linesOf(end: RunEnd, given: Partial<EndContext> = {}): string[] {
  const context = { folder: 'runs/study', trials, failures: [], report: 'runs/study/report.html', suspended: false };
  return describeEnd(end, { ...context, width: Number.POSITIVE_INFINITY, ...given });
}

function failureOf(trial: number, attempt = 3) {
  const event = recorded(trial, { outcome: 'Failed', reason: 'exit 1: Error: out of luck', attempt, summary: null });
  assert.ok(event.kind === 'recorded');
  return event.result;
}

describe('the last lines of a run', () => {
  const cases: Record<string, { end: RunEnd; context?: Partial<EndContext>; want: string[] }> = {
    'name the best, its test accuracy, and where model and report are': {
      end: makeEnd(),
      want: [
        `best: (12,32) relu max, ${verdict.message}`,
        'test accuracy of the kept weights: 65.3 %',
        'model:  runs/study/model',
        'report: runs/study/report.html',
        'page:   cnn-sweep open runs/study',
      ],
    },
    'of an interrupted run say how to go on': {
      end: makeEnd({ outcome: 'interrupted', waiting: 3 }),
      want: [
        'This verdict is of 7 of 10 trials: it may still change.',
        'report: runs/study/report.html',
        'page:   cnn-sweep open runs/study',
        'interrupted: 3 trials are left; the same command goes on',
      ],
    },
    'count one trial as one': {
      end: makeEnd({ outcome: 'interrupted', waiting: 1 }),
      want: ['interrupted: 1 trial is left; the same command goes on'],
    },
    'of a run of some trials say that the verdict is partial and how to go on': {
      end: makeEnd({ waiting: 8 }),
      want: [
        'This verdict is of 2 of 10 trials: it may still change.',
        'report: runs/study/report.html',
        'page:   cnn-sweep open runs/study',
        'those asked for are done: 8 trials are left; the same command without --trials goes on with the rest',
      ],
    },
    'of a suspended sweep say what to change': {
      end: makeEnd({ waiting: 8 }),
      context: { suspended: true },
      want: ['spec.suspend is true: 8 trials are left; set it to false and the same command goes on'],
    },
    'of a run in which more failed than allowed give both numbers and what to do': {
      end: makeEnd({ outcome: 'failed', failed: 1, maxFailedTrials: 0, waiting: 3, stopped: 2 }),
      want: [
        'This verdict is of 5 of 10 trials: it may still change.',
        'report: runs/study/report.html',
        'page:   cnn-sweep open runs/study',
        '1 trial failed, 2 were stopped; spec.maxFailedTrials allows 0',
        'to run failed trials again: --retry-failed; 5 trials are left: raise spec.maxFailedTrials and the same command goes on',
      ],
    },
    'of a run in which none succeeded say so': {
      end: makeEnd({ outcome: 'failed', failed: 10 }),
      want: ['10 trials failed, none succeeded', 'to run failed trials again: --retry-failed'],
    },
    'of a run whose results could not be saved name them and say what the same command does': {
      end: makeEnd({ outcome: 'failed', waiting: 3, failed: 1, unsaved: [4, 7] }),
      want: [
        'runs/study/journal: could not be written; results not saved: trials 4, 7',
        'the same command goes on, and trains again what was not saved',
      ],
    },
    'of a run without room on the disk say so and how to go on': {
      end: makeEnd({
        outcome: 'failed',
        waiting: 3,
        noRoom: Object.assign(new Error('ENOSPC: no space left on device, write'), {
          code: 'ENOSPC',
          syscall: 'write',
        }),
      }),
      want: [
        'runs/study: no space left on the disk; make room and try again (ENOSPC)',
        '3 trials are left; the same command goes on',
      ],
    },
    'of a finished run with failed trials say how to train them again': {
      end: makeEnd({ failed: 1 }),
      want: ['to run failed trials again: --retry-failed'],
    },
    'say that no model was kept': {
      end: makeEnd({ file: { ...makeEnd().file, model: 'none kept' } }),
      context: { report: null },
      want: ['model:  its weights were not kept; train it again in another --folder'],
    },
  };
  for (const [sentence, { end, context, want }] of Object.entries(cases)) {
    test(sentence, () => assert.deepEqual(linesOf(end, context).slice(-want.length), want));
  }

  test('name every failed trial with its reason, up to ten', () => {
    const lines = linesOf(makeEnd(), { failures: [failureOf(0), failureOf(3, 1)] });
    assert.deepEqual(lines.slice(0, 3), [
      '',
      'trial 0 (3,8) relu max failed in 3 attempts: exit 1: Error: out of luck',
      'trial 3 (24,64) relu max failed at once: exit 1: Error: out of luck',
    ]);
    const many = linesOf(makeEnd(), { failures: Array.from({ length: 12 }, (_, trial) => failureOf(trial % 10)) });
    assert.equal(many[11], '… and 2 more failed');
  });

  test('have no verdict if nothing was recorded', () => {
    const nothing = { ...verdict, findings: [] };
    const end = makeEnd({ outcome: 'interrupted', waiting: 10, verdict: nothing });
    assert.deepEqual(linesOf(end, { report: null }), ['interrupted: 10 trials are left; the same command goes on']);
  });
});
