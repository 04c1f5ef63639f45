import { type Finding, findingOf } from '../sweep/finding.ts';
import { candidateOf } from '../sweep/records.ts';
import type { Selection, Sweep } from '../sweep/schema.ts';
import { choose, contenderOf, isEligible, type Score } from '../sweep/selection.ts';
import type { TrialRecord } from '../sweep/slice.ts';
import { type Ineligible, ineligibleOf, leastOverfit, nameBest, nameNone, type Verdict } from '../sweep/verdict.ts';

/** What the status shows of a verdict. */
export type NamedBest = Pick<Verdict, 'best' | 'reason' | 'message'>;

/** What counts of a record: its score if it can be chosen, else what speaks against it. */
type Judged = { readonly score: Score } | { readonly ineligible: Ineligible };

/** Judges the records of one Sweep as judgeResults does, in a fraction of its time: every record is read once, and only the one that
 * is named is put into words. At 10,000 trials judging all takes longer than the rest of a turn.
 */
export class VerdictCache {
  #selection: Selection | undefined;
  /** Records never change. The figures alone: 10,000 findings in words are 5 MB. */
  #judged = new WeakMap<TrialRecord, Judged>();
  #last: { readonly records: ReadonlyMap<number, TrialRecord>; readonly named: NamedBest } | undefined;

  judge(sweep: Sweep, records: ReadonlyMap<number, TrialRecord>): NamedBest {
    const { selection } = sweep.spec;
    if (this.#selection !== selection) {
      this.#selection = selection;
      this.#judged = new WeakMap();
      this.#last = undefined;
    }
    if (this.#last && sameRecords(this.#last.records, records)) return this.#last.named;
    const named = this.#name(sweep, records);
    this.#last = { records, named };
    return named;
  }

  #name(sweep: Sweep, records: ReadonlyMap<number, TrialRecord>): NamedBest {
    const { selection } = sweep.spec;
    const scores: Score[] = [];
    const ineligible: Ineligible[] = [];
    for (const record of records.values()) {
      const judged = this.#judge(sweep, record);
      if ('score' in judged) scores.push(judged.score);
      else ineligible.push(judged.ineligible);
    }
    const findingAt = (trial: number | undefined) => {
      const record = trial === undefined ? undefined : records.get(trial);
      return record && judgeRecord(sweep, record).finding;
    };
    const choice = choose(scores, selection.parsimony);
    const best = findingAt(choice?.best.trial);
    if (choice && best) return nameBest(choice, best);
    return nameNone(ineligible, findingAt(leastOverfit(ineligible)?.trial), selection);
  }

  #judge(sweep: Sweep, record: TrialRecord): Judged {
    const known = this.#judged.get(record);
    if (known) return known;
    const { judged } = judgeRecord(sweep, record);
    this.#judged.set(record, judged);
    return judged;
  }
}

function judgeRecord({ spec }: Sweep, record: TrialRecord): { readonly finding: Finding; readonly judged: Judged } {
  const { trial, parameterCount, summary } = candidateOf(record, spec.training.epochs);
  const finding = findingOf(trial, summary, spec.selection);
  const contender = isEligible(finding) ? contenderOf(finding, parameterCount) : undefined;
  if (!contender) return { finding, judged: { ineligible: ineligibleOf(finding, spec.selection) } };
  const { validationLoss, standardError } = contender;
  return { finding, judged: { score: { trial, parameterCount, validationLoss, standardError } } };
}

function sameRecords(a: ReadonlyMap<number, TrialRecord>, b: ReadonlyMap<number, TrialRecord>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [trial, record] of a) if (b.get(trial) !== record) return false;
  return true;
}
