import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { WorkerProgram } from '../local/pool.ts';
import { childEnvironment } from '../shared/env.ts';
import type { Assignment } from '../sweep/assignment.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
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
 */
export async function probeBackend(wanted: Assignment['backend']): Promise<Probe> {
  const env = childEnvironment(backendEnvironment(wanted));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [trainerFile('probe.ts'), wanted], { env });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  } catch (cause) {
    if (!isExit(cause, 2)) throw cause;
    throw new InvalidConfigError(cause.stderr.trim(), { cause });
  }
}

function trainerFile(name: string): string {
  return fileURLToPath(new URL(`../trainer/${name}`, import.meta.url));
}

function isExit(error: unknown, code: number): error is { stderr: string } {
  return error instanceof Error && 'code' in error && error.code === code && 'stderr' in error;
}
