import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { WorkerProgram } from '../local/pool.ts';
import { childEnvironment } from '../shared/env.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { InvalidConfigError, SweepError } from '../sweep/errors.ts';
import { type BackendName, backendEnvironment } from '../trainer/backend.ts';

/** What the workers of a run compute with. */
export interface Probe {
  readonly name: BackendName;
  readonly description: string;
  readonly warnings: readonly string[];
}

/** The worker program, in an environment that the backend needs from its first moment. */
export function workerProgram(wanted: Assignment['backend']): WorkerProgram {
  return { entry: trainerFile('worker.ts'), env: childEnvironment(backendEnvironment(wanted)) };
}

/** Asks a process of its own which backend a worker would open: loading one here would cost the main process its memory.
 * @throws InvalidConfigError if the backend asked for does not work here, with the reason and what to do
 * @throws SweepError BackendCrashed if the process died of it
 */
export async function probeBackend(wanted: Assignment['backend'], signal: AbortSignal): Promise<Probe> {
  const env = childEnvironment(backendEnvironment(wanted));
  try {
    const run = promisify(execFile)(process.execPath, [trainerFile('probe.ts'), wanted], { env, signal });
    return JSON.parse((await run).stdout.trim().split('\n').at(-1) ?? '');
  } catch (cause) {
    if (!isExit(cause)) throw cause;
    if (cause.code === 2) throw new InvalidConfigError(cause.stderr.trim().split('\n').at(-1) ?? '', { cause });
    const how = cause.signal ? `signal ${cause.signal}` : `exit ${cause.code}`;
    const words = cause.stderr.trim().split('\n').slice(-3).join('\n');
    const advice = 'try another one with --backend wasm';
    throw new SweepError('BackendCrashed', `backend ${wanted}: ended with ${how}; ${advice}\n${words}`.trim(), {
      cause,
    });
  }
}

function trainerFile(name: string): string {
  return fileURLToPath(new URL(`../trainer/${name}`, import.meta.url));
}

function isExit(error: unknown): error is { stderr: string; code: number | null; signal: string | null } {
  return error instanceof Error && 'stderr' in error && 'signal' in error;
}
