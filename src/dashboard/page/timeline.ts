import { textWidth } from '../../report/charts/labels.ts';
import { CHART_STYLE, type Chart, colourOf, type Plot, shorten } from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import { formatSeconds, plural } from '../../report/format.ts';
import type { TrialRow } from '../api.ts';
import { type Bar, NO_NODE, type Wait, waitsOf } from './attempt-bars.ts';
import { PHASE_WORDS, statusWords } from './trial-words.ts';

const LANE = 30;
const PADDING = 0.18;
/** Of what waits, below what runs on the same lane. */
const STRIP = 6;
const GAP = 2;

export function timelineChart(
  plot: Plot,
  bars: readonly Bar[],
  rows: readonly TrialRow[],
  { width, selected, nowMs }: { readonly width: number; readonly selected: number | null; readonly nowMs: number },
): Chart {
  const lanes = [...new Set(bars.map(({ lane }) => lane))].sort(
    (a, b) => Number(a === NO_NODE) - Number(b === NO_NODE) || (a < b ? -1 : 1),
  );
  const marginLeft = Math.min(0.35 * width, 16 + Math.max(40, ...lanes.map(textWidth)));
  const longest = Math.floor(marginLeft / textWidth('x'));
  const from = bars.reduce((least, bar) => Math.min(least, bar.from), bars[0]?.from ?? nowMs);
  const to = bars.reduce((most, bar) => Math.max(most, bar.to), from + 1000);
  const perPixel = (to - from) / Math.max(1, width - marginLeft - 20);
  const begun = bars.filter(({ began }) => began !== null);
  const waits = waitsOf(bars);
  const inLanes = waits.filter(({ lane }) => lane !== NO_NODE);
  const nowhere = waits.filter(({ lane }) => lane === NO_NODE);
  const above = inLanes.length > 0 ? STRIP + GAP : 0;
  const lane = LANE + above;
  const band = (lane * lanes.length * (1 - PADDING)) / (lanes.length + PADDING);
  const place = {
    x1: 'began',
    x2: 'to',
    y: 'lane',
    insetLeft: 0.5,
    insetRight: 0.5,
    insetBottom: above,
    rx: 2,
  } as const;
  const hatched = { x1: 'from', x2: 'to', y: 'lane', stroke: 'var(--soft)', strokeDasharray: '2 2' } as const;
  const label = { y: 'lane', fill: 'var(--ink)', stroke: 'var(--panel)' } as const;
  const lettersIn = (ms: number) => Math.floor(ms / perPixel / textWidth('x')) - 1;
  return {
    sentence: describe(bars, rows, lanes.length, to - from),
    options: {
      width,
      height: Math.max(1, lanes.length) * lane + 56,
      marginTop: 12,
      marginBottom: 44,
      marginLeft,
      marginRight: 20,
      style: CHART_STYLE,
      color: { type: 'identity' },
      x: { type: 'linear', domain: [from, to], label: null },
      y: { type: 'band', domain: lanes, padding: PADDING, label: null },
      marks: [
        plot.axisY({ tickSize: 0, label: null, tickFormat: (lane: string) => shorten(lane, longest) }),
        plot.axisX(ticksBetween(from, to, width), {
          tickSize: 4,
          label: null,
          tickFormat: (at: number) => formatClock((at - from) / 1000),
        }),
        plot.text(['time since the first attempt'], { frameAnchor: 'bottom', dy: 38, fill: 'var(--soft)' }),
        plot.ruleY(inLanes, { ...hatched, strokeWidth: STRIP, dy: (band - STRIP) / 2 }),
        plot.ruleY(nowhere, { ...hatched, strokeWidth: band, strokeOpacity: 0.5 }),
        plot.barX(begun, {
          ...place,
          fill: colourOf,
          fillOpacity: (bar: Bar) => (isFaint(bar) ? 0.15 : 0.55),
          stroke: colourOf,
        }),
        plot.barX(
          begun.filter(({ trial }) => trial === selected),
          { ...place, stroke: 'var(--ink)', strokeWidth: 2, fill: 'none' },
        ),
        plot.text(
          begun.filter((bar) => (bar.to - beganOf(bar)) / perPixel > 60),
          {
            ...label,
            x: (bar: Bar) => (beganOf(bar) + bar.to) / 2,
            dy: -above / 2,
            text: (bar: Bar) => shorten(`${mark(bar)}${bar.row.network}`, lettersIn(bar.to - beganOf(bar))),
            strokeWidth: 3,
            strokeOpacity: 0.6,
          },
        ),
        plot.text(
          nowhere.filter((wait) => (wait.to - wait.from) / perPixel > 60),
          {
            ...label,
            x: (wait: Wait) => (wait.from + wait.to) / 2,
            text: (wait: Wait) => shorten(waitWords(wait), lettersIn(wait.to - wait.from)),
            strokeWidth: 5,
          },
        ),
        plot.text(
          bars.filter(({ isDiscarded }) => isDiscarded),
          { ...label, x: 'to', dy: -above / 2, text: () => '!', fontSize: 15, fontWeight: 700, strokeWidth: 4 },
        ),
        plot.tip(
          bars,
          plot.pointer({
            x: (bar: Bar) => ((bar.began ?? bar.from) + bar.to) / 2,
            y: 'lane',
            title: titleOf,
            fill: 'var(--panel)',
            stroke: 'var(--grey)',
            maxRadius: 80,
          }),
        ),
      ],
    },
  };
}

