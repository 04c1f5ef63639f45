import type { Measurement, Progress } from '../sweep/measurement.ts';
import { countOutcomes, isComplete } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import type { Phase } from '../sweep/status.ts';
import type { Trial } from '../sweep/trial.ts';
import type { AnyResult, Store } from './store.ts';

/** What a run on this machine tells: the events of src/local fit. */
export type LocalEvent =
  | { readonly kind: 'opened'; readonly recorded: readonly AnyResult[] }
  | { readonly kind: 'started'; readonly trial: number; readonly attempt: number; readonly attemptUID: string }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'measurement'; readonly measurement: Measurement }
  | { readonly kind: 'recorded'; readonly result: AnyResult }
  | { readonly kind: 'retrying'; readonly trial: number; readonly attempt: number; readonly reason: string }
  | { readonly kind: 'note'; readonly message: string }
  /** The store judges for itself, by the same rules. */
  | { readonly kind: 'verdict' };

/** How a run ended: what src/local's runSweep answers fits. */
export interface LocalEnd {
  readonly outcome: 'finished' | 'failed' | 'interrupted';
  /** Every trial is recorded. */
  readonly complete: boolean;
  readonly file: {
    /** Of the winner, opened. */
    readonly test: TrialResult['test'];
    readonly verdict: { readonly best: { readonly trial: number } | null };
  };
}

export interface LocalSweep {
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  /** As sweep.yaml. */
  readonly sweepText?: string;
  readonly parallelism: number;
  /** What trains. */
  readonly backend: string | null;
  /** What earlier runs of the folder measured, in the order of the file. */
  readonly earlier?: Iterable<Measurement>;
  readonly now?: () => Date;
}

export interface LocalRun {
  /** The UID of the sweep in the store. */
  readonly uid: string;
  show(event: LocalEvent): void;
  /** The weights of an attempt are kept, or (null) no longer. */
  setModel(trial: number, attemptUID: string | null): void;
  end(end: LocalEnd): void;
}

/** Namespace of what this machine runs. */
export const LOCAL = 'local';

/** Shows a run on this machine as it goes. */
export function openLocalRun(store: Store, local: LocalSweep): LocalRun {
  const { sweep, trials, sweepText, parallelism, backend, earlier = [], now = () => new Date() } = local;
  const { name } = sweep.metadata;
  const uid = `${LOCAL}-${name}`;
  const time = () => now().toISOString();
  const place = { namespace: LOCAL, name, source: 'folder' } as const;
  const text = sweepText === undefined ? {} : { sweepText };
  const begun = { createdAt: time(), startTime: time(), completionTime: null };
  store.putSweep({ ...place, uid, sweep, trials, ...text, phase: 'Running', parallelism, ...begun });
  for (const measurement of earlier) store.measure(uid, measurement);

  function show(event: LocalEvent): void {
    switch (event.kind) {
      case 'opened':
        // When an earlier run recorded them, nobody wrote down.
        for (const result of event.recorded) store.record(uid, result, null);
        return;
      case 'started': {
        const { trial, attempt, attemptUID } = event;
        const at = time();
        store.seeAttempt(uid, trial, { attempt, attemptUID, createdAt: at, startedAt: at });
        store.setTrial(uid, trial, { phase: 'Running', attempt, attemptUID, backend });
        return;
      }
      case 'progress':
        store.progress(uid, event.progress);
        return;
      case 'measurement':
        store.measure(uid, event.measurement);
        return;
      case 'recorded':
        store.record(uid, event.result);
        return;
      case 'retrying': {
        const { trial, attempt, reason } = event;
        store.seeAttempt(uid, trial, { attempt, endedAt: time(), reason });
        store.setTrial(uid, trial, { phase: 'Retrying', reason });
        return;
      }
      case 'note':
        store.note(event.message, uid);
        return;
      case 'verdict':
    }
  }

  return {
    uid,
    show,
    setModel: (trial, attemptUID) => store.setModel(uid, trial, attemptUID),
    end({ outcome, complete, file: { test, verdict } }) {
      if (test && verdict.best) store.unseal(uid, verdict.best.trial, test);
      store.changeSweep(uid, { phase: phaseOf(outcome, complete), completionTime: complete ? time() : null });
    },
  };
}

function phaseOf(outcome: LocalEnd['outcome'], complete: boolean): Phase {
  if (outcome === 'failed') return 'Failed';
  return complete ? 'Complete' : 'Suspended';
}

/** A run folder as read: what src/cli's readRunFolder answers fits. */
export interface ReadFolder {
  readonly sweep: Sweep;
  readonly sweepText: string;
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly measurements: readonly Measurement[];
  readonly notes: readonly string[];
}

/** Shows a run folder as it lies there. @param isHeld a run goes on in it @returns the UID of the sweep in the store */
export function tellFolder(store: Store, folder: ReadFolder, isHeld: boolean): string {
  const { sweep, sweepText, results, measurements, notes } = folder;
  const { name } = sweep.metadata;
  const uid = `${LOCAL}-${name}`;
  store.putSweep({ namespace: LOCAL, name, uid, source: 'folder', sweep, sweepText, phase: 'Suspended' });
  for (const measurement of measurements) store.measure(uid, measurement);
  for (const result of results.values()) store.record(uid, result, null);
  // Who measured and is not recorded ran when the run ended; what it measured next time is another attempt's.
  if (!isHeld) for (const trial of unrecorded(folder)) store.setTrial(uid, trial, INTERRUPTED);
  for (const note of notes) store.note(note, uid);
  const total = store.sweep(LOCAL, name)?.trials.length ?? 0;
  const counts = countOutcomes(results.values(), total);
  const isFailed = counts.succeeded === 0 && counts.failed > 0;
  const ended = isFailed ? 'Failed' : isComplete(counts) ? 'Complete' : 'Suspended';
  store.changeSweep(uid, { phase: isHeld ? 'Running' : ended });
  return uid;
}

const INTERRUPTED = {
  phase: 'Waiting',
  attemptUID: null,
  reason: 'its run was interrupted; the next attempt begins with the first epoch',
} as const;

function unrecorded({ measurements, results }: ReadFolder): Set<number> {
  return new Set(measurements.map(({ trial }) => trial).filter((trial) => !results.has(trial)));
}
