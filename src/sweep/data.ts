import type { Violation } from './errors.ts';
import { formatPath, type Path, withCommas } from './path.ts';

/** Deepest nesting of a sweep file; ours needs ten, and Kubernetes' own metadata about as many. */
export const MAX_LEVELS = 20;
/** Most values in one sweep; the largest that keeps to every bound has about 300,000. */
const MAX_VALUES = 1_000_000;

/** Copies whatever was given into data that belongs to nobody else: mappings, lists and scalars, `null` = absent left out.
 * Keys are defined, never assigned, so that `__proto__` is a key as any other and touches no prototype.
 * @returns the copy; the places where a key had `null`, since a key that nobody knows is wrong without a value too; and a violation
 * for what is nested too deeply (as anything that contains itself) or too large; that part is left out */
export function copyData(input: unknown): { data: unknown; absent: Path[]; violations: Violation[] } {
  const violations: Violation[] = [];
  const absent: Path[] = [];
  let values = 0;

  function copy(value: unknown, path: Path): unknown {
    if (Object.is(value, -0)) return 0;
    if (typeof value !== 'object' || value === null) return value;
    if (path.length >= MAX_LEVELS) {
      violations.push({ path: formatPath(path), message: `over ${MAX_LEVELS} levels` });
      return undefined;
    }
    if (Array.isArray(value))
      return Array.from(value, (item, index) => (within() ? (copy(item, [...path, index]) ?? null) : null));
    const mapping = {};
    for (const [key, item] of Object.entries(value)) {
      if (!within()) break;
      if (item === null) absent.push([...path, key]);
      const copied = copy(item, [...path, key]) ?? undefined;
      if (copied === undefined) continue;
      Object.defineProperty(mapping, key, { value: copied, enumerable: true, writable: true, configurable: true });
    }
    return mapping;
  }

  function within(): boolean {
    return ++values <= MAX_VALUES;
  }

  const data = copy(input, []);
  if (values > MAX_VALUES)
    return {
      data: undefined,
      absent: [],
      violations: [{ path: formatPath([]), message: `over ${withCommas(MAX_VALUES)} values` }],
    };
  return { data, absent, violations };
}
