import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../../src/shared/package.ts';
import { freePort } from '../free-port.ts';
import type { Cluster } from './cluster.ts';
import { established } from './established.ts';

/** The controller as a process of this machine, against a cluster of its own. */
export interface RunningController {
  readonly pid: number;
  /** Where its metrics are: `127.0.0.1:40000`. */
  readonly metricsAddress: string;
  /** Its log so far. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Resolves with the first line of this event, past or to come, and when it came: milliseconds of performance.now().
   * @throws an error if it ends without one
   */
  line(event: string): Promise<{ readonly fields: Readonly<Record<string, unknown>>; readonly atMs: number }>;
  /** The value of a metric without labels, or the sum over its series. */
  metric(name: string): Promise<number>;
  /** Requests to the API server so far, of the methods named. */
  requests(...methods: readonly string[]): Promise<number>;
  cpuSeconds(): Promise<number>;
  /** Largest resident memory so far, in MiB. */
  peakMemoryMiB(): Promise<number>;
  /** Resolves once it has ended, for whatever reason: with its exit code or the signal that ended it. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
  /** @returns its exit code, null if it was killed */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Installs the kinds and what trainers need in the namespace `default`. */
export async function installKinds(cluster: Pick<Cluster, 'kubectl'>): Promise<void> {
  await cluster.kubectl('apply', '--server-side', '-f', path.join(ROOT, 'k8s/crds'));
  const kinds = ['crd/sweeps.cnn-sweep.dev', 'crd/trialresultslices.cnn-sweep.dev'];
  await established(cluster, ...kinds);
  // Somebody else's cluster may have it.
  await cluster
    .kubectl('create', 'serviceaccount', 'cnn-sweep-trainer', '--namespace=default')
    .catch((error: Error) => {
      if (!error.message.includes('already exists')) throw error;
    });
}

/** Starts it in the namespace `default` and waits until it leads. */
export async function startController(kubeconfig: string, args: readonly string[] = []): Promise<RunningController> {
  const port = await freePort();
  const flags = ['--trainer-image=trainer', '--host=127.0.0.1', `--port=${port}`, '--namespaces=default', ...args];
  const child = spawn(process.execPath, [...(await commandOfRelease()), ...flags], {
    cwd: ROOT,
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: { fields: Record<string, unknown>; atMs: number }[] = [];
  const waiting = new Map<string, ((line: (typeof lines)[number]) => void)[]>();
  createInterface(child.stdout).on('line', (text) => {
    const line = { fields: JSON.parse(text) as Record<string, unknown>, atMs: performance.now() };
    lines.push(line);
    const event = `${line.fields.event}`;
    for (const resolve of waiting.get(event) ?? []) resolve(line);
    waiting.delete(event);
  });
  const page = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  // Not its exit: what it said last comes after that.
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const controller: RunningController = {
    pid: child.pid ?? 0,
    ended,
    metricsAddress: `127.0.0.1:${port}`,
    get lines() {
      return lines.map(({ fields }) => fields);
    },
    line: (event) => {
      const known = lines.find(({ fields }) => fields.event === event);
      if (known) return Promise.resolve(known);
      const line = new Promise<(typeof lines)[number]>((resolve) => {
        waiting.set(event, [...(waiting.get(event) ?? []), resolve]);
      });
      const without = ended.then(([code]) => {
        throw new Error(`the controller ended with ${code}: ${JSON.stringify(lines.at(-1)?.fields)}`);
      });
      return Promise.race([line, without]);
    },
    metric: async (name) => sum(await page(), (each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`)),
    requests: async (...methods) =>
      sum(
        await page(),
        (each) =>
          each.startsWith('rest_client_requests_total{') &&
          methods.some((method) => each.includes(`method="${method}"`)),
      ),
    cpuSeconds: async () => sum(await page(), (each) => each.startsWith('process_cpu_seconds_total ')),
    peakMemoryMiB: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
    stop: (signal = 'SIGTERM') => stop(child, signal),
  };
  await controller.line('leading');
  return controller;
}

/** Of the series that are meant. */
function sum(page: string, isMeant: (series: string) => boolean): number {
  return page
    .split('\n')
    .filter(isMeant)
    .reduce((total, series) => total + Number(series.slice(series.lastIndexOf(' ') + 1)), 0);
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
  return child.exitCode;
}

/** As the release starts it, with the same flags of Node. */
async function commandOfRelease(): Promise<string[]> {
  const manifests = parseAllDocuments(await readFile(path.join(ROOT, 'k8s/cnn-sweep.yaml'), 'utf8'));
  for (const manifest of manifests) {
    const { kind, spec } = manifest.toJS() as { kind: string; spec?: Deployment };
    const command = kind === 'Deployment' ? spec?.template.spec.containers[0]?.command : undefined;
    if (command?.[0] === 'node') return command.slice(1);
  }
  throw new Error('k8s/cnn-sweep.yaml starts no controller');
}

interface Deployment {
  readonly template: { readonly spec: { readonly containers: readonly { readonly command?: readonly string[] }[] } };
}

/** Waits until a question has an answer. @throws an error after `ms` */
export async function until<T>(ask: () => Promise<T | undefined>, what: string, ms: number, everyMs = 200): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms / 1000} s`);
    await sleep(everyMs);
  }
}
