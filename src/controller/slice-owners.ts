import { ApiError } from '../shared/api-error.ts';
import type { Cluster } from '../shared/calls.ts';
import { SLICES } from '../shared/kinds.ts';
import { controllerUID } from '../shared/object-cache.ts';
import type { ObjectMeta } from '../shared/objects.ts';
import type { Timers } from '../shared/timers.ts';

/** Which Sweeps own a slice, told before the slices themselves are read: without the records the list is some hundredths as long. */
export interface SliceOwners {
  /** Resolves when they are known, wherever they may be read at all; rejects with an ApiError, or the signal's reason. */
  readonly listed: Promise<void>;
  /** Whether a Sweep owned no slice a moment ago; false before they are listed, and again once that is too long ago, and where they may
   * not be listed. */
  lacks(sweep: Pick<ObjectMeta, 'namespace' | 'uid'>): boolean;
  /** From now on it counts as one that may own some. */
  doubt(uid: string): void;
}

export interface SliceOwnersOptions {
  readonly cluster: Pick<Cluster, 'listMetadata'>;
  /** Absent: all. */
  readonly namespaces: readonly string[] | undefined;
  readonly timers: Timers;
  /** How long they are believed: nobody watches them, and an earlier leader's last write may still come. */
  readonly trustMs: number;
  readonly signal: AbortSignal;
}

/** Lists them once. */
export function listSliceOwners({ cluster, namespaces, timers, trustMs, signal }: SliceOwnersOptions): SliceOwners {
  const owners = new Set<string>();
  /** Namespaces whose slices may not be listed. */
  const refused = new Set<string | undefined>();
  /** Since then nobody is believed; undefined: not listed yet. */
  let until: number | undefined;

  async function list(namespace: string | undefined): Promise<void> {
    let token: string | undefined;
    do {
      const page = await cluster.listMetadata(SLICES, { namespace, continue: token }, { signal });
      for (const uid of page.items.map(controllerUID)) if (uid !== undefined) owners.add(uid);
      token = page.continue;
    } while (token !== undefined);
  }

  async function listAll(): Promise<void> {
    const begun = timers.now();
    try {
      const all = namespaces ?? [undefined];
      const refusals: ApiError[] = [];
      const listIfAllowed = (namespace: string | undefined) =>
        list(namespace).catch((error: unknown) => {
          if (!(error instanceof ApiError) || error.code !== 403) throw error;
          refused.add(namespace);
          refusals.push(error);
        });
      await Promise.all(all.map(listIfAllowed));
      if (refusals.length === all.length) throw refusals[0];
      until = begun + trustMs;
    } catch (error) {
      until = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  return {
    listed: listAll(),
    lacks: ({ namespace, uid }) =>
      until !== undefined && timers.now() < until && !refused.has(namespace) && !owners.has(uid),
    doubt: (uid) => {
      // Later nobody is believed, and the set would only grow.
      if (until === undefined || timers.now() < until) owners.add(uid);
    },
  };
}
