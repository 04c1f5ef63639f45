import { EVENTS, pathOf } from '../shared/kinds.ts';
import type { EventObject } from '../shared/objects.ts';
import { readQueue } from './local-queue.ts';
import { type EventsWanted, type StuckStates, stuckStates } from './stuck.ts';
import type { Turn } from './turn.ts';

/** How long what was read of an object's Events holds. */
const EVENTS_EVERY_MS = 30_000;
/** Of so many objects at most: the first ones speak for the rest. */
const MAX_OBJECTS = 3;

/** Names what does not get on, asking for the Events of those that only Events explain. */
export async function readStuck(turn: Turn): Promise<StuckStates> {
  const { sweep, object, snapshot, memory } = turn;
  const queue = await readQueue(turn);
  const { refusals, undeletable } = memory;
  const refused = { refusals: refusals.all, undeleted: undeletable.current };
  const known = { ...refused, queueMissing: queue.missing, sinceSeen: memory.facts.sinceSeen };
  const base = { sweep, object, snapshot, ...known };
  const named = (states: StuckStates) => wakeFor(queue.wakeInMs, withUnrecorded(turn, states));
  const first = named(stuckStates({ ...base, events: [] }));
  const wanted = first.eventsWanted.slice(0, MAX_OBJECTS);
  for (const uid of memory.events.keys()) if (!wanted.some((each) => each.uid === uid)) memory.events.delete(uid);
  if (wanted.length === 0) return first;
  const events = await Promise.all(wanted.map((each) => readEvents(turn, each)));
  return named(stuckStates({ ...base, events: events.flat() }));
}

function wakeFor(inMs: number | undefined, states: StuckStates): StuckStates {
  return inMs === undefined ? states : { ...states, wakeInMs: Math.min(inMs, states.wakeInMs ?? inMs) };
}

/** Without a slice no result is recorded: that comes first. */
function withUnrecorded({ memory: { unrecorded } }: Turn, states: StuckStates): StuckStates {
  return unrecorded ? { ...states, stuck: [unrecorded, ...states.stuck] } : states;
}

async function readEvents(
  { cluster, object, memory, timers, log }: Turn,
  { uid }: EventsWanted,
): Promise<readonly EventObject[]> {
  const known = memory.events.get(uid);
  if (known && timers.now() - known.atMs < EVENTS_EVERY_MS) return known.events;
  let events: readonly EventObject[] = [];
  try {
    const { body } = await cluster.request({
      method: 'GET',
      path: pathOf(EVENTS, { namespace: object.metadata.namespace }),
      query: { fieldSelector: `involvedObject.uid=${uid}`, limit: 50 },
      tries: 1,
    });
    events = (body as { items?: EventObject[] }).items ?? [];
  } catch (error) {
    // They only explain: without them the status is still worth writing.
    log.warn('events not read', { sweep: `${object.metadata.namespace}/${object.metadata.name}`, error });
  }
  memory.events.set(uid, { atMs: timers.now(), events });
  return events;
}
