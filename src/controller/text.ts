/** Bytes of a text as it stands in JSON, without its quotes: what counts against the size of an object. */
export function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}

/** Cuts a text to so many bytes of JSON, between characters; `…` shows that something is missing. */
export function cut(text: string, maxBytes: number): string {
  if (jsonBytes(text) <= maxBytes) return text;
  const room = maxBytes - Buffer.byteLength('…');
  let kept = '';
  let bytes = 0;
  for (const character of text) {
    bytes += jsonBytes(character);
    if (bytes > room) break;
    kept += character;
  }
  return `${kept}…`;
}

/** `1 trial`, `2 trials`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
