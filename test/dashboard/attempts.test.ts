import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttemptFacts, findAttempt, type SeenAttempt, withAttempt } from '../../src/dashboard/attempts.ts';

const at = (minute: number) => `2026-11-25T09:${String(minute).padStart(2, '0')}:00Z`;
const seeAll = (seen: readonly SeenAttempt[]) => seen.reduce<readonly AttemptFacts[]>(withAttempt, []);
const NOTHING = { node: null, pod: null, createdAt: null, startedAt: null, endedAt: null, reason: '' };

const cases: Record<string, { seen: readonly SeenAttempt[]; want: readonly Partial<AttemptFacts>[] }> = {
  'an attempt of which only its number is known is kept as that': {
    seen: [{ attempt: 1, reason: 'DeadlineExceeded' }],
    want: [{ ...NOTHING, attempt: 1, attemptUID: null, reason: 'DeadlineExceeded' }],
  },
  'what was known stays when nobody sees it any more': {
    seen: [
      { attempt: 1, attemptUID: 'a', node: 'n1', createdAt: at(1), startedAt: at(2) },
      { attempt: 1, attemptUID: 'a', node: null, startedAt: null, endedAt: at(3), reason: 'exit 137' },
      { attempt: 1, attemptUID: 'a', reason: '' },
    ],
    want: [{ ...NOTHING, attempt: 1, attemptUID: 'a', node: 'n1', createdAt: at(1), startedAt: at(2) }].map(
      (facts) => ({ ...facts, endedAt: at(3), reason: 'exit 137' }),
    ),
  },
  'who knows the number alone fills the gaps of the last one of that number, and changes nothing': {
    seen: [
      { attempt: 1, attemptUID: 'evicted', createdAt: at(1), endedAt: at(2), reason: 'evicted' },
      { attempt: 1, attemptUID: 'again', createdAt: at(3), endedAt: at(4) },
      { attempt: 1, endedAt: at(5), reason: 'BackoffLimitExceeded' },
    ],
    want: [
      { attemptUID: 'evicted', endedAt: at(2), reason: 'evicted' },
      { attemptUID: 'again', endedAt: at(4), reason: 'BackoffLimitExceeded' },
    ],
  },
  'a Pod that is seen later takes over what was known by the number': {
    seen: [
      { attempt: 2, endedAt: at(5), reason: 'DeadlineExceeded' },
      { attempt: 2, attemptUID: 'b', createdAt: at(1), startedAt: at(2) },
    ],
    want: [{ attemptUID: 'b', createdAt: at(1), startedAt: at(2), endedAt: at(5), reason: 'DeadlineExceeded' }],
  },
  'they stand by number and then by age, however they come': {
    seen: [
      { attempt: 2, attemptUID: 'c', createdAt: at(3) },
      { attempt: 1, attemptUID: 'b', createdAt: at(2) },
      { attempt: 1, attemptUID: 'a', createdAt: at(1) },
    ],
    want: [{ attemptUID: 'a' }, { attemptUID: 'b' }, { attemptUID: 'c' }],
  },
};
for (const [sentence, { seen, want }] of Object.entries(cases))
  test(sentence, () => assert.partialDeepStrictEqual(seeAll(seen), want));

test('what says nothing new leaves the same list', () => {
  const known = seeAll([{ attempt: 1, attemptUID: 'a', createdAt: at(1), endedAt: at(2), reason: 'exit 1' }]);
  for (const again of [
    { attempt: 1, attemptUID: 'a' },
    { attempt: 1, attemptUID: 'a', endedAt: at(2), node: null },
    { attempt: 1, reason: 'BackoffLimitExceeded' },
  ])
    assert.equal(withAttempt(known, again), known, JSON.stringify(again));
});

test('the latest 30 are kept, and one that is older than those changes nothing', () => {
  const many = seeAll(Array.from({ length: 40 }, (_, n) => ({ attempt: n + 1, attemptUID: `uid-${n + 1}` })));
  assert.deepEqual([many.length, many[0]?.attempt, many.at(-1)?.attempt], [30, 11, 40]);
  assert.equal(withAttempt(many, { attempt: 1, attemptUID: 'uid-1', node: 'n1' }), many);
});

test('a reason is kept to 1,000 characters', () => {
  assert.equal(seeAll([{ attempt: 1, reason: 'x'.repeat(4096) }])[0]?.reason.length, 1000);
});

test('an attempt is found by its UID, else by its number if nobody knows whose that was', () => {
  const known = seeAll([
    { attempt: 1, attemptUID: 'a', node: 'n1' },
    { attempt: 2, node: 'n2' },
  ]);
  assert.equal(findAttempt(known, { attempt: 1, attemptUID: 'a' })?.node, 'n1');
  assert.equal(findAttempt(known, { attempt: 2, attemptUID: 'b' })?.node, 'n2');
  assert.equal(findAttempt(known, { attempt: 1, attemptUID: 'other' }), undefined);
  assert.equal(findAttempt(known, { attempt: 0, attemptUID: null }), undefined);
});
