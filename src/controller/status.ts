import { Compile } from 'typebox/compile';
import { formatLoss } from '../sweep/figures.ts';
import { isOverLimit } from '../sweep/plan.ts';
import type { Reason } from '../sweep/reasons.ts';
import { isComplete } from '../sweep/records.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { MAX_MESSAGE, MAX_STATUS_BYTES, type Phase, type SweepStatus, SweepStatusSchema } from '../sweep/status.ts';
import type { BestModel, Verdict } from '../sweep/verdict.ts';
import { type ClusterSweep, type InvalidSweep, limitsOf } from './cluster-sweep.ts';
import { dateConditions, type Saying, type Sayings, sayStuck } from './conditions.ts';
import type { Snapshot } from './snapshot.ts';
import type { Stuck } from './stuck.ts';
import { counted, cut } from './text.ts';

interface Written {
  /** As it stands in the object, if it is one of ours: readStatus. */
  readonly previous: SweepStatus | undefined;
  /** RFC 3339. Read only where something has just changed: the same facts give the same status at any time. */
  readonly now: string;
}

export interface StatusInput extends Written {
  readonly sweep: ClusterSweep;
  readonly snapshot: Snapshot;
  /** Of the records of this snapshot. */
  readonly verdict: Pick<Verdict, 'best' | 'message'>;
  /** Worst first. */
  readonly stuck: readonly Stuck[];
}

type Trials = SweepStatus['trials'];

/** Where a sweep stands: the phase and why. */
interface Standing {
  readonly phase: Phase;
  readonly reason: Reason;
  /** For a person, before anything about the verdict; may be empty. */
  readonly words: string;
}

/** Builds the status of a Sweep from one snapshot: at most 8 KiB at any size. Writing it again changes nothing. */
export function buildStatus(input: StatusInput): SweepStatus {
  const { sweep, snapshot, previous, now } = input;
  const trials = countTrials(snapshot);
  const standing = standingOf(input, trials);
  const { phase } = standing;
  const begun = trials.running > 0 || finishedOf(trials) > 0;
  const startTime = previous?.startTime ?? (begun ? now : undefined);
  const ended = phase === 'Complete' || phase === 'Failed';
  const completionTime = ended ? (previous?.completionTime ?? now) : undefined;
  const best = buildBest(input, isComplete({ ...trials, waiting: trials.waiting + trials.running }));
  return fitStatus((maxMessage) => ({
    phase,
    observedGeneration: sweep.generation,
    trials,
    ...(best && { best }),
    message: cut(sayVerdict(input, trials, standing), maxMessage),
    conditions: dateConditions(sayAll(input, trials, standing, maxMessage), {
      generation: sweep.generation,
      previous: previous?.conditions ?? [],
      now,
      maxMessage,
    }),
    ...(startTime !== undefined && { startTime }),
    ...(completionTime !== undefined && { completionTime }),
  }));
}

/** The status of a Sweep that no Job is created for. Its phase is Failed, as a Job's whose spec can never work: what is wrong lies in
 * fields that never change, so that who waits for an end (`kubectl wait`) has one, and a new Sweep is the repair. Should a newer
 * controller refuse what an older one had begun, the counts and the best so far stay as they were.
 */
export function buildInvalidStatus({ generation, violations }: InvalidSweep, { previous, now }: Written): SweepStatus {
  const text = violations.map(({ path, message }) => `${path}: ${message}`).join('\n');
  const invalid = (status: 'True' | 'False'): Saying => ({ status, reason: 'InvalidSweep', message: text });
  const brief = (status: 'True' | 'False'): Saying => ({ ...invalid(status), message: 'see Accepted' });
  const sayings: Sayings = {
    Accepted: invalid('False'),
    Progressing: brief('False'),
    Degraded: { status: 'False', reason: 'AsExpected', message: 'nothing is stuck' },
    Complete: brief('False'),
    Failed: brief('True'),
  };
  const { trials = NO_TRIALS, best, startTime, completionTime = now } = previous ?? {};
  return fitStatus((maxMessage) => ({
    phase: 'Failed',
    observedGeneration: generation,
    trials,
    ...(best && { best }),
    message: cut(text, maxMessage),
    conditions: dateConditions(sayings, { generation, previous: previous?.conditions ?? [], now, maxMessage }),
    ...(startTime !== undefined && { startTime }),
    completionTime,
  }));
}

