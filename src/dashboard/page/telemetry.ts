import type { Telemetry } from './faro.ts';

/** What the page tells of itself, from its first line on: until Faro is there, which the first view does not wait for, it is kept. */
export interface EarlyTelemetry extends Telemetry {
  /** Loads Faro and hands over. */
  start(url: string, version: string, route: () => string): Promise<void>;
}

const MOST_KEPT = 50;

export function openTelemetry(): EarlyTelemetry {
  const kept: ((to: Telemetry) => void)[] = [];
  let live: Telemetry | undefined;
  const tell = (word: (to: Telemetry) => void) => {
    if (live) word(live);
    else if (kept.length < MOST_KEPT) kept.push(word);
  };
  const failed = (reason: unknown) => tell((to) => to.failed(reason));
  addEventListener('error', ({ error, message }) => failed(error ?? message));
  addEventListener('unhandledrejection', ({ reason }) => failed(reason));
  return {
    failed,
    routeChanged: (from, to) => tell((faro) => faro.routeChanged(from, to)),
    answered: (route, milliseconds, status) => tell((faro) => faro.answered(route, milliseconds, status)),
    async start(url, version, route) {
      const { startTelemetry } = await import('./faro.ts');
      live = startTelemetry({ url, version, route });
      for (const word of kept.splice(0)) word(live);
    },
  };
}
