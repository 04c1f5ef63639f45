import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { realTimers, type Timers } from '../shared/timers.ts';
import type { Measurement, Progress } from '../sweep/measurement.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { SeenAttempt } from './attempts.ts';
import { EarlyMeasurements } from './early-measurements.ts';
import { SweepEntry } from './sweep-entry.ts';
import type { SweepInput } from './sweep-input.ts';
import type { Liveness, TrialState } from './trial-state.ts';

export type { SweepInput } from './sweep-input.ts';
export type { Liveness } from './trial-state.ts';

/** What became of a measurement. `duplicate`: that epoch of that attempt is here already; `stale`: it is kept, but its attempt does
 * not count any more, or its sweep or trial is none.
 */
export type Ingested = 'stored' | 'duplicate' | 'stale';

/** A sweep that is gone, for who still shows it. */
export interface Gone {
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
}

export interface StoreOptions {
  readonly timers?: Timers;
  readonly now?: () => Date;
  /** Of this process: numbers of another one mean nothing here. */
  readonly boot?: string;
}

/** A result with or without its test figures: a source may keep them sealed. */
export type AnyResult = Omit<TrialResult, 'test'> & { readonly test?: TrialResult['test'] };

const JUDGE_MS = 200;
const MAX_GONE = 1_000;

/** What the dashboard knows, of all sweeps: sources tell it what they see, the API reads it, and every change has a number. All of it
 * is rebuilt from the sources after a restart; nothing here decides anything, `judge` does.
 */
export class Store {
  readonly boot: string;
  readonly #timers: Timers;
  readonly #now: () => Date;
  readonly #byKey = new Map<string, SweepEntry>();
  readonly #byUID = new Map<string, SweepEntry>();
  /** Undefined: to be sorted again. */
  #sorted: readonly SweepEntry[] | undefined;
  readonly #early = new EarlyMeasurements();
  readonly #listeners = new Set<() => void>();
  readonly #stale = new Map<string, { readonly since: string; readonly namespace: string | undefined }>();
  readonly #notes = new Map<string, string>();
  readonly #goneUIDs = new Set<string>();
  #gone: Gone[] = [];
  #goneBefore = 0;
  #revision = 0;
  #arrivals = 0;
  #isJudging: boolean = false;
  #judgeCostMs = 0;

  constructor({
    timers = realTimers,
    now = () => new Date(),
    boot = randomBytes(6).toString('hex'),
  }: StoreOptions = {}) {
    this.#timers = timers;
    this.#now = now;
    this.boot = boot;
  }

  /** Of the last change of anything. */
  get revision(): number {
    return this.#revision;
  }