const NO_TRIALS: Trials = { total: 0, waiting: 0, running: 0, succeeded: 0, failed: 0, stopped: 0 };

/** A trial waits as long as its Pod waits for a node, an image or a queue. One that ended and is not recorded yet counts as running:
 * nothing is finished before it is recorded.
 */
function countTrials({ counts, running: live, toRecord }: Snapshot): Trials {
  let running = toRecord.length;
  for (const { state } of live.values()) if (state === 'Running') running++;
  return { ...counts, waiting: counts.waiting - running, running };
}

/** Trials that have a Job and no record. */
function startedOf({ running, toRecord }: Snapshot): number {
  return running.size + toRecord.length;
}

function finishedOf({ succeeded, failed, stopped }: Trials): number {
  return succeeded + failed + stopped;
}

/** The phase from the facts; a sweep has ended only when none of its trials has a Job that is not over. */
function standingOf({ sweep, snapshot, stuck }: StatusInput, trials: Trials): Standing {
  const limits = limitsOf(sweep);
  const started = startedOf(snapshot);
  const quiet = started === 0;
  if (isOverLimit(limits, trials.failed)) {
    const words = `${counted(trials.failed, 'trial')} failed; spec.maxFailedTrials allows ${limits.maxFailedTrials}`;
    return { phase: quiet ? 'Failed' : 'Running', reason: 'MaxFailedTrialsExceeded', words };
  }
  if (trials.running + trials.waiting === 0) {
    if (trials.succeeded === 0 && trials.failed > 0)
      return {
        phase: 'Failed',
        reason: 'AllTrialsFailed',
        words: `${counted(trials.failed, 'trial')} failed, none succeeded`,
      };
    const stopped = trials.stopped > 0 ? `${counted(trials.stopped, 'trial')} stopped` : '';
    return { phase: 'Complete', reason: 'Finished', words: stopped };
  }
  if (limits.suspend) {
    const left = quiet ? '' : `; ${counted(started, 'started trial')} will finish`;
    return { phase: 'Suspended', reason: 'Suspended', words: `spec.suspend is true${left}` };
  }
  if (trials.running > 0) return { phase: 'Running', reason: 'TrialsRunning', words: '' };
  if (finishedOf(trials) === 0) return { phase: 'Pending', reason: 'WaitingToStart', words: '' };
  // Between the end of one trial and the container of the next nothing new is to be told.
  const isBetween = !quiet && stuck.length === 0;
  return { phase: 'Running', reason: isBetween ? 'TrialsRunning' : 'WaitingToStart', words: '' };
}

function sayAll(
  { sweep, snapshot, verdict, stuck }: StatusInput,
  trials: Trials,
  standing: Standing,
  max: number,
): Sayings {
  const { phase, reason, words } = standing;
  const { total, running, waiting } = trials;
  const counts = `${finishedOf(trials)} of ${counted(total, 'trial')} recorded, ${running} running, ${waiting} waiting`;
  const failed = phase === 'Failed';
  const complete = phase === 'Complete';
  const accepted = sweep.notes.map(({ path, message }) => `${path}: ${message}`).join('\n') || counted(total, 'trial');
  // Nothing runs, and something is in the way: that is no progress.
  const halted = failed || complete || phase === 'Suspended' || (running === 0 && stuck.length > 0);
  return {
    Accepted: { status: 'True', reason: 'Valid', message: accepted },
    Progressing: { status: halted ? 'False' : 'True', reason, message: words === '' ? counts : `${words}; ${counts}` },
    Degraded: sayStuck(stuck, max),
    Complete: complete
      ? { status: 'True', reason: verdict.best ? 'Finished' : 'NoEligibleModel', message: counts }
      : { status: 'False', reason, message: counts },
    Failed: failed
      ? { status: 'True', reason, message: `${words}; ${firstFailure(snapshot.records)}` }
      : { status: 'False', reason: 'AsExpected', message: sayFailed(trials.failed, snapshot.records) },
  };
}

