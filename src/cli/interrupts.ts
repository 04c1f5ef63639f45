/** Ctrl-C as two signals: once, no new trial starts and running ones finish; twice, or SIGTERM, everything ends at once. */
export interface Interrupts {
  readonly interrupt: AbortSignal;
  readonly kill: AbortSignal;
  readonly close: () => void;
}

/** From the second Ctrl-C to an end whatever still goes on; everything that matters is on disk at any moment. */
const LAST_MS = 1_500;
/** `npm run`, `timeout` and others pass on a Ctrl-C that the terminal has already sent: so close, two signals are one press. */
const SAME_PRESS_MS = 100;

/** @param onInterrupt told of the first Ctrl-C, so that somebody says what it does and what a second one would do
 * @param onOverdue told if the program has to be cut off
 * @param now milliseconds, from any origin
 */
export function interrupts(
  onInterrupt: () => void,
  onOverdue: () => void = () => {},
  now: () => number = () => performance.now(),
): Interrupts {
  let overdue: NodeJS.Timeout | undefined;
  let pressed = Number.NEGATIVE_INFINITY;
  const interrupt = new AbortController();
  const kill = new AbortController();
  const end = () => {
    interrupt.abort();
    kill.abort();
    const cutOff = () => {
      onOverdue();
      process.exit(130);
    };
    overdue ??= setTimeout(cutOff, LAST_MS).unref();
  };
  const onSigint = () => {
    const since = now() - pressed;
    pressed = now();
    if (since < SAME_PRESS_MS) return;
    if (kill.signal.aborted) process.exit(130); // nobody waits for a clean end a third time
    if (interrupt.signal.aborted) return end();
    interrupt.abort();
    onInterrupt();
  };
  process.on('SIGINT', onSigint);
  process.on('SIGTERM', end);
  return {
    interrupt: interrupt.signal,
    kill: kill.signal,
    close() {
      clearTimeout(overdue);
      process.off('SIGINT', onSigint);
      process.off('SIGTERM', end);
    },
  };
}
