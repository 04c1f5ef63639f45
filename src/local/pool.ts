import { type ChildProcess, fork } from 'node:child_process';
import { realTimers, type Timers } from '../shared/timers.ts';
import type { FromWorker } from '../shared/worker-protocol.ts';
import { messageOf } from '../sweep/errors.ts';
import { encodeMeasurement } from '../sweep/measurement.ts';
import { encodeResult } from '../sweep/result.ts';
import type { AttemptEnd, Job, Pool, Report } from './attempt.ts';

/** The program that workers run. */
export interface WorkerProgram {
  readonly entry: string | URL;
  /** The whole environment of a worker. */
  readonly env: NodeJS.ProcessEnv;
  readonly execArgv?: readonly string[];
  /** Lines on stderr that say nothing of why a worker died. */
  readonly chatter?: RegExp;
}

/** When a worker counts as hung, in milliseconds. */
export interface Patience {
  /** Before the first step of a worker's first attempt: starting, compiling, loading images. Later ones start as they go on. */
  readonly startupMs: number;
  /** Between two steps, or 20 times the slowest step, whichever is longer. */
  readonly stepMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly termMs: number;
  /** From the end of the run to SIGKILL, for an idle worker. */
  readonly closeMs: number;
}

const PATIENCE: Patience = { startupMs: 600_000, stepMs: 120_000, termMs: 10_000, closeMs: 2_000 };
const SLOWEST_STEPS = 20;
/** A dead worker's last words are waited for this long, should a child of it hold the pipe. */
const LAST_WORDS_MS = 500;

export interface PoolOptions {
  readonly timers?: Timers;
  readonly patience?: Partial<Patience>;
}

/** Opens a pool of warm worker processes, reused trial after trial; one is made whenever none is idle. A worker that dies,
 * hangs or runs out of memory costs one attempt of one trial.
 */
export function openPool(program: WorkerProgram, { timers = realTimers, patience }: PoolOptions = {}): Pool {
  const limits = { ...PATIENCE, ...patience };
  const workers = new Set<WorkerProcess>();
  let closed = false;

  function takeWorker(): WorkerProcess {
    for (const worker of workers) if (worker.idle) return worker;
    const made = new WorkerProcess(program, timers, limits, () => workers.delete(made));
    workers.add(made);
    return made;
  }

  return {
    async run(job, onReport, signal) {
      if (closed || signal.aborted) return { kind: 'stopped' };
      return takeWorker().run(job, onReport, signal);
    },
    async close() {
      closed = true;
      await Promise.all([...workers].map((worker) => worker.close()));
    },
  };
}

interface Current {
  readonly job: Job;
  readonly onReport: (report: Report) => void;
  readonly end: (end: AttemptEnd) => void;
}

