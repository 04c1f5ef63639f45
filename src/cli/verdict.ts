import { stat } from 'node:fs/promises';
import { toCsv } from '../report/csv.ts';
import { fold, summarise } from '../sweep/curve.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { percent, points } from '../sweep/finding.ts';
import { candidateOf } from '../sweep/records.ts';
import type { TrialResult } from '../sweep/result.ts';
import type { Selection, Sweep } from '../sweep/schema.ts';
import { groupBySeed } from '../sweep/seeds.ts';
import { expandTrials, type Trial } from '../sweep/trial.ts';
import { type Candidate, judge } from '../sweep/verdict.ts';
import { readCurveFile } from './curve-file.ts';
import { describeSeeds } from './describe-seeds.ts';
import { describeVerdict } from './describe-verdict.ts';
import type { Output } from './output.ts';
import { readSweepFile } from './sweep-file.ts';
import { readRunFolder } from './write-report.ts';

export interface VerdictOptions {
  /** Absent only with a run folder, which has its own. */
  readonly sweep?: string;
  readonly maxLossRise?: number;
  readonly maxAccuracyGap?: number | 'none';
  readonly checkpoint?: Selection['checkpoint'];
  readonly parsimony?: Selection['parsimony'];
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** What is judged: the candidates of a sweep, and what is recorded of them beside their curves. */
interface Judged {
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  readonly candidates: readonly Candidate[];
  readonly results: ReadonlyMap<number, TrialResult>;
  readonly notes: readonly string[];
}

/** Judges a run folder, or curves from anywhere (one Measurement a line, of the trials of a sweep file), by the sweep's own
 * thresholds or by others. Only looks: nothing is written.
 * @param place a run folder, a file, or `-` for standard input
 */
export async function verdict(place: string, options: VerdictOptions, output: Output): Promise<number> {
  if (options.json && options.csv) throw new InvalidConfigError('--json and --csv: choose one');
  const isFolder = place !== '-' && ((await stat(place).catch(() => undefined))?.isDirectory() ?? false);
  const judged = isFolder
    ? await readFolderToJudge(place, options.sweep)
    : await readCurvesToJudge(place, options.sweep);
  const { sweep, trials, candidates, results, notes } = judged;
  for (const note of notes) output.note(`note: ${note}`);
  const selection = choose(sweep.spec.selection, options);
  const verdict = judge(candidates, selection);
  if (options.csv) for (const line of toCsv(trials, verdict, results)) output.print(line);
  else if (options.json) output.json({ ...verdict, selection, bySeed: groupBySeed(trials, verdict.findings) });
  else {
    output.print(describeSelection(selection, sweep.spec.selection));
    output.print('');
    for (const line of describeSeeds(groupBySeed(trials, verdict.findings), output.width)) output.print(line);
    for (const line of describeVerdict(verdict, trials, output.width)) output.print(line);
    if (isFolder && results.size < trials.length)
      output.print(`This verdict is of ${results.size} of ${trials.length} trials: it may still change.`);
  }
  return 0;
}

async function readFolderToJudge(folder: string, thresholds: string | undefined): Promise<Judged> {
  const { sweep: recorded, results, notes } = await readRunFolder(folder);
  const selection = thresholds === undefined ? undefined : (await readSweepFile(thresholds)).sweep.spec.selection;
  const sweep = selection ? { ...recorded, spec: { ...recorded.spec, selection } } : recorded;
  const { epochs } = sweep.spec.training;
  const candidates = Array.from(results.values(), (result) => candidateOf(result, epochs));
  return { sweep, trials: expandTrials(sweep), candidates, results, notes };
}

async function readCurvesToJudge(file: string, sweepFile: string | undefined): Promise<Judged> {
  if (sweepFile === undefined)
    throw new InvalidConfigError('--sweep: missing; curves need the sweep file whose trials they are');
  const { sweep } = await readSweepFile(sweepFile);
  const trials = expandTrials(sweep);
  const { measurements, notes } = await readCurveFile(file, sweep.metadata.name, trials.length);
  const curves = fold(measurements);
  const candidates = trials.map(({ trial, parameterCount }) => {
    return { trial, parameterCount, summary: summarise(curves.get(trial)?.epochs ?? [], sweep.spec.training.epochs) };
  });
  return { sweep, trials, candidates, results: new Map(), notes };
}

function choose(own: Selection, { maxLossRise, maxAccuracyGap, checkpoint, parsimony }: VerdictOptions): Selection {
  const { maxAccuracyGap: ownGap, ...rest } = own;
  const gap = maxAccuracyGap ?? ownGap;
  return {
    ...rest,
    ...(gap !== undefined && gap !== 'none' && { maxAccuracyGap: gap }),
    ...(maxLossRise !== undefined && { maxLossRise }),
    ...(checkpoint !== undefined && { checkpoint }),
    ...(parsimony !== undefined && { parsimony }),
  };
}

/** `judged by checkpoint LastEpoch, maxLossRise 20 % (not 10 %), maxAccuracyGap none, parsimony None` */
export function describeSelection(used: Selection, own: Selection): string {
  const words = ({ checkpoint, maxLossRise, maxAccuracyGap, parsimony }: Selection) => ({
    checkpoint,
    maxLossRise: percent(maxLossRise),
    maxAccuracyGap: maxAccuracyGap === undefined ? 'none' : points(maxAccuracyGap),
    parsimony,
  });
  const before = new Map(Object.entries(words(own)));
  const parts = Object.entries(words(used)).map(
    ([name, value]) => `${name} ${value}${value === before.get(name) ? '' : ` (not ${before.get(name)})`}`,
  );
  return `judged by ${parts.join(', ')}`;
}
