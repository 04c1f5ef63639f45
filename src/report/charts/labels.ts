/** Mean width of a character of 12 px text, in pixels; a little wide, so that a label has air. */
const CHARACTER = 6.1;
const LINE = 15;

export function textWidth(text: string): number {
  return text.length * CHARACTER;
}

/** Moves positions apart until neighbours stand `gap` away from each other, within the bounds; keeps their order. */
export function spread(positions: readonly number[], gap: number, low: number, high: number): number[] {
  const order = positions.map((_, at) => at).sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0) || a - b);
  const placed = [...positions];
  let previous = low - gap;
  for (const at of order) previous = placed[at] = Math.max(positions[at] ?? 0, previous + gap);
  let next = high + gap;
  for (const at of order.toReversed()) next = placed[at] = Math.min(placed[at] ?? 0, next - gap);
  return placed;
}

/** A point to label, in pixels; the first in the list chooses first. */
export interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

export interface Placed extends Anchor {
  readonly dx: number;
  readonly dy: number;
  readonly anchor: 'start' | 'middle' | 'end';
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Puts labels beside their points where they cover neither a point nor another label; one that finds no place is left out.
 * @param points everything that must stay visible, the anchors included, in pixels
 */
export function placeLabels(
  anchors: readonly Anchor[],
  points: readonly { readonly x: number; readonly y: number }[],
  bounds: Box,
): Placed[] {
  const taken: Box[] = points.map(({ x, y }) => ({ left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 }));
  const placed: Placed[] = [];
  for (const anchor of anchors) {
    const place = PLACES.map((offset) => ({ ...anchor, ...offset })).find((label) => {
      const box = boxOf(label);
      return inside(box, bounds) && !taken.some((other) => overlap(box, other));
    });
    if (!place) continue;
    taken.push(boxOf(place));
    placed.push(place);
  }
  return placed;
}

const PLACES = [
  { dx: 13, dy: 0, anchor: 'start' },
  { dx: -13, dy: 0, anchor: 'end' },
  { dx: 0, dy: -17, anchor: 'middle' },
  { dx: 0, dy: 17, anchor: 'middle' },
  { dx: 9, dy: -14, anchor: 'start' },
  { dx: 9, dy: 14, anchor: 'start' },
  { dx: -9, dy: -14, anchor: 'end' },
  { dx: -9, dy: 14, anchor: 'end' },
] as const;

function boxOf({ x, y, dx, dy, anchor, text }: Placed): Box {
  const width = textWidth(text);
  const left = x + dx - (anchor === 'start' ? 0 : anchor === 'end' ? width : width / 2);
  return { left, right: left + width, top: y + dy - LINE / 2, bottom: y + dy + LINE / 2 };
}

function inside(box: Box, bounds: Box): boolean {
  return box.left >= bounds.left && box.right <= bounds.right && box.top >= bounds.top && box.bottom <= bounds.bottom;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
