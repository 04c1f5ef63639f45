/** Keys and indices from the root of a sweep to one of its values. */
export type Path = readonly (string | number)[];

/** Longest text that a message repeats in full, in characters; a longer one is cut, so that no value floods the screen. */
const MAX_SHOWN = 40;

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** A path as people write it: `spec.grid[0].widths[0][1]`, `spec.trainer.resources.limits["nvidia.com/gpu"]`.
 * @returns `Sweep` for the root, which has no path of its own */
export function formatPath(path: Path): string {
  if (path.length === 0) return 'Sweep';
  const written = path.map((key) => {
    if (typeof key === 'number') return `[${key}]`;
    return IDENTIFIER.test(key) && key.length <= MAX_SHOWN ? `.${key}` : `[${quote(key)}]`;
  });
  return written.join('').replace(/^\./, '');
}

/** A value as a message shows it: scalars as they are, text quoted and cut, anything larger by what it is. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** Whether a message can show the value itself, not only what it is. */
export function isScalar(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}

/** Quotes text, cut after MAX_SHOWN characters. What would move the cursor or turn the writing direction of a terminal is escaped. */
export function quote(text: string): string {
  const characters = [...text.slice(0, 2 * MAX_SHOWN + 2)];
  const shown = characters.length > MAX_SHOWN ? `${characters.slice(0, MAX_SHOWN - 8).join('')}…` : text;
  return JSON.stringify(shown).replace(INVISIBLE, (c) =>
    [...Array(c.length).keys()].map((at) => escapeUnit(c, at)).join(''),
  );
}

// Controls, format characters (soft hyphen, direction marks, tags, …) and the separators that some readers take for line ends.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escapeUnit(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
}

/** `relu, tanh or none` */
export function either(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** `1,000,000,000` */
export function withCommas(count: number | bigint): string {
  return count.toLocaleString('en-US');
}
