/** Makes one image of a chart that Plot has drawn, with a sentence for who does not see it. */
export function makeImage(svg: Element, sentence: string): void {
  // Its constant style sheet is part of ours: the page's policy admits no other.
  for (const style of svg.querySelectorAll('style')) style.remove();
  nameMarks(svg);
  // What points is drawn anew with each move of the pointer.
  new MutationObserver(() => nameMarks(svg)).observe(svg, { childList: true, subtree: true });
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', sentence);
}

/** Plot names its groups by their mark in aria-label, which a group may not have: within an image nobody hears it. */
function nameMarks(svg: Element): void {
  for (const group of svg.querySelectorAll<SVGGElement>('g[aria-label]')) {
    group.dataset.mark = group.getAttribute('aria-label') ?? '';
    group.removeAttribute('aria-label');
  }
}