class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #timers: Timers;
  readonly #limits: Patience;
  readonly #gone: Promise<void>;
  readonly #chatter: RegExp | undefined;
  #words = '';
  #current: Current | undefined;
  #ready: boolean = false;
  #condemned: string | undefined;
  #steps = -1;
  #stepLimitMs: number;
  #cancelWatch = () => {};
  #cancelKill = () => {};

  constructor(
    { entry, env, execArgv = [], chatter }: WorkerProgram,
    timers: Timers,
    limits: Patience,
    onGone: () => void,
  ) {
    this.#timers = timers;
    this.#limits = limits;
    this.#chatter = chatter;
    this.#stepLimitMs = limits.startupMs;
    // Detached: a process group of its own, so that Ctrl-C in the terminal is the main process's to answer. It ends with the channel.
    this.#child = fork(entry, {
      env,
      execArgv: [...execArgv],
      detached: true,
      serialization: 'json',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-4_096);
    });
    this.#child.on('message', (message) => this.#hear(message as FromWorker));
    this.#gone = new Promise((resolve) => {
      const leave = (how: string, code: number | null) => {
        onGone();
        this.#leave(how, code);
        resolve();
      };
      this.#child.on('error', (error) => {
        if (this.#child.pid === undefined) leave(error.message, null); // could not be started; other errors end in an exit
      });
      this.#child.on('exit', (code, signal) => {
        const how = signal ? `signal ${signal}` : `exit ${code}`;
        const speak = () => {
          cancel();
          leave(how, code);
        };
        const cancel = timers.after(LAST_WORDS_MS, speak);
        this.#child.once('close', speak);
      });
    });
  }

  get idle(): boolean {
    return this.#current === undefined && this.#condemned === undefined && this.#child.connected;
  }

  run(job: Job, onReport: (report: Report) => void, signal: AbortSignal): Promise<AttemptEnd> {
    return new Promise((resolve) => {
      const abort = () => this.#kill('stopped', 'SIGKILL');
      const end = (how: AttemptEnd) => {
        signal.removeEventListener('abort', abort);
        this.#cancelWatch();
        this.#current = undefined;
        resolve(signal.aborted && how.kind !== 'result' ? { kind: 'stopped' } : how);
      };
      signal.addEventListener('abort', abort);
      this.#current = { job, onReport, end };
      this.#steps = -1;
      this.#watch(this.#stepLimitMs, 'before its first step');
      if (this.#ready) this.#send(job);
    });
  }

  /** An idle worker has nothing to lose: it sees the channel close and exits, or is killed. */
  async close(): Promise<void> {
    if (this.#current) this.#kill('stopped', 'SIGKILL');
    if (this.#child.connected) this.#child.disconnect();
    this.#cancelKill();
    this.#cancelKill = this.#timers.after(this.#limits.closeMs, () => this.#child.kill('SIGKILL'));
    await this.#gone;
  }

  #send(job: Job): void {
    this.#words = '';
    // A channel that breaks here is followed by the exit of the process, which ends the attempt.
    this.#child.send({ kind: 'run', ...job }, () => undefined);
  }

  #hear(message: FromWorker): void {
    if (this.#condemned !== undefined) return;
    const fault = this.#faultOf(message);
    if (fault !== undefined) this.#kill(fault, 'SIGKILL');
    else if (message.kind === 'ready') this.#becomeReady();
    else if (message.kind === 'heartbeat') this.#beat(message);
    else if (message.kind === 'result') this.#current?.end({ kind: 'result', result: message.result });
    else this.#current?.onReport(message);
  }

  /** Why a message cannot be taken, if so. */
  #faultOf(message: FromWorker): string | undefined {
    try {
      if (message.kind === 'ready' || message.kind === 'heartbeat') return undefined;
      if (message.kind === 'measurement') encodeMeasurement(message.measurement);
      if (message.kind === 'result') encodeResult(message.result);
      const { attemptUID, trial } = subjectOf(message);
      const assignment = this.#current?.job.assignment;
      const ours = assignment?.attemptUID === attemptUID && assignment.trial === trial;
      return ours ? undefined : `sent a ${message.kind} of another attempt`;
    } catch (error) {
      return `sent what does not decode: ${messageOf(error)}`;
    }
  }

  #becomeReady(): void {
    this.#ready = true;
    if (this.#current) this.#send(this.#current.job);
  }

  /** Alive is who makes steps, not who can still send. */
  #beat({ steps, slowestStepMs }: Extract<FromWorker, { kind: 'heartbeat' }>): void {
    if (!this.#current || !(steps > this.#steps)) return;
    this.#steps = steps;
    const slow = Number.isFinite(slowestStepMs) ? SLOWEST_STEPS * slowestStepMs : 0;
    this.#stepLimitMs = Math.max(this.#limits.stepMs, slow);
    this.#watch(this.#stepLimitMs, 'between two steps');
  }

  #watch(ms: number, when: string): void {
    this.#cancelWatch();
    this.#cancelWatch = this.#timers.after(ms, () =>
      this.#kill(`hung ${when}, no step for ${Math.round(ms / 1000)} s`, 'SIGTERM'),
    );
  }

  #kill(why: string, signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#condemned ??= why;
    this.#cancelWatch();
    this.#child.kill(signal);
    if (signal === 'SIGTERM') {
      this.#cancelKill = this.#timers.after(this.#limits.termMs, () => this.#child.kill('SIGKILL'));
    }
  }

  #leave(how: string, code: number | null): void {
    this.#cancelKill();
    this.#condemned ??= how;
    const why = this.#condemned === how ? how : `${this.#condemned}; ${how}`;
    const words = lastWords(this.#words, this.#chatter);
    if (this.#condemned === how && code === 2) {
      this.#current?.end({ kind: 'refused', message: words.at(-1) ?? `a worker ended with ${how}` });
      return;
    }
    const said = words.length === 0 ? '' : `: ${shorten(words.join(' | '))}`;
    this.#current?.end({ kind: 'crashed', reason: `Crashed (${why})${said}` });
  }
}

/** Whose message it is. @throws TypeError if it is none that we know */
function subjectOf(message: Exclude<FromWorker, { kind: 'ready' | 'heartbeat' }>) {
  switch (message.kind) {
    case 'progress':
      return message.progress;
    case 'measurement':
      return message.measurement;
    case 'result':
      return message.result;
  }
}

/** Where it happened, and the version below it, are of use to us alone; what happened is what a person needs. */
const NO_REASON = /^(?:\s+at |Node\.js v)/;

/** The last lines that a worker wrote to stderr. */
function lastWords(text: string, chatter: RegExp | undefined): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !NO_REASON.test(line) && !chatter?.test(line))
    .map((line) => line.trim())
    .slice(-5);
}

/** The end, where the error is. */
function shorten(said: string): string {
  return said.length > 180 ? `…${said.slice(-179)}` : said;
}
