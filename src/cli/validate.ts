import { InvalidSweepError } from '../sweep/errors.ts';
import { expandTrials } from '../sweep/trial.ts';
import type { Output } from './output.ts';
import { readSweepFile } from './sweep-file.ts';

/** Says every violation of a sweep file, one a line. @returns exit code: 0 valid, 2 not */
export async function validate(file: string, { json }: { json?: boolean }, output: Output): Promise<number> {
  try {
    const { sweep, notes } = await readSweepFile(file);
    const trials = expandTrials(sweep).length;
    if (json) output.json({ valid: true, trials, violations: [], notes });
    else {
      for (const { path, message } of notes) output.print(`note: ${path}: ${message}`);
      output.print(`${file}: valid; ${trials} ${trials === 1 ? 'trial' : 'trials'}`);
    }
    return 0;
  } catch (error) {
    if (!(error instanceof InvalidSweepError)) throw error;
    const { violations } = error;
    if (json) output.json({ valid: false, violations, notes: [] });
    else for (const { path, message } of violations) output.print(`${path}: ${message}`);
    return 2;
  }
}
