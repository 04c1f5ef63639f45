import { type Bar, waitsOf } from './attempt-bars.ts';

const HATCHED = { background: 'repeating-linear-gradient(90deg, var(--soft) 0 2px, transparent 2px 4px)' };
const PALE = { background: 'color-mix(in srgb, var(--grey) 15%, transparent)' };
const FULL = { background: 'color-mix(in srgb, var(--grey) 55%, transparent)' };

/** What the marks of the timeline stand for; nothing where every bar is one trial that ran at once and to its end. */
export function TimelineKey({ bars }: { readonly bars: readonly Bar[] }) {
  const hasWaits = waitsOf(bars).length > 0;
  const hasDiscarded = bars.some(({ isDiscarded }) => isDiscarded);
  const hasLater = bars.some(({ attempt }) => attempt > 1);
  if (!hasWaits && !hasDiscarded && !hasLater) return null;
  return (
    <p class="legend">
      <span>
        <span class="swatch" style={FULL} />
        running
      </span>
      {hasWaits && (
        <span>
          <span class="swatch" style={HATCHED} />
          pending: no node yet, or its image is on the way
        </span>
      )}
      {hasDiscarded && (
        <span>
          <span class="swatch" style={PALE} />
          <b>!</b> ended early, another attempt follows
        </span>
      )}
      {hasLater && (
        <span>
          <b>↻2</b> second attempt, and so on
        </span>
      )}
    </p>
  );
}
