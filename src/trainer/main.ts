// One trial: an assignment in, Measurements as lines of JSON out, and one result at the end. The program of a trial's Pod.
// Exit codes: 0 done, 1 may be retried, 2 bad configuration, 143 told to stop.
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../shared/env.ts';
import { type Assignment, decodeAssignment, encodeAssignment } from '../sweep/assignment.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { encodeMeasurement } from '../sweep/measurement.ts';
import { encodeResult } from '../sweep/result.ts';
import { failureOf } from './failure.ts';
import { Session } from './session.ts';

const USAGE =
  'usage: main.ts --assignment FILE --result FILE [--attempt-uid UID] [--model FOLDER] [--native-binding FILE]';

async function main(): Promise<void> {
  const { assignment: file, result: resultFile, model, ...rest } = parseArguments();
  const assignment = await readAssignment(file, rest['attempt-uid']);
  const session = new Session({
    cacheFolder: readEnvironment().cacheFolder,
    nativeBinding: rest['native-binding'],
    warn: (line) => process.stderr.write(`${line}\n`),
    onProgress: () => undefined,
    onHeartbeat: () => undefined,
    onMeasurement: (measurement) => process.stdout.write(`${encodeMeasurement(measurement)}\n`),
  });
  const result = encodeResult(await session.run(assignment, model));
  // In place: a Pod's /dev/termination-log is a mount of its own, which a rename cannot replace. And in one breath with the exit
  // code, so that no signal comes between: who has handed over a result has not been stopped.
  writeFileSync(resultFile, result);
  process.exitCode = 0;
}

/** @param attemptUID replaces the one in the file: who creates a Pod cannot know its UID
 * @throws InvalidConfigError naming the file and what is wrong with it */
async function readAssignment(file: string, attemptUID: string | undefined): Promise<Assignment> {
  try {
    const assignment = decodeAssignment(await readFile(file, 'utf8'));
    return attemptUID === undefined ? assignment : decodeAssignment(encodeAssignment({ ...assignment, attemptUID }));
  } catch (cause) {
    throw new InvalidConfigError(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function parseArguments() {
  const text = { type: 'string' } as const;
  const options = { assignment: text, result: text, 'attempt-uid': text, model: text, 'native-binding': text };
  try {
    const { values } = parseArgs({ options });
    if (values.assignment && values.result) return { ...values, assignment: values.assignment, result: values.result };
  } catch (cause) {
    throw new InvalidConfigError(`${cause instanceof Error ? cause.message : cause}; ${USAGE}`, { cause });
  }
  throw new InvalidConfigError(USAGE);
}

// The first process of a container is deaf to signals that it does not listen for. Between two steps of the training the event loop
// turns at least each second, so that this one is heard; an exit code that is set already stays.
process.on('SIGTERM', () => process.exit(process.exitCode ?? 143));
// The log shows, the result decides: a reader of the log that is gone stops no trial.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
main().catch((error: unknown) => {
  const { exitCode, words } = failureOf(error);
  process.stderr.write(`${words}\n`);
  process.exitCode = exitCode;
});
