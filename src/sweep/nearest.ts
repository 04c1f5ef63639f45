/** The known word that somebody most likely meant, or undefined if none is close.
 * Close is: the same but for upper and lower case, an abbreviation (`Best` for `BestEpoch`), or at most one edit for each three letters.
 * @param known in order of preference: of two that are equally near the first is taken */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const lower = word.toLowerCase();
  let best: { distance: number; candidate: string } | undefined;
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    const abbreviated = word.length >= MIN_ABBREVIATION && other.startsWith(lower);
    const distance = abbreviated ? 1 : editDistance(lower, other);
    const allowed = Math.floor(Math.max(lower.length, other.length) / LETTERS_PER_EDIT);
    if (distance <= Math.max(allowed, abbreviated ? 1 : 0) && (best === undefined || distance < best.distance))
      best = { distance, candidate };
  }
  return best?.candidate;
}

const MAX_LENGTH = 64; // nobody mistypes more, and the distance costs the product of the lengths
const MIN_ABBREVIATION = 3;
const LETTERS_PER_EDIT = 3;

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= from.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= to.length; j++) {
      const replace = at(i - 1, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swap = swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY;
      rows[i]?.push(Math.min(replace, swap, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(from.length, to.length);
}
