import { InvalidMessageError } from '../sweep/errors.ts';
import type { Address } from '../sweep/message.ts';
import type { Models } from './models.ts';

/** Where trials upload their weights; what src/shared reads of NATS fits. */
export interface ModelStore {
  /** As it was uploaded, its digest checked. @throws if nobody can tell */
  read(address: Address, signal: AbortSignal): Promise<Uint8Array | 'missing'>;
}

const TIMEOUT_MS = 12_000;

/** Weights from the cluster's store. What cannot be read, or is not what was uploaded, is missing.
 * @param onProblem for the log
 */
export function clusterModels(store: ModelStore, onProblem: (error: unknown) => void): Models {
  return {
    async zip({ sweepUID, trial, attemptUID }) {
      try {
        return await store.read({ sweepUID, trial, attemptUID }, AbortSignal.timeout(TIMEOUT_MS));
      } catch (error) {
        // A UID that is no token of a subject: of nobody's model.
        if (!(error instanceof InvalidMessageError)) onProblem(error);
        return 'missing';
      }
    },
  };
}
