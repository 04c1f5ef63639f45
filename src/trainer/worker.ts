// A worker process: trial after trial, as the main process asks for them over the IPC channel.
import type { FromWorker, ToWorker } from '../shared/worker-protocol.ts';
import { failureOf } from './failure.ts';
import { Session } from './session.ts';

let session: Session | undefined;

function tell(message: FromWorker): void {
  // A channel that breaks is followed by `disconnect`; to say so twice helps nobody.
  process.send?.(message, () => undefined);
}

async function run({ assignment, cacheFolder, modelFolder }: ToWorker): Promise<void> {
  session ??= new Session({
    cacheFolder,
    warn: (line) => process.stderr.write(`${line}\n`),
    onProgress: (progress, milestone) => tell({ kind: 'progress', progress, milestone }),
    onHeartbeat: (steps, slowestStepMs) => tell({ kind: 'heartbeat', steps, slowestStepMs }),
    onMeasurement: (measurement) => tell({ kind: 'measurement', measurement }),
  });
  tell({ kind: 'result', result: await session.run(assignment, modelFolder) });
}

function die(error: unknown): void {
  const { exitCode, words } = failureOf(error);
  process.stderr.write(`${words}\n`);
  process.exit(exitCode);
}

process.on('message', (message: ToWorker) => void run(message).catch(die));
// The main process is gone: nobody would record what this one still does.
process.on('disconnect', () => process.exit(1));
// Ctrl-C is the main process's to answer: running trials finish.
process.on('SIGINT', () => undefined);
tell({ kind: 'ready' });
