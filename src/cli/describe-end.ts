import { join } from 'node:path';
import type { RunEnd, SealedResult } from '../local/engine.ts';
import type { Trial } from '../sweep/trial.ts';
import { describeVerdict } from './describe-verdict.ts';
import { systemError } from './system-error.ts';

/** What the last lines of a run are about, beside the run's end itself. */
export interface EndContext {
  readonly folder: string;
  readonly trials: readonly Trial[];
  readonly failures: readonly SealedResult[];
  /** Path of the report; null if none was written. */
  readonly report: string | null;
  readonly suspended: boolean;
  /** Of the terminal, in character cells; Infinity where there is none. */
  readonly width: number;
}

const MAX_FAILURES = 10;

/** What a person reads when a run is over: what failed, the verdict, where things are, and last what to do next. Pure. */
export function describeEnd(end: RunEnd, { folder, trials, failures, report, suspended, width }: EndContext): string[] {
  const { test, model } = end.file;
  const { total, waiting, stopped } = end.counts;
  const judged = end.verdict.findings.length > 0;
  return [
    ...(failures.length > 0 ? ['', ...describeFailures(failures, trials)] : []),
    ...(judged ? ['', ...describeVerdict(end.verdict, trials, width)] : []),
    ...(judged && !end.complete
      ? [`This verdict is of ${total - waiting - stopped} of ${total} trials: it may still change.`]
      : []),
    ...(test ? [`test accuracy of the kept weights: ${(100 * test.accuracy).toFixed(1)} %`] : []),
    ...(model === 'model' ? [`model:  ${join(folder, 'model')}`] : []),
    ...(model === 'none kept' ? ['model:  its weights were not kept; train it again in another --folder'] : []),
    ...(report === null ? [] : [`report: ${report}`, `page:   cnn-sweep open ${folder}`]),
    ...whatNext(end, folder, suspended),
  ];
}

function describeFailures(failures: readonly SealedResult[], trials: readonly Trial[]): string[] {
  const shown = failures.slice(0, MAX_FAILURES);
  const hidden = failures.length - shown.length;
  return [
    ...shown.map(({ trial, attempt, reason }) => {
      const attempts = attempt === 1 ? 'at once' : `in ${attempt} attempts`;
      return `trial ${trial} ${trials[trial]?.name ?? ''} failed ${attempts}: ${reason}`;
    }),
    ...(hidden > 0 ? [`… and ${hidden} more failed`] : []),
  ];
}

/** Nothing is left unsaid of a run that did not end with every trial recorded. */
export function whatNext(end: RunEnd, folder: string, suspended: boolean): string[] {
  const { failed, stopped } = end.counts;
  const left = `${count(end.left)} ${end.left === 1 ? 'is' : 'are'} left`;
  if (end.unsaved.length > 0) {
    const names = `${end.unsaved.length === 1 ? 'trial' : 'trials'} ${end.unsaved.join(', ')}`;
    return [
      `${join(folder, 'journal')}: could not be written; results not saved: ${names}`,
      'the same command goes on, and trains again what was not saved',
    ];
  }
  if (end.outcome === 'failed' && end.noRoom) {
    const said = systemError(end.noRoom, folder)?.message ?? `${folder}: ${end.noRoom.message}`;
    return [said, `${left}; the same command goes on`];
  }
  if (end.outcome === 'failed') {
    const allowed = end.file.sweep.spec.maxFailedTrials;
    if (allowed === undefined || failed <= allowed) {
      const rest = end.left > 0 ? `; ${left}` : '';
      return [`${count(failed)} failed, none succeeded${rest}`, RETRY];
    }
    const cut = stopped > 0 ? `, ${stopped} ${stopped === 1 ? 'was' : 'were'} stopped` : '';
    const goOn = end.left > 0 ? `; ${left}: raise spec.maxFailedTrials and the same command goes on` : '';
    return [`${count(failed)} failed${cut}; spec.maxFailedTrials allows ${allowed}`, `${RETRY}${goOn}`];
  }
  if (end.outcome === 'interrupted') return [`interrupted: ${left}; the same command goes on`];
  const retry = failed > 0 ? [RETRY] : [];
  if (end.complete) return retry;
  if (suspended) return [`spec.suspend is true: ${left}; set it to false and the same command goes on`];
  return [...retry, `those asked for are done: ${left}; the same command without --trials goes on with the rest`];
}

const RETRY = 'to run failed trials again: --retry-failed';

function count(trials: number): string {
  return `${trials} ${trials === 1 ? 'trial' : 'trials'}`;
}
