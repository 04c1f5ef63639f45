// One trial: an assignment in, Measurements as lines of JSON out, and one result at the end.
// Exit codes: 0 done, 1 may be retried, 2 bad configuration, 143 told to stop.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../shared/env.ts';
import { type Assignment, decodeAssignment } from '../sweep/assignment.ts';
import { InvalidConfigError } from '../sweep/errors.ts';
import { encodeMeasurement } from '../sweep/measurement.ts';
import { encodeResult } from '../sweep/result.ts';
import { failureOf } from './failure.ts';
import { Session } from './session.ts';

const USAGE = 'usage: main.ts --assignment FILE --result FILE [--model FOLDER]';

async function main(): Promise<void> {
  const { assignment: file, result: resultFile, model } = parseArguments();
  const assignment = await readAssignment(file);
  const session = new Session({
    cacheFolder: readEnvironment().cacheFolder,
    warn: (line) => process.stderr.write(`${line}\n`),
    onProgress: () => undefined,
    onHeartbeat: () => undefined,
    onMeasurement: (measurement) => process.stdout.write(`${encodeMeasurement(measurement)}\n`),
  });
  await writeFile(resultFile, encodeResult(await session.run(assignment, model)));
}

/** @throws InvalidConfigError naming the file and what is wrong with it */
async function readAssignment(file: string): Promise<Assignment> {
  try {
    return decodeAssignment(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new InvalidConfigError(`${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function parseArguments() {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ options: { assignment: text, result: text, model: text } });
    if (values.assignment && values.result) return { ...values, assignment: values.assignment, result: values.result };
  } catch (cause) {
    throw new InvalidConfigError(`${cause instanceof Error ? cause.message : cause}; ${USAGE}`, { cause });
  }
  throw new InvalidConfigError(USAGE);
}

// As the first process of a container it would otherwise be deaf to the signal.
process.on('SIGTERM', () => process.exit(143));
main().catch((error: unknown) => {
  const { exitCode, words } = failureOf(error);
  process.stderr.write(`${words}\n`);
  process.exitCode = exitCode;
});
