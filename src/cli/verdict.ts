import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fold, summarise } from '../sweep/curve.ts';
import { InvalidConfigError, InvalidMessageError } from '../sweep/errors.ts';
import { decodeForeignMeasurement, type Measurement } from '../sweep/measurement.ts';
import type { Sweep } from '../sweep/schema.ts';
import { expandTrials } from '../sweep/trial.ts';
import { judge } from '../sweep/verdict.ts';
import { describeVerdict } from './describe-verdict.ts';
import { type Output, printJson } from './output.ts';
import { readSweepFile } from './sweep-file.ts';

export interface VerdictOptions {
  readonly sweep: string;
  readonly json?: boolean;
}

/** Judges curves from anywhere: one Measurement a line, of the trials of a sweep file. @param file `-` is standard input */
export async function verdict(file: string, options: VerdictOptions, output: Output): Promise<number> {
  const { sweep } = await readSweepFile(options.sweep);
  const trials = expandTrials(sweep);
  const curves = fold(await readCurves(file, trials.length));
  const verdict = judge(
    trials.map(({ trial, parameterCount }) => {
      const epochs = curves.get(trial)?.epochs ?? [];
      return { trial, parameterCount, summary: summarise(epochs, epochsPlanned(sweep)) };
    }),
    sweep.spec.selection,
  );
  if (options.json) printJson(output, verdict);
  else for (const line of describeVerdict(verdict, trials, output.width)) output.print(line);
  return 0;
}

const epochsPlanned = ({ spec }: Sweep) => spec.training.epochs;

/** Reads a file of Measurements. @throws InvalidConfigError naming file, line and what is wrong with it */
async function readCurves(file: string, trials: number): Promise<Measurement[]> {
  const name = file === '-' ? 'standard input' : file;
  const measurements: Measurement[] = [];
  let line = 0;
  try {
    const input = file === '-' ? process.stdin : createReadStream(file);
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (text.trim() === '') continue;
      const measurement = decodeForeignMeasurement(text);
      if (measurement.trial >= trials) {
        throw new InvalidConfigError(
          `${name}:${line}: trial: ${measurement.trial}: the sweep has trials 0 to ${trials - 1}`,
        );
      }
      measurements.push(measurement);
    }
  } catch (error) {
    if (error instanceof InvalidMessageError)
      throw new InvalidConfigError(`${name}:${line}: ${error.message}`, { cause: error });
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new InvalidConfigError(`${name}: no such file`);
    if (error instanceof Error && 'code' in error && error.code === 'EISDIR')
      throw new InvalidConfigError(`${name}: a folder; expected a file`);
    throw error;
  }
  if (measurements.length === 0) throw new InvalidConfigError(`${name}: empty; expected a Measurement a line`);
  return measurements;
}
