import type { TrialView } from '../data.ts';
import { spread } from './labels.ts';
import { colourOf, HUES, highlightOf, type Plot, STATUS_WORDS, shorten } from './marks.ts';

/** Where a curve ends: the last of its values, if it has any, and the name to put there. */
export interface CurveEnd {
  readonly view: TrialView;
  readonly text: string;
  readonly epoch: number | null;
  readonly value: number | null;
}

/** Where a value stands on the page, in pixels, and how many epochs one pixel is. */
export interface Frame {
  readonly domain: readonly [number, number];
  readonly top: number;
  readonly bottom: number;
  readonly epochsPerPixel: number;
}

/** What ended badly says so at the end of its curve. */
export function endName({ name, status }: Pick<TrialView, 'name' | 'status'>, room: number): string {
  const ended = ['Diverged', 'Incomplete', 'Unfinished', 'Failed', 'Stopped'].includes(status);
  return ended ? `${shorten(name, room - 12)}, ${STATUS_WORDS[status].toLowerCase()}` : shorten(name, room);
}

/** Names at the right of the frame, at the height where each validation curve ends, moved apart, with a leader to each. */
export function endLabels(
  plot: Plot,
  ends: readonly CurveEnd[],
  selected: number | null,
  { domain: [least, most], top, bottom, epochsPerPixel }: Frame,
  planned: number,
) {
  const values = ends.map(({ value }) => Math.min(most, Math.max(least, value ?? most)));
  const pixels = values.map((value) => bottom - ((value - least) / (most - least)) * (bottom - top));
  const placed = spread(pixels, 16, top, bottom);
  const labels = ends.map(({ view, text, epoch }, at) => {
    const y = least + ((bottom - (placed[at] ?? 0)) / (bottom - top)) * (most - least);
    // A curve that ended early has only a stub: a line across the chart would look like data.
    const begins = epoch === planned ? { x: planned, y: values[at] ?? y } : { x: planned + 8 * epochsPerPixel, y };
    return { text, view, y, begins };
  });
  const text = (chosen: boolean) =>
    plot.text(
      labels.filter(({ view }) => (view.trial === selected) === chosen),
      {
        x: planned + 20 * epochsPerPixel,
        y: 'y',
        text: 'text',
        textAnchor: 'start',
        fill: ({ view }) => (chosen && view.rank >= HUES ? highlightOf(view) : textColourOf(view)),
        fontWeight: chosen ? 700 : 400,
      },
    );
  return [
    plot.link(labels, {
      x1: ({ begins }) => begins.x,
      y1: ({ begins }) => begins.y,
      x2: planned + 17 * epochsPerPixel,
      y2: 'y',
      stroke: ({ view }) => (view.trial === selected ? highlightOf(view) : colourOf(view)),
      strokeWidth: 1,
    }),
    text(false),
    text(true),
  ];
}

function textColourOf({ rank }: TrialView): string {
  return rank < HUES ? `var(--hue-text-${rank + 1})` : 'var(--soft)';
}
