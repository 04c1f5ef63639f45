// Measures the controller against a real control plane with fake nodes, its rival a bare loop over Jobs in the same run.
// Writes bench/results-cluster.json. Exit 1: a bar was missed. `--trials 1000` shortens the long run.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type ClusterSweep, isValid, readSweep } from '../../src/controller/cluster-sweep.ts';
import { buildJob } from '../../src/controller/job.ts';
import { buildSlice } from '../../src/controller/slice.ts';
import { type NewObject, openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { SWEEPS } from '../../src/shared/kinds.ts';
import { CLOSED_AT } from '../../src/sweep/slice.ts';
import type { SweepStatus } from '../../src/sweep/status.ts';
import { startControlPlane } from '../cluster/cluster.ts';
import { PARTS } from '../cluster/control-plane.ts';
import { installKinds, type RunningController, startController, until } from '../cluster/controller.ts';
import { makeRecord } from '../controller/builders.ts';
import { type Figure, figure, median, report } from './figure.ts';
import { bareJob, jobLoop } from './job-loop.ts';
import { measureAll, note } from './print.ts';

const { values } = parseArgs({ options: { trials: { type: 'string', default: '10000' } } });
const LONG = Number(values.trials);
const PARALLELISM = 200;

const cluster = await startControlPlane(PARTS);
const wire = openWire(() => readKubeConfigFile(cluster.kubeconfig));
const client = openCluster(wire);
let controller: RunningController;
try {
  await cluster.addFakeNodes(10, { gpus: PARALLELISM });
  await installKinds(cluster);
  controller = await startController(cluster.kubeconfig);
  const holds = await measureAll(
    {
      '1,000 trials, 200 at once': measureThousand,
      'first Job after apply': measureFirstJob,
      [`${LONG.toLocaleString('en-US')} trials`]: measureLong,
      'restarts amid a large sweep': measureResumed,
      'a grid of 100,000 points': measureLargeGrid,
    },
    'results-cluster.json',
  );
  process.exitCode = holds ? 0 : 1;
  await controller.stop();
} finally {
  await wire.close();
  await cluster.stop();
}

/** One grid of so many points. */
function sweep(name: string, trials: number, parallelism = PARALLELISM) {
  const seed = Array.from({ length: Math.min(trials, 64) }, (_, at) => at);
  const rates = Math.ceil(trials / seed.length);
  const axes = [];
  // An axis has at most 64 values.
  for (let from = 0; from < rates; from += 50) {
    const count = Math.min(50, rates - from);
    const learningRate = Array.from({ length: count }, (_, at) => (from + at + 1) / 10_000);
    axes.push({ widths: [[3, 8]], learningRate, seed });
  }
  const spec = { grid: axes, training: { epochs: 1 }, parallelism };
  return { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: { name, namespace: 'default' }, spec };
}

// Not by kubectl: a process each time would take from both cores what is measured.

async function apply(object: NewObject & { readonly spec: object }): Promise<void> {
  const { kind } = await client.create(SWEEPS, object);
  if (kind !== 'created') throw new Error(`${object.metadata.name} is there already`);
}

async function readBack(name: string): Promise<ClusterSweep> {
  const created = await client.getSweep({ namespace: 'default', name });
  const read = created && readSweep(created);
  if (!read || !isValid(read)) throw new Error('the sweep that was created cannot be read');
  return read;
}

async function statusOf(name: string): Promise<Partial<SweepStatus>> {
  return ((await client.getSweep({ namespace: 'default', name }))?.status ?? {}) as Partial<SweepStatus>;
}

async function finished(name: string, count: number, ms: number): Promise<void> {
  await until(async () => ((await statusOf(name)).trials?.succeeded ?? 0) >= count || undefined, name, ms, 200);
}

/** The same by the controller's log: who asks the API server takes from both cores what is measured, and the loop does not ask either. */
async function recorded(name: string, count: number, ms: number): Promise<void> {
  const all = () => {
    const lines = controller.lines.filter(({ event, sweep }) => event === 'recorded' && sweep === `default/${name}`);
    return lines.reduce((sum, { trials }) => sum + (trials as number[]).length, 0) >= count || undefined;
  };
  await until(async () => all(), name, ms, 100);
}

/** From the request that creates the Sweep to the creation of the first Job, as the controller logs it. Of one that leads, has listed
 * what is there and watches it: what it takes to get so far is the restart's figure.
 */
async function measureFirstJob(): Promise<Figure[]> {
  await untilQuiet();
  const times: number[] = [];
  for (let at = 0; at < 40; at++) {
    const name = `first-${at}`;
    const began = Date.now();
    await apply(sweep(name, 1, 1));
    const started = await until(
      async () => controller.lines.find((line) => line.event === 'trial started' && line.sweep === `default/${name}`),
      name,
      10_000,
      20,
    );
    times.push(Date.parse(`${started.time}`) - began);
  }
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
  return [
    report('first Job after apply, median', median(times), 'ms'),
    figure('first Job after apply, p99 of 40', p99, 'ms', '<=', 500),
  ];
}

/** The same loop over the Jobs that the controller makes: what a Pod of ours costs the API server is no work of the controller's. */
async function measureLikeOurs(): Promise<number> {
  // Its Jobs need a living owner.
  const object = sweep('like', 1024);
  await apply({ ...object, spec: { ...object.spec, suspend: true } });
  const read = await readBack('like');
  const options = { image: 'trainer', pullPolicy: 'IfNotPresent', serviceAccountName: 'cnn-sweep-trainer' } as const;
  const jobs = read.trials.slice(0, 1000).map((trial) => buildJob(read, trial, 1, options));
  const rate = await jobLoop(cluster.kubeconfig, PARALLELISM, jobs);
  note(`  loop over Jobs like ours: ${rate.toFixed(1)} Jobs/s`);
  await cluster.kubectl('delete', 'sweep', 'like');
  await untilQuiet();
  return rate;
}

/** The rival, alone. @returns Jobs a second */
async function measureBare(name: string): Promise<number> {
  const jobs = Array.from({ length: 1000 }, (_, at) => bareJob(`${name}-${at}`));
  const rate = await jobLoop(cluster.kubeconfig, PARALLELISM, jobs);
  note(`  loop over bare Jobs: ${rate.toFixed(1)} Jobs/s`);
  await untilQuiet();
  return rate;
}

/** @returns trials a second, from apply to the last record, and writes a trial, its Jobs' deletes included */
async function measureSweep(name: string): Promise<{ rate: number; writes: number }> {
  const before = await writes();
  const began = performance.now();
  await apply(sweep(name, 1024));
  await recorded(name, 1024, 300_000);
  const rate = 1024 / ((performance.now() - began) / 1000);
  note(`  sweep: ${rate.toFixed(1)} trials/s`);
  await finished(name, 1024, 30_000);
  // The last deletes come 30 s after their records.
  await until(async () => ((await jobsOf(name)) === 0 ? true : undefined), 'deletes', 120_000, 2000);
  await untilQuiet();
  return { rate, writes: ((await writes()) - before) / 1024 };
}

/** Until nothing is left of the work of whoever was measured last: after a loop the Job controller still writes hundreds of Events, and
 * whoever is measured next would pay for them.
 */
async function untilQuiet(): Promise<void> {
  let before = -1;
  await until(
    async () => {
      const names = await cluster.kubectl('get', 'events,pods', '-o', 'name');
      const count = names.split('\n').length;
      const isQuiet = count === before && !names.includes('pod/');
      before = count;
      return isQuiet || undefined;
    },
    'quiet',
    120_000,
    3_000,
  );
}

/** Each sweep, and each loop over Jobs like ours, between two loops over bare Jobs and against these: a machine that others share is not
 * equally fast all the time. Three times; the median counts.
 */
async function measureThousand(): Promise<Figure[]> {
  await controller.stop();
  const bare = [await measureBare('first')];
  const likeOurs: Turn[] = [];
  const sweeps: (Turn & { readonly writes: number })[] = [];
  for (let round = 0; round < 3; round++) {
    controller = await startController(cluster.kubeconfig);
    await controller.line('listed');
    const { rate, writes } = await measureSweep(`thousand-${round}`);
    await controller.stop();
    bare.push(await measureBare(`round-${round}`));
    sweeps.push({ rate, writes, against: rate / harmonicMean(bare.slice(-2)) });
    const likeRate = await measureLikeOurs();
    bare.push(await measureBare(`round-${round}-again`));
    likeOurs.push({ rate: likeRate, against: likeRate / harmonicMean(bare.slice(-2)) });
    note(
      `  sweep ${sweeps.at(-1)?.against.toFixed(3)}, Jobs like ours ${likeOurs.at(-1)?.against.toFixed(3)} of a bare loop`,
    );
  }
  controller = await startController(cluster.kubeconfig);
  await controller.line('listed');
  const against = median(sweeps.map((each) => each.against));
  const sameJobs = median(likeOurs.map((each) => each.against));
  return [
    report('loop over 1,000 bare Jobs, 200 at once', harmonicMean(bare), 'Jobs/s'),
    report('loop over 1,000 Jobs like ours, 200 at once', harmonicMean(likeOurs.map(({ rate }) => rate)), 'Jobs/s'),
    report('1,024 trials, 200 at once', harmonicMean(sweeps.map(({ rate }) => rate)), 'trials/s'),
    figure('the same against the loops over bare Jobs beside it, median of 3', against, '×', '>=', 0.8),
    report('the loop over Jobs like ours against those over bare Jobs beside it, median of 3', sameJobs, '×'),
    report('so a trial against a Job like ours', against / sameJobs, '×'),
    figure('API writes a trial', Math.max(...sweeps.map((each) => each.writes)), '', '<=', 2.5),
  ];
}

interface Turn {
  /** A second. */
  readonly rate: number;
  /** The loops over bare Jobs right before and after it, whose times are as one. */
  readonly against: number;
}

function harmonicMean(rates: readonly number[]): number {
  return rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0);
}

