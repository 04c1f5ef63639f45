// The server that live-server.ts measures, in a process of its own: two sweeps whose trials report all the time.
import { openToLoopback } from '../../src/dashboard/access.ts';
import { buildApp } from '../../src/dashboard/app.ts';
import { NO_MODELS } from '../../src/dashboard/models.ts';
import { Store } from '../../src/dashboard/store.ts';
import { openLog } from '../../src/shared/log.ts';
import { makeGrid, makeMeasurement, makeSweep, makeTraining } from '../sweep/builders.ts';

/** What it tells its parent each second. */
export interface ServerTold {
  readonly port: number;
  readonly rssMiB: number;
  readonly clients: number;
  /** Bytes that the process has been given and not passed on yet. */
  readonly heapMiB: number;
}

const EPOCHS = 1_000;
const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed);
const store = new Store();
const report = { quiet: 5, noisy: 300 } as const;
for (const name of ['quiet', 'noisy'] as const) {
  const grid = [
    makeGrid({ seed: seeds(Math.min(64, report[name])) }),
    makeGrid({ widths: [[6, 16]], seed: seeds(64) }),
  ];
  const more = seeds(4).map((at) => makeGrid({ widths: [[7 + at, 16]], seed: seeds(64) }));
  const sweep = makeSweep({ grid: [...grid, ...more], training: makeTraining({ epochs: EPOCHS }) });
  store.putSweep({ namespace: 'local', name, uid: name, source: 'folder', sweep, phase: 'Running' });
}

let epoch = 0;
function measure(): void {
  epoch = (epoch % EPOCHS) + 1;
  for (const name of ['quiet', 'noisy'] as const) {
    for (let trial = 0; trial < report[name]; trial++) {
      // Whoever receives it reads off when it was measured.
      store.measure(
        name,
        makeMeasurement({ sweep: name, trial, epoch, attemptUID: 'first', runningTrainLoss: Date.now() }),
      );
    }
  }
}

const app = await buildApp({
  store,
  access: openToLoopback(),
  models: NO_MODELS,
  log: openLog(() => undefined),
  reportAssets: async () => ({ scripts: [], styles: [] }),
  machine: 'a benchmark',
});
await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
const address = app.server.address();
const port = typeof address === 'object' && address ? address.port : 0;

function tell(): void {
  const { rss, heapUsed } = process.memoryUsage();
  const told: ServerTold = { port, rssMiB: rss / 2 ** 20, clients: app.streams.size, heapMiB: heapUsed / 2 ** 20 };
  process.send?.(told);
}

tell();
setInterval(tell, 1_000);
setInterval(measure, 500);
process.on('disconnect', () => process.exit(0));
