import { type Curve, summarise } from '../sweep/curve.ts';
import { type Finding, findingOf } from '../sweep/finding.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import { candidateOf } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Selection } from '../sweep/schema.ts';
import type { Trial } from '../sweep/trial.ts';
import type { TrialPhase } from './api.ts';
import { type AttemptFacts, findAttempt, type SeenAttempt, type Who, withAttempt } from './attempts.ts';
import type { CurveFacts } from './curve-view.ts';
import { TrialLog } from './trial-log.ts';

/** Where the attempt at a trial stands, as whoever runs it says. What is absent stays as it was; null takes it away. */
export interface Liveness {
  readonly phase: Exclude<TrialPhase, 'Succeeded' | 'Failed' | 'Stopped'>;
  readonly attempt?: number;
  readonly attemptUID?: string | null;
  /** Why it waits, or why its last attempt failed. */
  readonly reason?: string;
  readonly backend?: string | null;
}

/** One trial of a sweep with all that is known of it. Its curve is folded when somebody asks. */
export class TrialState {
  readonly trial: Trial;
  /** Unique within the sweep. */
  readonly network: string;
  readonly log = new TrialLog();
  phase: TrialPhase = 'Waiting';
  reason = '';
  attempt = 0;
  attemptUID: string | null = null;
  backend: string | null = null;
  /** When it was recorded. */
  endedAt: string | null = null;
  progress: Progress | null = null;
  /** How fast the attempt that was heard of last goes. */
  pace: { readonly attemptUID: string; readonly epochs: number; readonly seconds: number } | undefined;
  /** Without its test figures. */
  record: TrialResult | null = null;
  /** Every attempt that was ever seen, the earliest first. */
  attempts: readonly AttemptFacts[] = [];
  /** Attempts whose weights are kept, in the order of their coming. */
  models: readonly string[] = [];
  /** Of the last change. */
  revision = 0;
  /** Since when the curve is this attempt's. */
  shownSince = 0;
  #shown: string | undefined;
  #read: Reading | undefined;

  constructor(trial: Trial, network: string) {
    this.trial = trial;
    this.network = network;
  }

  /** The attempt whose weights can be downloaded: the recorded one and no other; until there is a record, the latest. */
  get model(): string | null {
    const { record, models } = this;
    if (!record) return models.at(-1) ?? null;
    return models.includes(record.attemptUID) ? record.attemptUID : null;
  }

  get hasModel(): boolean {
    return this.model !== null;
  }

  /** The attempt that counts: the recorded one, else that which is at it. */
  get current(): Who {
    return this.record ?? this;
  }

  /** What is known of the attempt that counts. */
  get facts(): AttemptFacts | undefined {
    return findAttempt(this.attempts, this.current);
  }

  /** @returns whether it says anything new */
  see(seen: SeenAttempt): boolean {
    const before = this.attempts;
    this.attempts = withAttempt(before, seen);
    return this.attempts !== before;
  }

  /** @returns whether it is new */
  measure(measurement: Measurement, position: number, revision: number): boolean {
    if (!this.log.add(measurement, position, revision)) return false;
    const { attemptUID, seconds } = measurement;
    const before = this.pace?.attemptUID === attemptUID ? this.pace : { epochs: 0, seconds: 0 };
    this.pace = { attemptUID, epochs: before.epochs + 1, seconds: before.seconds + seconds };
    return true;
  }

  /** A measurement of an attempt that does not count any more: another one is recorded, or a later one has begun. */
  isStale({ attempt, attemptUID }: Measurement): boolean {
    if (this.record) return this.record.attemptUID !== attemptUID;
    return attempt < this.attempt;
  }

  /** Who measures runs, whatever else is not known of it yet. */
  isHeard({ attempt, attemptUID }: Measurement): void {
    if (this.record) return;
    if (this.attemptUID === null || attempt > this.attempt || this.phase === 'Retrying') {
      Object.assign(this, { attempt, attemptUID, reason: '' });
    }
    if (this.attemptUID === attemptUID) this.phase = 'Running';
  }

  /** Something changed: what was read of it is no longer so. */
  touch(revision: number): void {
    this.revision = revision;
    this.#read = undefined;
  }

  /** @param epochsPlanned of each trial */
  read(selection: Selection, epochsPlanned: number): Reading {
    this.#read ??= this.#readNow(selection, epochsPlanned);
    return this.#read;
  }

  #readNow(selection: Selection, epochsPlanned: number): Reading {
    const curve = this.#curve();
    if (curve?.attemptUID !== this.#shown) {
      this.#shown = curve?.attemptUID;
      this.shownSince = this.revision;
    }
    const finding = this.#findingOf(curve, selection, epochsPlanned);
    const trained = this.record?.summary?.epochsDone;
    const complete = trained === undefined ? isWithoutHole(curve) : (curve?.epochs.length ?? 0) >= trained;
    const facts = { turningPoint: finding?.turningEpoch ?? null, keptEpoch: finding?.keptEpoch ?? null, complete };
    return { curve, finding, facts };
  }

  /** An attempt that has begun and measured nothing yet has no curve, whatever the one before it had. */
  #curve(): Curve | undefined {
    const curve = this.log.curve(this.trial.trial, this.record?.attemptUID);
    const hasBegun = !this.record && this.phase === 'Running' && this.attemptUID !== null;
    if (!curve || !hasBegun || this.log.has(this.attemptUID ?? '')) return curve;
    return curve.attempt <= this.attempt ? undefined : curve;
  }

  /** Recorded: what the judge says of it. Before that: what the curve would say if training ended here. */
  #findingOf(curve: Curve | undefined, selection: Selection, epochsPlanned: number): Finding | null {
    if (this.record) {
      const { trial, summary } = candidateOf(this.record, epochsPlanned);
      const hasResult = this.record.outcome !== 'Failed' && this.record.summary !== null;
      return hasResult ? findingOf(trial, summary, selection) : null;
    }
    if (!curve || curve.epochs.length === 0) return null;
    return findingOf(this.trial.trial, summarise(curve.epochs, curve.epochs.length), selection);
  }
}

export interface Reading {
  readonly curve: Curve | undefined;
  readonly finding: Finding | null;
  readonly facts: CurveFacts;
}

function isWithoutHole(curve: Curve | undefined): boolean {
  return curve?.epochs.every(({ epoch }, at) => epoch === at + 1) ?? true;
}
