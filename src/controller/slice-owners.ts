import type { Cluster } from '../shared/calls.ts';
import { SLICES } from '../shared/kinds.ts';
import { controllerUID } from '../shared/object-cache.ts';

/** Which Sweeps have a slice at all: their names come in some hundredths of a second, the records of 10,000 trials in most of one. */
export interface SliceOwners {
  /** Resolves when they are known. @throws ApiError */
  readonly listed: Promise<void>;
  /** Whether a Sweep had no slice when they were listed; false before that. @param uid of the Sweep */
  lacks(uid: string): boolean;
  /** From now on it counts as one that may have some. */
  doubt(uid: string): void;
}

/** Lists them once. @param namespaces absent: all */
export function listSliceOwners(
  cluster: Pick<Cluster, 'listMetadata'>,
  namespaces: readonly string[] | undefined,
  signal: AbortSignal,
): SliceOwners {
  const owners = new Set<string>();
  let isListed: boolean = false;
  const list = async () => {
    for (const namespace of namespaces ?? [undefined]) {
      let token: string | undefined;
      do {
        const page = await cluster.listMetadata(SLICES, { namespace, continue: token }, { signal });
        for (const uid of page.items.map(controllerUID)) if (uid !== undefined) owners.add(uid);
        token = page.continue;
      } while (token !== undefined);
    }
    isListed = true;
  };
  return {
    listed: list(),
    lacks: (uid) => isListed && !owners.has(uid),
    doubt: (uid) => void owners.add(uid),
  };
}
