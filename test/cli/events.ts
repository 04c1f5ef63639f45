import type { RunEvent, SealedResult } from '../../src/local/engine.ts';
import { summarise } from '../../src/sweep/curve.ts';
import { findingOf } from '../../src/sweep/finding.ts';
import type { Measurement, Progress } from '../../src/sweep/measurement.ts';
import type { Sweep } from '../../src/sweep/schema.ts';
import type { Trial } from '../../src/sweep/trial.ts';
import type { Verdict } from '../../src/sweep/verdict.ts';
import { makeStudyReport, type ReportChanges } from '../builders.ts';

/** The reference study and the events that a run of it tells. */
export interface Study {
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  readonly verdict: Verdict;
  readonly opened: (recorded?: readonly number[]) => RunEvent;
  readonly started: (trial: number, attempt?: number) => RunEvent;
  readonly progress: (trial: number, changes?: Partial<Progress>) => RunEvent;
  readonly measured: (trial: number, epoch: number, changes?: Partial<Measurement>) => RunEvent;
  readonly recorded: (trial: number, changes?: Partial<SealedResult>) => RunEvent;
}

export function makeStudyEvents(changes?: ReportChanges): Study {
  const { sweep, trials, curves, verdict, results } = makeStudyReport(changes);
  const { selection } = sweep.spec;
  const epochsOf = (trial: number) => curves.get(trial)?.epochs ?? [];
  const resultOf = (trial: number): SealedResult => {
    const { test: _, ...result } = { ...results[trial], test: null } as SealedResult & { test: null };
    return result;
  };
  return {
    sweep,
    trials,
    verdict,
    opened: (recorded = []) => ({ kind: 'opened', trials, recorded: recorded.map(resultOf) }),
    started: (trial, attempt = 1) => ({ kind: 'started', trial, attempt, attemptUID: `uid-${trial}-${attempt}` }),
    progress: (trial, given) => ({
      kind: 'progress',
      progress: {
        trial,
        attempt: 1,
        attemptUID: `uid-${trial}-1`,
        epoch: 1,
        step: 2250,
        steps: 11_250,
        runningTrainLoss: 1.5,
        examplesPerSecond: 3000,
        ...given,
      },
    }),
    measured: (trial, epoch, given) => {
      const epochs = epochsOf(trial).slice(0, epoch);
      const [figures] = epochs.slice(-1);
      if (!figures) throw new RangeError(`trial ${trial} has no epoch ${epoch}`);
      const address = { sweep: 'study', trial, attempt: 1, attemptUID: `uid-${trial}-1` };
      const measurement = { ...address, ...figures, seconds: 16, examplesPerSecond: 2812.4, ...given };
      return { kind: 'measurement', measurement, finding: findingOf(trial, summarise(epochs, epoch), selection) };
    },
    recorded: (trial, given) => {
      const result = { ...resultOf(trial), ...given };
      const finding = result.summary && findingOf(trial, result.summary, selection);
      return { kind: 'recorded', result, finding };
    },
  };
}
