/** Longest name of a Sweep; every name below follows from it. */
export const MAX_SWEEP_NAME = 40;

/** Which attempt at which trial of which Sweep: what a Job's name and labels say. */
export interface AttemptName {
  /** Name of the Sweep, at most 40 characters. */
  readonly sweep: string;
  readonly sweepUID: string;
  readonly trial: number;
  /** From 1. */
  readonly attempt: number;
}

/** Name of the Job that runs one attempt: `<sweep>-<6 of the Sweep's UID>-<trial>`, with `-r<attempt>` from the second on.
 * Deterministic, so that creating it twice is a conflict and never a second Job. At most 57 characters: its Pod's name adds
 * six, and stays a DNS label.
 */
export function jobName({ sweep, sweepUID, trial, attempt }: AttemptName): string {
  const retry = attempt === 1 ? '' : `-r${attempt}`;
  return `${sweep}-${shortUID(sweepUID)}-${trial}${retry}`;
}

/** Name of the n-th slice of a Sweep's results, from 0. */
export function sliceName(sweep: string, sweepUID: string, slice: number): string {
  return `${sweep}-${shortUID(sweepUID)}-s${slice}`;
}

/** A Sweep that was deleted and created again has other Jobs: its UID is part of their names. */
function shortUID(uid: string): string {
  return uid.replaceAll('-', '').slice(0, 6);
}
