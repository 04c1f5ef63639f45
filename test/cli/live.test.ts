import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { drawRun, LiveTable } from '../../src/cli/live.ts';
import { applyEvent, emptyView, type RunView, type ViewEvent } from '../../src/cli/run-view.ts';
import { makeStudyEvents } from './events.ts';

const study = makeStudyEvents();
const title = { name: 'study', backend: 'native', parallelism: 2 };

function viewAfter(...events: readonly ViewEvent[]): RunView {
  return events.reduce(applyEvent, emptyView(study.sweep, study.trials));
}

const halfway = viewAfter(
  study.opened([0, 4]),
  study.recorded(6, { outcome: 'Failed', reason: 'exit 1', summary: null, seconds: 1 }),
  study.started(1),
  study.measured(1, 7),
  study.progress(1, { epoch: 8 }),
  study.started(2),
  study.progress(2),
  { kind: 'retrying', trial: 7, attempt: 1, reason: 'signal SIGKILL', delayMs: 1000 },
);

/** What a frame says, without its colours. */
function frame(view: RunView, width: number, height: number): string[] {
  return drawRun(view, title, 3725, width, height).map(withoutColours);
}

function withoutColours(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour is
  return line.replace(/\x1b\[\d+m/g, '');
}

describe('a frame of the live table', () => {
  test('of 120 columns shows everything', (context) => context.assert.snapshot(frame(halfway, 120, 30)));
  test('of 100 columns keeps the names whole', (context) => context.assert.snapshot(frame(halfway, 100, 30)));
  test('of 60 columns keeps trial, network, epoch, loss and finding', (context) =>
    context.assert.snapshot(frame(halfway, 60, 15)));
  test('of 40 columns keeps trial, network and epoch', (context) => context.assert.snapshot(frame(halfway, 40, 24)));

  test('of 300 trials in 24 rows shows what runs, then the lowest losses, then what comes next', () => {
    const many = Array.from({ length: 30 }, () => study.trials).flat();
    const trials = many.map((trial, index) => ({ ...trial, trial: index }));
    const done = Array.from({ length: 30 }, (_, index) => study.recorded(index % 10, { trial: index }));
    const events = [...done, study.started(200), study.started(250)];
    const lines = frame(events.reduce(applyEvent, emptyView(study.sweep, trials)), 100, 24);
    assert.equal(lines.length, 24);
    const shown = lines.flatMap((line) => /^ +(\d+) {2}\(/.exec(line)?.[1] ?? []).map(Number);
    assert.equal(shown.length, 18);
    assert.ok(shown.includes(200) && shown.includes(250));
    // The three best of ten are shown thrice each, the worst not at all.
    for (const best of [2, 12, 22, 1, 11, 21]) assert.ok(shown.includes(best), `${best} in ${shown}`);
    for (const worst of [6, 16, 26]) assert.ok(!shown.includes(worst), `${worst} in ${shown}`);
    assert.deepEqual(
      shown,
      shown.toSorted((a, b) => a - b),
    );
    assert.ok(lines.includes('… and 282 more'), lines.join('\n'));
  });

  test('shows the trials of this run before those that are left for another', () => {
    const view = emptyView(study.sweep, study.trials, new Set([7, 8, 9]));
    const shown = frame(view, 100, 9).flatMap((line) => /^ +(\d+) {2}\(/.exec(line)?.[1] ?? []);
    assert.deepEqual(shown, ['0', '1', '7', '8', '9']);
    assert.match(frame(view, 120, 9)[0] ?? '', /0 of 3 trials done .* 7 for another run/);
  });

  test('tells time left before time elapsed where there is no room for both', () => {
    const [line = ''] = frame(halfway, 45, 24);
    assert.match(line, /^study {2}2 of 10 trials done · [\d:]+ left$/);
  });

  test('after Ctrl-C says what happens, and no longer what Ctrl-C would do', () => {
    const lines = frame(applyEvent(halfway, { kind: 'interrupted' }), 100, 30);
    assert.ok(lines.includes('interrupted: running trials finish and are saved; Ctrl-C again ends them at once'));
    assert.ok(!lines.some((line) => line.startsWith('Ctrl-C:')));
  });

  test('shows an epoch as done only when it is', () => {
    const view = viewAfter(study.started(0), study.progress(0, { epoch: 3, step: 99, steps: 100 }));
    assert.match(frame(view, 120, 30)[3] ?? '', / 2\.9\/15 /);
  });

  test('never obeys what a note says', () => {
    const lines = frame(applyEvent(halfway, { kind: 'note', message: 'a\x1b[2J\r\nb' }), 100, 30);
    assert.ok(lines.includes('a [2J b'));
  });

  test('fits the window, whatever its size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 40 }), (width, height) => {
        const lines = frame(halfway, width, height);
        assert.ok(lines.length <= height, `${lines.length} lines in ${height}`);
        for (const line of lines) assert.ok(stringWidth(line) <= width, `${line} in ${width}`);
      }),
    );
  });

  test('has the same columns in the same places from the first event to the last, in any width', () => {
    const events = [
      study.opened([0]),
      study.started(1),
      study.progress(1),
      study.measured(1, 1),
      study.measured(1, 15),
      study.recorded(1),
      { kind: 'retrying', trial: 7, attempt: 1, reason: 'signal SIGKILL', delayMs: 1000 },
      ...[2, 3, 4, 5, 6, 7, 8, 9].map((trial) => study.recorded(trial)),
    ] as const;
    const titlesOf = (view: RunView, width: number, height: number) => frame(view, width, height)[2];
    for (let width = 20; width <= 140; width++) {
      const views = events.map((_, at) => viewAfter(...events.slice(0, at + 1)));
      for (const height of [9, 30]) {
        const titles = new Set(views.map((view) => titlesOf(view, width, height)));
        assert.equal(titles.size, 1, `${width} × ${height}:\n${[...titles].join('\n')}`);
      }
    }
  });

  test('of a small window still shows a running trial', () => {
    assert.ok(frame(halfway, 80, 5).some((line) => line.includes('(6,16) relu max')));
  });
});

