import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import stringWidth from 'string-width';
import { makeFolder } from '../local/folders.ts';
import { PROGRAM, sweepText, writeSweep } from './program.ts';
import { openTerminal, skipWithoutTmux, type Terminal } from './tmux.ts';

// The command as a person sees it: a real terminal, the real trainer.
const LONG = sweepText({ grid: '{widths: [[3], [4], [5]], activation: [relu, none]}' }).replace(
  'epochs: 2',
  'epochs: 300',
);

const titles = (lines: readonly string[]) => lines.filter((line) => line.startsWith('trial  network'));
const rowsOf = (lines: readonly string[]) => lines.flatMap((line) => /^ +(\d) {2}\(/.exec(line)?.[1] ?? []).map(Number);
const measured = (lines: readonly string[]) => lines.some((line) => /\d\.\d\/300 .*\d\.\d{3}/.test(line));

const elapsed = (lines: readonly string[]) => {
  const [, minutes, seconds] = /(\d+):(\d\d) elapsed/.exec(lines[0] ?? '') ?? [];
  return 60 * Number(minutes) + Number(seconds);
};

/** Nothing of an earlier frame is left, nothing is torn. */
function assertIntact(lines: readonly string[], columns: number, rows: number): void {
  const said = lines.join('\n');
  assert.ok(lines.length <= rows, said);
  for (const line of lines) assert.ok(stringWidth(line) <= columns, `${line}\n${said}`);
  assert.match(lines[0] ?? '', /^tiny {2}\d of 6 trials done/, said);
  assert.equal(titles(lines).length, 1, said);
  assert.deepEqual(rowsOf(lines), [0, 1, 2, 3, 4, 5], said);
  assert.equal(said.match(/Ctrl-C:/g)?.length, 1, said);
}

async function startLong(terminal: Terminal): Promise<string[]> {
  await terminal.type(`${PROGRAM} run sweep.yaml --backend wasm --parallelism 1; echo "code $?"`, 'Enter');
  return terminal.until((lines) => measured(lines), 'the figures of an epoch');
}

describe('in a terminal', { skip: skipWithoutTmux }, () => {
  test('a run shows a live table that survives resizing, and Ctrl-C, twice, gives the screen back', async (context) => {
    const cwd = await makeFolder(context);
    await writeSweep(cwd, LONG);
    const terminal = await openTerminal(context, cwd, 100, 30);
    assertIntact(await startLong(terminal), 100, 30);
    assert.ok(await terminal.isAlternate());

    await terminal.resize(60, 15);
    const small = await terminal.until(
      (lines) => lines.some((line) => line.endsWith('everyth…')),
      'a frame of 60 columns',
    );
    assertIntact(small, 60, 15);
    assert.doesNotMatch(titles(small).join(), /train loss|left/);

    await terminal.resize(200, 50);
    const large = await terminal.until((lines) => /left$/.test(titles(lines).join()), 'a frame of 200 columns');
    assertIntact(large, 200, 50);

    await terminal.type('C-c');
    const told = await terminal.until(
      (lines) => lines.includes('interrupted: running trials finish and are saved; Ctrl-C again ends them at once'),
      'what Ctrl-C does',
    );
    assert.ok(await terminal.isAlternate());
    // Two presses within a tenth of a second are one: the clock on the screen says when a second one is another.
    await terminal.until((lines) => elapsed(lines) >= elapsed(told) + 2, 'two seconds later');
    await terminal.type('C-c');
    const end = await terminal.until((lines) => lines.includes('code 130'), 'the exit code');
    assert.equal(await terminal.isAlternate(), false);
    assert.ok(end[0]?.startsWith('$ '), end.join('\n'));
    assert.match(
      end[end.indexOf('code 130') - 1] ?? '',
      /^interrupted: [1-6] trials? (is|are) left; the same command goes on$/,
    );
  });

  test('Ctrl-Z gives the screen to the shell, and fg takes it again', async (context) => {
    const cwd = await makeFolder(context);
    await writeSweep(cwd, LONG);
    const terminal = await openTerminal(context, cwd);
    await startLong(terminal);
    await terminal.type('C-z');
    await terminal.until(
      (lines, isAlternate) => !isAlternate && lines.some((line) => /Stopped/.test(line)),
      'the shell',
    );
    await terminal.type('fg', 'Enter');
    assertIntact(
      await terminal.until((lines, isAlternate) => isAlternate && measured(lines), 'the table again'),
      100,
      30,
    );
    await terminal.type('C-c');
    await terminal.until((lines) => lines.some((line) => line.startsWith('interrupted')), 'what Ctrl-C does');
    await terminal.type('C-c');
    await terminal.until((_, isAlternate) => !isAlternate, 'the end');
  });

  test('a finished run gives the screen back with the verdict below, in the width that the window has then', async (context) => {
    const cwd = await makeFolder(context);
    await writeSweep(cwd);
    const terminal = await openTerminal(context, cwd, 200, 40);
    await terminal.type(`${PROGRAM} run sweep.yaml --backend wasm; echo "code $?"`, 'Enter');
    await terminal.until((_, isAlternate) => isAlternate, 'the table');
    await terminal.resize(80, 40);
    const end = await terminal.until((lines) => lines.includes('code 0'), 'the exit code');
    const said = end.join('\n');
    assert.equal(await terminal.isAlternate(), false);
    assert.match(said, /^→ +\d {2}\(/m);
    assert.match(
      said,
      /\n\nbest: .*\n(?: {2}.*\n)*test accuracy of the kept weights: .*\nmodel: .*\nreport: .*\npage: .*\ncode 0\n/,
    );
    for (const line of end) assert.ok(stringWidth(line) <= 80);
    assert.match(said, /^trials? [\d, ]+ (StillImproving|Overfit): /m); // reasons below the table: it knows of 80 columns
  });

  test('NO_COLOR takes the colours, not the table; TERM=dumb gets plain lines', async (context) => {
    const cwd = await makeFolder(context);
    await writeSweep(cwd);
    const terminal = await openTerminal(context, cwd, 120, 40);
    await terminal.type(`TERM=dumb ${PROGRAM} run sweep.yaml --backend wasm; echo "code $?"`, 'Enter');
    const lines = await terminal.until((seen) => seen.includes('code 0'), 'the exit code');
    assert.ok(
      lines.some((line) => line.includes(': epoch 2/2: train loss ')),
      lines.join('\n'),
    );
    await terminal.type('clear', 'Enter');
    await terminal.until((seen) => !seen.includes('code 0'), 'an empty screen');
    await terminal.type(`NO_COLOR=1 ${PROGRAM} run sweep.yaml --backend wasm --folder again; echo "code $?"`, 'Enter');
    await terminal.until((_, isAlternate) => isAlternate, 'the table');
    await terminal.until((seen) => seen.includes('code 0'), 'the exit code');
  });
});
