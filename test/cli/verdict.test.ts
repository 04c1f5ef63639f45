import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { makeFolder } from '../local/folders.ts';
import { runProgram, sweepText, writeSweep } from './program.ts';

/** A curve of two epochs, as somebody else's program would write it. */
function lines(trial: number, losses: readonly (number | null)[], changes: object = {}): string[] {
  return losses.map((validationLoss, at) =>
    JSON.stringify({
      trial,
      epoch: at + 1,
      trainLoss: 1,
      trainAccuracy: 0.6,
      validationLoss,
      validationAccuracy: 0.5,
      ...changes,
    }),
  );
}

const CURVES = [...lines(0, [2, 1.9]), ...lines(1, [2, 1.5])];

/** Judges curves of a sweep of two trials and two epochs. */
async function judged(context: TestContext, curves: string | Buffer, options: readonly string[] = ['--json']) {
  const folder = await makeFolder(context);
  const sweep = await writeSweep(folder);
  await writeFile(join(folder, 'curves.ndjson'), curves);
  const end = await runProgram(['verdict', '--sweep', sweep, 'curves.ndjson', ...options], { cwd: folder });
  return { ...end, verdict: end.code === 0 && options.includes('--json') ? JSON.parse(end.stdout) : undefined };
}

describe('verdict', () => {
  test('names the best of curves from anywhere, with findings and alternatives', async (context) => {
    const { verdict, stderr } = await judged(context, CURVES.join('\n'));
    assert.equal(stderr, '');
    assert.deepEqual([verdict.best.trial, verdict.best.epoch, verdict.reason], [1, 2, 'LowestValidationLoss']);
    assert.deepEqual(
      verdict.findings.map(({ trial, finding, rise, bestEpoch, keptEpoch }: Record<string, unknown>) => [
        trial,
        finding,
        rise,
        bestEpoch,
        keptEpoch,
      ]),
      [
        [0, 'StillImproving', 0, 2, 2],
        [1, 'StillImproving', 0, 2, 2],
      ],
    );
    assert.equal(verdict.alternatives.length, 5);
  });

  test('is for people without --json', async (context) => {
    const { stdout } = await judged(context, CURVES.join('\n'), []);
    assert.match(stdout, /^→ +1 {2}\(4\) relu max/m);
    assert.match(stdout, /\n\nbest: \(4\) relu max, trial 1, kept at epoch 2: .*\n$/);
  });

  test('says by which thresholds it judged, and which of them are not those of the sweep', async (context) => {
    const plain = await judged(context, CURVES.join('\n'), []);
    assert.match(
      plain.stdout,
      /^judged by checkpoint LastEpoch, maxLossRise 10 %, maxAccuracyGap none, parsimony OneStandardError\n\n/,
    );
    const options = ['--max-loss-rise', '0.2', '--max-accuracy-gap', '0.05', '--checkpoint', 'BestEpoch'];
    const other = await judged(context, CURVES.join('\n'), [...options, '--parsimony', 'None']);
    assert.match(
      other.stdout,
      /^judged by checkpoint BestEpoch \(not LastEpoch\), maxLossRise 20 % \(not 10 %\), maxAccuracyGap 5 points \(not none\), parsimony None \(not OneStandardError\)\n/,
    );
  });

  const RISING = [...lines(0, [2, 1.9]), ...lines(1, [1.5, 1.7])];
  const others: Record<string, { options: string[]; want: [string | undefined, number | null] }> = {
    'a rise of 13 % is too much by default': { options: [], want: ['Overfit', 0] },
    'a higher limit lets it win': { options: ['--max-loss-rise', '.2'], want: ['Healthy', 1] },
    'kept at its best epoch it wins too': { options: ['--checkpoint', 'BestEpoch'], want: ['Healthy', 1] },
    'a limit on the gap refuses both': { options: ['--max-accuracy-gap', '0.05'], want: ['Overfit', null] },
  };
  for (const [sentence, { options, want }] of Object.entries(others)) {
    test(`by other thresholds: ${sentence}`, async (context) => {
      const { verdict } = await judged(context, RISING.join('\n'), ['--json', ...options]);
      assert.deepEqual([verdict.findings[1].finding, verdict.best?.trial ?? null], want);
    });
  }

  test('a threshold that is none is refused with what to write', async (context) => {
    const { code, stderr } = await judged(context, CURVES.join('\n'), ['--max-loss-rise', '20%']);
    assert.equal(code, 2);
    assert.match(stderr, /expected a number from 0 to 10; write 0\.2\.\n/);
    const both = await judged(context, CURVES.join('\n'), ['--json', '--csv']);
    assert.deepEqual([both.code, both.stderr], [2, 'cnn-sweep: --json and --csv: choose one\n']);
  });

  test('with --csv prints a line a trial and nothing else', async (context) => {
    const { stdout, stderr } = await judged(context, CURVES.join('\n'), ['--csv']);
    assert.equal(stderr, '');
    const [titles, ...rows] = stdout.trimEnd().split('\n');
    assert.match(titles ?? '', /^trial,network,widths,.*,validationLoss,/);
    assert.deepEqual(
      rows.map((row) => row.slice(0, 20)),
      ['0,(3) relu max,[3],re', '1,(4) relu max,[4],re'].map((row) => row.slice(0, 20)),
    );
  });

  test('of several seeds gives each network’s mean and spread, to people and to programs', async (context) => {
    const folder = await makeFolder(context);
    const sweep = await writeSweep(folder, sweepText({ grid: '{widths: [[3], [4]], seed: [0, 1]}' }));
    const input = [...lines(0, [2, 1]), ...lines(1, [2, 1.4]), ...lines(2, [2, 1.1]), ...lines(3, [2, 1.1])].join('\n');
    const said = await runProgram(['verdict', '--sweep', sweep, '-'], { input });
    assert.match(said.stdout, /\neach network over its seeds \(mean ± standard deviation\):\n/);
    assert.match(said.stdout, /\n\(3\) relu max, batch 16, lr 0\.003, momentum 0\.9 +1\.200 ± 0\.283 .* 2 of 2 /);
    const { bySeed, best } = JSON.parse(
      (await runProgram(['verdict', '--sweep', sweep, '--json', '-'], { input })).stdout,
    );
    assert.equal(best.trial, 0, 'the verdict names a trial, as ever: the luckiest');
    assert.deepEqual(
      bySeed.map(({ network, trials, meanValidationLoss }: Record<string, unknown>) => [
        network,
        trials,
        meanValidationLoss,
      ]),
      [
        ['(3) relu max', [0, 1], 1.2],
        ['(4) relu max', [2, 3], 1.1],
      ],
    );
  });

  test('reads standard input', async (context) => {
    const sweep = await writeSweep(await makeFolder(context));
    const { code, stdout } = await runProgram(['verdict', '--sweep', sweep, '--json', '-'], {
      input: CURVES.join('\n'),
    });
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).best.trial, 1);
  });

  const same: Record<string, string> = {
    'the order of lines does not matter': CURVES.toReversed().join('\n'),
    'identical repeats do not matter': [...CURVES, ...CURVES].join('\n'),
    'CRLF, empty lines and a byte order mark do not matter': `\ufeff${CURVES.join('\r\n\r\n')}\r\n`,
    'of two lines that conflict the first stays': [...CURVES, ...lines(1, [9, 9])].join('\n'),
  };
  for (const [sentence, curves] of Object.entries(same)) {
    test(sentence, async (context) => {
      const plain = await judged(context, CURVES.join('\n'));
      assert.equal((await judged(context, curves)).stdout, plain.stdout);
    });
  }

  test('a character that two chunks share is read whole', async (context) => {
    const sweep = '東'.repeat(60);
    const named = Array.from({ length: 1500 }, () => lines(0, [2, 1.9], { sweep, attemptUID: 'a' })).flat();
    const { stderr, code } = await judged(context, [...named, ...lines(1, [2, 1.5])].join('\n'));
    assert.equal(code, 0);
    assert.equal(stderr, `note: curves.ndjson: 3000 of 3002 lines are of sweep "${sweep}", judged as "tiny"\n`);
  });

  test('a trial without any curve is Incomplete and cannot win', async (context) => {
    const { verdict } = await judged(context, lines(1, [2, 1.5]).join('\n'));
    assert.equal(verdict.best.trial, 1);
    assert.deepEqual([verdict.findings[0].finding, verdict.findings[0].reason], ['Incomplete', '0 of 2 epochs']);
  });

  test('of two attempts the later counts, and they are not mixed', async (context) => {
    const first = lines(1, [1, 0.5], { attempt: 1, attemptUID: 'a' });
    const second = lines(1, [2], { attempt: 2, attemptUID: 'b' });
    const { verdict } = await judged(context, [...second, ...first, ...lines(0, [2, 1.9])].join('\n'));
    assert.equal(verdict.best.trial, 0);
    assert.equal(verdict.findings[1].finding, 'Incomplete');
  });

  test('a loss of null is Diverged', async (context) => {
    const { verdict } = await judged(context, [...lines(0, [2, 1.9]), ...lines(1, [2, null])].join('\n'));
    assert.equal(verdict.findings[1].finding, 'Diverged');
    assert.equal(verdict.best.trial, 0);
  });

  test('nothing eligible is an answer, not an error', async (context) => {
    const { code, verdict } = await judged(context, lines(0, [null, null]).join('\n'));
    assert.equal(code, 0);
    assert.equal(verdict.best, null);
    assert.equal(verdict.reason, 'NoEligibleModel');
  });

  const refused: Record<string, { curves: string | Buffer; want: string }> = {
    'a trial beyond the grid names its line': {
      curves: [...CURVES, ...lines(7, [1])].join('\n'),
      want: 'curves.ndjson:5: trial: 7: the sweep has trials 0 to 1',
    },
    'NaN is told what to write': {
      curves: CURVES.join('\n').replace('"validationLoss":1.9', '"validationLoss":NaN'),
      want: 'curves.ndjson:2: NaN is not JSON; write null',
    },
    'a file compressed with gzip says what to do': {
      curves: gzipSync(CURVES.join('\n')),
      want: 'curves.ndjson: compressed with gzip; decompress it first: gunzip -c FILE | cnn-sweep verdict … -',
    },
    'a cut line names itself': { curves: CURVES.join('\n').slice(0, -5), want: 'curves.ndjson:4: not JSON' },
    'an empty file says what was expected': {
      curves: '\n\n',
      want: 'curves.ndjson: empty; expected a Measurement a line',
    },
    'UTF-16 is named': {
      curves: Buffer.from(`\ufeff${CURVES.join('\n')}`, 'utf16le'),
      want: 'curves.ndjson: not UTF-8 text; expected a Measurement as JSON a line',
    },
    'a text that ends within a character is named': {
      curves: Buffer.from([0xc3]),
      want: 'curves.ndjson: not UTF-8 text; expected a Measurement as JSON a line',
    },
    'a file without any newline is not read into memory': {
      curves: 'x'.repeat(200_000),
      want: 'curves.ndjson: a line of more than 65536 bytes; expected a Measurement a line',
    },
    'an unknown field is named': {
      curves: lines(0, [1], { loss: 1 }).join('\n'),
      want: 'curves.ndjson:1: unknown field "loss"',
    },
  };
  for (const [sentence, { curves, want }] of Object.entries(refused)) {
    test(sentence, async (context) => {
      const { code, stdout, stderr } = await judged(context, curves);
      assert.equal(stderr, `cnn-sweep: ${want}\n`);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }

  test('a file that is not there, and a folder, are named', async (context) => {
    const folder = await makeFolder(context);
    const sweep = await writeSweep(folder);
    const saidOf = async (file: string) =>
      (await runProgram(['verdict', '--sweep', sweep, file], { cwd: folder })).stderr;
    assert.equal(await saidOf('nowhere'), 'cnn-sweep: nowhere: no such file\n');
    assert.equal(await saidOf('.'), 'cnn-sweep: .: not a run folder; it has no journal\n');
    const { stderr } = await runProgram(['verdict', 'curves.ndjson'], { cwd: folder });
    assert.equal(stderr, 'cnn-sweep: --sweep: missing; curves need the sweep file whose trials they are\n');
  });

  test('the only trial of a sweep is called so', async (context) => {
    const folder = await makeFolder(context);
    const sweep = await writeSweep(folder, sweepText({ grid: '{widths: [[3]]}' }));
    const { stderr } = await runProgram(['verdict', '--sweep', sweep, '-'], { input: lines(1, [1]).join('\n') });
    assert.equal(stderr, 'cnn-sweep: standard input:1: trial: 1: the sweep has only trial 0\n');
  });
});
