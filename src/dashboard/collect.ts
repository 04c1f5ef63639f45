import type { FastifyInstance } from 'fastify';
import type { Log } from '../shared/log.ts';
import type { Timers } from '../shared/timers.ts';
import { InvalidMessageError } from '../sweep/errors.ts';
import { type CleanPayload, cleanPayload, encodePayload, type FaroKind, type VitalName } from './faro-payload.ts';
import { ProblemError } from './problems.ts';
import { TokenBuckets } from './token-buckets.ts';

export type FaroResult = 'accepted' | 'rejected' | 'forwarded' | 'failed';

export interface CollectOptions {
  readonly log: Log;
  readonly timers: Timers;
  readonly onItem?: (kind: FaroKind, result: FaroResult) => void;
  /** In milliseconds; `cls` without a unit. */
  readonly onVital?: (name: VitalName, value: number) => void;
  /** Where the cleaned body goes too. The page never waits for it. */
  readonly forward?: ((body: string, signal: AbortSignal) => Promise<void>) | undefined;
}

const PER_SECOND = 10;
const BURST = 20;
const FORWARD_MS = 2_000;
const MAX_WAITING = 100;

/** `POST /collect`: what the page tells of itself. @see operations.md section 5 */
export function addCollect(app: FastifyInstance, options: CollectOptions): void {
  const { timers, log, onItem, onVital } = options;
  const rates = new TokenBuckets({ perSecond: PER_SECOND, burst: BURST, timers });
  const forward = forwarder(options);
  app.post(
    '/collect',
    {
      schema: { hide: true },
      onRequest: async ({ ip, headers }) => {
        const wait = rates.take(ip);
        if (wait > 0) {
          throw new ProblemError('too-many-requests', `at most ${PER_SECOND} a second`, {
            retryAfterSeconds: Math.ceil(wait),
          });
        }
        if (headers['content-encoding'] !== undefined) {
          throw new ProblemError('unsupported-media-type', 'a compressed body is not read');
        }
        if (!/^application\/json\s*(?:;|$)/i.test(headers['content-type'] ?? '')) {
          throw new ProblemError('unsupported-media-type', 'expected application/json');
        }
      },
    },
    async ({ body }, reply) => {
      const payload = clean(body);
      for (const { kind, item, vitals } of payload.items) {
        onItem?.(kind, 'accepted');
        for (const [name, value] of vitals) onVital?.(name, value);
        // Under a name of its own: a `level` that a browser sends is not the line's.
        log.info('page', { kind, item, meta: payload.meta });
      }
      for (const [kind, count] of Object.entries(payload.rejected)) {
        for (let at = 0; at < count; at++) onItem?.(kind as FaroKind, 'rejected');
      }
      forward?.(payload);
      return reply.code(202).type('text/plain').send('ok');
    },
  );
}

function clean(body: unknown): CleanPayload {
  try {
    return cleanPayload(body);
  } catch (error) {
    if (!(error instanceof InvalidMessageError)) throw error;
    throw new ProblemError('bad-request', error.message);
  }
}

/** One after the other; beyond a hundred that wait the new ones are given up. */
function forwarder({ forward, onItem }: CollectOptions): ((payload: CleanPayload) => void) | undefined {
  if (!forward) return undefined;
  const waiting: CleanPayload[] = [];
  let isSending = false;
  const tell = ({ items }: CleanPayload, result: FaroResult) => {
    for (const { kind } of items) onItem?.(kind, result);
  };
  async function sendAll(send: NonNullable<CollectOptions['forward']>): Promise<void> {
    isSending = true;
    for (let payload = waiting.shift(); payload; payload = waiting.shift()) {
      try {
        await send(encodePayload(payload), AbortSignal.timeout(FORWARD_MS));
        tell(payload, 'forwarded');
      } catch {
        tell(payload, 'failed');
      }
    }
    isSending = false;
  }
  return (payload) => {
    if (payload.items.length === 0) return;
    if (waiting.length >= MAX_WAITING) {
      tell(payload, 'failed');
      return;
    }
    waiting.push(payload);
    if (!isSending) void sendAll(forward);
  };
}