describe('the live table', () => {
  class Screen extends EventEmitter {
    columns = 80;
    rows = 24;
    written = '';
    write(text: string): boolean {
      this.written += text;
      return true;
    }
    take(): string {
      const text = this.written;
      this.written = '';
      return text;
    }
  }
  const open = () => {
    const screen = new Screen();
    return { screen, table: new LiveTable(halfway, title, screen as unknown as NodeJS.WriteStream) };
  };

  test('takes the alternate screen and gives everything back, once', () => {
    const { screen, table } = open();
    assert.ok(screen.take().startsWith('\x1b[?1049h\x1b[?25l\x1b[?7l'));
    table.close();
    table.close();
    assert.equal(screen.take(), '\x1b[?7h\x1b[?25h\x1b[?1049l');
    screen.emit('resize');
    assert.equal(screen.take(), '');
  });

  test('draws anew when the window changes, in its new size', () => {
    const { screen, table } = open();
    screen.take();
    Object.assign(screen, { columns: 30, rows: 8 });
    screen.emit('resize');
    const lines = screen.take().split('\r\n');
    table.close();
    assert.equal(lines.length, 8);
    assert.ok(lines.every((line) => line.includes('\x1b[K')));
  });

  test('draws into 80 columns where a terminal says that it has none', () => {
    const { screen, table } = open();
    screen.take();
    Object.assign(screen, { columns: 0, rows: 0 });
    screen.emit('resize');
    const text = screen.take();
    table.close();
    assert.match(text, /finding/);
  });

  test('leaves no listener behind', () => {
    const events = ['exit', 'SIGTSTP', 'SIGCONT'] as const;
    const before = events.map((event) => process.listenerCount(event));
    const { table } = open();
    table.close();
    assert.deepEqual(
      events.map((event) => process.listenerCount(event)),
      before,
    );
  });
});
