/** A line of the log: an event in words, and its fields. */
export interface Log {
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** The same log with some fields on every line. */
  with(fields: Fields): Log;
}

export type Fields = Readonly<Record<string, unknown>>;

/** JSON lines, as log collectors read them. @param write one line, with its newline */
export function openLog(
  write: (line: string) => void,
  { now = () => new Date(), fields = {} }: { readonly now?: () => Date; readonly fields?: Fields } = {},
): Log {
  const at =
    (level: string) =>
    (event: string, more: Fields = {}) =>
      write(`${JSON.stringify({ time: now().toISOString(), level, event, ...fields, ...more }, readable)}\n`);
  return {
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (more) => openLog(write, { now, fields: { ...fields, ...more } }),
  };
}

/** An error as people read it: its message and those of its causes. JSON would write `{}`. */
function readable(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const reason = 'reason' in value ? { reason: value.reason } : {};
  return { name: value.name, ...reason, message: value.message, ...(value.cause ? { cause: value.cause } : {}) };
}
