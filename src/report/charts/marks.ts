import type * as plot from '@observablehq/plot';
import type { TrialView } from '../data.ts';

/** Of Observable Plot what the charts use, as a page has it: of a module, or of the global of its UMD build. */
export type Plot = Pick<
  typeof plot,
  | 'areaY'
  | 'axisX'
  | 'axisY'
  | 'barX'
  | 'cell'
  | 'dot'
  | 'gridY'
  | 'lineY'
  | 'link'
  | 'plot'
  | 'pointer'
  | 'rect'
  | 'ruleX'
  | 'ruleY'
  | 'text'
  | 'tip'
>;

/** A chart is data: what to draw, and the sentence that says what it shows. */
export interface Chart {
  readonly options: plot.PlotOptions;
  readonly sentence: string;
}

/** Trials that get a hue of Okabe and Ito's palette; the style sheet holds it, darkened where white needs it. */
export const HUES = 8;
/** Trials that are drawn strongly; the rest is faint. */
export const STRONG = 10;

/** A variable of the style sheet, so that the theme may change without drawing again. */
export function colourOf({ rank }: Pick<TrialView, 'rank'>): string {
  return rank < HUES ? `var(--hue-${rank + 1})` : 'var(--grey)';
}

/** The selected trial has its own colour, or one that nothing else has. */
export function highlightOf(view: Pick<TrialView, 'rank'>): string {
  return view.rank < HUES ? colourOf(view) : 'var(--highlight)';
}

export type Status = TrialView['status'];

/** Never colour alone: each status has a symbol too, here and in the style sheet's list. */
export const SYMBOLS: Record<Status, plot.SymbolType> = {
  Healthy: 'circle',
  StillImproving: 'triangle',
  Overfit: 'times',
  Diverged: 'asterisk',
  Incomplete: 'square',
  Unfinished: 'square',
  Failed: 'square',
  Stopped: 'square',
  NotRun: 'square',
};

/** The same as characters, for text. */
export const GLYPHS: Record<Status, string> = {
  Healthy: '●',
  StillImproving: '▲',
  Overfit: '✕',
  Diverged: '✱',
  Incomplete: '■',
  Unfinished: '■',
  Failed: '■',
  Stopped: '■',
  NotRun: '□',
};

export const STATUS_WORDS: Record<Status, string> = {
  Healthy: 'Healthy',
  StillImproving: 'Still improving',
  Overfit: 'Overfit',
  Diverged: 'Diverged',
  Incomplete: 'Incomplete',
  Unfinished: 'Not finished',
  Failed: 'Failed',
  Stopped: 'Stopped',
  NotRun: 'Not run',
};

export const CHART_STYLE = { fontFamily: 'inherit', fontSize: '12px', overflow: 'visible', background: 'none' };

/** `(12,32) relu max, learn…` */
export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(1, length - 1))}…`;
}
