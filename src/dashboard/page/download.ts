/** Hands a file to the reader that was made here. @param name without a path */
export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the blob after the click.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** `study-curves`: letters, digits, dashes and dots only, whatever a sweep is called. */
export function fileName(...words: readonly string[]): string {
  return words
    .map((word) => word.replaceAll(/[^\w.-]+/g, '-').replaceAll(/^[-.]+|-+$/g, ''))
    .filter((word) => word !== '')
    .join('-');
}
