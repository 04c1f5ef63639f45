/** Relative to the page, as everything. */
export const post = (path: string, body?: unknown) =>
  fetch(new URL(path, document.baseURI), {
    method: 'POST',
    ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
