import { stringify } from 'yaml';
import { uniqueNames, varyingAxes } from '../report/names.ts';
import { countOutcomes, isComplete, judgeResults } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials } from '../sweep/trial.ts';
import { judge, type Verdict } from '../sweep/verdict.ts';
import type { SweepDetail, SweepSummary, TrialDetail, TrialRow, VerdictView } from './api.ts';
import { ChangeLog } from './change-log.ts';
import { buildCurveView } from './curve-view.ts';
import type { SweepInput } from './sweep-input.ts';
import { buildDetail, buildSummary, type TrialCounts } from './sweep-view.ts';
import { buildEvents } from './trial-events.ts';
import { type Reading, TrialState } from './trial-state.ts';
import { buildAttempts, buildRow } from './trial-view.ts';
import { buildVerdictView } from './verdict-view.ts';

const NOTHING_JUDGED: Verdict = judge([], { checkpoint: 'BestEpoch', maxLossRise: 0.1, parsimony: 'OneStandardError' });
const WAITING: readonly string[] = ['Waiting', 'Pending', 'Queued', 'Retrying'];
const MAX_NOTES = 50;

/** One sweep: its trials, what is recorded of them and what the judge says. Every change has a number of the store's. */
export class SweepEntry {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  input: SweepInput;
  trials: readonly TrialState[];
  readonly axes: SweepDetail['axes'];
  readonly changes = new ChangeLog<TrialState>();
  commonNotes: readonly string[] = [];
  readonly #notes: string[] = [];
  staleSince: string | null = null;
  /** When a measurement or a record came last, in seconds since 1970. */
  progressAt: number | undefined;
  /** Of its appearance: a sweep of the same name before that was another. */
  readonly bornAt: number;
  /** Of the last change of anything. */
  revision: number;
  /** Of the last change of the verdict. */
  verdictRevision: number;
  readonly #records = new Map<number, TrialResult>();
  /** Test figures: carried along, opened for the winner when nothing is left to choose from. */
  readonly #sealed = new Map<number, NonNullable<TrialResult['test']>>();
  #verdict: Verdict | undefined;
  #summary: { readonly revision: number; readonly summary: SweepSummary } | undefined;

  constructor(input: SweepInput, revision: number) {
    this.namespace = input.namespace;
    this.name = input.name;
    this.uid = input.uid;
    this.input = input;
    this.bornAt = revision;
    this.revision = revision;
    this.verdictRevision = revision;
    const trials = input.trials ?? (input.sweep ? expandTrials(input.sweep) : []);
    const axes = varyingAxes(trials);
    const names = uniqueNames(trials, axes);
    this.axes = axes.map(({ name, label, values }) => ({ name, label, values: [...values] }));
    this.trials = trials.map((trial) => new TrialState(trial, names.get(trial.trial) ?? trial.name));
  }

  get key(): string {
    return `${this.namespace}/${this.name}`;
  }

