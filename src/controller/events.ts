import type { Cluster } from '../shared/calls.ts';
import { EVENTS } from '../shared/kinds.ts';
import type { Log } from '../shared/log.ts';
import type { SweepObject } from '../shared/objects.ts';
import type { Timers } from '../shared/timers.ts';
import type { Condition, SweepStatus } from '../sweep/status.ts';

/** Something that happened to a Sweep, for `kubectl describe`. */
export interface SweepEvent {
  readonly type: 'Normal' | 'Warning';
  /** PascalCase. */
  readonly reason: string;
  readonly message: string;
}

/** What a change of status is worth telling: conditions that came to hold, or hold for another reason. */
export function eventOf(before: SweepStatus | undefined, after: SweepStatus): SweepEvent[] {
  return after.conditions.flatMap((condition): SweepEvent[] => {
    const old = before?.conditions.find(({ type }) => type === condition.type);
    const isNews = old?.status !== condition.status || old.reason !== condition.reason;
    if (!isNews) return [];
    const { reason, message } = condition;
    if (isWarning(condition)) return [{ type: 'Warning', reason, message }];
    return condition.status === 'True' && condition.type !== 'Accepted' ? [{ type: 'Normal', reason, message }] : [];
  });
}

function isWarning({ type, status }: Condition): boolean {
  return type === 'Accepted' ? status === 'False' : status === 'True' && (type === 'Degraded' || type === 'Failed');
}

export interface EventRecorder {
  /** Writes an Event, at most one a minute of each Sweep and reason. A failure is logged and forgotten: Events decide nothing. */
  record(sweep: SweepObject, event: SweepEvent): Promise<void>;
}

const EVERY_MS = 60_000;

/** Writes Events of Sweeps; of the same reason the same Event, with a higher count. */
export function openEvents(
  cluster: Pick<Cluster, 'create' | 'mergePatch'>,
  { log, timers, wallClock = () => new Date() }: { log: Log; timers: Timers; wallClock?: () => Date },
): EventRecorder {
  const told = new Map<string, { atMs: number; count: number }>();
  return {
    async record({ metadata: { namespace, name, uid } }, { type, reason, message }) {
      const eventName = `${name}.${uid.slice(0, 8)}.${reason.toLowerCase()}`;
      const last = told.get(`${namespace}/${eventName}`);
      if (last && timers.now() - last.atMs < EVERY_MS) return;
      const count = (last?.count ?? 0) + 1;
      told.set(`${namespace}/${eventName}`, { atMs: timers.now(), count });
      // An hour later the API server has forgotten it as well.
      for (const [key, { atMs }] of told) if (timers.now() - atMs > 60 * EVERY_MS) told.delete(key);
      const time = wallClock()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z');
      const { apiVersion, kind } = EVENTS;
      const event = {
        apiVersion,
        kind,
        metadata: { namespace, name: eventName },
        involvedObject: { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', namespace, name, uid },
        type,
        reason,
        message,
        count,
        firstTimestamp: time,
        lastTimestamp: time,
        source: { component: 'cnn-sweep-controller' },
      };
      try {
        const created = await cluster.create(EVENTS, event, { tries: 1 });
        if (created.kind === 'exists') {
          const change = { message, count, lastTimestamp: time };
          await cluster.mergePatch(EVENTS, { namespace, name: eventName }, change, { tries: 1 });
        }
      } catch (error) {
        log.warn('event not written', { sweep: `${namespace}/${name}`, reason, error });
      }
    },
  };
}
