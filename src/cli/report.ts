import type { Output } from './output.ts';
import { readSweepFile } from './sweep-file.ts';
import { writeReport } from './write-report.ts';

export interface ReportCommandOptions {
  readonly sweep?: string;
  readonly output?: string;
}

/** Judges a run folder again, by other thresholds if a sweep file is given, and writes its report. */
export async function report(folder: string, options: ReportCommandOptions, output: Output): Promise<number> {
  const given = options.sweep === undefined ? undefined : await readSweepFile(options.sweep);
  const { path, notes } = await writeReport(folder, {
    selection: given?.sweep.spec.selection,
    output: options.output,
  });
  for (const note of notes) output.note(`note: ${note}`);
  output.print(`report: ${path}`);
  return 0;
}
