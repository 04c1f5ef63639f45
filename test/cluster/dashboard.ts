import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ROOT } from '../../src/shared/package.ts';
import { freePort } from '../free-port.ts';
import { until } from './controller.ts';

/** The dashboard as a process of this machine, against a cluster of its own. */
export interface RunningDashboard {
  readonly pid: number;
  /** Of the page and the API: `http://127.0.0.1:…`, with a certificate `https://localhost:…`. */
  readonly url: string;
  /** Of `/metrics`, `/healthz` and `/readyz`. */
  readonly opsUrl: string;
  /** Its log so far. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** @returns its exit code, null if it was killed */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts it on loopback and waits until it is ready. @param args but for hosts and ports */
export async function startDashboard(kubeconfig: string, args: readonly string[] = []): Promise<RunningDashboard> {
  const [port, opsPort] = [await freePort(), await freePort()];
  const places = ['--host=127.0.0.1', `--port=${port}`, '--ops-host=127.0.0.1', `--ops-port=${opsPort}`];
  const child = spawn(process.execPath, ['src/dashboard/main.ts', ...args, ...places], {
    cwd: ROOT,
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Record<string, unknown>[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  const isTls = args.some((arg) => arg.startsWith('--tls-cert-file'));
  const dashboard: RunningDashboard = {
    pid: child.pid ?? 0,
    url: `${isTls ? 'https://localhost' : 'http://127.0.0.1'}:${port}`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    lines,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
      }
      return child.exitCode;
    },
  };
  const isReady = async () => {
    if (child.exitCode !== null) throw new Error(`the dashboard ended with ${child.exitCode}: ${lastOf(lines)}`);
    const answer = await fetch(`${dashboard.opsUrl}/readyz`).catch(() => undefined);
    return answer?.ok && lines.some(({ event }) => event === 'started') ? true : undefined;
  };
  try {
    await until(isReady, 'a dashboard that is ready', 30_000, 50);
  } catch (error) {
    await dashboard.stop('SIGKILL');
    throw error;
  }
  return dashboard;
}

function lastOf(lines: readonly unknown[]): string {
  return JSON.stringify(lines.at(-1));
}
