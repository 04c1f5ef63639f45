import { availableParallelism } from 'node:os';
import { Tinypool } from 'tinypool';

export interface Task {
  readonly seed: number;
  /** Twice, with the same trace. */
  readonly isTwice?: boolean;
  /** Of BUGS. */
  readonly bug?: string;
}

export interface Answer {
  readonly violations: readonly string[];
  readonly convergedMs: number;
}

/** Simulations on all cores. */
export class Threads {
  readonly #pool: Tinypool;

  constructor() {
    const threads = availableParallelism();
    const filename = new URL('./thread.ts', import.meta.url).href;
    this.#pool = new Tinypool({ filename, minThreads: threads, maxThreads: threads });
  }

  run(task: Task): Promise<Answer> {
    return this.#pool.run(task);
  }

  /** Runs seeds, each twice. @param onFailure told of each that failed, as it is found @returns how long the slowest took to converge */
  async runSeeds(from: number, count: number, onFailure: (told: string) => void): Promise<number> {
    let slowestMs = 0;
    const seeds = Array.from({ length: count }, (_, at) => from + at).values();
    const runner = async () => {
      for (const seed of seeds) {
        const { violations, convergedMs } = await this.run({ seed, isTwice: true });
        slowestMs = Math.max(slowestMs, convergedMs);
        if (violations.length > 0)
          onFailure(`seed ${seed}: ${violations[0]}\n  replay: node test/controller/simulation/main.ts --seed ${seed}`);
      }
    };
    // One more than there are threads: none waits for its next seed.
    await Promise.all(Array.from({ length: this.#pool.threads.length + 1 }, runner));
    return slowestMs;
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
