// One trial: an assignment in, Measurements as lines of JSON out, and one result at the end.
// Exit codes: 0 done, 1 may be retried, 2 bad configuration.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../shared/env.ts';
import { decodeAssignment } from '../sweep/assignment.ts';
import { InvalidConfigError, InvalidMessageError } from '../sweep/errors.ts';
import { encodeMeasurement } from '../sweep/measurement.ts';
import { encodeResult } from '../sweep/result.ts';
import { Session } from './session.ts';

const USAGE = 'usage: main.ts --assignment FILE --result FILE [--model FOLDER]';

async function main(): Promise<void> {
  const { assignment: file, result: resultFile, model } = parseArguments();
  const assignment = decodeAssignment(await readFile(file, 'utf8'));
  const session = new Session({
    cacheFolder: readEnvironment().cacheFolder,
    warn: (line) => process.stderr.write(`${line}\n`),
    onProgress: () => undefined,
    onHeartbeat: () => undefined,
    onMeasurement: (measurement) => process.stdout.write(`${encodeMeasurement(measurement)}\n`),
  });
  await writeFile(resultFile, encodeResult(await session.run(assignment, model)));
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

main().catch((error: unknown) => {
  const isFinal = error instanceof InvalidConfigError || error instanceof InvalidMessageError;
  process.stderr.write(`${error instanceof Error ? (isFinal ? error.message : error.stack) : error}\n`);
  process.exitCode = isFinal ? 2 : 1;
});
