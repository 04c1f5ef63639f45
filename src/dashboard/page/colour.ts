let probe: HTMLElement | undefined;
let known = new Map<string, string>();

/** What a colour of the style sheet is now, for a canvas or a picture: variables, `light-dark` and `color-mix` are worked out by the browser. */
export function resolveColour(css: string): string {
  const found = known.get(css);
  if (found !== undefined) return found;
  if (!probe) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = '';
  probe.style.color = css;
  const resolved = getComputedStyle(probe).color;
  known.set(css, resolved);
  return resolved;
}

/** The theme changed. */
export function forgetColours(): void {
  known = new Map();
}
