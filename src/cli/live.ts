import { styleText } from 'node:util';
import type { RunEvent } from '../local/engine.ts';
import { applyEvent, clock, gapOf, lossOf, type RunView, secondsLeft, type TrialView } from './run-view.ts';
import { type Column, layOut, plain, truncate } from './table.ts';

const ENTER = '\x1b[?1049h\x1b[?25l'; // the alternate screen, whose redraw no resizing can spoil; cursor hidden
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const ERASE_LINE_END = '\x1b[K';
const ERASE_BELOW = '\x1b[J';
const REDRAW_MS = 200;

/** What the top line says beside the counts. */
export interface RunTitle {
  readonly name: string;
  readonly backend: string;
  readonly parallelism: number;
}

/** The live table of a run on a terminal: the whole screen, drawn anew at most five times a second and at each resizing. */
export class LiveTable {
  readonly #title: RunTitle;
  readonly #stream: NodeJS.WriteStream;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #redraw = () => this.#draw();
  readonly #close = () => this.close();
  #view: RunView;
  #open: boolean = true;

  constructor(view: RunView, title: RunTitle, stream: NodeJS.WriteStream) {
    this.#view = view;
    this.#title = title;
    this.#stream = stream;
    stream.write(ENTER);
    stream.on('resize', this.#redraw);
    process.on('exit', this.#close); // however the program ends, the terminal is given back
    this.#timer = setInterval(this.#redraw, REDRAW_MS);
    this.#draw();
  }

  show(event: RunEvent): void {
    this.#view = applyEvent(this.#view, event);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#timer);
    this.#stream.off('resize', this.#redraw);
    process.off('exit', this.#close);
    this.#stream.write(LEAVE);
  }

  #draw(): void {
    const { columns = 80, rows = 24 } = this.#stream;
    const seconds = (performance.now() - this.#began) / 1000;
    const lines = drawRun(this.#view, this.#title, seconds, columns, rows);
    this.#stream.write(`${HOME}${lines.map((line) => `${line}${ERASE_LINE_END}`).join('\r\n')}${ERASE_BELOW}`);
  }
}

/** The lines of one frame, at most `height`, none wider than `width` character cells. Pure but for colours (NO_COLOR). */
export function drawRun(view: RunView, title: RunTitle, seconds: number, width: number, height: number): string[] {
  const notes = view.notes.map((note) => styleText('yellow', truncate(plain(note), width)));
  const room = height - 3 - (notes.length > 0 ? notes.length + 1 : 0);
  const { shown, hidden } = rowsThatFit(view.trials, Math.max(1, room - 1));
  const [titles = '', ...rows] = layOut(columnsOf(view), shown, width);
  const more = hidden > 0 ? [styleText('dim', truncate(`  … and ${hidden} more`, width))] : [];
  return [
    styleText('bold', truncate(headline(view, title, seconds), width)),
    '',
    styleText('dim', titles),
    ...rows.map((line, at) => styled(line, shown[at])),
    ...more,
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].slice(0, height);
}

function headline(view: RunView, { name, backend, parallelism }: RunTitle, seconds: number): string {
  const counted = (phase: TrialView['phase']) => view.trials.filter((row) => row.phase === phase).length;
  const [done, failed] = [counted('Succeeded'), counted('Failed')];
  const parts = [
    `${name}  ${done} of ${view.trials.length} trials done`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    `${clock(seconds)} elapsed`,
    `${clock(secondsLeft(view, parallelism))} left`,
    `${backend}, ${parallelism} at once`,
  ];
  return parts.join(' · ');
}

function columnsOf({ epochsPlanned }: RunView): Column<TrialView>[] {
  const when = (row: TrialView, text: string) => (row.phase === 'waiting' ? '' : text);
  return [
    { title: 'trial', value: ({ trial }) => String(trial.trial), align: 'right' },
    { title: 'network', value: ({ trial }) => trial.name, flexible: true },
    { title: 'epoch', value: (row) => when(row, `${Math.floor(row.epochs)}/${epochsPlanned}`), align: 'right' },
    { title: 'train loss', value: ({ figures }) => lossOf(figures?.trainLoss), align: 'right', drop: 4 },
    { title: 'val. loss', value: ({ figures }) => lossOf(figures?.validationLoss), align: 'right' },
    { title: 'gap', value: ({ figures }) => gapOf(figures), align: 'right', drop: 3 },
    { title: 'finding', value: stateOf, drop: 1 },
    { title: 'images/s', value: speedOf, align: 'right', drop: 2 },
    { title: 'left', value: (row) => timeLeftOf(row, epochsPlanned), align: 'right', drop: 5 },
  ];
}

function stateOf({ phase, finding }: TrialView): string {
  if (phase === 'waiting' || phase === 'retrying' || phase === 'Failed' || phase === 'Stopped')
    return phase.toLowerCase();
  return finding ?? (phase === 'running' ? 'running' : '');
}

function speedOf({ phase, examplesPerSecond }: TrialView): string {
  return phase === 'running' && examplesPerSecond ? Math.round(examplesPerSecond).toLocaleString('en-US') : '';
}

function timeLeftOf({ phase, epochs, secondsPerEpoch }: TrialView, epochsPlanned: number): string {
  return phase === 'running' ? clock(secondsPerEpoch && secondsPerEpoch * (epochsPlanned - epochs)) : '';
}

function styled(line: string, row: TrialView | undefined): string {
  if (row?.phase === 'running') return line;
  if (row?.phase === 'Failed') return styleText('red', line);
  return row?.phase === 'Succeeded' ? styleText('green', line) : styleText('dim', line);
}

/** All rows if they fit; else the running ones first, then the finished ones that ended with the lowest loss, then the next to start. */
function rowsThatFit(rows: readonly TrialView[], room: number): { shown: TrialView[]; hidden: number } {
  if (rows.length <= room) return { shown: [...rows], hidden: 0 };
  const rank = (row: TrialView) => {
    if (row.phase === 'running' || row.phase === 'retrying') return 0;
    return row.phase === 'waiting' ? 2 : 1;
  };
  const loss = (row: TrialView) => row.figures?.validationLoss ?? Number.MAX_VALUE;
  const byInterest = (a: TrialView, b: TrialView) =>
    rank(a) - rank(b) || (rank(a) === 1 ? loss(a) - loss(b) : 0) || a.trial.trial - b.trial.trial;
  const shown = rows.toSorted(byInterest).slice(0, Math.max(1, room - 1));
  return { shown: shown.sort((a, b) => a.trial.trial - b.trial.trial), hidden: rows.length - shown.length };
}
