import type { FaroResult } from './collect.ts';
import type { FaroKind, VitalName } from './faro-payload.ts';

/** What the server tells whoever counts. */
export interface Observer {
  /** @param route its pattern, `other` where there is none */
  answered(answer: {
    readonly route: string;
    readonly method: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  /** A stream's client could not be told what changed. */
  resynced(): void;
  pageItem(kind: FaroKind, result: FaroResult): void;
  /** In milliseconds; `cls` without a unit. */
  vital(name: VitalName, value: number): void;
}
