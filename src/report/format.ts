/** How the report writes figures. A figure that is absent is an en dash. */
const ABSENT = '–';

type Figure = number | null | undefined;

const isAbsent = (value: Figure): value is null | undefined => value === null || value === undefined;

/** `1.003`, in nats; very large ones as `4.1e+9`. */
export function formatLoss(loss: Figure): string {
  if (isAbsent(loss)) return ABSENT;
  return Math.abs(loss) < 1e4 ? loss.toFixed(3) : loss.toExponential(1);
}

/** `65.2 %` */
export function formatAccuracy(accuracy: Figure): string {
  return isAbsent(accuracy) ? ABSENT : `${(100 * accuracy).toFixed(1)} %`;
}

/** `18,554` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `48 s`, `12 min`, `3 h 20 min` */
export function formatSeconds(seconds: Figure): string {
  if (isAbsent(seconds)) return ABSENT;
  if (seconds < 100) return `${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1 network`, `10 networks` */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `a, b and c` */
export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