async function jobsOf(name: string): Promise<number> {
  const names = await cluster.kubectl('get', 'jobs', '-l', `cnn-sweep.dev/sweep=${name}`, '-o', 'name');
  return names.split('\n').filter(Boolean).length;
}

function writes(): Promise<number> {
  return controller.requests('POST', 'PATCH', 'DELETE', 'PUT');
}

async function measureLargeGrid(): Promise<Figure[]> {
  const began = performance.now();
  const widths = Array.from({ length: 50 }, (_, at) => [at + 1]);
  const axis = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
  const large = sweep('large', 1);
  const grid = [{ widths, learningRate: axis(50).map((at) => at / 1000), seed: axis(40) }];
  await apply({ ...large, spec: { ...large.spec, grid, suspend: true } });
  const { trials } = await until(
    async () => {
      const status = await statusOf('large');
      return status.trials?.total ? status : undefined;
    },
    'large',
    30_000,
    50,
  );
  const seconds = (performance.now() - began) / 1000;
  await cluster.kubectl('delete', 'sweep', 'large');
  return [
    figure(`${trials?.total?.toLocaleString('en-US')} points accepted, from apply to status`, seconds, 's', '<=', 1),
  ];
}

interface Mark {
  readonly trials: number;
  /** Seconds. */
  readonly cpu: number;
}

