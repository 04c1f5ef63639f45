import type { RunEvent } from '../local/engine.ts';
import { type FindingName, percent, points } from '../sweep/finding.ts';
import type { EpochFigures } from '../sweep/measurement.ts';
import type { Trial } from '../sweep/trial.ts';

export type TrialPhase = 'waiting' | 'running' | 'retrying' | 'Succeeded' | 'Failed' | 'Stopped';

/** One row of the live table. */
export interface TrialView {
  readonly trial: Trial;
  readonly phase: TrialPhase;
  readonly attempt: number;
  /** Epochs done, with the share of the one that runs. */
  readonly epochs: number;
  readonly figures: EpochFigures | null;
  readonly finding: FindingName | null;
  readonly examplesPerSecond: number | null;
  /** Mean wall time of an epoch of this attempt, in seconds. */
  readonly secondsPerEpoch: number | null;
  readonly reason: string;
}

/** What a person sees of a run: folded from its events, drawn by live.ts and plain.ts. */
export interface RunView {
  readonly epochsPlanned: number;
  readonly trials: readonly TrialView[];
  readonly notes: readonly string[];
}

const MAX_NOTES = 4;

export function emptyView(trials: readonly Trial[], epochsPlanned: number): RunView {
  const row = {
    phase: 'waiting',
    attempt: 0,
    epochs: 0,
    figures: null,
    finding: null,
    examplesPerSecond: null,
    secondsPerEpoch: null,
    reason: '',
  } as const;
  return { epochsPlanned, trials: trials.map((trial) => ({ ...row, trial })), notes: [] };
}

/** The view after an event. Pure. */
export function applyEvent(view: RunView, event: RunEvent): RunView {
  switch (event.kind) {
    case 'opened':
      return event.recorded.reduce(
        (seen, result) => applyEvent(seen, { kind: 'recorded', result, finding: null }),
        view,
      );
    case 'started':
      return change(view, event.trial, {
        phase: 'running',
        attempt: event.attempt,
        epochs: 0,
        figures: null,
        finding: null,
      });
    case 'progress': {
      const { trial, epoch, step, steps, examplesPerSecond } = event.progress;
      return change(view, trial, { epochs: epoch - 1 + step / Math.max(1, steps), examplesPerSecond });
    }
    case 'measurement': {
      const { trial, epoch, seconds, examplesPerSecond } = event.measurement;
      const before = view.trials[trial]?.secondsPerEpoch ?? null;
      const secondsPerEpoch = before === null || epoch === 1 ? seconds : before + (seconds - before) / epoch;
      const { finding } = event.finding;
      return change(view, trial, {
        epochs: epoch,
        figures: event.measurement,
        finding,
        examplesPerSecond,
        secondsPerEpoch,
      });
    }
    case 'recorded': {
      const { trial, outcome, reason, summary, seconds, attempt } = event.result;
      const figures = summary?.last ?? null;
      const epochs = summary?.epochsDone ?? 0;
      const known = view.trials[trial]?.secondsPerEpoch ?? null;
      const secondsPerEpoch = known ?? (epochs > 0 ? seconds / epochs : null);
      const finding = event.finding?.finding ?? null;
      return change(view, trial, { phase: outcome, attempt, reason, epochs, figures, finding, secondsPerEpoch });
    }
    case 'retrying': {
      const note = `trial ${event.trial}: attempt ${event.attempt} ${event.reason}; it runs again`;
      return addNote(change(view, event.trial, { phase: 'retrying', reason: event.reason }), note);
    }
    case 'note':
      return addNote(view, event.message);
    case 'verdict':
      return event.verdict.findings.reduce((seen, { trial, finding }) => change(seen, trial, { finding }), view);
  }
}

/** Seconds until every trial is done, from what those that ran took; null as long as none has finished an epoch.
 * A trial that has not run is taken to cost as its multiply-adds: beyond a small floor time follows them closely enough.
 */
export function secondsLeft({ trials, epochsPlanned }: RunView, parallelism: number): number | null {
  const cost = ({ trial }: TrialView) => trial.multiplyAdds + 500_000;
  const timed = trials.filter((row) => row.secondsPerEpoch !== null);
  const perCost = sum(timed.map((row) => row.secondsPerEpoch ?? 0)) / sum(timed.map(cost));
  if (!Number.isFinite(perCost)) return null;
  const left = trials.map((row) => {
    if (row.phase === 'Succeeded' || row.phase === 'Failed' || row.phase === 'Stopped') return 0;
    const epochs = row.phase === 'running' ? epochsPlanned - row.epochs : epochsPlanned;
    return epochs * (row.secondsPerEpoch ?? perCost * cost(row));
  });
  return Math.max(...left, sum(left) / parallelism);
}

/** `1:05`, `2:03:10`; `–` if unknown. */
export function clock(seconds: number | null): string {
  if (seconds === null) return '–';
  const whole = Math.ceil(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function gapOf(figures: EpochFigures | null): string {
  return figures ? points(figures.trainAccuracy - figures.validationAccuracy) : '';
}

export function accuracyOf(value: number): string {
  return percent(value);
}

export function lossOf(loss: number | null | undefined): string {
  return loss === undefined ? '' : loss === null ? 'not finite' : loss.toFixed(3);
}

function change(view: RunView, trial: number, changed: Partial<TrialView>): RunView {
  const row = view.trials[trial];
  return row ? { ...view, trials: view.trials.with(trial, { ...row, ...changed }) } : view;
}

function addNote(view: RunView, note: string): RunView {
  return { ...view, notes: [...view.notes, note].slice(-MAX_NOTES) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
