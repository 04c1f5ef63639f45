import { ApiError } from '../shared/api-error.ts';
import type { Log } from '../shared/log.ts';
import { InvalidMessageError, messageOf } from '../sweep/errors.ts';
import {
  type CalloutDecision,
  type CalloutRefusal,
  type CalloutRules,
  decideCallout,
  permissionsOf,
} from './callout.ts';
import type { AccountKey } from './callout-account.ts';
import { type CalloutCluster, readFacts } from './callout-facts.ts';
import { type Admitted, type CalloutRequest, decodeCalloutRequest, encodeCalloutAnswer } from './callout-token.ts';
import type { Turns } from './callout-turns.ts';

/** Where the server asks who may connect. */
export const CALLOUT_SUBJECT = '$SYS.REQ.USER.AUTH';
/** One replica of all answers. */
export const CALLOUT_QUEUE = 'cnn-sweep';
/** Account of the server that trials are put into. */
export const CALLOUT_ACCOUNT = 'CNN_SWEEP';
/** Then the server cuts the connection, and the client comes back with the token that is in its file by then. Long, so that trials go
 * on while nobody answers; a Pod's own connection ends with it. */
const ADMITTED_SECONDS = 3_600;

export type CalloutOutcome = 'Admitted' | 'Invalid' | CalloutRefusal;

export interface CalloutDeps {
  readonly account: AccountKey;
  readonly cluster: CalloutCluster;
  /** A crowd that connects at once does not become one at the API server. */
  readonly turns: Turns;
  readonly rules: CalloutRules;
  readonly log: Log;
  readonly count: (outcome: CalloutOutcome) => void;
  /** Seconds since 1970, as the server's own clock counts. */
  readonly now?: () => number;
}

/** Answers one request. Who is refused learns that alone; the log and the count say why.
 * @returns undefined for what is no request of our server: nobody could be answered
 */
export async function answerCallout(payload: Uint8Array, deps: CalloutDeps): Promise<string | undefined> {
  const { account, log, count } = deps;
  const request = decode(payload, deps);
  if (!request) {
    count('Invalid');
    return undefined;
  }
  const decision = await decide(request, deps);
  const now = deps.now?.() ?? Math.floor(Date.now() / 1000);
  const { host } = request;
  if (decision.kind === 'admitted') {
    const { namespace, sweep, trial, podName } = decision.who;
    log.info('nats client admitted', { sweep: `${namespace}/${sweep}`, trial, pod: podName, host });
    count('Admitted');
  } else {
    log.warn('nats client refused', { reason: decision.reason, message: decision.message, host });
    count(decision.reason);
  }
  return encodeCalloutAnswer(request, verdictOf(decision, now), account, now);
}

function decode(payload: Uint8Array, { account, log }: CalloutDeps): CalloutRequest | undefined {
  try {
    return decodeCalloutRequest(Buffer.from(payload).toString(), account);
  } catch (error) {
    if (!(error instanceof InvalidMessageError)) throw error;
    log.warn('nats callout', { error });
    return undefined;
  }
}

async function decide({ token }: CalloutRequest, deps: CalloutDeps): Promise<CalloutDecision> {
  const { cluster, rules, log, turns } = deps;
  if (token === '') return { kind: 'refused', reason: 'NoToken', message: 'the client presents no token' };
  try {
    const facts = await turns.take(() => readFacts(cluster, token, rules));
    if (facts === 'crowded') return { kind: 'refused', reason: 'Unavailable', message: 'too many connect at once' };
    return decideCallout(facts, rules);
  } catch (error) {
    // An answer all the same: who asks tries again sooner than after a time-out.
    if (!(error instanceof ApiError)) log.error('nats callout', { error });
    const words = messageOf(error);
    return { kind: 'refused', reason: 'Unavailable', message: `the API server cannot be asked: ${words}` };
  }
}

function verdictOf(decision: CalloutDecision, now: number): Admitted | { refused: string } {
  if (decision.kind === 'refused') return { refused: decision.reason };
  const { who } = decision;
  const name = `${who.namespace}/${who.podName}`;
  return { account: CALLOUT_ACCOUNT, name, permissions: permissionsOf(who), expires: now + ADMITTED_SECONDS };
}
