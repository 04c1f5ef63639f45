import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLog } from '../../src/shared/log.ts';
import { SweepError } from '../../src/sweep/errors.ts';

const now = () => new Date('2026-11-25T12:00:00.000Z');

function capture() {
  const lines: string[] = [];
  return { lines, log: openLog((line) => lines.push(line), { now, fields: { component: 'controller' } }) };
}

test('a line is one JSON object that ends in a newline, with time, level, event and fields', () => {
  const { lines, log } = capture();
  log.info('started', { trial: 7, name: 'a\nb' });
  assert.deepEqual(lines, [
    '{"time":"2026-11-25T12:00:00.000Z","level":"info","event":"started","component":"controller","trial":7,"name":"a\\nb"}\n',
  ]);
});

test('fields given once stand on every line after', () => {
  const { lines, log } = capture();
  const ofSweep = log.with({ sweep: 'default/study' });
  ofSweep.warn('a');
  ofSweep.error('b');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ level, sweep }) => [level, sweep]),
    [
      ['warn', 'default/study'],
      ['error', 'default/study'],
    ],
  );
});

test('an error is written with its reason and its causes, not as an empty object', () => {
  const { lines, log } = capture();
  const cause = new Error('socket closed');
  log.error('turn failed', { error: new SweepError('Unreachable', 'no answer', { cause }) });
  assert.deepEqual(JSON.parse(lines[0] ?? '').error, {
    name: 'SweepError',
    reason: 'Unreachable',
    message: 'no answer',
    cause: { name: 'Error', message: 'socket closed' },
  });
});
