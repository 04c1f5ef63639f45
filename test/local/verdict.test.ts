import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildVerdictFile, encodeVerdictFile } from '../../src/local/verdict.ts';
import { buildAssignment } from '../../src/sweep/assignment.ts';
import { judgeResults } from '../../src/sweep/records.ts';
import type { TrialResult } from '../../src/sweep/result.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { makeMeasurements, makeResult, makeSweep } from '../fakes/trials.ts';

const sweep = makeSweep();

function makeResults(attemptUID: string): TrialResult[] {
  return expandTrials(sweep).map((trial) => {
    const assignment = buildAssignment(sweep, trial, { attempt: 1, attemptUID });
    return makeResult(assignment, makeMeasurements(assignment));
  });
}

function encoded(results: readonly TrialResult[]): string {
  const machine = { os: 'linux', arch: 'x64', cpu: 'any', cores: 2 };
  const byTrial = new Map(results.map((result) => [result.trial, result]));
  const verdict = judgeResults(sweep, byTrial.values());
  return encodeVerdictFile(
    buildVerdictFile(sweep, byTrial, results.length, verdict, {
      hasModel: true,
      machine,
      versions: { b: '1', a: '2' },
    }),
  );
}

test('a trial that failed never wins, whatever its record says of its curve', () => {
  const results = makeResults('uid').map((result) =>
    result.trial === 0 ? { ...result, outcome: 'Failed' as const } : result,
  );
  assert.equal(judgeResults(sweep, makeResults('uid')).best?.trial, 0);
  assert.equal(judgeResults(sweep, results).best?.trial, 1);
});

test('how each trial ended stands in the file, by index, without its attempt or its time', () => {
  const [first, second] = makeResults('uid');
  assert.ok(first && second);
  const failed = { ...second, outcome: 'Failed' as const, reason: 'Crashed (exit 1)', attempt: 3 };
  assert.deepEqual(JSON.parse(encoded([failed, first])).outcomes, [
    { trial: 0, outcome: 'Succeeded', reason: '' },
    { trial: 1, outcome: 'Failed', reason: 'Crashed (exit 1)' },
  ]);
});

test('the order of the records, and who made them when, do not change a byte', () => {
  const later = makeResults('another').map((result) => ({ ...result, attempt: 2, seconds: 99 }));
  assert.equal(encoded(later.toReversed()), encoded(makeResults('uid')));
});
