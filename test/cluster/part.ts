import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Box } from './box.ts';

/** How to run one program of the cluster. */
export interface PartSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** Whether it answers. */
  readonly ready: () => Promise<boolean>;
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
}

const READY_TIMEOUT_MS = 60_000;

/** One program of the cluster, which tests may stop, kill, freeze and start again. */
export class Part {
  readonly #box: Box;
  readonly #spec: PartSpec;
  #child: ChildProcess | undefined;
  #pid = 0;

  constructor(box: Box, spec: PartSpec) {
    this.#box = box;
    this.#spec = spec;
  }

  /** @throws an error with the end of its log if it ends or does not answer within a minute */
  async start(): Promise<void> {
    const { name, command, ready, logFile, env } = this.#spec;
    const [program = '', ...args] = this.#box.wrap(command);
    const log = await open(logFile, 'a');
    const child = spawn(program, args, {
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...env },
      detached: true, // Ctrl-C is for the tests
    });
    await log.close();
    this.#child = child;
    this.#pid = await this.#box.pidOf(child);
    const until = performance.now() + READY_TIMEOUT_MS;
    while (!(await ready().catch(() => false))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended: ${await this.#tail()}`);
      if (performance.now() > until) throw new Error(`${name} does not answer: ${await this.#tail()}`);
      await sleep(50);
    }
  }

  /** Sends a signal: SIGSTOP freezes it, SIGCONT lets it go on. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) process.kill(this.#pid, signal);
  }

  /** Ends it and waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), 15_000);
    await ended;
    clearTimeout(timer);
  }

  async #tail(): Promise<string> {
    const text = await readFile(this.#spec.logFile, 'utf8').catch(() => '');
    return text.split('\n').slice(-15).join('\n');
  }
}
