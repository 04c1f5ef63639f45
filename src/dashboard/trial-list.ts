import { InvalidMessageError } from '../sweep/errors.ts';

/** Parses `0-9,17` into indexes, ascending, each once.
 * @param total trials of the sweep: indexes beyond are left out
 * @throws InvalidMessageError naming the part that is wrong, or the limit
 */
export function parseTrialList(text: string, total: number, limit: number): number[] {
  const wanted = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      throw new InvalidMessageError('trials: expected indexes and ranges, as 0-9,17');
    }
    for (let trial = Number(first); trial <= Math.min(Number(last), total - 1); trial++) {
      wanted.add(trial);
      if (wanted.size > limit) throw new InvalidMessageError(`trials: at most ${limit}`);
    }
  }
  return [...wanted].sort((a, b) => a - b);
}
