/** Writes plain data as YAML, for people to read and to run again: objects in blocks, lists of scalars in one line.
 * Only what JSON knows; strings are quoted unless they are plain words. */
export function toYaml(value: unknown): string {
  return `${block(value, '').join('\n')}\n`;
}

function block(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => asItem(item, indent));
  if (!isObject(value)) return [`${indent}${inline(value)}`];
  return Object.entries(value).flatMap(([key, item]) => {
    if (item === undefined) return [];
    if (isShort(item)) return [`${indent}${scalar(key)}: ${inline(item)}`];
    return [`${indent}${scalar(key)}:`, ...block(item, `${indent}  `)];
  });
}

function asItem(item: unknown, indent: string): string[] {
  if (isShort(item)) return [`${indent}- ${inline(item)}`];
  const [first = '', ...rest] = block(item, `${indent}  `);
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (isObject(value)) return '{}';
  return typeof value === 'string' ? scalar(value) : JSON.stringify(value);
}

/** A scalar, an empty object, or a list of only these and such lists. */
function isShort(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isShort);
  return !isObject(value) || Object.keys(value).length === 0;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

const RESERVED = new Set(['true', 'false', 'null', 'yes', 'no', 'on', 'off', 'y', 'n']);

function scalar(text: string): string {
  const plain = /^[A-Za-z_][\w./-]*$/.test(text) && !RESERVED.has(text.toLowerCase());
  return plain ? text : JSON.stringify(text);
}