async function measureLong(): Promise<Figure[]> {
  const name = 'long';
  const total = Math.ceil(LONG / 64) * 64;
  const cpuBefore = await controller.cpuSeconds();
  await apply(sweep(name, total));
  const marks: Mark[] = [{ trials: 0, cpu: cpuBefore }];
  const costs: number[] = [];
  const tenth = total / 10;
  let small: number | undefined;
  for (let part = 1; part <= 10; part++) {
    await finished(name, Math.floor(tenth * part), 600_000);
    marks.push({
      trials: ((await statusOf(name)).trials?.succeeded ?? 0) as number,
      cpu: await controller.cpuSeconds(),
    });
    if (part === 5) small = await measureSmall();
    const [before, now] = marks.slice(-2) as [Mark, Mark];
    costs.push((1000 * (now.cpu - before.cpu)) / (now.trials - before.trials));
    note(
      `${part * 10} %, ${Math.round(await controller.peakMemoryMiB())} MiB, ${costs.at(-1)?.toFixed(1)} ms of CPU a trial`,
    );
  }
  const status = JSON.stringify(await statusOf(name)).length;
  const memory = await controller.peakMemoryMiB();
  const restarts = await measureRestarts(name);
  return [
    figure(`status at ${total.toLocaleString('en-US')} trials`, status, 'bytes', '<=', 8192),
    figure('controller, resident, at most', memory, 'MiB', '<=', 250),
    figure('CPU a trial, last tenth against the first', (costs.at(-1) ?? 0) / (costs[0] ?? 1), '×', '<=', 1.2),
    figure('a small sweep starts beside it', small ?? Number.NaN, 's', '<=', 5),
    report('restart: lease held to the first Job of a sweep just applied, median of 5', median(restarts), 's'),
    figure('the same, the slowest of 5', Math.max(...restarts), 's', '<=', 2),
  ];
}