  /** Told after every change: only note that there was one. @returns ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // What sources tell.

  /** A sweep appeared or changed. What is known of its trials stays, unless it is another sweep of the same name. */
  putSweep(input: SweepInput): void {
    const key = `${input.namespace}/${input.name}`;
    const known = this.#byKey.get(key);
    if (known?.isOf(input)) {
      known.change(input, this.#next());
      this.#judgeSoon();
      this.#tell();
      return;
    }
    if (known) this.#forget(known);
    const entry = new SweepEntry(input, this.#next());
    entry.staleSince = this.#staleSinceOf(input.namespace);
    entry.commonNotes = [...this.#notes.values()];
    this.#byKey.set(key, entry);
    this.#sorted = undefined;
    this.#byUID.set(entry.uid, entry);
    this.#goneUIDs.delete(entry.uid);
    this.#early.take(entry.uid).forEach(({ measurement, position }) => {
      this.measure(entry.uid, measurement, position);
    });
    this.#judgeSoon();
    this.#tell();
  }

  /** Changes some of what was said of a sweep. */
  changeSweep(uid: string, change: Partial<SweepInput>): void {
    const entry = this.#byUID.get(uid);
    if (entry) this.putSweep({ ...entry.input, ...change });
  }

  removeSweep(uid: string): void {
    const entry = this.#byUID.get(uid);
    if (!entry) return;
    this.#forget(entry);
    this.#tell();
  }

  /** An attempt at a trial begins, waits, runs or is tried again. A recorded trial does none of it any more. */
  setTrial(uid: string, trial: number, liveness: Liveness): void {
    this.#change(uid, trial, (state) => {
      if (state.record) return false;
      const { phase, attempt = state.attempt, attemptUID = state.attemptUID, reason = '' } = liveness;
      const { backend = state.backend } = liveness;
      const isSame =
        phase === state.phase && reason === state.reason && attempt === state.attempt && backend === state.backend;
      if (isSame && attemptUID === state.attemptUID) return false;
      if (attemptUID !== state.attemptUID) state.progress = null;
      Object.assign(state, { phase, reason, attempt, attemptUID, backend });
      return true;
    });
  }

  /** Where and when an attempt was, and why it ended; one that is known by its number alone is the last of that number. */
  seeAttempt(uid: string, trial: number, seen: SeenAttempt): void {
    this.#change(uid, trial, (state) => state.see(seen));
  }

  /** @param position in the log that it comes from; absent: the order of arrival */
  measure(uid: string, measurement: Measurement, position = ++this.#arrivals): Ingested {
    const entry = this.#byUID.get(uid);
    if (!entry) {
      if (this.#goneUIDs.has(uid)) return 'stale';
      return this.#early.add(uid, measurement, position) ? 'stored' : 'stale';
    }
    const state = entry.trials[measurement.trial];
    if (!state) return 'stale';
    const isStale = state.isStale(measurement);
    if (!state.measure(measurement, position, this.#revision + 1)) return 'duplicate';
    if (!isStale) state.isHeard(measurement);
    entry.progressAt = this.#now().getTime() / 1000;
    entry.touch(state, this.#next());
    this.#tell();
    return isStale ? 'stale' : 'stored';
  }

  progress(uid: string, progress: Progress): void {
    this.#change(uid, progress.trial, (state) => {
      if (state.record || progress.attempt < state.attempt) return false;
      state.progress = progress;
      return true;
    });
  }

  /** A trial is recorded. Test figures that come along stay sealed. @param endedAt RFC 3339; absent: now */
  record(uid: string, { test = null, ...result }: AnyResult, endedAt?: string | null): void {
    const entry = this.#byUID.get(uid);
    const state = entry?.trials[result.trial];
    if (!entry || !state) return;
    const at = endedAt === undefined ? this.#now().toISOString() : endedAt;
    if (!entry.record(state, { ...result, test }, state.endedAt ?? at, this.#next())) return;
    if (at !== null) entry.progressAt = this.#now().getTime() / 1000;
    this.#judgeSoon();
    this.#tell();
  }

  /** The winner's test figures, where the records come without theirs. */
  unseal(uid: string, trial: number, test: NonNullable<TrialResult['test']>): void {
    this.#byUID.get(uid)?.unseal(trial, test, this.#next());
    this.#tell();
  }

  /** The weights of an attempt are kept. @param attemptUID null: none of this trial any more */
  setModel(uid: string, trial: number, attemptUID: string | null): void {
    this.setModels(uid, trial, attemptUID === null ? [] : [attemptUID]);
  }

  /** The same of a trial that may have the weights of several attempts. @param attemptUIDs in the order of their coming */
  setModels(uid: string, trial: number, attemptUIDs: readonly string[]): void {
    const entry = this.#byUID.get(uid);
    this.#change(uid, trial, (state) => {
      if (isDeepStrictEqual(state.models, attemptUIDs)) return false;
      state.models = attemptUIDs;
      if (entry?.verdict.best?.trial === trial) entry.verdictRevision = this.#revision + 1;
      return true;
    });
  }

  /** What a person should know of a sweep. */
  note(text: string, uid: string): void {
    if (this.#byUID.get(uid)?.note(text, this.#revision + 1)) {
      this.#next();
      this.#tell();
    }
  }

  /** What a person should know whatever they look at. @param text null: it is over */
  setNote(key: string, text: string | null): void {
    if ((this.#notes.get(key) ?? null) === text) return;
    if (text === null) this.#notes.delete(key);
    else this.#notes.set(key, text);
    for (const entry of this.#byUID.values()) {
      entry.commonNotes = [...this.#notes.values()];
      entry.revision = this.#next();
    }
    this.#tell();
  }

  /** A source is out of reach, or back.
   * @param source `kubernetes`, `nats`
   * @param since RFC 3339; null: it is live
   * @param namespace of which it tells nothing; absent: of none
   */
  setStale(source: string, since: string | null, namespace?: string): void {
    if ((this.stale(source, namespace) ?? null) === since) return;
    const key = `${source}/${namespace ?? ''}`;
    if (since === null) this.#stale.delete(key);
    else this.#stale.set(key, { since, namespace });
    for (const entry of this.#byUID.values()) {
      const staleSince = this.#staleSinceOf(entry.namespace);
      if (entry.staleSince === staleSince) continue;
      entry.staleSince = staleSince;
      entry.revision = this.#next();
    }
    this.#tell();
  }

  // What the API reads.

  /** Since when, as `setStale` was told. */
  stale(source: string, namespace?: string): string | undefined {
    return this.#stale.get(`${source}/${namespace ?? ''}`)?.since;
  }

  #staleSinceOf(namespace: string): string | null {
    const all = [...this.#stale.values()].filter((each) => (each.namespace ?? namespace) === namespace);
    return all.reduce<string | null>((first, { since }) => (first === null || since < first ? since : first), null);
  }

  /** By namespace and name. */
  get sweeps(): readonly SweepEntry[] {
    this.#sorted ??= [...this.#byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  get size(): number {
    return this.#byKey.size;
  }

  sweep(namespace: string, name: string): SweepEntry | undefined {
    return this.#byKey.get(`${namespace}/${name}`);
  }

  isRecorded(uid: string, trial: number): boolean {
    return (this.#byUID.get(uid)?.trials[trial]?.record ?? null) !== null;
  }

  /** Judges it now, if a record came since. */
  judge(entry: SweepEntry): void {
    if (!entry.isJudgementDue) return;
    entry.judge(() => this.#next());
    this.#tell();
  }

  /** Sweeps that went after a revision; undefined: too long ago to be known. */
  goneSince(revision: number): readonly Gone[] | undefined {
    if (revision < this.#goneBefore) return undefined;
    return this.#gone.filter((gone) => gone.revision > revision && !this.#byKey.has(`${gone.namespace}/${gone.name}`));
  }

  #change(uid: string, trial: number, change: (state: TrialState) => boolean): void {
    const entry = this.#byUID.get(uid);
    const state = entry?.trials[trial];
    if (!entry || !state || !change(state)) return;
    entry.touch(state, this.#next());
    this.#tell();
  }

  #forget(entry: SweepEntry): void {
    this.#byKey.delete(entry.key);
    this.#sorted = undefined;
    this.#byUID.delete(entry.uid);
    this.#goneUIDs.add(entry.uid);
    const [oldest] = this.#goneUIDs;
    if (this.#goneUIDs.size > MAX_GONE && oldest !== undefined) this.#goneUIDs.delete(oldest);
    this.#gone.push({ namespace: entry.namespace, name: entry.name, revision: this.#next() });
    if (this.#gone.length <= MAX_GONE) return;
    this.#goneBefore = this.#gone.shift()?.revision ?? this.#goneBefore;
  }

  /** A record changes the verdict: many together are judged once, and what is slow to judge is judged less often. */
  #judgeSoon(): void {
    if (this.#isJudging) return;
    this.#isJudging = true;
    this.#timers.after(Math.max(JUDGE_MS, 10 * this.#judgeCostMs), () => {
      this.#isJudging = false;
      const began = this.#timers.now();
      for (const entry of this.#byUID.values()) entry.judge(() => this.#next());
      this.#judgeCostMs = this.#timers.now() - began;
      this.#tell();
    });
  }

  #next(): number {
    return ++this.#revision;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
