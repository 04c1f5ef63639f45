import type { Cluster } from '../shared/calls.ts';

/** What a check is given. */
export interface Checking {
  readonly cluster: Cluster;
  readonly namespace: string;
  /** For the Sweep that is tried: no other has it. */
  readonly name: string;
  /** Aborted when there is no more time; its reason says so. */
  readonly signal: AbortSignal;
}

/** What a check found, in a sentence. */
export interface Finding {
  readonly result: 'ok' | 'failed' | 'skipped';
  readonly said: string;
}

export const ok = (said: string): Finding => ({ result: 'ok', said });
export const failed = (said: string): Finding => ({ result: 'failed', said });
export const skipped = (said: string): Finding => ({ result: 'skipped', said });
