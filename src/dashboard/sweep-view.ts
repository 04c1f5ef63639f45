import { DATASETS } from '../sweep/dataset.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Verdict } from '../sweep/verdict.ts';
import type { SweepDetail, SweepSummary } from './api.ts';
import type { SweepInput } from './sweep-input.ts';
import type { TrialState } from './trial-state.ts';
import { buildBest } from './verdict-view.ts';

export type TrialCounts = SweepSummary['trials'];

/** What is shown of a sweep as a whole. */
export interface SweepFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly input: SweepInput;
  readonly trials: readonly TrialState[];
  readonly axes: SweepDetail['axes'];
  readonly notes: readonly string[];
  readonly staleSince: string | null;
  readonly epochsPlanned: number;
  readonly verdict: Verdict;
  readonly isFinal: boolean;
  readonly networkOf: (trial: number) => string;
  counts(): TrialCounts;
}

/** The line of a sweep in the list. */
export function buildSummary(entry: SweepFacts): SweepSummary {
  const { input, verdict } = entry;
  return {
    namespace: entry.namespace,
    name: entry.name,
    uid: entry.uid,
    source: input.source,
    phase: input.phase,
    trials: entry.counts(),
    best: verdict.best && buildBest(verdict.best, entry.networkOf),
    message: verdict.best || entry.isFinal ? verdict.message : (input.message ?? ''),
    createdAt: input.createdAt ?? null,
    startTime: input.startTime ?? null,
    completionTime: input.completionTime ?? null,
    secondsLeft: secondsLeft(entry),
    staleSince: entry.staleSince,
  };
}

export function buildDetail(entry: SweepFacts, summary: SweepSummary): SweepDetail {
  const { sweep, conditions = [], parallelism = null } = entry.input;
  const { training, selection } = sweep?.spec ?? {};
  return {
    ...summary,
    axes: entry.axes,
    dataset: training?.dataset ?? '',
    trainingExamples: training ? trainingExamplesOf(training) : 0,
    epochsPlanned: entry.epochsPlanned,
    checkpoint: selection?.checkpoint ?? '',
    parsimony: selection?.parsimony ?? '',
    maxLossRise: selection?.maxLossRise ?? 0,
    maxAccuracyGap: selection?.maxAccuracyGap ?? null,
    parallelism: parallelism ?? sweep?.spec.parallelism ?? null,
    conditions: [...conditions],
    notes: [...entry.notes],
  };
}

type Training = Sweep['spec']['training'];

/** What is left of the training images after the split and the limit. */
function trainingExamplesOf({ dataset, validationFraction, trainingExamples }: Training): number {
  const all = DATASETS[dataset].trainingExamples;
  const left = all - Math.round(validationFraction * all);
  return Math.min(left, trainingExamples ?? left);
}

/** Seconds until the sweep is over, from what epochs took that were trained; null as long as nothing is known, and while
 * nothing new starts. A trial that has not run is taken to cost as its multiply-adds: beyond a small floor time follows them closely enough.
 */
function secondsLeft(entry: SweepFacts): number | null {
  const { phase } = entry.input;
  if (phase === 'Complete' || phase === 'Failed' || phase === 'Suspended') return null;
  let timedSeconds = 0;
  let timedCost = 0;
  let costLeft = 0;
  let longest = 0;
  for (const state of entry.trials) {
    const cost = state.trial.multiplyAdds + 500_000;
    const timing = state.record ? timingOfRecord(state) : state.pace;
    timedSeconds += timing?.seconds ?? 0;
    timedCost += cost * (timing?.epochs ?? 0);
    if (state.record) continue;
    const epochs = Math.max(0, entry.epochsPlanned - (state.pace?.epochs ?? 0));
    costLeft += cost * epochs;
    longest = Math.max(longest, cost * epochs);
  }
  if (costLeft === 0) return 0;
  if (timedCost === 0) return null;
  const perCost = timedSeconds / timedCost;
  const atOnce = Math.max(1, entry.input.parallelism ?? entry.counts().running);
  return perCost * Math.max(longest, costLeft / atOnce);
}

function timingOfRecord({ record }: TrialState): { readonly seconds: number; readonly epochs: number } | undefined {
  const epochs = record?.summary?.epochsDone ?? 0;
  return record && epochs > 0 ? { seconds: record.seconds, epochs } : undefined;
}
