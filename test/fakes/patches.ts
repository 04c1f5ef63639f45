// The three ways to change an object that the API server offers and we use.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7386. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

export interface PatchStep {
  readonly op: string;
  readonly path: string;
  readonly value?: Json;
}

/** RFC 6902, as far as we use it: `add` at the end of a list or to an object, `replace` of what is there.
 * @throws RangeError for anything else
 */
export function jsonPatch(target: Json, steps: readonly PatchStep[]): Json {
  return steps.reduce((value, { op, path, value: given = null }) => {
    const keys = path.slice(1).split('/');
    return changeAt(value, keys, op, given);
  }, target);
}

function changeAt(target: Json | undefined, [key = '', ...rest]: readonly string[], op: string, given: Json): Json {
  if (Array.isArray(target) && key === '-' && rest.length === 0 && op === 'add') return [...target, given];
  if (!isObject(target)) throw new RangeError(`no "${key}" in ${JSON.stringify(target)}`);
  if (rest.length > 0) return { ...target, [key]: changeAt(target[key], rest, op, given) };
  if (op === 'add' || (op === 'replace' && key in target)) return { ...target, [key]: given };
  throw new RangeError(`cannot ${op} "${key}"`);
}

/** Server-side apply by one manager: what it applied before and names no more goes, what others set stays.
 * A list whose items have a `type` is a map by it; any other list is replaced as a whole.
 */
export function apply(target: Json | undefined, applied: Json, before: Json | undefined): Json {
  if (isTyped(applied) && (target === undefined || isTyped(target))) {
    const all = apply(byType(target), byType(applied), before === undefined ? undefined : byType(before));
    // In the order of who applied last.
    return isObject(all) ? Object.values({ ...byType(applied), ...all }) : [];
  }
  if (!isObject(applied)) return applied;
  const result: Record<string, Json> = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(isObject(before) ? before : {})) if (!(key in applied)) delete result[key];
  for (const [key, value] of Object.entries(applied)) {
    result[key] = apply(result[key], value, isObject(before) ? before[key] : undefined);
  }
  return result;
}

function isTyped(value: Json | undefined): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item.type === 'string');
}

function byType(value: Json | undefined): JsonObject {
  const items: readonly Json[] = Array.isArray(value) ? value : [];
  return Object.fromEntries(items.map((item) => [isObject(item) ? `${item.type}` : '', item]));
}
