import type { FastifyRequest } from 'fastify';
import { InvalidMessageError } from '../sweep/errors.ts';
import type { Access } from './access.ts';
import type { TrialRow } from './api.ts';
import { notFound, ProblemError } from './problems.ts';
import { MAX_CURVES, type SweepPath, type TrialPath } from './route-schemas.ts';
import type { Store } from './store.ts';
import type { SweepEntry } from './sweep-entry.ts';
import { parseTrialList } from './trial-list.ts';
import { matches, type TrialQuery } from './trial-query.ts';
import type { TrialState } from './trial-state.ts';

/** What there is to read, and who may. */
export interface Readable {
  readonly store: Store;
  readonly access: Access;
}

/** The sweep that a path names, judged. "No right" and "not there" take the same way to the same answer. @throws ProblemError */
export async function entryOf(
  { params, user }: FastifyRequest<{ Params: SweepPath }>,
  { store, access }: Readable,
): Promise<SweepEntry> {
  const mayRead = user !== undefined && (await access.mayRead(user, params.namespace));
  const entry = mayRead ? store.sweep(params.namespace, params.name) : undefined;
  if (!entry) throw notFound();
  store.judge(entry);
  return entry;
}

/** @throws ProblemError */
export function stateOf(entry: SweepEntry, { params }: FastifyRequest<{ Params: TrialPath }>): TrialState {
  const state = entry.trials[params.index];
  if (!state) throw notFound();
  return state;
}

/** Those that who asks may read. */
export async function readableSweeps(
  sweeps: readonly SweepEntry[],
  { user }: FastifyRequest,
  access: Access,
): Promise<SweepEntry[]> {
  if (!user) return [];
  const namespaces = [...new Set(sweeps.map(({ namespace }) => namespace))];
  const answers = await Promise.all(namespaces.map((namespace) => access.mayRead(user, namespace)));
  const readable = new Set(namespaces.filter((_, at) => answers[at]));
  return sweeps.filter(({ namespace }) => readable.has(namespace));
}

/** Rows that a query asks for. */
export function rowsOf(entry: SweepEntry, query: TrialQuery): TrialRow[] {
  return entry.trials.map((state) => entry.rowOf(state)).filter(matches(query));
}

/** Trials that a list names, `0-9,17`; without one the first. @throws ProblemError */
export function trialsOf(entry: SweepEntry, list: string | undefined): TrialState[] {
  if (list === undefined) return entry.trials.slice(0, MAX_CURVES);
  try {
    return parseTrialList(list, entry.trials.length, MAX_CURVES).flatMap((trial) => entry.trials[trial] ?? []);
  } catch (error) {
    if (!(error instanceof InvalidMessageError)) throw error;
    throw new ProblemError('bad-request', error.message, {
      errors: [{ path: 'querystring.trials', message: error.message }],
    });
  }
}
