/** Ctrl-C as two signals: once, no new trial starts and running ones finish; twice, or SIGTERM, everything ends at once. */
export interface Interrupts {
  readonly interrupt: AbortSignal;
  readonly kill: AbortSignal;
  readonly close: () => void;
}

/** From the second Ctrl-C to an end whatever still goes on; everything that matters is on disk at any moment. */
const LAST_MS = 1_500;

/** @param onInterrupt told of the first Ctrl-C, so that somebody says what it does and what a second one would do
 * @param onOverdue told if the program has to be cut off
 */
export function interrupts(onInterrupt: () => void, onOverdue: () => void = () => {}): Interrupts {
  const interrupt = new AbortController();
  const kill = new AbortController();
  const end = () => {
    interrupt.abort();
    kill.abort();
    const cutOff = () => {
      onOverdue();
      process.exit(130);
    };
    setTimeout(cutOff, LAST_MS).unref();
  };
  const onSigint = () => {
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
      process.off('SIGINT', onSigint);
      process.off('SIGTERM', end);
    },
  };
}
