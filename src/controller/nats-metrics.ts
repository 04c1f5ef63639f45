import type { BusStatus } from '../shared/bus.ts';
import type { StreamFill } from '../shared/nats-streams.ts';
import type { Telemetry } from '../shared/telemetry.ts';
import type { CalloutOutcome } from './callout-responder.ts';

const COMPONENT = { component: 'controller' } as const;

export interface NatsMetrics {
  status(status: BusStatus): void;
  /** @param fills of the streams, as last read */
  filled(fills: readonly StreamFill[]): void;
  callout(outcome: CalloutOutcome): void;
}

/** @see operations.md section 3 */
export function openNatsMetrics(telemetry: Telemetry): NatsMetrics {
  const connected = telemetry.gauge({
    name: 'cnn_sweep_nats_connected',
    help: 'Whether this component is connected to NATS.',
    labelNames: ['component'],
  });
  const reconnects = telemetry.counter({
    name: 'cnn_sweep_nats_reconnects_total',
    help: 'Connections to NATS that came back.',
    labelNames: ['component'],
  });
  const bytes = telemetry.gauge({
    name: 'cnn_sweep_nats_stream_bytes',
    help: 'Bytes that a stream holds.',
    labelNames: ['stream'],
  });
  const maxBytes = telemetry.gauge({
    name: 'cnn_sweep_nats_stream_max_bytes',
    help: 'Bytes that a stream may hold.',
    labelNames: ['stream'],
  });
  const callouts = telemetry.counter({
    name: 'cnn_sweep_nats_callouts_total',
    help: 'Clients of NATS that we were asked about, by what came of it.',
    labelNames: ['result'],
  });
  connected.set(COMPONENT, 0);
  reconnects.inc(COMPONENT, 0);
  let connects = 0;
  return {
    status: (status) => {
      connected.set(COMPONENT, status.connected ? 1 : 0);
      if (status.connected && connects++ > 0) reconnects.inc(COMPONENT);
    },
    filled: (fills) => {
      for (const { stream, ...fill } of fills) {
        bytes.set({ stream }, fill.bytes);
        maxBytes.set({ stream }, fill.maxBytes);
      }
    },
    callout: (result) => callouts.inc({ result }),
  };
}
