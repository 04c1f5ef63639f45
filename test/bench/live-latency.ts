// How long after the end of an epoch its point is on the page: a real nats-server, the real dashboard beside a real API server, a real
// browser; only the trials are not trained.
import type { Page } from 'playwright-core';
import { Nats } from '../../src/shared/nats.ts';
import { NatsBus } from '../../src/shared/nats-bus.ts';
import { ensureStreams } from '../../src/shared/nats-streams.ts';
import { encodeMeasurements } from '../../src/sweep/message.ts';
import { launchBrowser } from '../browser.ts';
import { type Cluster, startControlPlane } from '../cluster/cluster.ts';
import { installKinds } from '../cluster/controller.ts';
import { startDashboard } from '../cluster/dashboard.ts';
import { NatsServer } from '../shared/nats-server.ts';
import { makeMeasurement } from '../sweep/builders.ts';
import { type Figure, figure, report } from './figure.ts';

const TRIALS = 200;
const EPOCHS = 200;
/** Of each trial: so 100 epochs end in a second. */
const EPOCH_MS = 2_000;
const SECONDS = 60;

/** With 200 trials that run: from the moment at which a trainer publishes an epoch to the frame in which the page shows it, of every
 * epoch of the ten networks that the page lists beside the curves.
 */
export async function measureLatency(): Promise<Figure[]> {
  const server = await NatsServer.start();
  const cluster = await startControlPlane(['etcd', 'kube-apiserver']);
  const nats = new Nats({ url: server.url, name: 'trainers' });
  try {
    await nats.connected(AbortSignal.timeout(10_000));
    await ensureStreams(nats);
    await installKinds(cluster);
    const uid = await createSweep(cluster);
    const dashboard = await startDashboard(cluster.kubeconfig, ['--namespaces=default', `--nats-url=${server.url}`]);
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      await page.goto(`${dashboard.url}/?sweep=default/live`);
      const sent = new Map<string, number>();
      const publishing = publishEpochs(new NatsBus(nats), uid, sent);
      await page.locator('.top .state').first().waitFor();
      await record(page);
      const begun = Date.now();
      await publishing;
      return latencies(sent, await recorded(page), begun);
    } finally {
      await browser.close();
      await dashboard.stop();
    }
  } finally {
    await nats.close();
    await cluster.stop();
    await server.stop();
  }
}

async function createSweep(cluster: Cluster): Promise<string> {
  const seed = Array.from({ length: TRIALS / 4 }, (_, at) => at);
  const spec = {
    grid: [{ widths: [[3], [4], [5], [6]], seed }],
    training: { epochs: EPOCHS },
    selection: { checkpoint: 'LastEpoch' },
  };
  const metadata = { name: 'live', namespace: 'default' };
  await cluster.apply(JSON.stringify({ apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata, spec }));
  return cluster.kubectl('get', 'sweep', 'live', '--output=jsonpath={.metadata.uid}');
}

/** Every trial ends an epoch in its own moment, again and again. @param sent when, by `trial/epoch` */
async function publishEpochs(bus: NatsBus, uid: string, sent: Map<string, number>): Promise<void> {
  const tick = EPOCH_MS / TRIALS;
  const began = Date.now();
  const acknowledged: Promise<unknown>[] = [];
  for (let at = 0; Date.now() - began < SECONDS * 1000; at++) {
    const wait = began + at * tick - Date.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const [trial, epoch] = [at % TRIALS, Math.floor(at / TRIALS) + 1];
    const validationLoss = (1 + trial / 1000) * (1 + 1 / epoch);
    const attemptUID = `7d3f5c1e-88a4-4a6e-b1d2-${String(trial).padStart(12, '0')}`;
    const measurement = makeMeasurement({ sweep: 'live', trial, attemptUID, epoch, validationLoss });
    sent.set(`${trial}/${epoch}`, Date.now());
    acknowledged.push(bus.publish(encodeMeasurements(uid, [measurement])));
  }
  await Promise.all(acknowledged);
}

/** Notes in the page when each number of epochs was first on the screen, by the name of the network. */
async function record(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen: Record<string, number> = {};
    Object.assign(window, { seen });
    const look = () => {
      for (const row of document.querySelectorAll('.top button')) {
        const [, done] = /epoch (\d+) of \d+/.exec(row.querySelector('.state')?.textContent ?? '') ?? [];
        const key = `${row.querySelector('.name')?.textContent}/${done}`;
        // The change is made now, and drawn with the next frame.
        if (done !== undefined && !(key in seen)) {
          seen[key] = Number.NaN;
          requestAnimationFrame(() => {
            seen[key] = Date.now();
          });
        }
      }
    };
    const options = { subtree: true, childList: true, characterData: true };
    new MutationObserver(look).observe(document.body, options);
  });
}

function recorded(page: Page): Promise<Record<string, number>> {
  return page.evaluate(() => (window as unknown as { seen: Record<string, number> }).seen);
}

/** An epoch that was overtaken by the next before it was drawn has no time of its own.
 * @param begun when the page was there: how long it takes to open is another figure
 */
function latencies(
  sent: ReadonlyMap<string, number>,
  drawn: Readonly<Record<string, number>>,
  begun: number,
): Figure[] {
  const times: number[] = [];
  const opening: number[] = [];
  for (const [key, at] of Object.entries(drawn)) {
    const [, width, seed, epoch] = /^\((\d+)\).*seed (\d+)\/(\d+)$/.exec(key) ?? [];
    const trial = (Number(width) - 3) * (TRIALS / 4) + Number(seed);
    const from = sent.get(`${trial}/${epoch}`);
    if (from !== undefined && Number.isFinite(at)) (from < begun ? opening : times).push(at - from);
  }
  times.sort((a, b) => a - b);
  const quantile = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return [
    report(`epochs that were seen on the page, ${TRIALS} trials running`, times.length, ''),
    report('of those published while it opened, the last to be drawn', Math.max(0, ...opening), 'ms'),
    report('epoch published to drawn on the page, p50', quantile(0.5), 'ms'),
    figure('epoch published to drawn on the page, p99', quantile(0.99), 'ms', '<=', 1000),
  ];
}
