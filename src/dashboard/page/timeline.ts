import { textWidth } from '../../report/charts/labels.ts';
import { CHART_STYLE, type Chart, colourOf, type Plot, shorten } from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import type { ReportData } from '../../report/data.ts';
import { formatSeconds, plural } from '../../report/format.ts';
import type { TrialRow } from '../api.ts';
import { PHASE_WORDS, statusWords } from './trial-words.ts';

/** One attempt on its lane, in milliseconds since 1970. */
export interface Bar {
  readonly trial: number;
  readonly row: TrialRow;
  readonly from: number;
  readonly to: number;
  readonly node: string;
  /** `node` or `node (2)`: attempts that overlap stand in lanes of their own. */
  readonly lane: string;
  readonly rank: number;
}

/** A slot is given to the next trial before the record of the last one is told; clocks of a cluster know whole seconds only. */
const HANDOVER_MS = 2000;

/** Beyond these the earliest are left out; a picture of more shows nothing. */
export const MAX_BARS = 2000;

/** Who ran where and when; what runs still ends now. Where nobody knows the node, lanes are slots of one machine. */
export function timelineBars(rows: readonly TrialRow[], data: ReportData, nowMs: number): Bar[] {
  const ranks = new Map(data.trials.map(({ trial, rank }) => [trial, rank]));
  const begun = rows
    .flatMap((row) => {
      const from = Date.parse(row.startedAt ?? '');
      const to = row.endedAt === null ? nowMs : Date.parse(row.endedAt);
      return Number.isFinite(from) && Number.isFinite(to) ? [{ row, from, to: Math.max(from, to) }] : [];
    })
    .sort((a, b) => a.from - b.from || a.row.trial - b.row.trial)
    .slice(-MAX_BARS);
  const free = new Map<string, number[]>();
  return begun.map(({ row, from, to }): Bar => {
    const node = row.node ?? 'this machine';
    const ends = free.get(node) ?? [];
    const found = ends.findIndex((end) => end <= from + HANDOVER_MS);
    const slot = found < 0 ? ends.length : found;
    ends[slot] = to;
    free.set(node, ends);
    return {
      trial: row.trial,
      row,
      from,
      to,
      node,
      lane: slot === 0 ? node : `${node} (${slot + 1})`,
      rank: ranks.get(row.trial) ?? 99,
    };
  });
}

const LANE = 30;

export function timelineChart(
  plot: Plot,
  bars: readonly Bar[],
  rows: readonly TrialRow[],
  { width, selected, nowMs }: { readonly width: number; readonly selected: number | null; readonly nowMs: number },
): Chart {
  const lanes = [...new Set(bars.map(({ lane }) => lane))].sort((a, b) => (a < b ? -1 : 1));
  const marginLeft = Math.min(0.35 * width, 16 + Math.max(40, ...lanes.map(textWidth)));
  const longest = Math.floor(marginLeft / textWidth('x'));
  const from = bars.reduce((least, bar) => Math.min(least, bar.from), bars[0]?.from ?? nowMs);
  const to = bars.reduce((most, bar) => Math.max(most, bar.to), from + 1000);
  const perPixel = (to - from) / Math.max(1, width - marginLeft - 20);
  const place = { x1: 'from', x2: 'to', y: 'lane' } as const;
  return {
    sentence: describe(bars, rows, lanes.length, to - from),
    options: {
      width,
      height: Math.max(1, lanes.length) * LANE + 56,
      marginTop: 12,
      marginBottom: 44,
      marginLeft,
      marginRight: 20,
      style: CHART_STYLE,
      color: { type: 'identity' },
      x: { type: 'linear', domain: [from, to], label: null },
      y: { type: 'band', domain: lanes, padding: 0.18, label: null },
      marks: [
        plot.axisY({ tickSize: 0, label: null, tickFormat: (lane: string) => shorten(lane, longest) }),
        plot.axisX(ticksBetween(from, to, width), {
          tickSize: 4,
          label: null,
          tickFormat: (at: number) => formatClock((at - from) / 1000),
        }),
        plot.text(['time since the first trial began'], { frameAnchor: 'bottom', dy: 38, fill: 'var(--soft)' }),
        plot.barX(bars, {
          ...place,
          fill: colourOf,
          fillOpacity: (bar: Bar) => (['Failed', 'Stopped', 'Retrying'].includes(bar.row.phase) ? 0.15 : 0.55),
          stroke: colourOf,
          insetLeft: 0.5,
          insetRight: 0.5,
          rx: 2,
        }),
        plot.barX(
          bars.filter(({ trial }) => trial === selected),
          { ...place, stroke: 'var(--ink)', strokeWidth: 2, fill: 'none', rx: 2 },
        ),
        plot.text(
          bars.filter((bar) => (bar.to - bar.from) / perPixel > 60),
          {
            x: (bar: Bar) => (bar.from + bar.to) / 2,
            y: 'lane',
            text: (bar: Bar) =>
              shorten(
                `${mark(bar)}${bar.row.network}`,
                Math.floor((bar.to - bar.from) / perPixel / textWidth('x')) - 1,
              ),
            fill: 'var(--ink)',
            stroke: 'var(--panel)',
            strokeWidth: 3,
            strokeOpacity: 0.6,
          },
        ),
        plot.tip(
          bars,
          plot.pointer({
            x: (bar: Bar) => (bar.from + bar.to) / 2,
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

export function timelineTable(bars: readonly Bar[]): TableSpecification {
  return {
    columns: ['Node', 'Network', 'Attempt', 'Began', 'Ended', 'Seconds', 'State'],
    rows: bars.map(({ node, row, from, to }) => [
      node,
      row.network,
      String(row.attempt),
      row.startedAt ?? '',
      row.endedAt ?? '',
      ((to - from) / 1000).toFixed(0),
      statusWords(row),
    ]),
  };
}

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
const mark = ({ row }: Bar) => (row.attempt > 1 ? `↻${row.attempt} ` : '');

const titleOf = ({ row, node, from, to }: Bar) =>
  `${row.network}\n${statusWords(row)}\n${node}, ${formatSeconds((to - from) / 1000)}${row.attempt > 1 ? `\nattempt ${row.attempt}` : ''}`;

function describe(bars: readonly Bar[], rows: readonly TrialRow[], lanes: number, span: number): string {
  const waiting = new Map<string, number>();
  for (const { phase, startedAt } of rows) if (startedAt === null) waiting.set(phase, (waiting.get(phase) ?? 0) + 1);
  const others = [...waiting]
    .map(([phase, count]) => `${count} ${PHASE_WORDS[phase as TrialRow['phase']].toLowerCase()}`)
    .join(', ');
  const rest = others === '' ? '' : ` Without a beginning: ${others}.`;
  if (bars.length === 0) return `No trial has a known beginning yet.${rest}`;
  const again = bars.filter(({ row }) => row.attempt > 1).length;
  const retried =
    again > 0
      ? ` ${plural(again, 'trial')} ${again === 1 ? 'is a' : 'are'} later attempt${again === 1 ? '' : 's'}, marked ↻.`
      : '';
  return `Who ran where and when: ${plural(bars.length, 'trial')} on ${plural(lanes, 'lane')} over ${formatSeconds(span / 1000)}.${retried}${rest}`;
}
