import stringWidth from 'string-width';
import type { RunEvent, SealedResult } from '../local/engine.ts';
import { formatLoss } from '../sweep/figures.ts';
import { type FindingName, findingOf, points } from '../sweep/finding.ts';
import type { EpochFigures, Measurement, Progress } from '../sweep/measurement.ts';
import type { Selection, Sweep } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';

/** `later`: left for another run. */
export type TrialPhase = 'later' | 'waiting' | 'running' | 'retrying' | 'Succeeded' | 'Failed' | 'Stopped';

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
  readonly selection: Selection;
  readonly trials: readonly TrialView[];
  /** Of the widest name among all trials, in character cells. */
  readonly nameCells: number;
  readonly notes: readonly string[];
  /** Nothing new starts any more. */
  readonly stopping: boolean;
}

/** What changes the view: an event of the run, or the first Ctrl-C. */
export type ViewEvent = RunEvent | { readonly kind: 'interrupted' };

const MAX_NOTES = 4;

/** The view before anything has happened. @param wanted the trials of this run; absent: all */
export function emptyView({ spec }: Sweep, trials: readonly Trial[], wanted?: ReadonlySet<number>): RunView {
  const row = {
    attempt: 0,
    epochs: 0,
    figures: null,
    finding: null,
    examplesPerSecond: null,
    secondsPerEpoch: null,
    reason: '',
  } as const;
  const phaseOf = ({ trial }: Trial) => (!wanted || wanted.has(trial) ? 'waiting' : 'later');
  const rows = trials.map((trial) => ({ ...row, trial, phase: phaseOf(trial) }) as const);
  const { training, selection } = spec;
  const nameCells = trials.reduce((most, { name }) => Math.max(most, stringWidth(name)), 0);
  return { epochsPlanned: training.epochs, selection, trials: rows, nameCells, notes: [], stopping: spec.suspend };
}

/** The view after an event. Pure. */
export function applyEvent(view: RunView, event: ViewEvent): RunView {
  switch (event.kind) {
    case 'opened':
      return change(view, event.recorded, (row, result) => recorded(row, result, view.selection));
    case 'started': {
      const fresh = { epochs: 0, figures: null, finding: null, examplesPerSecond: null } as const;
      return change(view, [event], (row) => ({ ...row, ...fresh, phase: 'running', attempt: event.attempt }));
    }
    case 'progress':
      return change(view, [event.progress], progressed);
    case 'measurement':
      return change(view, [event.measurement], (row, measurement) => ({
        ...row,
        epochs: measurement.epoch,
        figures: measurement,
        finding: event.finding.finding,
        examplesPerSecond: measurement.examplesPerSecond,
        secondsPerEpoch: meanSeconds(row, measurement),
      }));
    case 'recorded':
      return change(view, [event.result], (row, result) => recorded(row, result, view.selection));
    case 'retrying': {
      const note = `trial ${event.trial}: attempt ${event.attempt} ${event.reason}; it runs again`;
      return addNote(
        change(view, [event], (row) => ({ ...row, phase: 'retrying', reason: event.reason })),
        note,
      );
    }
    case 'note':
      return addNote(view, event.message);
    case 'verdict':
      return change(view, event.verdict.findings, (row, { finding }) => ({ ...row, finding }));
    case 'interrupted':
      return addNote({ ...view, stopping: true }, INTERRUPTED);
  }
}

export const INTERRUPTED = 'interrupted: running trials finish and are saved; Ctrl-C again ends them at once';

function progressed(row: TrialView, { epoch, step, steps, examplesPerSecond }: Progress): TrialView {
  const epochs = epoch - 1 + step / Math.max(1, steps);
  // Before the first epoch is timed, training speed is all there is to go by; evaluation is left out.
  const examples = steps * row.trial.hyperparameters.batchSize;
  const estimate = examplesPerSecond > 0 ? examples / examplesPerSecond : null;
  const secondsPerEpoch = row.figures ? row.secondsPerEpoch : (estimate ?? row.secondsPerEpoch);
  return { ...row, epochs, examplesPerSecond, secondsPerEpoch };
}

function meanSeconds({ secondsPerEpoch }: TrialView, { epoch, seconds }: Measurement): number {
  return secondsPerEpoch === null || epoch === 1 ? seconds : secondsPerEpoch + (seconds - secondsPerEpoch) / epoch;
}

function recorded(row: TrialView, result: SealedResult, selection: Selection): TrialView {
  const { trial, outcome, reason, summary, seconds, attempt } = result;
  const finding = summary && findingOf(trial, summary, selection).finding;
  const epochs = summary?.epochsDone ?? 0;
  const secondsPerEpoch = row.secondsPerEpoch ?? (epochs > 0 ? seconds / epochs : null);
  return { ...row, phase: outcome, attempt, reason, epochs, figures: summary?.last ?? null, finding, secondsPerEpoch };
}

/** Seconds until this run is over, from what trials took that ran; null as long as nothing is known.
 * A trial that has not run is taken to cost as its multiply-adds: beyond a small floor time follows them closely enough.
 */
export function secondsLeft({ trials, epochsPlanned, stopping }: RunView, parallelism: number): number | null {
  const cost = ({ trial }: TrialView) => trial.multiplyAdds + 500_000;
  const timed = trials.filter((row) => row.secondsPerEpoch !== null);
  const perCost = sum(timed.map((row) => row.secondsPerEpoch ?? 0)) / sum(timed.map(cost));
  const ahead = trials.filter(({ phase }) => phase === 'running' || (!stopping && isToCome(phase)));
  if (ahead.length > 0 && !Number.isFinite(perCost)) return null;
  const left = ahead.map((row) => {
    const epochs = row.phase === 'running' ? epochsPlanned - row.epochs : epochsPlanned;
    return epochs * (row.secondsPerEpoch ?? perCost * cost(row));
  });
  const longest = left.reduce((most, seconds) => Math.max(most, seconds), 0);
  return Math.max(longest, sum(left) / parallelism);
}

const isToCome = (phase: TrialPhase) => phase === 'waiting' || phase === 'retrying';

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

export { formatAccuracy as accuracyOf } from '../sweep/figures.ts';

/** Blank before there is any. */
export function lossOf(loss: number | null | undefined): string {
  return loss === undefined ? '' : loss === null ? 'not finite' : formatLoss(loss);
}

/** Changes the rows of some trials; one copy however many there are. */
function change<Item extends { readonly trial: number }>(
  view: RunView,
  items: readonly Item[],
  changed: (row: TrialView, item: Item) => TrialView,
): RunView {
  const trials = [...view.trials];
  for (const item of items) {
    const row = trials[item.trial];
    if (row) trials[item.trial] = changed(row, item);
  }
  return { ...view, trials };
}

function addNote(view: RunView, note: string): RunView {
  return { ...view, notes: [...view.notes, note].slice(-MAX_NOTES) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
