import { isDeepStrictEqual } from 'node:util';

/** What is known of one attempt at a trial; times in RFC 3339. */
export interface AttemptFacts {
  readonly attempt: number;
  /** UID of its Pod or process; null: it ended before anybody saw one. An eviction keeps the attempt and changes its UID. */
  readonly attemptUID: string | null;
  readonly node: string | null;
  readonly pod: string | null;
  /** When its Pod was created: from then on it is pending. */
  readonly createdAt: string | null;
  /** When its container began. */
  readonly startedAt: string | null;
  /** When its container or its Pod ended, or it was recorded. */
  readonly endedAt: string | null;
  /** Why it ended badly; else empty. */
  readonly reason: string;
}

/** What a source sees of one. What is absent or null there stays as it was known: a Pod that vanishes takes nothing along. */
export type SeenAttempt = Pick<AttemptFacts, 'attempt'> & Partial<AttemptFacts>;

/** Of one trial: a Pod that is evicted again and again must not fill the memory. */
const MOST = 30;
/** Characters. A container may write 4,096 bytes to its termination log. */
const MAX_REASON = 1_000;

/** The attempts with what is seen of one of them, the earliest first; the same list if that says nothing new. Pure. */
export function withAttempt(known: readonly AttemptFacts[], seen: SeenAttempt): readonly AttemptFacts[] {
  const fresh: AttemptFacts = {
    ...{ attemptUID: null, node: null, pod: null, createdAt: null, startedAt: null, endedAt: null },
    ...seen,
    reason: (seen.reason ?? '').slice(0, MAX_REASON),
  };
  const before = known.find(isSameAs(fresh)) ?? known.findLast(isUnnamedTwinOf(fresh));
  if (!before) return inOrder([...known, fresh], known);
  // Who cannot say which Pod it was only fills gaps.
  const isVague = fresh.attemptUID === null && before.attemptUID !== null;
  const after = isVague ? merge(fresh, before) : merge(before, fresh);
  if (isDeepStrictEqual(before, after)) return known;
  return inOrder(
    known.map((one) => (one === before ? after : one)),
    known,
  );
}

/** The facts of an attempt that is known by number, and mostly by UID. */
export function findAttempt(known: readonly AttemptFacts[], who: Who): AttemptFacts | undefined {
  return known.find(isSameAs(who)) ?? known.find((one) => one.attemptUID === null && one.attempt === who.attempt);
}

export type Who = Pick<AttemptFacts, 'attempt' | 'attemptUID'>;

const isSameAs = (who: Who) => (one: Who) =>
  one.attemptUID === who.attemptUID && (who.attemptUID !== null || one.attempt === who.attempt);

/** Of the same number, and one of the two has no UID. */
const isUnnamedTwinOf = (who: Who) => (one: Who) =>
  one.attempt === who.attempt && (one.attemptUID === null || who.attemptUID === null);

function merge(under: AttemptFacts, over: AttemptFacts): AttemptFacts {
  return {
    attempt: over.attempt,
    attemptUID: over.attemptUID ?? under.attemptUID,
    node: over.node ?? under.node,
    pod: over.pod ?? under.pod,
    createdAt: over.createdAt ?? under.createdAt,
    startedAt: over.startedAt ?? under.startedAt,
    endedAt: over.endedAt ?? under.endedAt,
    reason: over.reason || under.reason,
  };
}

/** By number, then by age; the latest stay. */
function inOrder(attempts: readonly AttemptFacts[], known: readonly AttemptFacts[]): readonly AttemptFacts[] {
  const since = ({ createdAt, startedAt }: AttemptFacts) => Date.parse(createdAt ?? startedAt ?? '') || 0;
  const sorted = attempts.toSorted((a, b) => a.attempt - b.attempt || since(a) - since(b)).slice(-MOST);
  return isDeepStrictEqual(sorted, known) ? known : sorted;
}
