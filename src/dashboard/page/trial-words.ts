import { GLYPHS, STATUS_WORDS, type Status } from '../../report/charts/marks.ts';
import type { SweepSummary, TrialPhase, TrialRow } from '../api.ts';

/** A row's status in the report's words: its finding, or why it has none yet. */
export function statusOf({ phase, finding, epochsDone }: Pick<TrialRow, 'phase' | 'finding' | 'epochsDone'>): Status {
  if (phase === 'Failed' || phase === 'Stopped') return phase;
  if (phase === 'Succeeded') return finding ?? 'NotRun';
  if (finding === 'Diverged') return finding;
  return epochsDone > 0 ? 'Unfinished' : 'NotRun';
}

export const PHASE_WORDS: Record<TrialPhase, string> = {
  Waiting: 'Waiting',
  Queued: 'Queued',
  Pending: 'Pending',
  Running: 'Running',
  Retrying: 'Retrying',
  Succeeded: 'Succeeded',
  Failed: 'Failed',
  Stopped: 'Stopped',
};

export function isRecorded({ phase }: Pick<TrialRow, 'phase'>): boolean {
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Stopped';
}

/** For the eye, beside the words: what runs has an arrow. */
export function glyphOf(row: Pick<TrialRow, 'phase' | 'finding' | 'epochsDone'>): string {
  return row.phase === 'Running' ? '▶' : GLYPHS[statusOf(row)];
}

/** `Overfit`; of one that is at it `Running, 5 of 15 epochs`. */
export function statusWords(row: TrialRow): string {
  if (isRecorded(row)) return STATUS_WORDS[statusOf(row)];
  const done = row.epochsDone > 0 ? `, ${row.epochsDone} of ${row.epochsPlanned} epochs` : '';
  return `${PHASE_WORDS[row.phase]}${done}`;
}

/** What the table may be filtered by, with its words. */
export const FINDING_CHOICES = [
  ['Healthy', 'Healthy'],
  ['StillImproving', 'Still improving'],
  ['Overfit', 'Overfit'],
  ['Diverged', 'Diverged'],
  ['Incomplete', 'Incomplete'],
] as const satisfies readonly (readonly [NonNullable<TrialRow['finding']>, string])[];

export const PHASE_CHOICES = Object.entries(PHASE_WORDS);

/** Never colour alone. */
export const PHASE_GLYPHS: Record<SweepSummary['phase'], string> = {
  Pending: '○',
  Running: '▶',
  Suspended: '❚❚',
  Complete: '●',
  Failed: '■',
};