  get notes(): readonly string[] {
    return [...this.commonNotes, ...this.#notes];
  }

  get epochsPlanned(): number {
    return this.input.sweep?.spec.training.epochs ?? 0;
  }

  /** Whether another input is of the same trials: all that is known of them then stays. */
  isOf({ uid, sweep }: SweepInput): boolean {
    return uid === this.uid && trialsKey(sweep) === trialsKey(this.input.sweep);
  }

  change(input: SweepInput, revision: number): void {
    const judgedOtherwise = selectionKey(input.sweep) !== selectionKey(this.input.sweep);
    this.input = input;
    this.revision = revision;
    if (!judgedOtherwise) return;
    this.#verdict = undefined;
    for (const state of this.trials) this.touch(state, revision);
  }

  touch(state: TrialState, revision: number): void {
    state.touch(revision);
    this.changes.touch(state, revision);
    this.revision = revision;
  }

  note(text: string, revision: number): boolean {
    if (this.#notes.includes(text)) return false;
    this.#notes.push(text);
    if (this.#notes.length > MAX_NOTES) this.#notes.shift();
    this.revision = revision;
    return true;
  }

  /** @returns whether it says anything new */
  record(state: TrialState, { test, ...sealed }: TrialResult, endedAt: string | null, revision: number): boolean {
    const record = { ...sealed, test: null };
    if (state.record && JSON.stringify(state.record) === JSON.stringify(record)) return false;
    if (test) this.#sealed.set(record.trial, test);
    this.#records.set(record.trial, record);
    state.record = record;
    state.phase = record.outcome;
    state.progress = null;
    state.endedAt = endedAt;
    // What its container says of its end is nearer to the truth.
    const { attempt, attemptUID } = record;
    if (endedAt !== null && !state.facts?.endedAt) state.see({ attempt, attemptUID, endedAt });
    this.#verdict = undefined;
    this.touch(state, revision);
    return true;
  }

  /** Opens a figure that was carried elsewhere. */
  unseal(trial: number, test: NonNullable<TrialResult['test']>, revision: number): void {
    this.#sealed.set(trial, test);
    this.revision = revision;
    this.verdictRevision = revision;
  }

  /** A record came since the last judgement. */
  get isJudgementDue(): boolean {
    return this.#verdict === undefined;
  }

  /** Judges, if a record came since. @param next gives the change its number */
  judge(next: () => number): void {
    if (this.#verdict !== undefined) return;
    const { sweep } = this.input;
    this.#verdict = sweep ? judgeResults(sweep, this.#records.values()) : NOTHING_JUDGED;
    this.revision = next();
    this.verdictRevision = this.revision;
  }

  /** As last judged. */
  get verdict(): Verdict {
    return this.#verdict ?? NOTHING_JUDGED;
  }

  get isFinal(): boolean {
    return this.trials.length > 0 && isComplete(countOutcomes(this.#records.values(), this.trials.length));
  }

  get records(): ReadonlyMap<number, TrialResult> {
    return this.#records;
  }

  /** Of the winner of a final verdict; nobody else's are ever told. */
  get winnerTest(): TrialResult['test'] {
    const { best } = this.verdict;
    return (best && this.isFinal && this.#sealed.get(best.trial)) || null;
  }

  read(state: TrialState): Reading {
    const { sweep } = this.input;
    if (!sweep) return { curve: undefined, finding: null, facts: NO_FACTS };
    return state.read(sweep.spec.selection, this.epochsPlanned);
  }

  rowOf(state: TrialState): TrialRow {
    return buildRow(state, this.read(state), this.epochsPlanned);
  }

  networkOf = (trial: number): string => this.trials[trial]?.network ?? `trial ${trial}`;

  verdictView(): VerdictView {
    const { best } = this.verdict;
    return buildVerdictView(this.verdict, {
      networkOf: this.networkOf,
      isFinal: this.isFinal,
      test: this.winnerTest,
      hasModel: best !== null && (this.trials[best.trial]?.hasModel ?? false),
    });
  }

  summary(): SweepSummary {
    if (this.#summary?.revision !== this.revision) {
      this.#summary = { revision: this.revision, summary: buildSummary(this) };
    }
    return this.#summary.summary;
  }

  detail(): SweepDetail {
    return buildDetail(this, this.summary());
  }

  trialDetail(state: TrialState): TrialDetail {
    const { curve, facts } = this.read(state);
    const { best } = this.verdict;
    const isWinner = best?.trial === state.trial.trial;
    const pod = state.facts?.pod ?? null;
    return {
      row: this.rowOf(state),
      curve: curve ? buildCurveView(curve, facts) : null,
      attempts: buildAttempts(state, curve?.attemptUID),
      events: buildEvents(state),
      logCommand: pod === null ? null : `kubectl logs --namespace ${this.namespace} ${pod}`,
      test: isWinner ? this.verdictView().test : null,
    };
  }

  counts(): TrialCounts {
    const counts = { total: this.trials.length, waiting: 0, running: 0, succeeded: 0, failed: 0, stopped: 0 };
    for (const { phase } of this.trials) {
      if (WAITING.includes(phase)) counts.waiting++;
      else if (phase === 'Succeeded') counts.succeeded++;
      else if (phase === 'Failed') counts.failed++;
      else if (phase === 'Stopped') counts.stopped++;
      else counts.running++;
    }
    return counts;
  }

  sweepText(): string {
    return this.input.sweepText ?? (this.input.sweep ? stringify(this.input.sweep) : '');
  }
}

const NO_FACTS = { turningPoint: null, keptEpoch: null, complete: true } as const;

/** All that the trials follow from. */
function trialsKey(sweep: Sweep | null): string {
  return sweep ? JSON.stringify([sweep.spec.grid, sweep.spec.training]) : '';
}

function selectionKey(sweep: Sweep | null): string {
  return sweep ? JSON.stringify(sweep.spec.selection) : '';
}
