import type { StreamData, SweepSummary } from '../api.ts';
import { ApiError, askWhy, type Client } from './client.ts';
import { openVariable, type Source } from './source.ts';
import { type Connection, openStream } from './stream.ts';

export interface SweepsView {
  /** By `namespace/name`, the newest first; null until they were read. */
  readonly sweeps: readonly SweepSummary[] | null;
  readonly connection: Connection;
  readonly error: ApiError | null;
}

export interface SweepsFeed extends Source<SweepsView> {
  close(): void;
}

/** Reads the list of sweeps and follows it. */
export function openSweepsFeed(client: Client): SweepsFeed {
  const closing = new AbortController();
  const view = openVariable<SweepsView>({ sweeps: null, connection: { status: 'connecting' }, error: null });
  const change = (part: Partial<SweepsView>) => view.set({ ...view.get(), ...part });
  const show = (sweeps: readonly SweepSummary[]) => change({ sweeps: newestFirst(sweeps), error: null });
  client.get<{ items: SweepSummary[] }>('sweeps', 'sweeps?limit=1000', closing.signal).then(
    ({ items }) => view.get().sweeps ?? show(items),
    (error: unknown) => {
      if (closing.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      change({ error });
    },
  );
  const closeStream = openStream(client.url('events?topics=sweeps'), {
    snapshot: ({ sweeps = [] }) => show(sweeps),
    delta: (data) => show(applyToList(view.get().sweeps ?? [], data)),
    connection: (connection) => change({ connection }),
    refused: () => askWhy(client),
  });
  return {
    ...view,
    close() {
      closing.abort();
      closeStream();
    },
  };
}

const nameOf = ({ namespace, name }: SweepSummary) => `${namespace}/${name}`;

/** What changed and what is gone. */
export function applyToList(known: readonly SweepSummary[], { sweeps = [], gone = [] }: StreamData): SweepSummary[] {
  const all = new Map(known.map((sweep) => [nameOf(sweep), sweep]));
  for (const name of gone) all.delete(name);
  for (const sweep of sweeps) all.set(nameOf(sweep), sweep);
  return [...all.values()];
}

function newestFirst(sweeps: readonly SweepSummary[]): SweepSummary[] {
  const time = ({ createdAt, startTime }: SweepSummary) => Date.parse(createdAt ?? startTime ?? '') || 0;
  return sweeps.toSorted((a, b) => time(b) - time(a) || (nameOf(a) < nameOf(b) ? -1 : 1));
}
