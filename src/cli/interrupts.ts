/** Ctrl-C as two signals: once, no new trial starts and running ones finish; twice, or SIGTERM, everything ends at once. */
export interface Interrupts {
  readonly interrupt: AbortSignal;
  readonly kill: AbortSignal;
  readonly close: () => void;
}

export function interrupts(say: (line: string) => void): Interrupts {
  const interrupt = new AbortController();
  const kill = new AbortController();
  const onInterrupt = () => {
    if (interrupt.signal.aborted) return kill.abort();
    interrupt.abort();
    say('interrupted: running trials finish and are saved; Ctrl-C again ends them at once');
  };
  const onTerminate = () => {
    interrupt.abort();
    kill.abort();
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  return {
    interrupt: interrupt.signal,
    kill: kill.signal,
    close() {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
    },
  };
}