function sayFailed(count: number, records: ReadonlyMap<number, TrialRecord>): string {
  const failed = `${counted(count, 'trial')} failed`;
  return count === 0 ? failed : `${failed}; ${firstFailure(records)}`;
}

/** The lowest trial that failed: mostly all have one cause. */
function firstFailure(records: ReadonlyMap<number, TrialRecord>): string {
  let first: TrialRecord | undefined;
  for (const record of records.values()) {
    if (record.outcome === 'Failed' && (!first || record.trial < first.trial)) first = record;
  }
  return first ? `trial ${first.trial}: ${first.reason}` : '';
}

/** The verdict's sentence, or what the sweep waits for. */
function sayVerdict(
  { sweep, snapshot, verdict, stuck }: StatusInput,
  trials: Trials,
  { phase, words }: Standing,
): string {
  const parts: string[] = [];
  if (phase === 'Failed') parts.push(`${words}; ${firstFailure(snapshot.records)}`);
  else if (words !== '') parts.push(words);
  const sofar = phase === 'Complete' ? '' : `so far, of ${finishedOf(trials)} of ${counted(trials.total, 'trial')}: `;
  if (trials.succeeded > 0) {
    const name = verdict.best && sweep.trials[verdict.best.trial]?.name;
    parts.push(`${sofar}${verdict.best ? `best: ${name}, ` : 'no eligible model: '}${verdict.message}`);
  } else if (phase !== 'Failed' && phase !== 'Complete') {
    const waiting = trials.running > 0 ? 'waiting for the first result' : 'waiting for the first trial to start';
    const failing = trials.failed > 0 && `${sofar}none succeeded; ${firstFailure(snapshot.records)}`;
    parts.push(stuck[0]?.message ?? (failing || waiting));
  }
  return parts.join('; ');
}

/** Figures of the kept epoch; those of the test set only of a complete sweep. */
function buildBest({ sweep, snapshot, verdict }: StatusInput, complete: boolean): SweepStatus['best'] {
  const { best } = verdict;
  if (!best) return undefined;
  const record = snapshot.records.get(best.trial);
  const test = complete ? record?.test : null;
  return {
    trial: best.trial,
    network: cut(sweep.trials[best.trial]?.name ?? `trial ${best.trial}`, 256),
    epoch: best.epoch,
    ...figuresOf(best),
    ...(test && test.loss !== null && { testLoss: plain(test.loss) }),
    ...(test && { testAccuracy: plain(test.accuracy) }),
    ...(record?.backend && { backend: record.backend }),
  };
}

function figuresOf(best: BestModel) {
  return {
    parameterCount: best.parameterCount,
    validationLoss: plain(best.validationLoss),
    loss: `${formatLoss(best.validationLoss)} ± ${formatLoss(best.validationLossStandardError)}`,
    validationLossStandardError: plain(best.validationLossStandardError),
    validationAccuracy: plain(best.validationAccuracy),
    gap: plain(best.gap),
    rise: plain(best.rise),
    finding: best.finding,
  };
}

/** JSON knows no -0: what is read back must equal what was written. */
function plain(value: number): number {
  return value === 0 ? 0 : value;
}

/** Built, measured, and its messages cut shorter until it fits. */
export function fitStatus(build: (maxMessage: number) => SweepStatus): SweepStatus {
  let status = build(MAX_MESSAGE);
  for (let max = MAX_MESSAGE; max > 64 && Buffer.byteLength(JSON.stringify(status)) > MAX_STATUS_BYTES; ) {
    max = Math.floor(max * 0.75);
    status = build(max);
  }
  return status;
}

const validator = Compile(SweepStatusSchema);

/** The status of an object, if it is one that we could have written: whoever wrote another one is not believed. */
export function readStatus(status: unknown): SweepStatus | undefined {
  return validator.Check(status) ? status : undefined;
}

/** Whether writing `after` over `before` would change nothing: keys and conditions may stand in any order. */
export function sameStatus(before: unknown, after: SweepStatus): boolean {
  const known = readStatus(before);
  return known !== undefined && canonical(known) === canonical(after);
}

function canonical({ conditions, ...rest }: SweepStatus): string {
  const sorted = conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  return JSON.stringify({ ...rest, conditions: sorted }, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