/** From apply to the first Job of a small sweep. */
async function measureSmall(): Promise<number> {
  const began = Date.now();
  await apply(sweep('small', 2, 2));
  const started = await until(
    async () => controller.lines.find((line) => line.event === 'trial started' && line.sweep === 'default/small'),
    'small',
    60_000,
    50,
  );
  return (Date.parse(`${started.time}`) - began) / 1000;
}

/** Five times, one after the other, beginning while hundreds of Jobs of the last trials are still there. @returns seconds each took */
async function measureRestarts(name: string): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < 5; round++) {
    seconds.push(await measureRestart(name, `after-${round}`));
    note(`  restart: ${seconds.at(-1)?.toFixed(2)} s`);
  }
  return seconds;
}

/** The controller is killed and started again; the first correct action is the first Job of a sweep that was just applied. */
async function measureRestart(name: string, after: string): Promise<number> {
  const jobsBefore = await created();
  await controller.stop('SIGKILL');
  await apply(sweep(after, 1, 1));
  controller = await startController(cluster.kubeconfig, ['--lease-seconds=15']);
  const leading = await controller.line('leading');
  const started = await controller.line('trial started');
  // The large one has its turn when its slices are listed, and a while later as one that has ended.
  await controller.line('listed');
  await sleep(3_000);
  const again = controller.lines.filter((line) => line.event === 'trial started' && line.sweep === `default/${name}`);
  if (again.length > 0 || (await created()) !== jobsBefore + 1) throw new Error('a restart repeated trials');
  return (started.atMs - leading.atMs) / 1000;
}

/** The same of a large sweep that runs: most of it was recorded before, and three times the controller is killed before the rest is. What
 * it does first it does with all of the records read; the Jobs that ran when it died have ended by then, for its lease outlasts them.
 */
async function measureResumed(): Promise<Figure[]> {
  // Theirs would be read, too.
  await cluster.kubectl('delete', 'sweeps', '--all');
  await until(
    async () => (await cluster.kubectl('get', 'trs', '-o', 'name')) === '' || undefined,
    'no slice',
    120_000,
    2_000,
  );
  await untilQuiet();
  await controller.stop();
  const name = 'resumed';
  // So many at once that some are left after each of the restarts.
  await apply(sweep(name, LONG, Math.min(PARALLELISM, Math.floor(LONG / 80))));
  const read = await readBack(name);
  const before = Math.floor((0.875 * read.trials.length) / CLOSED_AT) * CLOSED_AT;
  for (let from = 0; from < before; from += CLOSED_AT) {
    const records = read.trials.slice(from, from + CLOSED_AT).map(({ trial }) => makeRecord(read, trial));
    await client.createSlice(buildSlice(read, from / CLOSED_AT, records));
  }
  const jobsBefore = await created();
  controller = await startController(cluster.kubeconfig);
  const left = read.trials.length - before;
  const seconds: number[] = [];
  for (const part of [0.1, 0.3, 0.5]) {
    await finished(name, before + Math.floor(part * left), 300_000);
    await controller.stop('SIGKILL');
    controller = await startController(cluster.kubeconfig, ['--lease-seconds=15']);
    const leading = await controller.line('leading');
    const first = await Promise.race([
      controller.line('trial started'),
      controller.line('recorded'),
      sleep(60_000).then(() => Promise.reject(new Error('a restarted controller does nothing'))),
    ]);
    seconds.push((first.atMs - leading.atMs) / 1000);
    note(`  restart: ${seconds.at(-1)?.toFixed(2)} s to the first ${first.fields.event}`);
  }
  await finished(name, read.trials.length, 300_000);
  if ((await created()) !== jobsBefore + left) throw new Error('a restart repeated trials');
  const trials = read.trials.length.toLocaleString('en-US');
  return [
    report(`restart amid a sweep of ${trials} trials: to its next Job or record, median of 3`, median(seconds), 's'),
    figure('the same, the slowest of 3', Math.max(...seconds), 's', '<=', 2),
  ];
}

/** Jobs ever created, from the API server's audit log: hundreds of megabytes by now, and whoever held them all would have to clear them
 * away while something is measured.
 */
async function created(): Promise<number> {
  let count = 0;
  for await (const line of createInterface(createReadStream(cluster.api.auditLog)))
    if (/"verb":"create".*"resource":"jobs"/.test(line) && line.includes('"code":201')) count++;
  return count;
}
