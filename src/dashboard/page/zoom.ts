import type { Address, Range } from './address.ts';

type Value = number | null;

/** What the address says of the part that is shown. */
export type Zoom = Pick<Address, 'zoomX' | 'zoomY'>;

export const WHOLE: Zoom = { zoomX: null, zoomY: null };

/** What a zoom is reckoned from: the frame as it is, and how far it may go. */
export interface Zoomable {
  readonly x: Range;
  readonly y: Range;
  readonly wholeX: Range;
  /** No narrower than this. */
  readonly leastX: number;
  /** Places of interest, as the turning point. */
  readonly marks: readonly { readonly x: number; readonly isKept: boolean }[];
}

/** A box within the frame in shares of its sides, from the left and from the foot; null: that side says nothing. */
export interface Box {
  readonly x: Range | null;
  readonly y: Range | null;
}

/** A part of the whole; the whole where nothing of it is asked for. */
export function partOf(whole: Range, part: Range | null): Range {
  if (part === null) return whole;
  const cut: Range = [Math.max(whole[0], part[0]), Math.min(whole[1], part[1])];
  return cut[1] > cut[0] ? cut : whole;
}

/** Into a box that was drawn over the frame. */
export function zoomInto(frame: Zoomable, { x, y }: Box, { zoomX, zoomY }: Zoom): Zoom {
  const along = ([from, to]: Range, share: Range): Range => [
    rounded(from + share[0] * (to - from), to - from),
    rounded(from + share[1] * (to - from), to - from),
  ];
  return {
    zoomX: x ? widened(along(frame.x, x), frame) : zoomX,
    zoomY: y ? along(frame.y, y) : zoomY,
  };
}

/** Narrower or wider by a factor about the turning point, else the kept epoch, else the middle; the height follows the curves. */
export function zoomBy(frame: Zoomable, factor: number): Zoom {
  const { x, wholeX, leastX, marks } = frame;
  const span = Math.max(leastX, (x[1] - x[0]) * factor);
  // What an address was rounded by makes no difference.
  if (span >= 0.99 * (wholeX[1] - wholeX[0])) return WHOLE;
  const about = (marks.find(({ isKept }) => !isKept) ?? marks[0])?.x ?? (x[0] + x[1]) / 2;
  return { zoomX: placed(about - (span * (about - x[0])) / (x[1] - x[0]), span, wholeX), zoomY: null };
}

/** To the left or the right, by a share of what is shown; the whole has nowhere to go. */
export function panBy({ x, wholeX }: Zoomable, share: number, { zoomX, zoomY }: Zoom): Zoom {
  if (zoomX === null) return { zoomX, zoomY };
  const span = x[1] - x[0];
  return { zoomX: placed(x[0] + share * span, span, wholeX), zoomY };
}

/** Of that width, within the whole. */
function placed(from: number, span: number, [least, most]: Range): Range {
  const begin = Math.min(Math.max(least, from), most - span);
  return [rounded(begin, span), rounded(begin + span, span)];
}

function widened([from, to]: Range, { wholeX, leastX }: Zoomable): Range {
  return to - from >= leastX ? [from, to] : placed((from + to - leastX) / 2, leastX, wholeX);
}

/** As many digits as an address should hold: a thousandth of what is shown. */
function rounded(value: number, span: number): number {
  const digits = Math.max(0, Math.ceil(3 - Math.log10(span || 1)));
  return Number(value.toFixed(Math.min(20, digits)));
}

/** Of a line within a range, its values where it enters and leaves included. */
export function valuesWithin(x: readonly number[], values: readonly Value[], [from, to]: Range): number[] {
  const inside = values.filter((_, at) => (x[at] ?? from - 1) >= from && (x[at] ?? 0) <= to);
  return [valueAt(x, values, from), ...inside, valueAt(x, values, to)].filter((value) => value !== null);
}

/** On the line between two of its points; null beyond its ends and in its holes. @param x ascending */
export function valueAt(x: readonly number[], values: readonly Value[], place: number): Value {
  const right = x.findIndex((other) => other >= place);
  const [x1, y1] = [x[right], values[right] ?? null];
  if (x1 === undefined || x1 === place) return y1;
  const [x0, y0] = [x[right - 1], values[right - 1] ?? null];
  if (x0 === undefined || y0 === null || y1 === null) return null;
  return y0 + ((place - x0) / (x1 - x0)) * (y1 - y0);
}
