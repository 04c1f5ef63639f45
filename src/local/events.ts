import type { Finding } from '../sweep/finding.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Trial } from '../sweep/trial.ts';
import type { Verdict } from '../sweep/verdict.ts';

/** A result without its test figures: they stay sealed until the verdict. */
export type SealedResult = Omit<TrialResult, 'test'>;

/** What a run tells whoever shows it. */
export type RunEvent =
  /** The folder is open: what this run finds recorded. */
  | { readonly kind: 'opened'; readonly trials: readonly Trial[]; readonly recorded: readonly SealedResult[] }
  | { readonly kind: 'started'; readonly trial: number; readonly attempt: number; readonly attemptUID: string }
  | { readonly kind: 'progress'; readonly progress: Progress }
  /** `finding`: what the curve would say if training ended here. */
  | { readonly kind: 'measurement'; readonly measurement: Measurement; readonly finding: Finding }
  | { readonly kind: 'recorded'; readonly result: SealedResult; readonly finding: Finding | null }
  | {
      readonly kind: 'retrying';
      readonly trial: number;
      readonly attempt: number;
      readonly reason: string;
      readonly delayMs: number;
    }
  | { readonly kind: 'note'; readonly message: string }
  | { readonly kind: 'verdict'; readonly verdict: Verdict };

export function seal({ test: _, ...result }: TrialResult): SealedResult {
  return result;
}
