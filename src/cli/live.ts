import { styleText } from 'node:util';
import stringWidth from 'string-width';
import { isEligible } from '../sweep/selection.ts';
import {
  applyEvent,
  clock,
  gapOf,
  lossOf,
  type RunView,
  secondsLeft,
  type TrialView,
  type ViewEvent,
} from './run-view.ts';
import { type Column, layOut, NETWORK_CELLS, plain, truncate } from './table.ts';

// The alternate screen, whose redraw no resizing can spoil; cursor hidden; no wrapping while a frame is wider than the window has just become.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const ERASE_LINE_END = '\x1b[K';
const ERASE_BELOW = '\x1b[J';
const REDRAW_MS = 200;

/** What the top line says beside the counts. */
export interface RunTitle {
  readonly name: string;
  readonly backend: string;
  readonly parallelism: number;
  /** Where the page is. */
  readonly page?: string | undefined;
}

/** The live table of a run on a terminal: the whole screen, drawn anew at most five times a second and at each resizing. */
export class LiveTable {
  readonly #title: RunTitle;
  readonly #stream: NodeJS.WriteStream;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #redraw = () => this.#draw();
  readonly #resize = () => {
    this.#drawn = '';
    this.#draw();
  };
  readonly #close = () => this.close();
  readonly #suspend = () => {
    this.#stream.write(LEAVE);
    process.kill(process.pid, 'SIGSTOP');
  };
  readonly #resume = () => {
    this.#stream.write(ENTER);
    this.#resize();
  };
  #view: RunView;
  #drawn = '';
  #open: boolean = true;

  constructor(view: RunView, title: RunTitle, stream: NodeJS.WriteStream) {
    this.#view = view;
    this.#title = title;
    this.#stream = stream;
    stream.write(ENTER);
    stream.on('resize', this.#resize);
    process.on('exit', this.#close); // however the program ends, the terminal is given back
    process.on('SIGTSTP', this.#suspend); // Ctrl-Z: the shell gets its own screen
    process.on('SIGCONT', this.#resume);
    this.#timer = setInterval(this.#redraw, REDRAW_MS);
    this.#draw();
  }

  show(event: ViewEvent): void {
    this.#view = applyEvent(this.#view, event);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#timer);
    this.#stream.off('resize', this.#resize);
    process.off('exit', this.#close);
    process.off('SIGTSTP', this.#suspend);
    process.off('SIGCONT', this.#resume);
    this.#stream.write(LEAVE);
  }

  #draw(): void {
    const { columns, rows } = this.#stream;
    const seconds = (performance.now() - this.#began) / 1000;
    const lines = drawRun(this.#view, this.#title, seconds, columns || 80, rows || 24);
    // Erased before it is written: erasing after a full line would take its last character.
    const frame = `${HOME}${lines.map((line) => `${ERASE_LINE_END}${line}`).join('\r\n')}`;
    if (frame === this.#drawn) return;
    this.#drawn = frame;
    this.#stream.write(`${frame}${lines.length < (rows || 24) ? `\r\n${ERASE_BELOW}` : ''}`);
  }
}

/** The lines of one frame, at most `height`, none wider than `width` character cells. Pure but for colours (NO_COLOR). */
export function drawRun(view: RunView, title: RunTitle, seconds: number, width: number, height: number): string[] {
  const notes = view.notes.map((note) => styleText('yellow', truncate(plain(note), width)));
  const hints = [...(title.page === undefined ? [] : [`page: ${title.page}`]), ...(view.stopping ? [] : [HINT])];
  const hint =
    hints.length === 0 || height < 12 ? [] : ['', ...hints.map((line) => styleText('dim', truncate(line, width)))];
  const below = [...(notes.length > 0 ? ['', ...notes] : []), ...hint].slice(0, Math.max(0, height - 6));
  const top = height < 6 ? [] : [''];
  const room = height - 2 - top.length - below.length;
  const { shown, hidden } = rowsThatFit(view.trials, Math.max(1, room));
  const [titles = '', ...rows] = layOut(columnsOf(view), shown, width);
  const more = hidden > 0 ? [styleText('dim', truncate(`… and ${hidden} more`, width))] : [];
  return [
    styleText('bold', headline(view, title, seconds, width)),
    ...top,
    styleText('dim', titles),
    ...rows.map((line, at) => styled(line, shown[at])),
    ...more,
    ...below,
  ].slice(0, height);
}

const HINT = 'Ctrl-C: running trials finish and are saved; twice: everything ends at once';

/** What matters most comes first; what does not fit is left out from the end. */
function headline(view: RunView, { name, backend, parallelism }: RunTitle, seconds: number, width: number): string {
  const counted = (phase: TrialView['phase']) => view.trials.filter((row) => row.phase === phase).length;
  const [done, failed, later] = [counted('Succeeded'), counted('Failed'), counted('later')];
  const parts = [
    `${name}  ${done} of ${view.trials.length - later} trials done`,
    `${clock(secondsLeft(view, parallelism))} left`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    `${clock(seconds)} elapsed`,
    `${backend}, ${parallelism} at once`,
    ...(later > 0 ? [`${later} for another run`] : []),
  ];
  while (parts.length > 1 && stringWidth(parts.join(SEPARATOR)) > width) parts.pop();
  return truncate(parts.join(SEPARATOR), width);
}

const SEPARATOR = ' · ';

/** One less than elsewhere, so that 60 columns hold the finding too. */
const LEAST_NAME = NETWORK_CELLS - 1;

/** The widest that each column gets to show in a run, so that none comes, goes or moves while it runs. */
function columnsOf({ epochsPlanned, trials, nameCells }: RunView): Column<TrialView>[] {
  const right = { align: 'right' } as const;
  const indexCells = String(trials.length - 1).length;
  const epochCells = `${epochsPlanned}.0/${epochsPlanned}`.length;
  return [
    { title: 'trial', value: ({ trial }) => String(trial.trial), ...right, least: indexCells },
    { title: 'network', value: ({ trial }) => trial.name, flexible: LEAST_NAME, least: nameCells },
    { title: 'epoch', value: (row) => epochOf(row, epochsPlanned), ...right, least: epochCells },
    { title: 'train loss', value: ({ figures }) => lossOf(figures?.trainLoss), ...right, drop: 5, luxury: true },
    { title: 'val. loss', value: ({ figures }) => lossOf(figures?.validationLoss), ...right, drop: 1 },
    { title: 'gap', value: ({ figures }) => gapOf(figures), ...right, drop: 4, least: '-9.9 points'.length },
    { title: 'finding', value: stateOf, drop: 2, least: 'StillImproving'.length },
    { title: 'images/s', value: speedOf, ...right, drop: 3 },
    {
      title: 'left',
      value: (row) => timeLeftOf(row, epochsPlanned),
      ...right,
      drop: 6,
      luxury: true,
      least: '9:59:59'.length,
    },
  ];
}

/** `2.4/15` while it runs: epochs done, and of the one that runs. */
function epochOf({ phase, epochs }: TrialView, epochsPlanned: number): string {
  if (phase === 'waiting' || phase === 'later') return '';
  return `${phase === 'running' ? (Math.floor(10 * epochs) / 10).toFixed(1) : epochs}/${epochsPlanned}`;
}

function stateOf({ phase, finding }: TrialView): string {
  if (phase === 'running') return finding ?? 'running';
  return phase === 'Succeeded' ? (finding ?? '') : phase.toLowerCase();
}

function speedOf({ phase, examplesPerSecond }: TrialView): string {
  return phase === 'running' && examplesPerSecond ? Math.round(examplesPerSecond).toLocaleString('en-US') : '';
}

function timeLeftOf({ phase, epochs, secondsPerEpoch }: TrialView, epochsPlanned: number): string {
  return phase === 'running' ? clock(secondsPerEpoch && secondsPerEpoch * (epochsPlanned - epochs)) : '';
}

function styled(line: string, { phase, finding }: Partial<TrialView> = {}): string {
  if (phase === 'running') return line;
  if (phase === 'Failed' || phase === 'retrying') return styleText('red', line);
  if (phase !== 'Succeeded') return styleText('dim', line);
  return styleText(finding && isEligible({ finding }) ? 'green' : 'yellow', line);
}

/** All rows if they fit; else the running ones first, then the finished ones that ended with the lowest loss, then the next to start. */
function rowsThatFit(rows: readonly TrialView[], room: number): { shown: TrialView[]; hidden: number } {
  if (rows.length <= room) return { shown: [...rows], hidden: 0 };
  const loss = (row: TrialView) => row.figures?.validationLoss ?? Number.MAX_VALUE;
  const byInterest = (a: TrialView, b: TrialView) =>
    rankOf(a) - rankOf(b) || (rankOf(a) === FINISHED ? loss(a) - loss(b) : 0) || a.trial.trial - b.trial.trial;
  const shown = rows.toSorted(byInterest).slice(0, Math.max(1, room - 1));
  return { shown: shown.sort((a, b) => a.trial.trial - b.trial.trial), hidden: rows.length - shown.length };
}

const FINISHED = 1;

function rankOf({ phase }: TrialView): number {
  if (phase === 'running' || phase === 'retrying') return 0;
  if (phase === 'waiting') return 2;
  return phase === 'later' ? 3 : FINISHED;
}
