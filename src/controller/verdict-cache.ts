import { findingOf } from '../sweep/finding.ts';
import { candidatesOf, judgeResults } from '../sweep/records.ts';
import type { Selection, Sweep } from '../sweep/schema.ts';
import { type Contender, choose, contenderOf, isEligible, type Score } from '../sweep/selection.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { nameBest, type Verdict } from '../sweep/verdict.ts';

/** What the status shows of a verdict. */
export type NamedBest = Pick<Verdict, 'best' | 'reason' | 'message'>;

/** Judges the records of one Sweep as judgeResults does, in a fraction of its time: every record is read once, and of those that can
 * be chosen only the best is put into words. At 10,000 trials judging all takes longer than the rest of a turn.
 */
export class VerdictCache {
  #selection: Selection | undefined;
  /** Records never change; null: not eligible. The scores alone: 10,000 findings in words are 5 MB. */
  #scores = new WeakMap<TrialRecord, Score | null>();
  #last: { readonly records: ReadonlyMap<number, TrialRecord>; readonly named: NamedBest } | undefined;

  judge(sweep: Sweep, records: ReadonlyMap<number, TrialRecord>): NamedBest {
    const { selection } = sweep.spec;
    if (this.#selection !== selection) {
      this.#selection = selection;
      this.#scores = new WeakMap();
      this.#last = undefined;
    }
    if (this.#last && sameRecords(this.#last.records, records)) return this.#last.named;
    const named = this.#name(sweep, records);
    this.#last = { records, named };
    return named;
  }

  #name(sweep: Sweep, records: ReadonlyMap<number, TrialRecord>): NamedBest {
    const { selection } = sweep.spec;
    const eligible = Array.from(records.values(), (record) => this.#scoreOf(sweep, record)).filter(
      (score) => score !== null,
    );
    const choice = choose(eligible, selection.parsimony);
    const record = choice && records.get(choice.best.trial);
    const contender = record && contenderFrom(sweep, record);
    if (choice && contender) return nameBest(choice, contender.finding);
    // Nothing is eligible: the sentence then speaks of all.
    const { best, reason, message } = judgeResults(sweep, records.values());
    return { best, reason, message };
  }

  #scoreOf(sweep: Sweep, record: TrialRecord): Score | null {
    const known = this.#scores.get(record);
    if (known !== undefined) return known;
    const contender = contenderFrom(sweep, record);
    const score = contender ? withoutFinding(contender) : null;
    this.#scores.set(record, score);
    return score;
  }
}

/** Undefined of a trial that cannot be chosen. */
function contenderFrom({ spec }: Sweep, record: TrialRecord): Contender | undefined {
  const [candidate] = candidatesOf([record], spec.training.epochs);
  const finding = candidate && findingOf(candidate.trial, candidate.summary, spec.selection);
  return finding && isEligible(finding) ? contenderOf(finding, candidate.parameterCount) : undefined;
}

function withoutFinding({ trial, parameterCount, validationLoss, standardError }: Contender): Score {
  return { trial, parameterCount, validationLoss, standardError };
}

function sameRecords(a: ReadonlyMap<number, TrialRecord>, b: ReadonlyMap<number, TrialRecord>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [trial, record] of a) if (b.get(trial) !== record) return false;
  return true;
}