const beganOf = ({ began, to }: Bar) => began ?? to;
const isFaint = ({ isDiscarded, row }: Bar) => isDiscarded || row.phase === 'Failed' || row.phase === 'Stopped';
const waitWords = ({ bars }: Wait) =>
  bars.length === 1 ? (bars[0]?.row.network ?? '') : `${plural(bars.length, 'attempt')} without a node`;

export function timelineTable(bars: readonly Bar[]): TableSpecification {
  return {
    columns: ['Node', 'Network', 'Attempt', 'State', 'Waited, seconds', 'Ran, seconds', 'Created', 'Began', 'Ended'],
    rows: bars.map((bar) => [
      bar.node,
      bar.row.network,
      String(bar.attempt),
      stateOf(bar),
      secondsBetween(bar.from, bar.began ?? bar.to).toFixed(0),
      bar.began === null ? '' : secondsBetween(bar.began, bar.to).toFixed(0),
      ...[bar.createdAt, bar.startedAt, bar.endedAt].map((time) => time?.replace(/\.\d+/, '') ?? ''),
    ]),
  };
}

const secondsBetween = (from: number, to: number) => (to - from) / 1000;

const STEPS_SECONDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/** Round times since the beginning, about one in 110 pixels. */
function ticksBetween(from: number, to: number, width: number): number[] {
  const most = Math.max(2, Math.floor(width / 110));
  const seconds = (to - from) / 1000;
  const step = STEPS_SECONDS.find((size) => seconds / size <= most) ?? 86_400 * Math.ceil(seconds / 86_400 / most);
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => from + at * step * 1000);
}

/** `0`, `30 s`, `2 min`, `1 h 30 min` */
function formatClock(seconds: number): string {
  if (seconds === 0) return '0';
  if (seconds < 60) return `${seconds} s`;
  return seconds === 60 ? '1 min' : formatSeconds(seconds);
}

/** A retried trial says so. */
const mark = ({ attempt }: Bar) => (attempt > 1 ? `↻${attempt} ` : '');

/** `Healthy`; of an attempt after which another one came `Ended early: exit 137` */
function stateOf({ isDiscarded, reason, row }: Bar): string {
  if (!isDiscarded) return statusWords(row);
  return reason === '' ? 'Ended early' : `Ended early: ${reason}`;
}

const titleOf = (bar: Bar) =>
  [
    bar.row.network,
    ...(bar.attempt > 1 || bar.isDiscarded ? [`attempt ${bar.attempt}`] : []),
    stateOf(bar),
    [bar.node, ...stretches(bar)].join(', '),
  ].join('\n');

function stretches({ from, began, to, isDiscarded }: Bar): string[] {
  if (began === null) return [`${isDiscarded ? 'waited' : 'has waited'} ${formatSeconds(secondsBetween(from, to))}`];
  const waited = secondsBetween(from, began);
  return [
    ...(waited > 0 ? [`waited ${formatSeconds(waited)}`] : []),
    `ran ${formatSeconds(secondsBetween(began, to))}`,
  ];
}

function describe(bars: readonly Bar[], rows: readonly TrialRow[], lanes: number, span: number): string {
  const waiting = new Map<string, number>();
  for (const { phase, startedAt, createdAt } of rows)
    if (startedAt === null && createdAt === null) waiting.set(phase, (waiting.get(phase) ?? 0) + 1);
  const others = [...waiting]
    .map(([phase, count]) => `${count} ${PHASE_WORDS[phase as TrialRow['phase']].toLowerCase()}`)
    .join(', ');
  const rest = others === '' ? '' : ` Without a beginning: ${others}.`;
  if (bars.length === 0) return `No trial has a known beginning yet.${rest}`;
  const trials = plural(new Set(bars.map(({ trial }) => trial)).size, 'trial');
  const attempts = plural(bars.length, 'attempt');
  const who = bars.some(({ isDiscarded }) => isDiscarded) ? `${attempts} at ${trials}` : trials;
  return `Who ran where and when: ${who} on ${plural(lanes, 'lane')} over ${formatSeconds(span / 1000)}.${notes(bars).join('')}${rest}`;
}

/** What the marks of the picture say, each only if it is there. */
function notes(bars: readonly Bar[]): string[] {
  const again = bars.filter(({ attempt }) => attempt > 1).length;
  const over = bars.filter(({ isDiscarded }) => isDiscarded).length;
  const longest = bars.reduce((most, bar) => Math.max(most, secondsBetween(bar.from, bar.began ?? bar.to)), 0);
  const nowhere = bars.filter(({ node, isDiscarded }) => node === NO_NODE && !isDiscarded).length;
  const is = (count: number) => (count === 1 ? 'is a' : 'are');
  return [
    again > 0 ? ` ${plural(again, 'bar')} ${is(again)} later attempt${again === 1 ? '' : 's'}, marked ↻.` : '',
    over > 0 ? ` ${plural(over, 'attempt')} ended early: faint, with ! at the end.` : '',
    longest > 0 ? ` Hatched is the wait before it runs, ${formatSeconds(longest)} at most.` : '',
    nowhere > 0 ? ` ${plural(nowhere, 'attempt')} ${nowhere === 1 ? 'has' : 'have'} no node yet.` : '',
  ];
}
