import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

const PATIENCE_MS = 60_000;
const AGAIN_MS = 200;

/** Waits until kinds are served. `kubectl wait` fails on one that is so new that its status has no conditions at all: it is asked again.
 * @param kinds such as `crd/sweeps.cnn-sweep.dev`; none: all that are there
 */
export async function established({ kubectl }: Pick<Cluster, 'kubectl'>, ...kinds: readonly string[]): Promise<void> {
  const which = kinds.length > 0 ? kinds : ['crd', '--all'];
  for (const end = performance.now() + PATIENCE_MS; ; await sleep(AGAIN_MS)) {
    try {
      await kubectl('wait', '--for=condition=Established', `--timeout=${PATIENCE_MS / 1000}s`, ...which);
      return;
    } catch (error) {
      const isNew = error instanceof Error && error.message.includes('.status.conditions accessor error');
      if (!isNew || performance.now() > end) throw error;
    }
  }
}
