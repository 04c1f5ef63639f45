import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describeVerdict } from '../../src/cli/describe-verdict.ts';
import { makeStudyEvents } from './events.ts';

const { trials, verdict } = makeStudyEvents();

describe('a verdict for people', () => {
  test('in a pipe has the reasons in the table', (context) =>
    context.assert.snapshot(describeVerdict(verdict, trials, Number.POSITIVE_INFINITY)));
  test('in 100 columns has the reasons below the table', (context) =>
    context.assert.snapshot(describeVerdict(verdict, trials, 100)));
  test('in 50 columns has them too', (context) => context.assert.snapshot(describeVerdict(verdict, trials, 50)));

  test('ends with the sentence that names the best', () => {
    const last = describeVerdict(verdict, trials, Number.POSITIVE_INFINITY).at(-1);
    assert.equal(last, `best: (12,32) relu max, ${verdict.message}`);
  });

  test('points at the best, and at no other', () => {
    const lines = describeVerdict(verdict, trials, 100).filter((line) => line.startsWith('→'));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^→ +2 {2}\(12,32\) relu max/);
  });

  test('says when nothing is eligible, and leaves what other rules cost blank', () => {
    const strict = makeStudyEvents({ selection: { maxAccuracyGap: 0 } }).verdict;
    const lines = describeVerdict(strict, trials, Number.POSITIVE_INFINITY);
    assert.equal(lines.at(-1), `no eligible model: ${strict.message}`);
    assert.match(lines.find((line) => line.startsWith('overfitting ignored')) ?? '', / – +– /);
  });

  test('names trials of the same reason together', () => {
    const incomplete = { finding: 'Incomplete', reason: '0 of 15 epochs' } as const;
    const findings = verdict.findings.map((finding) => ({ ...finding, ...incomplete }));
    const lines = describeVerdict({ ...verdict, findings }, trials, 80);
    assert.ok(lines.includes('trials 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 Incomplete: 0 of 15 epochs'), lines.join('\n'));
  });

  test('writes a difference of nothing as such, others with their sign', () => {
    const [first] = verdict.alternatives;
    assert.ok(first);
    const differences = (loss: number | null, accuracy: number | null) => {
      const changed = { ...first, validationLossDifference: loss, validationAccuracyDifference: accuracy };
      const lines = describeVerdict({ ...verdict, alternatives: [changed] }, trials, Number.POSITIVE_INFINITY);
      const [, row = ''] = lines.slice(lines.indexOf('other rules would have picked:') + 1);
      return row.split(/ {2,}/).slice(3, 5);
    };
    assert.deepEqual(differences(-0.0001, 0), ['=', '=']);
    assert.deepEqual(differences(0.0123, -0.021), ['+0.012', '-2.1 points']);
    assert.deepEqual(differences(-0.5, 0.2), ['-0.500', '+20 points']);
    assert.deepEqual(differences(null, null), ['–', '–']);
  });

  test('fits the window, but for words that are longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 250 }), (width) => {
        for (const line of describeVerdict(verdict, trials, width)) {
          assert.ok(stringWidth(line) <= width, `${line} in ${width}`);
        }
      }),
    );
  });
});
