import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { interrupts } from '../../src/cli/interrupts.ts';

/** Listens, with a clock that the test moves. */
function listen(context: TestContext) {
  const state = { now: 0, told: 0 };
  const signals = interrupts(
    () => state.told++,
    undefined,
    () => state.now,
  );
  context.after(signals.close);
  const press = (ms: number) => {
    state.now = ms;
    process.emit('SIGINT');
    return { interrupted: signals.interrupt.aborted, killed: signals.kill.aborted, told: state.told };
  };
  return { signals, press };
}

test('a first Ctrl-C interrupts and says so, a second one kills', (context) => {
  const { press } = listen(context);
  assert.deepEqual(press(0), { interrupted: true, killed: false, told: 1 });
  assert.deepEqual(press(150), { interrupted: true, killed: true, told: 1 });
});

test('a Ctrl-C that npm or timeout passes on again counts once', (context) => {
  const { press } = listen(context);
  press(1000);
  assert.deepEqual(press(1020), { interrupted: true, killed: false, told: 1 });
  assert.deepEqual(press(1200), { interrupted: true, killed: true, told: 1 });
});

test('SIGTERM kills at once', (context) => {
  const { signals } = listen(context);
  process.emit('SIGTERM');
  assert.ok(signals.interrupt.aborted && signals.kill.aborted);
});

test('what is closed listens no more', (context) => {
  const before = [process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')];
  listen(context).signals.close();
  assert.deepEqual([process.listenerCount('SIGINT'), process.listenerCount('SIGTERM')], before);
});
