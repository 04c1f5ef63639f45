import { MODEL_NOT_SAVED } from '../shared/worker-protocol.ts';
import { findingOf } from '../sweep/finding.ts';
import { KeptModels } from '../sweep/kept-models.ts';
import type { Outcome, TrialResult } from '../sweep/result.ts';
import type { Selection } from '../sweep/schema.ts';
import { type RunEvent, type SealedResult, seal } from './events.ts';
import type { RunFolder } from './folder.ts';
import { JournalUnwritableError } from './journal.ts';

export interface RecordsOptions {
  readonly folder: RunFolder;
  readonly selection: Selection;
  /** Recorded trials that run again in this run. */
  readonly again: readonly number[];
  readonly onEvent: (event: RunEvent) => void;
  /** A record is on disk, or will never be. */
  readonly onChange: () => void;
  /** A bug, or a disk that fails us elsewhere than in the journal. */
  readonly onFault: (error: unknown) => void;
}

/** What is recorded of a run's trials, and on its way there; with each record the weights that cannot win any more go. */
export class Records {
  readonly #options: RecordsOptions;
  readonly #kept: KeptModels;
  readonly #results: Map<number, TrialResult>;
  readonly #ended = new Map<number, Outcome>();
  readonly #unsaved: number[] = [];
  #saving = 0;

  constructor(options: RecordsOptions) {
    this.#options = options;
    this.#kept = new KeptModels(options.selection);
    this.#results = new Map(options.folder.results);
    for (const { trial, outcome } of this.#results.values()) this.#ended.set(trial, outcome);
    for (const trial of options.again) this.#ended.delete(trial);
  }

  /** On disk. */
  get results(): ReadonlyMap<number, TrialResult> {
    return this.#results;
  }

  /** On disk or on the way there: these do not start any more. */
  get ended(): ReadonlyMap<number, Outcome> {
    return this.#ended;
  }

  /** Of those that do not run again. */
  get found(): SealedResult[] {
    return [...this.#results.values()].filter(({ trial }) => this.#ended.has(trial)).map(seal);
  }

  /** Trials whose results the disk refused for good. */
  get unsaved(): readonly number[] {
    return this.#unsaved;
  }

  /** Records are on their way. */
  get saving(): boolean {
    return this.#saving > 0;
  }

  /** Takes stock of the weights on disk. */
  async takeStock(): Promise<void> {
    for (const result of this.#results.values()) await this.#keepModel(result);
  }

  /** Sends results on their way to the disk: they end their trials at once, and count when the journal has them.
   * @returns when all have arrived, or never will; does not reject
   */
  async add(results: readonly TrialResult[]): Promise<void> {
    await Promise.all(results.map((result) => this.#add(result)));
  }

  async #add(result: TrialResult): Promise<void> {
    this.#ended.set(result.trial, result.outcome);
    this.#saving++;
    try {
      await this.#save(result);
    } catch (error) {
      this.#options.onFault(error);
    } finally {
      this.#saving--;
      this.#options.onChange();
    }
  }

  /** The trial counts when the journal has it. Its weights are on disk already. */
  async #save(result: TrialResult): Promise<void> {
    const { folder, selection, onEvent } = this.#options;
    try {
      await folder.curvesSettled();
      await folder.journal.append(result);
    } catch (error) {
      if (!(error instanceof JournalUnwritableError)) throw error;
      this.#unsaved.push(result.trial);
      return;
    }
    this.#results.set(result.trial, result);
    const finding = result.summary && findingOf(result.trial, result.summary, selection);
    onEvent({ kind: 'recorded', result: seal(result), finding });
    if (lacksItsModel(result)) onEvent({ kind: 'note', message: `trial ${result.trial}: ${result.reason}` });
    await this.#keepModel(result);
  }

  async #keepModel(result: TrialResult): Promise<void> {
    const { folder } = this.#options;
    const hasModel = await folder.hasModel(result);
    for (const { trial, attemptUID } of this.#kept.add(result, hasModel)) {
      await folder.dropModel({ trial, attemptUID });
    }
  }
}

/** The disk refused the weights that it should have kept. */
export function lacksItsModel({ reason }: Pick<TrialResult, 'reason'>): boolean {
  return reason.startsWith(MODEL_NOT_SAVED);
}

/** Recorded trials that start again: Failed ones if asked for, and Stopped ones unless too many have still failed.
 * @param results of all trials; @param isMeant of this run
 */
export function trialsToRunAgain(
  results: Iterable<Pick<TrialResult, 'trial' | 'outcome'>>,
  isMeant: (trial: number) => boolean,
  { retryFailed = false, maxFailedTrials = Number.POSITIVE_INFINITY },
): number[] {
  const recorded = [...results];
  const meant = recorded.filter(({ trial }) => isMeant(trial));
  const retried = meant.filter(({ outcome }) => outcome === 'Failed' && retryFailed);
  const failures = recorded.filter(({ outcome }) => outcome === 'Failed').length - retried.length;
  const stopped = meant.filter(({ outcome }) => outcome === 'Stopped' && failures <= maxFailedTrials);
  return [...retried, ...stopped].map(({ trial }) => trial);
}
