import { formatSeconds } from '../report/format.ts';
import type { TrialEvent } from './api.ts';
import type { AttemptFacts } from './attempts.ts';
import type { TrialState } from './trial-state.ts';

/** What happened to a trial, the oldest first, from what is known of its attempts and its record. What has no time stands behind what
 * is known of the same attempt. Pure.
 */
export function buildEvents({
  attempts,
  record,
  endedAt,
}: Pick<TrialState, 'attempts' | 'record' | 'endedAt'>): TrialEvent[] {
  const events = attempts.flatMap((facts) => eventsOf(facts, record?.attemptUID === facts.attemptUID));
  if (record) {
    const { attempt, outcome, reason } = record;
    const why = outcome === 'Succeeded' || reason === '' ? '' : `: ${reason}`;
    events.push({ at: endedAt, attempt, words: `recorded: ${outcome}${why}` });
  }
  let atMs = 0;
  return events
    .map((event) => {
      if (event.at !== null) atMs = Date.parse(event.at);
      return { event, atMs };
    })
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ event }) => event);
}

function eventsOf(facts: AttemptFacts, isRecorded: boolean): TrialEvent[] {
  const { attempt, node, createdAt, startedAt, endedAt, reason } = facts;
  const where = node === null ? '' : ` on ${node}`;
  const waited = createdAt === null || startedAt === null ? 0 : (Date.parse(startedAt) - Date.parse(createdAt)) / 1000;
  const after = waited > 0 ? ` after ${formatSeconds(waited)}` : '';
  const events: TrialEvent[] = [];
  // A process of this machine begins at once.
  if (createdAt !== null && createdAt !== startedAt) events.push({ at: createdAt, attempt, words: 'created' });
  if (startedAt !== null) events.push({ at: startedAt, attempt, words: `began${where}${after}` });
  if (reason !== '') events.push({ at: endedAt, attempt, words: `ended: ${reason}` });
  else if (endedAt !== null && !isRecorded) events.push({ at: endedAt, attempt, words: 'ended' });
  return events;
}
