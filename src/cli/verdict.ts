import { fold, summarise } from '../sweep/curve.ts';
import { expandTrials } from '../sweep/trial.ts';
import { judge } from '../sweep/verdict.ts';
import { readCurveFile } from './curve-file.ts';
import { describeVerdict } from './describe-verdict.ts';
import type { Output } from './output.ts';
import { readSweepFile } from './sweep-file.ts';

export interface VerdictOptions {
  readonly sweep: string;
  readonly json?: boolean;
}

/** Judges curves from anywhere: one Measurement a line, of the trials of a sweep file. @param file `-` is standard input */
export async function verdict(file: string, options: VerdictOptions, output: Output): Promise<number> {
  const { sweep } = await readSweepFile(options.sweep);
  const { epochs } = sweep.spec.training;
  const trials = expandTrials(sweep);
  const { measurements, notes } = await readCurveFile(file, sweep.metadata.name, trials.length);
  for (const note of notes) output.note(`note: ${note}`);
  const curves = fold(measurements);
  const verdict = judge(
    trials.map(({ trial, parameterCount }) => {
      return { trial, parameterCount, summary: summarise(curves.get(trial)?.epochs ?? [], epochs) };
    }),
    sweep.spec.selection,
  );
  if (options.json) output.json(verdict);
  else for (const line of describeVerdict(verdict, trials, output.width)) output.print(line);
  return 0;
}
