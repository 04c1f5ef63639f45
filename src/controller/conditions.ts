import type { Reason } from '../sweep/reasons.ts';
import { CONDITIONS, type Condition, type ConditionType } from '../sweep/status.ts';
import type { Stuck } from './stuck.ts';
import { cut, jsonBytes } from './text.ts';

/** What a condition says, before it is dated. */
export interface Saying {
  readonly status: 'True' | 'False';
  readonly reason: Reason;
  readonly message: string;
}

export type Sayings = Readonly<Record<ConditionType, Saying>>;

export interface Dating {
  readonly generation: number;
  readonly previous: readonly Condition[];
  /** RFC 3339. */
  readonly now: string;
  /** Longest message, in bytes of JSON. */
  readonly maxMessage: number;
}

/** Dates what the conditions say: a transition is a change of `status`, not of its reason. In the order of CONDITIONS. */
export function dateConditions(sayings: Sayings, { generation, previous, now, maxMessage }: Dating): Condition[] {
  return CONDITIONS.map((type) => {
    const { status, reason, message } = sayings[type];
    const before = previous.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
    return {
      type,
      status,
      reason,
      message: cut(message, maxMessage),
      observedGeneration: generation,
      lastTransitionTime,
    };
  });
}

/** What Degraded says: the reason is the worst, the message one object of each reason, worst first, and how many there are beside.
 * @param stuck worst first
 */
export function sayStuck(stuck: readonly Stuck[], maxMessage: number): Saying {
  const [worst] = stuck;
  if (!worst) return { status: 'False', reason: 'AsExpected', message: 'nothing is stuck' };
  const others = stuck.filter(({ reason }, at) => stuck.findIndex((first) => first.reason === reason) === at).slice(1);
  let message = worst.message;
  let shown = 1;
  for (const { reason, message: words } of others) {
    const longer = `${message}; ${reason}: ${words}`;
    if (jsonBytes(longer) > maxMessage - MORE_BYTES) break;
    message = longer;
    shown++;
  }
  const left = stuck.length - shown;
  const more = left > 0 ? `; and ${left} more` : '';
  return { status: 'True', reason: worst.reason, message: cut(message, maxMessage - jsonBytes(more)) + more };
}

/** `; and 100000 more` */
const MORE_BYTES = 24;
